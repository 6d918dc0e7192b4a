/*
 * supervisor.c: the receiver's main loop: signals, workers' messages, workers' deaths. What other
 * threads ask (ready, event types, a wake-up) is behind one lock.
 */
#include "receiver/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control.h"
#include "common/event.h"
#include "common/event_pattern.h"
#include "common/log.h"
#include "receiver/operator_desk.h"
#include "receiver/plugin_crashes.h"
#include "receiver/reload.h"
#include "receiver/service_notify.h"
#include "receiver/spool_thread.h"
#include "receiver/worker_process.h"

#define STOP_LOOK_US 100000
/* At workers that open or leave and at a reload's check, which have limits of their own. */
#define LIMIT_LOOK_US 1000000

#define START_DEATHS  3 /* so often a worker may die while the server starts */

enum ending { RUNNING, STOPPED_BY_SIGNAL, WORKER_REFUSED };

struct supervisor {
    const struct config *config;
    struct metrics_receiver *metrics;
    struct spool_thread *spool;
    struct operator_desk *desk;
    struct reload *reload;
    struct service_notify *service;
    int signal_fd;
    int until_fd; /* what supervisor_serve_until() waits for; -1: nothing */
    enum ending ending;
    int starting; /* a worker that refuses now ends the start */
    int stopping; /* dead workers stay dead                   */
    int lenient; /* the server serves, and workers have been ready with this configuration: see life.h */
    int count;
    struct worker_process worker[SPOOL_MAX_WORKERS];
    struct metrics_worker *page[SPOOL_MAX_WORKERS];
    struct plugin_crashes_list crashes;
    int can_not_start;              /* one of the workers, since they were replaced */
    char reason[256];               /* why                                          */
    struct control_message message; /* the main thread's, too large for its stack */

    pthread_mutex_t lock; /* worker[].control_fd and .ready when they change, and types */
    char *types;          /* of the last worker that got ready; "" before */
};

struct supervisor *supervisor_new(const struct config *config, struct metrics_receiver *metrics)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return NULL;
    supervisor->config = config;
    supervisor->metrics = metrics;
    supervisor->signal_fd = -1;
    supervisor->until_fd = -1;
    pthread_mutex_init(&supervisor->lock, NULL);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    supervisor->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int code = supervisor->signal_fd < 0 ? -errno : 0;
    for (int i = 0; i < config->workers && code == 0; i++) {
        code = worker_process_init(&supervisor->worker[i], i);
        supervisor->page[i] = supervisor->worker[i].page;
        supervisor->count = i + 1;
    }
    if (code < 0) {
        log_error("can't prepare the workers", log_text("error", strerror(-code)));
        supervisor_free(supervisor);
        return NULL;
    }
    return supervisor;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    for (int i = 0; i < supervisor->count; i++)
        worker_process_clear(&supervisor->worker[i]);
    if (supervisor->signal_fd >= 0)
        close(supervisor->signal_fd);
    pthread_mutex_destroy(&supervisor->lock);
    free(supervisor->types);
    free(supervisor);
}

void supervisor_set_spool(struct supervisor *supervisor, struct spool_thread *spool)
{
    supervisor->spool = spool;
}

void supervisor_set_desk(struct supervisor *supervisor, struct operator_desk *desk)
{
    supervisor->desk = desk;
}

void supervisor_set_reload(struct supervisor *supervisor, struct reload *reload)
{
    supervisor->reload = reload;
}

int supervisor_ask_worker(struct supervisor *supervisor, enum control_kind kind, int64_t seq,
                          const char *text)
{
    const struct worker_process *worker = &supervisor->worker[0];
    return worker->ready ? control_send(worker->control_fd, kind, seq, text) : -ENOTCONN;
}

int supervisor_worker(const struct supervisor *supervisor, int index, struct supervisor_worker *out)
{
    if (index >= supervisor->count)
        return 0;
    const struct worker_process *worker = &supervisor->worker[index];
    *out = (struct supervisor_worker){
        .pid = worker->pid, .ready = worker->ready, .restarts = worker->restarts};
    return 1;
}

void supervisor_set_service(struct supervisor *supervisor, struct service_notify *service)
{
    supervisor->service = service;
}

/* ---- Asked by other threads -------------------------------------------------------------------- */

void supervisor_wake_workers(struct supervisor *supervisor)
{
    pthread_mutex_lock(&supervisor->lock);
    for (int i = 0; i < supervisor->count; i++) {
        /* A full socket means that the worker has wake-ups to read; a dead one reads the spool when
         * it starts. Both need no more. The send never blocks. */
        if (supervisor->worker[i].ready)
            (void)control_send(supervisor->worker[i].control_fd, CONTROL_WAKE, 0, NULL);
    }
    pthread_mutex_unlock(&supervisor->lock);
}

int supervisor_ready(const struct supervisor *supervisor)
{
    struct supervisor *own = (struct supervisor *)supervisor; /* its lock is no part of its state */
    int ready = 0;
    pthread_mutex_lock(&own->lock);
    for (int i = 0; i < own->count; i++)
        ready += own->worker[i].ready;
    pthread_mutex_unlock(&own->lock);
    return ready;
}

int supervisor_takes(struct supervisor *supervisor, const char *type)
{
    int takes = 0;
    pthread_mutex_lock(&supervisor->lock);
    const char *line = supervisor->types != NULL ? supervisor->types : "";
    while (*line != '\0' && !takes) {
        size_t length = strcspn(line, "\n");
        char pattern[EVENT_MAX_FIELD + 1];
        if (length < sizeof pattern) {
            memcpy(pattern, line, length);
            pattern[length] = '\0';
            takes = event_pattern_matches(pattern, type);
        }
        line += length + (line[length] == '\n');
    }
    pthread_mutex_unlock(&supervisor->lock);
    return takes;
}

struct metrics_worker *const *supervisor_pages(const struct supervisor *supervisor, int *count)
{
    *count = supervisor->count;
    return supervisor->page;
}

/* ---- The main thread ---------------------------------------------------------------------------- */

static void start_worker(struct supervisor *supervisor, struct worker_process *worker)
{
    /* Without the lock: nobody else looks at a worker that is not ready. */
    worker->page->life.is_lenient = supervisor->lenient;
    int code = worker_process_start(worker, supervisor->config);
    if (code < 0) {
        log_error("can't start a worker, trying again in a second",
                  log_int("worker", worker->index), log_text("error", strerror(-code)));
        worker->restart_us = clock_mono_us() + 1000000;
    }
}

static void note_ready(struct supervisor *supervisor, struct worker_process *worker)
{
    char *types = strdup(supervisor->message.text);
    pthread_mutex_lock(&supervisor->lock);
    worker->ready = 1;
    if (types != NULL) {
        free(supervisor->types);
        supervisor->types = types;
    }
    pthread_mutex_unlock(&supervisor->lock);
    /* What was committed since it looked at the spool: nobody has told it. */
    (void)control_send(worker->control_fd, CONTROL_WAKE, 0, NULL);
    log_info("worker ready", log_int("worker", worker->index), log_int("worker_pid", worker->pid));
}

/* The first reason stands: what follows from it says less. */
static void note_failed_start(struct supervisor *supervisor, const char *reason)
{
    if (!supervisor->can_not_start)
        snprintf(supervisor->reason, sizeof supervisor->reason, "%.255s", reason);
    supervisor->can_not_start = 1;
}

static void take_message(struct supervisor *supervisor, struct worker_process *worker)
{
    const struct control_message *message = &supervisor->message;
    switch (message->kind) {
    case CONTROL_READY:
        note_ready(supervisor, worker);
        break;
    case CONTROL_DONE:
        if (supervisor->spool != NULL)
            spool_thread_done(supervisor->spool, worker->index, message->seq);
        break;
    case CONTROL_PROGRESS:
    case CONTROL_PART:
    case CONTROL_REPLY:
        if (supervisor->desk != NULL && worker->index == 0)
            operator_desk_take(supervisor->desk, message);
        break;
    case CONTROL_REFUSED:
        log_error("worker can't start", log_text("reason", message->text));
        note_failed_start(supervisor, message->text);
        if (supervisor->starting)
            supervisor->ending = WORKER_REFUSED;
        break;
    default:
        log_warning("worker sent an unknown message", log_int("kind", message->kind));
        break;
    }
}

/* Reads all that a worker has sent. Its end of file needs nothing: SIGCHLD tells the rest. */
static void read_worker(struct supervisor *supervisor, struct worker_process *worker)
{
    while (control_receive(worker->control_fd, &supervisor->message) == 1)
        take_message(supervisor, worker);
}

/* A plugin that goes on like this is not called for a while, so that the others' events get on. */
static void park_plugin(struct supervisor *supervisor, const struct worker_end *end,
                        int64_t park_us, int64_t until_us)
{
    log_error("plugin takes its workers down again and again: parked, its events wait in the store",
              log_text("plugin", end->plugin),
              log_int("deaths", (int64_t)plugin_crashes_deaths(&supervisor->crashes, end->plugin)),
              log_text("last_reason", end->reason), log_int("parked_s", park_us / 1000000));
    for (int i = 0; i < supervisor->count; i++) {
        struct metrics_plugin *slot = metrics_plugin_named(supervisor->page[i], end->plugin);
        if (slot != NULL)
            atomic_store(&slot->parked_until_us, until_us);
    }
}

static void note_crash(struct supervisor *supervisor, struct metrics_worker *page,
                       const struct worker_end *end, int was_ready)
{
    int64_t now_us = clock_mono_us();
    struct metrics_plugin *slot = metrics_plugin_named(page, end->plugin);
    if (!end->in_plugin || slot == NULL)
        return;
    metrics_add(&slot->crashes, 1);
    /* A download's event, which has strikes of its own; or its open(), and the server does not start. */
    if (end->event_seq == 0 && (was_ready || supervisor->starting))
        return;
    int64_t park_us =
        plugin_crashes_note(&supervisor->crashes, end->plugin, end->event_seq, now_us);
    if (park_us > 0)
        park_plugin(supervisor, end, park_us, now_us + park_us);
}

/* A plugin that does not survive its open(), or does not come back, will not the next time either. */
static void note_death_at_start(struct supervisor *supervisor, const struct worker_process *worker,
                                const struct worker_end *end)
{
    char reason[2 * sizeof supervisor->reason];
    if (end->in_plugin) {
        snprintf(reason, sizeof reason, "the plugin \"%s\" in its open(): %s", end->plugin,
                 end->reason);
        note_failed_start(supervisor, reason);
    } else if (end->loading[0] != '\0') {
        snprintf(reason, sizeof reason, "while it loaded %s: %s", end->loading, end->reason);
        note_failed_start(supervisor, reason);
    } else if (worker->early_deaths >= START_DEATHS) {
        note_failed_start(supervisor, "the worker dies each time it starts: is it a plugin?");
    }
}

static void reap_workers(struct supervisor *supervisor)
{
    for (int i = 0; i < supervisor->count; i++) {
        struct worker_process *worker = &supervisor->worker[i];
        int status = 0;
        /* One that is nobody's child any more has ended too; how, nobody knows. */
        if (worker->pid == 0 || waitpid(worker->pid, &status, WNOHANG) == 0)
            continue;
        read_worker(supervisor, worker); /* its last words: DONE, REFUSED */
        struct worker_end end;
        int was_ready = worker->ready, was_dismissed = worker->leaving;
        pthread_mutex_lock(&supervisor->lock);
        worker_process_ended(worker, status, &end);
        pthread_mutex_unlock(&supervisor->lock);
        note_crash(supervisor, worker->page, &end, was_ready);
        if (supervisor->desk != NULL && worker->index == 0)
            operator_desk_worker_gone(supervisor->desk);
        if (supervisor->starting && !was_ready && worker->early_deaths >= START_DEATHS) {
            log_error("worker dies each time it starts, giving up: is it a plugin?",
                      log_int("worker", worker->index), log_text("plugin", end.plugin),
                      log_text("loading", end.loading));
            supervisor->ending = WORKER_REFUSED;
        }
        if (!was_ready && !was_dismissed)
            note_death_at_start(supervisor, worker, &end);
        if (!was_dismissed && !supervisor->starting) {
            worker->restarts++;
            metrics_add(&supervisor->metrics->worker_restarts, 1);
        }
    }
}

static void start_due_workers(struct supervisor *supervisor)
{
    int64_t now_us = clock_mono_us();
    for (int i = 0; i < supervisor->count && !supervisor->stopping; i++) {
        struct worker_process *worker = &supervisor->worker[i];
        if (worker->pid == 0 && worker->restart_us <= now_us)
            start_worker(supervisor, worker);
    }
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD || supervisor->ending != RUNNING)
            continue;
        if (info.ssi_signo == SIGHUP) {
            if (supervisor->reload != NULL) {
                service_notify_reloading(supervisor->service);
                reload_ask(supervisor->reload);
            }
            continue;
        }
        supervisor->ending = STOPPED_BY_SIGNAL;
        log_info("stopping", log_text("signal", strsignal((int)info.ssi_signo)));
    }
}

/* A mended plugin begins anew. */
static void forgive_plugins(struct supervisor *supervisor)
{
    supervisor->crashes = (struct plugin_crashes_list){.count = 0};
    for (int i = 0; i < supervisor->count; i++) {
        for (uint32_t number = 1; number <= METRICS_PLUGINS; number++) {
            struct metrics_plugin *slot = metrics_plugin_numbered(supervisor->page[i], number);
            if (slot != NULL)
                atomic_store(&slot->parked_until_us, 0);
        }
    }
}

static void dismiss_workers(struct supervisor *supervisor)
{
    for (int i = 0; i < supervisor->count; i++) {
        struct worker_process *worker = &supervisor->worker[i];
        worker->early_deaths = 0;
        worker->restart_us = 0;
        worker_process_dismiss(worker);
    }
}

void supervisor_replace_workers(struct supervisor *supervisor, const struct config *config)
{
    supervisor->config = config;
    supervisor->can_not_start = 0;
    supervisor->lenient = 0;
    forgive_plugins(supervisor);
    dismiss_workers(supervisor);
}

/* A plugin that took a new worker down in open() stays parked. */
void supervisor_bring_back_workers(struct supervisor *supervisor, const struct config *config)
{
    supervisor->config = config;
    supervisor->lenient = 1;
    dismiss_workers(supervisor);
}

int supervisor_replaced(struct supervisor *supervisor, char *error, size_t error_size)
{
    if (supervisor->can_not_start) {
        snprintf(error, error_size, "a worker can't start: %s", supervisor->reason);
        return -1;
    }
    for (int i = 0; i < supervisor->count; i++) {
        if (!supervisor->worker[i].ready || supervisor->worker[i].leaving)
            return 0;
    }
    supervisor->lenient = 1;
    return 1;
}

static void check_handlers(struct supervisor *supervisor)
{
    for (int i = 0; i < supervisor->count; i++)
        worker_process_check(&supervisor->worker[i], supervisor->config->handler_timeout_ms);
}

/* Whether something is under way that has a limit other than the handlers'. */
static int has_limit(const struct supervisor *supervisor)
{
    for (int i = 0; i < supervisor->count; i++) {
        const struct worker_process *worker = &supervisor->worker[i];
        if (worker->pid != 0 && (!worker->ready || worker->leaving))
            return 1;
    }
    return supervisor->reload != NULL && reload_is_under_way(supervisor->reload);
}

/* How long to sleep: until the next dead worker is due or a limit is looked at, at most limit_us (-1: no
 * limit). */
static int poll_timeout_ms(const struct supervisor *supervisor, int64_t limit_us)
{
    int64_t wait_us = (int64_t)supervisor->config->handler_timeout_ms * 1000 / 4 + 1000;
    if (has_limit(supervisor) && wait_us > LIMIT_LOOK_US)
        wait_us = LIMIT_LOOK_US;
    if (limit_us >= 0 && limit_us < wait_us)
        wait_us = limit_us;
    if (supervisor->desk != NULL)
        wait_us = operator_desk_wait_us(supervisor->desk, wait_us);
    wait_us = service_notify_wait_us(supervisor->service, wait_us);
    for (int i = 0; i < supervisor->count && !supervisor->stopping; i++) {
        const struct worker_process *worker = &supervisor->worker[i];
        if (worker->pid != 0)
            continue;
        int64_t due_us = worker->restart_us - clock_mono_us();
        due_us = due_us < 0 ? 0 : due_us;
        if (due_us < wait_us)
            wait_us = due_us;
    }
    return (int)(wait_us / 1000 + 1);
}

/* One round: waits for a signal or a message, and serves what is there. */
static void serve_once(struct supervisor *supervisor, int64_t limit_us)
{
    struct pollfd ready[SPOOL_MAX_WORKERS + 2 + OPERATOR_DESK_FDS];
    struct worker_process *owner[SPOOL_MAX_WORKERS + 1];
    nfds_t count = 0;
    ready[count++] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
    for (int i = 0; i < supervisor->count; i++) {
        if (supervisor->worker[i].control_fd < 0)
            continue;
        owner[count] = &supervisor->worker[i];
        ready[count++] = (struct pollfd){.fd = supervisor->worker[i].control_fd, .events = POLLIN};
    }
    nfds_t polled = count;
    ready[polled++] = (struct pollfd){.fd = supervisor->until_fd, .events = POLLIN};
    struct pollfd *desk = &ready[polled];
    if (supervisor->desk != NULL) {
        operator_desk_prepare(supervisor->desk, desk);
        polled += OPERATOR_DESK_FDS;
    }
    if (poll(ready, polled, poll_timeout_ms(supervisor, limit_us)) < 0 && errno != EINTR) {
        log_error("poll failed, trying again in a second", log_text("error", strerror(errno)));
        sleep(1); /* it says so at once, each time */
        return;
    }
    for (nfds_t i = 1; i < count; i++) {
        if (ready[i].revents & POLLIN)
            read_worker(supervisor, owner[i]);
    }
    if (ready[0].revents & POLLIN)
        read_signals(supervisor);
    /* Every round, not only on SIGCHLD: a closed socket wakes the poll before the signal is there. */
    reap_workers(supervisor);
    check_handlers(supervisor);
    if (supervisor->desk != NULL)
        operator_desk_serve(supervisor->desk, desk);
    /* While the server starts a reload waits: its workers are not there to be replaced. */
    if (supervisor->reload != NULL && supervisor->ending == RUNNING && !supervisor->starting)
        reload_serve(supervisor->reload);
    service_notify_serve(supervisor->service);
}

int supervisor_start(struct supervisor *supervisor)
{
    struct spool_inheritance inherited = {.newest = 0};
    if (supervisor->spool != NULL)
        spool_thread_inherited(supervisor->spool, &inherited);
    supervisor->starting = 1;
    for (int i = 0; i < supervisor->count; i++) {
        /* How the former runs ended nobody knows: some of these may have been the reason. */
        struct life *life = &supervisor->page[i]->life;
        life->doubt_until = inherited.newest;
        life->suspect_until = inherited.failed_runs > 0 ? inherited.newest : 0;
        start_worker(supervisor, &supervisor->worker[i]);
    }
    while (supervisor->ending == RUNNING && supervisor_ready(supervisor) < supervisor->count) {
        serve_once(supervisor, -1);
        if (supervisor->ending == RUNNING)
            start_due_workers(supervisor);
    }
    supervisor->starting = 0;
    supervisor->lenient = 1;
    if (supervisor->ending == WORKER_REFUSED)
        return -1;
    return supervisor->ending == STOPPED_BY_SIGNAL ? 1 : 0;
}

void supervisor_run(struct supervisor *supervisor)
{
    while (supervisor->ending == RUNNING) {
        serve_once(supervisor, -1);
        if (supervisor->ending == RUNNING)
            start_due_workers(supervisor);
    }
}

void supervisor_serve_until(struct supervisor *supervisor, int fd)
{
    struct pollfd until = {.fd = fd, .events = POLLIN};
    supervisor->until_fd = fd;
    while (poll(&until, 1, 0) != 1) {
        serve_once(supervisor, -1);
        start_due_workers(supervisor);
    }
    supervisor->until_fd = -1;
}

static int running_workers(const struct supervisor *supervisor)
{
    int running = 0;
    for (int i = 0; i < supervisor->count; i++)
        running += supervisor->worker[i].pid != 0;
    return running;
}

void supervisor_stop(struct supervisor *supervisor)
{
    supervisor->stopping = 1;
    for (int i = 0; i < supervisor->count; i++)
        worker_process_dismiss(&supervisor->worker[i]);
    /* Those that do not leave in time are killed on the way. */
    while (running_workers(supervisor) > 0)
        serve_once(supervisor, STOP_LOOK_US);
}
