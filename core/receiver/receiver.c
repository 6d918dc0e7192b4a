/*
 * receiver.c: puts the receiver together and takes it apart in reverse. The main thread is the
 * supervisor's; the HTTP loop, its reader and the spool have threads of their own.
 */
#include "receiver/receiver.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/state_dir.h"
#include "receiver/door.h"
#include "receiver/http.h"
#include "receiver/listen.h"
#include "receiver/operator_desk.h"
#include "receiver/reload.h"
#include "receiver/service_notify.h"
#include "receiver/spool_thread.h"
#include "receiver/status.h"
#include "receiver/supervisor.h"

#define DRAIN_MS 5000

/* The HTTP loop goes round once a second at least; so long after the last time it hangs. */
#define HTTP_SILENCE_US (5 * 1000000)

struct receiver {
    const struct config *config;
    int64_t started_us;
    int lock_fd;
    struct metrics_receiver metrics;
    struct service_notify *service;
    struct supervisor *supervisor;
    struct http *http;
    struct spool_thread *spool;
    struct operator_desk *desk;
    struct reload *reload;
    struct door *next_door; /* while a reload is under way; NULL: none */
};

static void notify_http(void *arg)
{
    http_wake(arg);
}

static void notify_workers(void *arg)
{
    supervisor_wake_workers(arg);
}

static int ask_worker(void *arg, enum control_kind kind, int64_t seq, const char *text)
{
    struct receiver *receiver = arg;
    return supervisor_ask_worker(receiver->supervisor, kind, seq, text);
}

static json_t *status(void *arg)
{
    struct receiver *receiver = arg;
    const struct status_sources sources = {.config = receiver->config,
                                           .started_us = receiver->started_us,
                                           .address = http_address(receiver->http),
                                           .metrics = &receiver->metrics,
                                           .supervisor = receiver->supervisor,
                                           .spool = receiver->spool};
    return status_make(&sources);
}

static int64_t ask_reload(void *arg)
{
    struct receiver *receiver = arg;
    service_notify_reloading(receiver->service);
    return reload_ask(receiver->reload);
}

/* Before anything is changed: what a reload would open. */
static int prepare_door(void *arg, const struct config *config, char *error, size_t error_size)
{
    struct receiver *receiver = arg;
    return http_prepare_door(receiver->http, config, &receiver->next_door, error, error_size);
}

/* What the workers have is the receiver's from here on. */
static void adopt_config(void *arg, const struct config *config)
{
    struct receiver *receiver = arg;
    receiver->config = config;
    log_set_level(config->log.level);
    http_set_door(receiver->http, receiver->next_door);
    receiver->next_door = NULL;
}

static void note_reloaded(void *arg, int64_t number, const char *error)
{
    struct receiver *receiver = arg;
    door_free(receiver->next_door);
    receiver->next_door = NULL;
    operator_desk_reloaded(receiver->desk, number, error);
    service_notify_ready(receiver->service,
                         error == NULL ? "Reloaded" : "Not reloaded: the log says why");
}

static int is_alive(void *arg)
{
    return http_is_alive(arg, HTTP_SILENCE_US);
}

/* All signals that the supervisor reads from its descriptor stay blocked in every thread. */
static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGCHLD, SIG_DFL); /* ignored, as a parent may leave it, no death of a worker is told */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk, not an end */
}

/* Binds and opens everything that can refuse; nothing is accepted yet. */
static int open_parts(struct receiver *receiver, const struct config *config,
                      const char *config_path, char *error, size_t error_size)
{
    receiver->lock_fd = state_dir_lock(config->state_dir, error, error_size);
    if (receiver->lock_fd < 0)
        return -1;
    receiver->supervisor = supervisor_new(config, &receiver->metrics);
    if (receiver->supervisor == NULL) {
        snprintf(error, error_size, "can't prepare the workers");
        return -1;
    }
    struct http_options http = {
        .config = config, .metrics = &receiver->metrics, .supervisor = receiver->supervisor};
    if (http_open(&http, &receiver->http, error, error_size) < 0)
        return -1;
    struct spool_thread_options spool = {.state_dir = config->state_dir,
                                         .max_bytes = config->spool.max_bytes,
                                         .workers = config->workers,
                                         .acknowledge_stored = config->webhook.acknowledge_stored,
                                         .acknowledge_timeout_ms =
                                             config->webhook.acknowledge_timeout_ms,
                                         .metrics = &receiver->metrics,
                                         .notify_http = notify_http,
                                         .notify_workers = notify_workers,
                                         .http_arg = receiver->http,
                                         .workers_arg = receiver->supervisor};
    if (spool_thread_start(&spool, &receiver->spool, error, error_size) < 0)
        return -1;
    http_set_spool(receiver->http, receiver->spool);
    supervisor_set_spool(receiver->supervisor, receiver->spool);
    struct operator_desk_options desk = {.state_dir = config->state_dir,
                                         .ask_worker = ask_worker,
                                         .status = status,
                                         .reload = ask_reload,
                                         .arg = receiver};
    if (operator_desk_open(&desk, &receiver->desk, error, error_size) < 0)
        return -1;
    supervisor_set_desk(receiver->supervisor, receiver->desk);
    struct reload_options reload = {.config = config,
                                    .config_path = config_path,
                                    .supervisor = receiver->supervisor,
                                    .prepare = prepare_door,
                                    .adopt = adopt_config,
                                    .done = note_reloaded,
                                    .arg = receiver};
    receiver->reload = reload_new(&reload);
    if (receiver->reload == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    supervisor_set_reload(receiver->supervisor, receiver->reload);
    supervisor_set_service(receiver->supervisor, receiver->service);
    return 0;
}

static void tell_ready(struct receiver *receiver)
{
    char text[sizeof "Listening on " + LISTEN_ADDRESS_SIZE];
    snprintf(text, sizeof text, "Listening on %s", http_address(receiver->http));
    service_notify_watch(receiver->service, is_alive, receiver->http);
    service_notify_ready(receiver->service, text);
}

/*
 * The workers first: requests are answered only when the plugins are known to load. What an earlier
 * run left in the spool is being handled by then.
 */
static int run(struct receiver *receiver)
{
    service_notify_status(receiver->service, "Starting the workers");
    int started = supervisor_start(receiver->supervisor);
    if (started != 0)
        return started < 0 ? -1 : 0;
    if (http_start(receiver->http) < 0)
        return -1;
    log_info("listening", log_text("address", http_address(receiver->http)),
             log_text("scheme", http_scheme(receiver->http)));
    tell_ready(receiver);
    supervisor_run(receiver->supervisor);
    service_notify_stopping(receiver->service);
    operator_desk_quiesce(receiver->desk);
    /* The workers go on meanwhile: a request may wait for what they report. */
    supervisor_serve_until(receiver->supervisor, http_begin_stop(receiver->http, DRAIN_MS));
    http_stop(receiver->http, DRAIN_MS);
    return 0;
}

int receiver_check(const struct config *config, char *error, size_t error_size)
{
    struct door *door = NULL;

    if (door_open(config, config->listen, &door, error, error_size) < 0)
        return -1;
    door_free(door);
    return 0;
}

int receiver_serve(const struct config *config, const char *config_path)
{
    char error[1024] = "";
    int result = -1;
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL) {
        log_error("out of memory");
        return 1;
    }
    receiver->config = config;
    receiver->started_us = clock_mono_us();
    receiver->lock_fd = -1;
    receiver->service = service_notify_open();
    umask(077); /* what is kept here is for this user alone */
    block_signals();

    if (open_parts(receiver, config, config_path, error, sizeof error) == 0)
        result = run(receiver);
    else
        log_error("can't start", log_text("error", error));

    /* The workers' last reports still go to the spool thread, so it ends after them. */
    if (receiver->supervisor != NULL)
        supervisor_stop(receiver->supervisor);
    operator_desk_close(receiver->desk);
    door_free(receiver->next_door);
    spool_thread_stop(receiver->spool);
    http_free(receiver->http);
    supervisor_free(receiver->supervisor);
    reload_free(receiver->reload);
    service_notify_free(receiver->service);
    if (receiver->lock_fd >= 0)
        close(receiver->lock_fd);
    free(receiver);
    if (result == 0)
        log_info("stopped");
    return result == 0 ? 0 : 1;
}
