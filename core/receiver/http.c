/*
 * http.c: the listening socket, libmicrohttpd and the thread that runs it. libmicrohttpd's own epoll
 * thread stalls when exactly as many connections are ready as it asks for at once, so the loop is ours:
 * wait for its epoll descriptor or for another thread's call, let decided requests go on, let it run,
 * tell the spool thread that a group is complete. What a request means is the routes' business.
 */
#include "receiver/http.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret_file.h"
#include "common/short_slice.h"
#include "receiver/access.h"
#include "receiver/dashboard.h"
#include "receiver/door.h"
#include "receiver/head_layout.h"
#include "receiver/http_handler.h"
#include "receiver/listen.h"
#include "receiver/request.h"
#include "receiver/tls.h"
#include "receiver/webhook.h"

#define DESCRIPTORS_KEPT        64 /* for all but the clients' connections and the workers */
#define DESCRIPTORS_OF_WORKER   2
#define HANG_UP_EVERY_US        1000000

#define ROUND_MAX_MS            1000
#define DRAIN_RECEIVING_MS      1000 /* for requests that a stopping server has a part of */
#define ROUNDS_AFTER_ABANDONING 3
#define ROUNDS_AFTER_FULL       2 /* to close one, and to look at the door again */
#define ROUNDS_AFTER_EVICTING   2 /* to see that it was shut, and to close it */

struct http {
    struct request_shared shared;
    struct MHD_Daemon *daemon; /* the loop's while it runs */
    struct door *door;         /* in force: the loop's while it runs */
    int speaks_tls;
    char address[LISTEN_ADDRESS_SIZE];
    int epoll_fd; /* the daemon's */
    int wake_fd;
    pthread_t loop;
    int started;
    int ended_fd; /* readable when the loop has ended */
    int drain_ms;
    int64_t hang_up_us; /* when to look for clients that are gone */
    int listen_fd;      /* the daemon's */
    int connection_limit;
    int full_rounds;   /* in which libmicrohttpd may not look at its door itself */
    int evict_pause;   /* rounds until it has let go of what was shut */
    int none_to_evict; /* in the last round */
    _Atomic int stop;
    _Atomic(struct door *) next_door; /* NULL: none */
    _Atomic int64_t round_us;         /* when the loop went round last */
};

/* ---- The loop ----------------------------------------------------------------------------------- */

void http_wake(struct http *http)
{
    const uint64_t one = 1;
    while (write(http->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue; /* anything else: it is awake already */
}

int http_prepare_door(const struct http *http, const struct config *config, struct door **out,
                      char *error, size_t error_size)
{
    struct door *door = NULL;
    if (door_open(config, http->address, &door, error, error_size) < 0)
        return -1;
    if ((door->tls != NULL) != http->speaks_tls) {
        snprintf(error, error_size,
                 "tls.certificate_file: TLS can't be turned %s while the server runs; restart it "
                 "for that",
                 http->speaks_tls ? "off" : "on");
        door_free(door);
        return -1;
    }
    if (access_has_secrets(door->access))
        secret_file_hide_process();
    *out = door;
    return 0;
}

void http_set_door(struct http *http, struct door *door)
{
    door_free(atomic_exchange(&http->next_door, door)); /* one that the loop has not seen */
    http_wake(http);
}

/* What is in hand was let in by the former one, and goes on. */
static void take_door(struct http *http)
{
    struct request_shared *shared = &http->shared;
    struct door *former = http->door;
    struct door *next = atomic_exchange(&http->next_door, NULL);
    if (next == NULL)
        return;
    if (!access_has_same_readers(former->access, next->access))
        stream_dismiss(shared->stream);
    http->door = next;
    shared->config = next->config;
    shared->access = next->access;
    tls_use(next->tls);
    access_free(former->access);
    former->access = NULL;
    former->replaced_us = shared->now_us;
    next->before = former;
}

/*
 * A session that shakes hands may be in the middle of it with the certificate that it was given. Once all
 * connections are younger than that certificate's end, or have asked for something since, none is.
 */
static void forget_doors(struct http *http)
{
    struct door **before = &http->door->before;
    const struct connection *oldest = http->shared.connections.oldest;
    while (*before != NULL && oldest != NULL && oldest->since_us <= (*before)->replaced_us)
        before = &(*before)->before;
    door_free(*before);
    *before = NULL;
}

static int round_timeout_ms(struct http *http, int limit_ms)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES &&
        timeout_ms < (MHD_UNSIGNED_LONG_LONG)limit_ms)
        return (int)timeout_ms;
    return limit_ms;
}

static void take_results(struct http *http)
{
    uint64_t count;
    while (read(http->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    webhook_take_decided(spool_thread_take(http->shared.spool));
    dashboard_take_answered(reader_thread_take(http->shared.reader));
}

/*
 * The listening socket while libmicrohttpd does not look at it: at its limit, and until it has run once
 * more below it; else -1.
 */
static int door_to_watch(const struct http *http)
{
    return http->full_rounds > 0 && !http->none_to_evict && !http->shared.stopping ? http->listen_fd
                                                                                   : -1;
}

/*
 * At the limit libmicrohttpd accepts nobody, and connections that are open and say nothing would keep
 * everybody out until they time out. So when somebody knocks, the one that was silent longest goes.
 */
static void make_room(struct http *http, int knocked)
{
    struct request_shared *shared = &http->shared;
    int is_full = shared->connections.count >= http->connection_limit;

    http->full_rounds = is_full ? ROUNDS_AFTER_FULL : http->full_rounds - (http->full_rounds > 0);
    http->evict_pause -= http->evict_pause > 0;
    http->none_to_evict = 0;
    if (!is_full || !knocked || http->evict_pause > 0)
        return;
    if (connections_evict(&shared->connections, shared->now_us) < 0) {
        http->none_to_evict = 1; /* all wait for us: whatever ends that ends the next round */
        return;
    }
    metrics_add(&shared->metrics->connections_evicted, 1);
    http->evict_pause = ROUNDS_AFTER_EVICTING;
}

static void serve_once(struct http *http, int limit_ms)
{
    struct request_shared *shared = &http->shared;
    struct pollfd ready[] = {{.fd = http->epoll_fd, .events = POLLIN},
                             {.fd = http->wake_fd, .events = POLLIN},
                             {.fd = door_to_watch(http), .events = POLLIN}};

    int count = poll(ready, 3, round_timeout_ms(http, limit_ms));
    shared->now_us = clock_mono_us();
    atomic_store_explicit(&http->round_us, shared->now_us, memory_order_relaxed);
    if (count > 0 && ready[1].revents != 0) {
        take_door(http);
        take_results(http);
    }
    MHD_run(http->daemon);
    spool_thread_kick(shared->spool);
    connections_expire(&shared->connections, shared->now_us,
                       (int64_t)shared->config->http.request_timeout_ms * 1000);
    make_room(http, count > 0 && ready[2].revents != 0);
    if (shared->now_us >= http->hang_up_us) {
        connections_hang_up(&shared->connections);
        forget_doors(http);
        http->hang_up_us = shared->now_us + HANG_UP_EVERY_US;
    }
}

/* Lets those go that still wait for another thread; libmicrohttpd can't stop before. */
static void abandon_requests(struct http *http)
{
    int count = 0;
    struct connection *place = http->shared.connections.oldest;

    for (; place != NULL; place = place->newer) {
        if (!place->waiting)
            continue;
        place->request->abandoned = 1;
        request_resume(place->request);
        count++;
    }
    if (count == 0)
        return;
    log_warning("stopping without the answers of the spool or the store",
                log_int("requests", count));
    /* Nothing may be taken from the other threads any more, so not serve_once(). */
    for (int i = 0; i < ROUNDS_AFTER_ABANDONING; i++)
        MHD_run(http->daemon);
}

/* How long a stopping server goes on, in milliseconds; 0: it is done. */
static int drain_left_ms(const struct http *http, int64_t since_us)
{
    const struct request_shared *shared = &http->shared;
    int limit_ms = http->drain_ms;

    if (shared->open == 0)
        return 0;
    if (shared->open == shared->receiving && limit_ms > DRAIN_RECEIVING_MS)
        limit_ms = DRAIN_RECEIVING_MS;
    int64_t left_ms = limit_ms - (clock_mono_us() - since_us) / 1000;
    if (left_ms <= 0)
        return 0;
    return left_ms < ROUND_MAX_MS ? (int)left_ms : ROUND_MAX_MS;
}

/* Whoever waits for the store has waited long enough: their events are in the spool, and they hear so. */
static void answer_unstored(struct http *http)
{
    spool_thread_give_up_waiting(http->shared.spool);
    take_results(http);
    for (int i = 0; i < ROUNDS_AFTER_ABANDONING; i++)
        MHD_run(http->daemon);
}

static void drain(struct http *http)
{
    int64_t since_us = clock_mono_us();
    int listen_fd = MHD_quiesce_daemon(http->daemon);
    int left_ms;

    if (listen_fd >= 0)
        close(listen_fd);
    http->shared.stopping = 1;
    while ((left_ms = drain_left_ms(http, since_us)) > 0)
        serve_once(http, left_ms);
    /* A connection may bring a request even now: suspended, it would keep the daemon from stopping. */
    http->shared.abandoning = 1;
    if (http->shared.open > 0)
        answer_unstored(http);
    abandon_requests(http);
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
}

/* Owns the daemon, its connections and all requests; runs until http_stop(). */
static void *run(void *arg)
{
    struct http *http = arg;
    short_slice_request();
    while (!atomic_load(&http->stop))
        serve_once(http, ROUND_MAX_MS);
    drain(http);
    const uint64_t one = 1;
    while (write(http->ended_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    return NULL;
}

/* ---- Opening and closing ------------------------------------------------------------------------- */

/* One of the answers to an event that is safe; NULL when out of memory. */
static struct MHD_Response *make_acknowledgement(const char *text, int closing)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return NULL;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
        (text[0] == '\0' ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json")) &&
        (!closing || MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close")))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

static int make_acknowledgements(struct request_shared *shared)
{
    for (int closing = 0; closing <= 1; closing++) {
        shared->no_content[closing] = make_acknowledgement("", closing);
        shared->ok[closing] = make_acknowledgement("{\"status\":\"ok\"}", closing);
        if (shared->no_content[closing] == NULL || shared->ok[closing] == NULL)
            return -1;
    }
    return 0;
}

/* As many descriptors as there may be, once their limit is raised as far as it goes. */
static int64_t raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return INT64_MAX;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur < INT64_MAX ? (int64_t)limit.rlim_cur : INT64_MAX;
}

/*
 * Shares them: readers of the stream are no connections of libmicrohttpd any more, and must not take what
 * the spool and the webhook need. Where there are too few, the stream has a quarter.
 */
static void share_descriptors(struct http *http, int wanted)
{
    int64_t shared = raise_descriptors() - DESCRIPTORS_KEPT -
                     (int64_t)DESCRIPTORS_OF_WORKER * http->shared.config->workers;
    int64_t readers = STREAM_READERS_MAX;

    if (shared < DESCRIPTORS_KEPT)
        shared = DESCRIPTORS_KEPT;
    if (readers > shared / 4)
        readers = shared / 4;
    stream_set_limit(http->shared.stream, (int)readers);
    http->connection_limit = wanted;
    if (shared - readers >= wanted)
        return;
    http->connection_limit = (int)(shared - readers);
    log_warning("fewer connections than http.max_connections: raise the limit of open files "
                "(LimitNOFILE)",
                log_int("connections", http->connection_limit), log_int("wanted", wanted));
}

static int start_daemon(struct http *http, int listen_fd)
{
    struct request_shared *shared = &http->shared;
    const struct config *config = shared->config;
    const struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_callback()},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    if (http->speaks_tls)
        flags |= MHD_USE_TLS;
    if (log_enabled(LOG_LEVEL_DEBUG))
        flags |= MHD_USE_ERROR_LOG;
    share_descriptors(http, config->http.max_connections);
    http->listen_fd = listen_fd;
    http->daemon = MHD_start_daemon(
        flags, 0, http_handler_accept, shared, http_handler_request, shared,
        MHD_OPTION_EXTERNAL_LOGGER, http_handler_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)http->connection_limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)config->http.max_header_bytes,
        MHD_OPTION_CONNECTION_TIMEOUT, ((unsigned)config->http.idle_timeout_ms + 999) / 1000,
        MHD_OPTION_URI_LOG_CALLBACK, http_handler_uri, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
        http_handler_keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, http_handler_completed,
        shared, MHD_OPTION_NOTIFY_CONNECTION, http_handler_connection, shared, MHD_OPTION_ARRAY,
        http->speaks_tls ? secure : plain, MHD_OPTION_END);
    if (http->daemon == NULL)
        return -1;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return -1;
    http->epoll_fd = info->epoll_fd;
    return 0;
}

static void notify_loop(void *arg)
{
    http_wake(arg);
}

/* The socket, and who may come in by it: what a socket unit passed, or what the configuration says. */
static int open_door(struct http *http, const struct config *config, int *listen_fd, char *error,
                     size_t error_size)
{
    int inherited = listen_inherit(listen_fd, http->address, error, error_size);
    if (inherited < 0)
        return -1;
    if (door_open(config, inherited ? http->address : config->listen, &http->door, error,
                  error_size) < 0)
        return -1;
    http->shared.access = http->door->access;
    http->speaks_tls = http->door->tls != NULL;
    tls_use(http->door->tls);
    if (access_has_secrets(http->shared.access) || http->speaks_tls)
        secret_file_hide_process();
    if (!inherited)
        *listen_fd = listen_open(config->listen, http->address, error, error_size);
    return *listen_fd < 0 ? -1 : 0;
}

int http_open(const struct http_options *options, struct http **out, char *error, size_t error_size)
{
    int listen_fd = -1;
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    http->shared.config = options->config;
    http->shared.metrics = options->metrics;
    http->shared.supervisor = options->supervisor;
    http->shared.sees_layout = head_layout_is_known();
    http->wake_fd = -1;
    http->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (open_door(http, options->config, &listen_fd, error, error_size) < 0)
        goto failed;
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->shared.reader = reader_thread_new(
        options->config->store.url, options->config->store.password_file, notify_loop, http);
    http->shared.stream =
        stream_new(options->config->store.url, options->config->store.password_file);
    if (http->wake_fd < 0 || http->ended_fd < 0 || http->shared.reader == NULL ||
        http->shared.stream == NULL || make_acknowledgements(&http->shared) < 0 ||
        start_daemon(http, listen_fd) < 0) {
        snprintf(error, error_size, "%s: no memory or descriptors for the HTTP server",
                 http->address);
        goto failed;
    }
    *out = http;
    return 0;

failed:
    if (http->daemon == NULL && listen_fd >= 0)
        close(listen_fd);
    http_free(http);
    return -1;
}

void http_set_spool(struct http *http, struct spool_thread *spool)
{
    http->shared.spool = spool;
}

int http_start(struct http *http)
{
    int code = reader_thread_start(http->shared.reader);
    if (code == 0)
        code = stream_start(http->shared.stream);
    if (code == 0) {
        http->shared.now_us = clock_mono_us();
        atomic_store(&http->round_us, http->shared.now_us);
        code = -pthread_create(&http->loop, NULL, run, http);
    }
    if (code < 0) {
        log_error("can't start the HTTP threads", log_text("error", strerror(-code)));
        stream_stop(http->shared.stream);
        reader_thread_stop(http->shared.reader);
        return -1;
    }
    pthread_setname_np(http->loop, "http");
    http->started = 1;
    return 0;
}

int http_begin_stop(struct http *http, int drain_ms)
{
    if (!atomic_load(&http->stop)) {
        http->drain_ms = drain_ms;
        atomic_store(&http->stop, 1);
        http_wake(http);
    }
    return http->ended_fd;
}

int http_is_alive(const struct http *http, int64_t within_us)
{
    return !http->started || clock_mono_us() - atomic_load(&http->round_us) <= within_us;
}

void http_stop(struct http *http, int drain_ms)
{
    if (http == NULL || !http->started)
        return;
    http_begin_stop(http, drain_ms);
    pthread_join(http->loop, NULL);
    stream_stop(http->shared.stream);
    reader_thread_stop(http->shared.reader);
    http->started = 0;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    struct request_shared *shared = &http->shared;
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    while (shared->orphans != NULL) {
        struct request *next = shared->orphans->next_orphan;
        request_free(shared->orphans);
        shared->orphans = next;
    }
    for (int closing = 0; closing <= 1; closing++) {
        if (shared->no_content[closing] != NULL)
            MHD_destroy_response(shared->no_content[closing]);
        if (shared->ok[closing] != NULL)
            MHD_destroy_response(shared->ok[closing]);
    }
    stream_free(shared->stream);
    reader_thread_free(shared->reader);
    tls_use(NULL);
    door_free(http->next_door);
    door_free(http->door);
    if (http->wake_fd >= 0)
        close(http->wake_fd);
    if (http->ended_fd >= 0)
        close(http->ended_fd);
    free(http);
}

const char *http_address(const struct http *http)
{
    return http->address;
}

const char *http_scheme(const struct http *http)
{
    return http->speaks_tls ? "https" : "http";
}
