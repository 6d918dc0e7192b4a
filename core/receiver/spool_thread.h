/*
 * spool_thread.h: the thread that owns the spool's only writing connection. The HTTP loop hands it
 * events; it commits all that have gathered as one group, then hands them back. The main thread
 * hands it what the workers have done. Nothing else touches the spool.
 */
#ifndef PBXHOOK_SPOOL_THREAD_H
#define PBXHOOK_SPOOL_THREAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/event.h"
#include "common/metrics.h"
#include "spool/spool.h"

#define SPOOL_MAX_WORKERS 64

enum spool_result {
    SPOOL_SAFE,    /* durable: it may be acknowledged                                    */
    SPOOL_FAILED,  /* not stored (disk full, I/O error): 503, try again                  */
    SPOOL_UNSTORED /* in the spool, but not in the store in time, which was asked for: 503 */
};

/* One event on its way through; embedded in the HTTP loop's request, which owns it. */
struct spool_ticket {
    struct event *event; /* the caller's; the thread only reads it and sets its seq */
    enum spool_result result;
    struct spool_ticket *next; /* the thread's while submitted */
    int64_t until_us;          /* the same                     */
};

struct spool_thread_options {
    const char *state_dir;
    int64_t max_bytes; /* config spool.max_bytes */
    int workers;
    int acknowledge_stored; /* a ticket is decided only when the event is in the store, ...     */
    int acknowledge_timeout_ms; /* ... or that has taken so long                               */
    struct metrics_receiver *metrics;
    /* Called on the spool thread: tickets are ready to take; a group was committed. */
    void (*notify_http)(void *arg);
    void (*notify_workers)(void *arg);
    void *http_arg;
    void *workers_arg;
};

struct spool_thread;

/* Opens the spool and starts the thread. On failure -1 and the text in `error`. */
int spool_thread_start(const struct spool_thread_options *options, struct spool_thread **out,
                       char *error, size_t error_size);
/* Commits what was submitted, applies what was reported done, ends the thread. Accepts NULL. */
void spool_thread_stop(struct spool_thread *thread);

/* HTTP loop. 0, or -1 when the spool is at its cap (nothing was taken). Does not wake the thread. */
int spool_thread_submit(struct spool_thread *thread, struct spool_ticket *ticket);
/* HTTP loop, once a round: commit what was submitted since the last kick. Cheap when nothing was. */
void spool_thread_kick(struct spool_thread *thread);
/* HTTP loop: the list of tickets that are decided, oldest first; NULL when none. */
struct spool_ticket *spool_thread_take(struct spool_thread *thread);

/* HTTP loop, when it stops: whoever waits for the store is decided, now and from now on. */
void spool_thread_give_up_waiting(struct spool_thread *thread);

/* Main thread: worker `worker` has handled all its events up to seq. */
void spool_thread_done(struct spool_thread *thread, int worker, int64_t seq);

/* Any thread: as the spool was when it was opened. */
void spool_thread_inherited(const struct spool_thread *thread, struct spool_inheritance *out);

/* Any thread: what is waiting (submitted and not committed counts too); 1 when the last commit failed. */
void spool_thread_depth(struct spool_thread *thread, struct spool_depth *out);
int spool_thread_failing(struct spool_thread *thread);

#endif
