/*
 * worker.c: the life of a worker process: opens its parts, tells the receiver that it is ready, then
 * runs batches until it is told to stop or its receiver is gone. One thread; the outbox has another.
 */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/control.h"
#include "common/log.h"
#include "common/short_slice.h"
#include "http/courier.h"
#include "spool/spool.h"
#include "worker/batch.h"
#include "worker/chores.h"
#include "worker/memory_limit.h"
#include "worker/suspects.h"

/* Where both want a core, the receiver gets more of it: an acknowledgement waits for nobody's handler. */
#define RECEIVER_FIRST     5

#define STORE_LOCK_WAIT_MS 30000
#define LEASE_MARGIN_MS                                                                            \
    30000 /* from an attempt's end to its being written down, outages included */
#define OWNER_SIZE        128
#define COURIER_DRAIN_MS  1000
#define OUTBOX_DRAIN_MS   1000
#define FIRST_RETRY_MS    100
#define LONGEST_RETRY_MS  5000
#define LOG_AGAIN_US      (600LL * 1000000)
#define MOST_COLLISIONS   20 /* in a row: then it is told as a failure */
#define COLLISION_STEP_MS 10
#define LONGEST_DUE_MS    (60 * 60 * 1000)
#define IDLE_POLL_MS      1000 /* a lost wake-up costs no more than this */

struct worker {
    int index;
    struct config *config;
    struct spool_reader *spool;
    struct batch_parts parts;
    struct suspects suspects;
    struct batch batch;
    struct operation_parts chore_parts;
    struct chores *chores;
    int courier_failed;      /* the last time                                 */
    struct courier *courier; /* NULL: no target is configured */
    struct control_message message;
    int64_t after;    /* the last seq that was read from the spool        */
    int64_t reported; /* the last seq that the receiver was told of       */
    int stopping;
    int failures;        /* of the store or the spool, in a row             */
    int collisions;      /* with other transactions, in a row               */
    char failure[256];   /* the last one's cause, as it was logged          */
    int failure_is_away; /* that one's: the database was not to be reached  */
    int64_t failure_logged_us;
    struct memory_limit memory;
};

static volatile sig_atomic_t terminated;

static void on_terminate(int number)
{
    (void)number;
    terminated = 1;
}

/* A receiver that stops tells so on the socket; SIGTERM says the same. SIGINT is the terminal's, for
 * the receiver. */
static void set_signals(void)
{
    struct sigaction action = {.sa_handler = on_terminate};
    sigaction(SIGTERM, &action, NULL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk, not an end */
}

/* Who claims things in the store: the same for this worker's next life. */
static void name_owner(const struct worker *worker, char owner[OWNER_SIZE])
{
    snprintf(owner, OWNER_SIZE, "%s/%d", spool_reader_instance(worker->spool), worker->index);
}

/* Reads what the receiver said, without waiting. */
static void read_control(struct worker *worker)
{
    int got;
    while ((got = control_receive(CONTROL_FD, &worker->message)) == 1) {
        if (worker->message.kind == CONTROL_STOP)
            worker->stopping = 1;
        else if (worker->chores != NULL) /* else it is not ready, and nothing is asked of it */
            chores_take(worker->chores, &worker->message);
    }
    if (got == 0 || (got < 0 && got != -EAGAIN) || terminated)
        worker->stopping = 1; /* an orphan finishes its batch and leaves */
}

/* A database that is away gives a new reason with each stage of its restart, and is one cause. */
static int is_same_cause(const struct worker *worker, const char *cause, int is_away)
{
    return is_away ? worker->failure_is_away
                   : strncmp(worker->failure, cause, sizeof worker->failure - 1) == 0;
}

/* Logs a failure when it begins, when its cause changes, and every ten minutes while it lasts. */
static void log_failure(struct worker *worker, const char *line, const char *cause, int is_away)
{
    int64_t now_us = clock_mono_us();
    if (is_same_cause(worker, cause, is_away) && now_us - worker->failure_logged_us < LOG_AGAIN_US)
        return;
    log_error(line, log_text("error", cause));
    snprintf(worker->failure, sizeof worker->failure, "%s", cause);
    worker->failure_is_away = is_away;
    worker->failure_logged_us = now_us;
}

/* Waits longer with each failure in a row, but never past a word of the receiver. */
static void wait_after_failure(struct worker *worker)
{
    int delay_ms = FIRST_RETRY_MS;
    for (int i = 0; i < worker->failures && delay_ms < LONGEST_RETRY_MS; i++)
        delay_ms *= 2;
    worker->failures++;
    int64_t until_us = clock_mono_us() + (int64_t)delay_ms * 1000;
    while (!worker->stopping && clock_mono_us() < until_us) {
        poll(NULL, 0, FIRST_RETRY_MS);
        read_control(worker);
    }
}

static void note_success(struct worker *worker)
{
    if (worker->failures == 0)
        return;
    log_info("works again", log_int("failures", worker->failures));
    worker->failures = 0;
    worker->failure[0] = '\0';
    worker->failure_is_away = 0;
}

/* While the server serves, a worker waits for a database that is away as it would if it had been there before. */
static int await_store(struct worker *worker, const struct store_options *options, char *error,
                       size_t error_size)
{
    while (store_open(options, &worker->parts.store, error, error_size) < 0) {
        if (!worker->parts.metrics->life.is_lenient || worker->stopping)
            return -1;
        log_failure(worker, "store failed, trying again until it works; events wait in the spool",
                    error, 1);
        wait_after_failure(worker);
    }
    note_success(worker);
    return 0;
}

/* Who follows a call in the log finds how its action ended. */
static void tell_abandoned(const struct worker *worker, const struct store_action *actions,
                           int count)
{
    if (count == 0)
        return;
    metrics_add(&worker->parts.metrics->actions[METRICS_ACTION_UNKNOWN], (uint64_t)count);
    log_warning("actions were on their way when the last worker ended; not sent again",
                log_int("count", count));
    for (int i = 0; i < count; i++)
        log_warning("action", log_text("call_id", actions[i].call_id),
                    log_int("action", actions[i].id), log_text("outcome", "unknown"),
                    log_int("attempt", actions[i].attempts),
                    log_text("detail", "its worker ended before it knew; not sent again"));
}

static int open_store(struct worker *worker, char *error, size_t error_size)
{
    const struct config *config = worker->config;
    const char *spool = spool_reader_instance(worker->spool);
    char owner[OWNER_SIZE];
    name_owner(worker, owner);
    const struct store_options options = {.url = config->store.url,
                                          .mode = STORE_WRITE,
                                          .lock_wait_ms = STORE_LOCK_WAIT_MS,
                                          .password_file = config->store.password_file,
                                          .spool = spool,
                                          .owner = owner,
                                          .lease_ms = config->pbx.timeout_ms + LEASE_MARGIN_MS,
                                          .deadline_ms = config->pbx.deadline_ms,
                                          .repeatable = config->pbx.idempotent};
    if (await_store(worker, &options, error, error_size) < 0)
        return -1;
    struct store *store = worker->parts.store;
    struct store_action *actions = NULL;
    int abandoned = store_begin(store, NULL, 0);
    if (abandoned >= 0)
        abandoned = store_retries_release(store, clock_wall_ms(), 0);
    if (abandoned >= 0)
        abandoned = store_actions_abandon(store, clock_wall_ms(), config->pbx.idempotent, &actions);
    int failed = abandoned < 0 || store_commit(store) < 0;
    if (failed) /* It says where the store is; the URL may hold a password. */
        snprintf(error, error_size, "%s", store_error(store));
    else
        tell_abandoned(worker, actions, abandoned);
    store_actions_free(actions, abandoned);
    return failed ? -1 : 0;
}

static int open_courier(struct worker *worker, char *error, size_t error_size)
{
    char owner[OWNER_SIZE];
    name_owner(worker, owner);
    const struct courier_options options = {.config = worker->config,
                                            .store = worker->parts.store,
                                            .metrics = worker->parts.metrics,
                                            .owner = owner,
                                            .worker = worker->index};
    return courier_open(&options, &worker->courier, error, error_size);
}

/* What the receiver has found out about the end of this worker's former life. */
static int settle_death(struct worker *worker, char *error, size_t error_size)
{
    struct life *life = &worker->parts.metrics->life;
    struct store *store = worker->parts.store;
    suspects_init(&worker->suspects, life, BATCH_MAX_EVENTS);
    worker->parts.suspects = &worker->suspects;
    if (life->culprit_id == 0)
        return 0;
    int code = store_begin(store, NULL, 0);
    if (code >= 0)
        code = dispatch_strike(worker->parts.dispatch, life->culprit_id, life->culprit_plugin,
                               life->reason);
    if (code < 0 || store_commit(store) < 0) {
        snprintf(error, error_size, "%s", store_error(store));
        return -1;
    }
    dispatch_committed(worker->parts.dispatch);
    life->culprit_id = 0;
    return 0;
}

static int open_chores(struct worker *worker, char *error, size_t error_size)
{
    worker->chore_parts =
        (struct operation_parts){.store = worker->parts.store, .spool = worker->spool};
    worker->chores = chores_new(worker->config, worker->index, &worker->chore_parts, CONTROL_FD);
    if (worker->chores != NULL)
        return 0;
    snprintf(error, error_size, "out of memory");
    return -1;
}

static int open_parts(struct worker *worker, char *error, size_t error_size)
{
    const struct config *config = worker->config;
    int code = metrics_page_map(CONTROL_METRICS_FD, &worker->parts.metrics);
    if (code < 0) {
        snprintf(error, error_size, "can't map the metrics page: %s", strerror(-code));
        return -1;
    }
    if (spool_reader_open(config->state_dir, worker->index, config->workers, &worker->spool, error,
                          error_size) < 0)
        return -1;
    if (open_store(worker, error, error_size) < 0)
        return -1;
    if (outbox_start(config, &worker->parts.outbox, error, error_size) < 0)
        return -1;
    if (open_courier(worker, error, error_size) < 0)
        return -1;
    if (dispatch_open(config, worker->parts.store, worker->parts.metrics, &worker->parts.dispatch,
                      error, error_size) < 0)
        return -1;
    if (settle_death(worker, error, error_size) < 0)
        return -1;
    if (open_chores(worker, error, error_size) < 0)
        return -1;
    if (strlen(dispatch_types(worker->parts.dispatch)) > CONTROL_TEXT) {
        snprintf(
            error, error_size,
            "the plugins take too many event types: found %zu bytes of names, wanted at most %d",
            strlen(dispatch_types(worker->parts.dispatch)), CONTROL_TEXT);
        return -1;
    }
    return 0;
}

static void close_parts(struct worker *worker)
{
    chores_free(worker->chores);
    dispatch_close(worker->parts.dispatch);
    courier_free(worker->courier);
    outbox_free(worker->parts.outbox);
    store_close(worker->parts.store);
    spool_reader_close(worker->spool);
    config_free(worker->config);
}

static void take_results(struct worker *worker)
{
    struct outbox_result **end = &worker->batch.results;
    while (*end != NULL)
        end = &(*end)->next;
    *end = outbox_take(worker->parts.outbox);
}

/* Nothing is put off for longer than longest_ms: what seems to be was meant for now, before the clock was put
 * back, and the next batch sees to it. */
static int64_t wait_until_due(int64_t due, int64_t now, int64_t longest_ms, int64_t wait,
                              int64_t *brought_forward_ms)
{
    if (due - now > longest_ms) {
        *brought_forward_ms = longest_ms;
        return 0;
    }
    return due - now < wait ? due - now : wait;
}

/* On a store that is shared the end of another worker's lease is due, too: one whose time-out may be longer. */
static int64_t wait_for_action(struct worker *worker, int64_t now, int64_t wait)
{
    const struct config *config = worker->config;
    int64_t longest_lease_ms = config->pbx.timeout_ms + LEASE_MARGIN_MS + LONGEST_DUE_MS;
    int64_t due = 0;
    int64_t put_off_ms = 0;
    int found = outbox_free_slots(worker->parts.outbox) > 0
                    ? store_action_next_due(worker->parts.store, &due)
                    : 0;
    int64_t longest_ms = found == STORE_DUE_LEASE ? longest_lease_ms : config->pbx.deadline_ms;
    if (found > 0)
        wait = wait_until_due(due, now, longest_ms, wait, &put_off_ms);
    if (put_off_ms > 0)
        worker->batch.longest_lease_ms = longest_lease_ms;
    return wait;
}

/* When the store has something due: milliseconds from now, 0 for now, at most IDLE_POLL_MS. */
static int next_due_ms(struct worker *worker)
{
    struct store *store = worker->parts.store;
    int64_t due = 0;
    int64_t now = clock_wall_ms();
    int64_t wait = wait_for_action(worker, now, IDLE_POLL_MS);
    if (store_retry_next_due(store, &due) == 1)
        wait = wait_until_due(due, now, LONGEST_DUE_MS, wait, &worker->batch.longest_retry_ms);
    return wait < 0 ? 0 : (int)wait;
}

static void wait_for_work(struct worker *worker, int timeout_ms)
{
    log_flush();
    struct pollfd ready[] = {{.fd = CONTROL_FD, .events = POLLIN},
                             {.fd = outbox_event_fd(worker->parts.outbox), .events = POLLIN},
                             {.fd = courier_event_fd(worker->courier), .events = POLLIN}};
    if (poll(ready, 3, timeout_ms) < 0 && errno != EINTR)
        log_error("poll failed", log_text("error", strerror(errno)));
}

/* Tells the receiver how far the store has got, so that it lets go of those events. */
static void report_done(struct worker *worker)
{
    int64_t stored = worker->batch.stored_seq;
    if (stored == worker->reported)
        return;
    if (control_send(CONTROL_FD, CONTROL_DONE, stored, NULL) == 0)
        worker->reported = stored; /* else with the next: a report covers all before it */
}

static void note_failure(struct worker *worker, const char *line, const char *cause, int is_away)
{
    log_failure(worker, line, cause, is_away);
    log_flush();
    memory_limit_leave_if_gone();
    chores_give_up(worker->chores, cause);
    wait_after_failure(worker);
}

/* The next events behind those that were read before. */
static void read_spool(struct worker *worker)
{
    if (worker->batch.event_count > 0 || worker->stopping)
        return;
    int count = spool_reader_next(worker->spool, worker->after, BATCH_MAX_EVENTS, BATCH_MAX_BYTES,
                                  worker->batch.event);
    if (count < 0) {
        note_failure(worker, "spool can't be read, trying again until it can",
                     spool_reader_error(worker->spool), 0);
        return;
    }
    worker->batch.event_count = count;
    if (count > 0)
        worker->after = worker->batch.event[count - 1]->seq;
}

/* Nothing to run as a batch: the time is for chores, or for waiting. 1; 0 when something is due. */
static int rest(struct worker *worker)
{
    int wait_ms = worker->stopping ? 0 : next_due_ms(worker);
    if (wait_ms == 0 && !worker->stopping)
        return 0;
    report_done(worker);
    if (!worker->stopping)
        chores_run(worker->chores, 0);
    wait_ms = courier_wait_ms(worker->courier, wait_ms);
    wait_for_work(worker, chores_wait_ms(worker->chores, wait_ms));
    return 1;
}

/* Others are at the same calls: the first time they are just done, later it takes luck. */
static void pause_a_little(int collisions)
{
    uint32_t random = 0;
    int longest_ms = (collisions - 1) * COLLISION_STEP_MS;
    if (longest_ms == 0 || getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return;
    poll(NULL, 0, (int)(random % (uint32_t)longest_ms));
}

/* What collides with another worker's is done the next time. */
static void run_courier(struct worker *worker)
{
    int code = courier_work(worker->courier, worker->parts.dispatch);
    if (code == 0 || code == STORE_E_AGAIN)
        return;
    if (code < 0)
        note_failure(worker, "store failed, trying again until it works; deliveries wait in it",
                     store_error(worker->parts.store), store_is_away(worker->parts.store));
    else if (worker
                 ->courier_failed) /* else the failure is the batch's, which says when it is over */
        note_success(worker);
    worker->courier_failed = code < 0;
}

/* One round: what there is, as one transaction; or a wait. */
static void work_once(struct worker *worker)
{
    read_control(worker);
    dispatch_open_parked(worker->parts.dispatch);
    run_courier(worker);
    worker->stopping |= memory_limit_is_near(&worker->memory);
    read_spool(worker);
    take_results(worker);
    if (!batch_has_work(&worker->batch) && rest(worker))
        return;
    int code = batch_run(&worker->batch, &worker->parts);
    if (code == STORE_E_REFUSED) {
        log_warning("store refuses a batch: its events are run one by one",
                    log_int("events", worker->batch.event_count),
                    log_text("error", store_error(worker->parts.store)));
        return;
    }
    if (code == STORE_E_AGAIN && ++worker->collisions <= MOST_COLLISIONS) {
        pause_a_little(worker->collisions);
        return;
    }
    worker->collisions = 0;
    if (code < 0) {
        note_failure(worker, "store failed, trying again until it works; events wait in the spool",
                     store_error(worker->parts.store), store_is_away(worker->parts.store));
        return;
    }
    note_success(worker);
    report_done(worker);
    courier_nudge(worker->courier);
    chores_run(worker->chores, 1);
    log_flush();
}

static int run_last_courier(struct worker *worker)
{
    int code;
    int tries = 0;
    while ((code = courier_work(worker->courier, worker->parts.dispatch)) == STORE_E_AGAIN &&
           tries++ < MOST_COLLISIONS)
        pause_a_little(tries);
    return code;
}

/* Lets what is on its way to the PBX come to its end and writes that down too. */
static void finish(struct worker *worker)
{
    chores_give_up(worker->chores, "the server is stopping; what was done so far stays done");
    outbox_stop(worker->parts.outbox, OUTBOX_DRAIN_MS);
    take_results(worker);
    if (batch_has_work(&worker->batch) && batch_run_last(&worker->batch, &worker->parts) < 0)
        log_error("last batch was not stored; its events stay in the spool",
                  log_text("error", store_error(worker->parts.store)));
    batch_clear(&worker->batch);
    report_done(worker);
    courier_stop(worker->courier, COURIER_DRAIN_MS);
    if (run_last_courier(worker) < 0)
        log_error("how deliveries ended was not stored; the next worker finds them under way",
                  log_text("error", store_error(worker->parts.store)));
    log_flush();
}

/* What was inherited is for this process: no program that a plugin starts gets it. */
static void keep_descriptors(void)
{
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    fcntl(CONTROL_CONFIG_FD, F_SETFD, FD_CLOEXEC);
    fcntl(CONTROL_METRICS_FD, F_SETFD, FD_CLOEXEC);
}

static int refuse(const char *reason)
{
    /* The receiver logs it; without one (started by hand) nobody else would. */
    if (control_send(CONTROL_FD, CONTROL_REFUSED, 0, reason) < 0)
        fprintf(stderr, "pbxhook worker: %s\n", reason);
    return CONTROL_EXIT_REFUSED;
}

int worker_main(int index)
{
    char error[CONTROL_TEXT] = "";
    char config_path[32];
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return refuse("out of memory");
    worker->index = index;
    keep_descriptors();
    prctl(PR_SET_NAME, "pbxhook-worker"); /* started through /proc/self/exe, it would be "exe" */
    (void)!nice(RECEIVER_FIRST);
    short_slice_request(); /* its turns end soon, so that the receiver need not wait for them */
    umask(077);
    set_signals();
    json_object_seed(0); /* before there is a second thread */
    snprintf(config_path, sizeof config_path, "/proc/self/fd/%d", CONTROL_CONFIG_FD);
    if (config_load(config_path, 0, stderr, &worker->config) < 0) {
        free(worker);
        return refuse("the configuration that the receiver passed on can't be read");
    }
    close(CONTROL_CONFIG_FD);
    log_open("worker", worker->config->log.level);
    memory_limit_set(&worker->memory, worker->config->worker_memory_bytes);
    int status = 0;
    if (open_parts(worker, error, sizeof error) < 0) {
        status = refuse(error);
        outbox_stop(worker->parts.outbox, 0);
    } else {
        log_set_buffered(1);
        control_send(CONTROL_FD, CONTROL_READY, 0, dispatch_types(worker->parts.dispatch));
        while (!worker->stopping)
            work_once(worker);
        finish(worker);
    }
    close_parts(worker);
    free(worker);
    return status;
}
