/*
 * http.h: the receiver's HTTP side: one thread that runs libmicrohttpd with an external epoll loop,
 * the routes, and the store's reader thread behind the dashboard's. It never blocks on the disk.
 */
#ifndef PBXHOOK_HTTP_H
#define PBXHOOK_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/metrics.h"

struct door;
struct http;
struct spool_thread;
struct supervisor;

struct http_options {
    const struct config *config;
    struct metrics_receiver *metrics;
    struct supervisor *supervisor;
};

/*
 * Binds the address (`listen`), makes the loop and the reader thread's job queue; nothing is accepted
 * yet. On failure -1 and `error` says what to do ("127.0.0.1:3000: Address already in use; ...").
 */
int http_open(const struct http_options *options, struct http **out, char *error,
              size_t error_size);

/* Where the events go; before http_start(). */
void http_set_spool(struct http *http, struct spool_thread *spool);

/* Starts the threads: from here on requests are answered. 0, or -1 (logged). */
int http_start(struct http *http);

/*
 * Stops accepting, lets what is in flight be answered (up to drain_ms), ends the threads. The spool
 * thread must still run. What it has not decided by then is answered 503 and stays its own: so
 * http_free() after spool_thread_stop(). Both accept NULL, and http_free() one that never started.
 */
void http_stop(struct http *http, int drain_ms);
/* The first half of it, which does not wait: the descriptor, the HTTP side's own, gets readable when
 * http_stop() will not wait either. Started ones only. */
int http_begin_stop(struct http *http, int drain_ms);
void http_free(struct http *http);

/*
 * [main thread] Reads what a reload changes of who comes in: secrets, address lists, certificate and key. Nothing
 * is in force yet. 0 and *out, for http_set_door() or door_free(); or -1 and `error` says which file and why.
 */
int http_prepare_door(const struct http *http, const struct config *config, struct door **out,
                      char *error, size_t error_size);
/*
 * [any thread] Takes the door: requests are judged by it and its configuration from the loop's next round on, and
 * sessions that begin get its certificate. The former configuration is looked at for a round at most.
 */
void http_set_door(struct http *http, struct door *door);

/* [any thread] Makes the loop look at its queues (decided tickets, answered reads). */
void http_wake(struct http *http);

/* [main thread] 1 unless the loop runs and has not gone round for `within_us`. */
int http_is_alive(const struct http *http, int64_t within_us);

/* "127.0.0.1:3000", with the real port when 0 was asked for. Borrowed until http_free(). */
const char *http_address(const struct http *http);

/* "http" or "https"; a constant. */
const char *http_scheme(const struct http *http);

#endif
