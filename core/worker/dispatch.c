/*
 * dispatch.c: opens the plugins and calls them, each in a savepoint of its own. Called by worker.c inside
 * its batch's transaction, which it never commits or rolls back (but for the ones around open()). What
 * they did not handle is dispatch_retry.c's.
 */
#include "worker/dispatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/dispatch_private.h"
#include "worker/dispatch_routes.h"

#define ERROR_TEXT    600
#define LINE_SIZE     300
#define FORKED_EXIT   70 /* EX_SOFTWARE */

#define OPEN_AGAIN_US ((int64_t)10 * 1000000) /* a plugin that does not open */

/* Claimed handlings are run one after the other: the last of a full group waits for all before it. */
#define CLAIM_MARGIN_MS  30000
#define CLAIMED_MOST     64
#define CLAIM_LONGEST_MS (50 * 60 * 1000)

/* ---- Opening and closing --------------------------------------------------------------------- */

static const char *answer_name(int32_t answer)
{
    switch (answer) {
    case PBXHOOK_OK:
        return "PBXHOOK_OK";
    case PBXHOOK_RETRY:
        return "PBXHOOK_RETRY";
    case PBXHOOK_REJECT:
        return "PBXHOOK_REJECT";
    default:
        return "an unknown value";
    }
}

/* A child that a plugin forked has come back from it, most often since its exec failed: on the way back would be a second
 * worker, on the first one's connections. The log's lock may be held by a thread that is not here, so without it. */
static void end_forked_child(const struct dispatch *dispatch, const struct runner *runner)
{
    char line[LINE_SIZE];
    int size;

    if (getpid() == dispatch->pid)
        return;
    size = snprintf(
        line, sizeof line,
        "level=error process=worker msg=\"a child that the plugin forked came back from it "
        "and was ended: it has to exec or to call _exit()\" plugin=%s\n",
        runner->plugin->descriptor.name);
    if (write(STDERR_FILENO, line, (size_t)size) < 0)
        _exit(FORKED_EXIT + 1); /* nobody hears it */
    _exit(FORKED_EXIT);
}

/* open() in a transaction of its own: 0, or -1 and `error`. */
static int open_plugin(struct dispatch *dispatch, struct runner *runner, char *error,
                       size_t error_size)
{
    const struct pbxhook_plugin *descriptor = &runner->plugin->descriptor;
    struct store *store = dispatch->store;
    int32_t answer = PBXHOOK_OK;

    if (descriptor->open == NULL) {
        runner->opened = 1;
        return 0;
    }
    if (store_begin(store, NULL, 0) < 0)
        goto store_failed;
    life_enter(&dispatch->metrics->life, runner->number, 0, 0, clock_mono_us());
    services_enter(runner->context);
    answer = descriptor->open(services_context(runner->context), &runner->state);
    end_forked_child(dispatch, runner);
    services_leave(runner->context);
    life_leave(&dispatch->metrics->life);
    if (services_store_failed(runner->context))
        goto store_failed;
    if (answer == PBXHOOK_OK) {
        runner->opened = 1;
        if (store_commit(store) < 0)
            goto store_failed;
        return 0;
    }
    snprintf(error, error_size, "%s: found open() answering %s (%s), wanted PBXHOOK_OK",
             runner->plugin->path, answer_name(answer),
             services_error(runner->context)[0] == '\0' ? "it gave no reason"
                                                        : services_error(runner->context));
    store_rollback(store);
    return -1;

store_failed:
    snprintf(error, error_size, "%s: the store failed while it was opened: %s",
             runner->plugin->path, store_error(store));
    store_rollback(store);
    return -1;
}

/* What the file on the disk does is no reason for the other plugins' events to wait: these do, in the store. */
static void park_unopened(struct runner *runner, const char *error)
{
    if (runner->opened && runner->plugin->descriptor.close != NULL)
        runner->plugin->descriptor.close(runner->state);
    runner->opened = 0;
    runner->state = NULL;
    atomic_store(&runner->metric->parked_until_us, clock_mono_us() + OPEN_AGAIN_US);
    log_at(runner->open_failed ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
           "plugin does not open: parked, its events wait in the store until it does",
           log_text("plugin", runner->plugin->descriptor.name), log_text("error", error),
           log_int("again_in_s", OPEN_AGAIN_US / 1000000));
    runner->open_failed = 1;
}

/* Opened or parked: 0; or -1 and `error`. */
static int open_or_park(struct dispatch *dispatch, struct runner *runner, char *error,
                        size_t error_size)
{
    /* One that has no number can't be parked. */
    int may_park = dispatch->metrics->life.is_lenient && runner->metric != NULL;

    if (may_park && clock_mono_us() < atomic_load(&runner->metric->parked_until_us))
        return 0; /* the last worker may have died of it */
    if (open_plugin(dispatch, runner, error, error_size) == 0)
        return 0;
    if (!may_park || store_is_away(dispatch->store))
        return -1;
    park_unopened(runner, error);
    return 0;
}

void dispatch_open_parked(struct dispatch *dispatch)
{
    char error[ERROR_TEXT];

    for (size_t i = 0; i < dispatch->count; i++) {
        struct runner *runner = &dispatch->runners[i];

        if (!runner->opened && open_or_park(dispatch, runner, error, sizeof error) == 0 &&
            runner->opened)
            log_info("plugin opened, its events are handled again",
                     log_text("plugin", runner->plugin->descriptor.name));
    }
}

/* Loads the files; a warning of the host's goes to the log. */
static int load_plugins(const struct config *config, struct metrics_worker *metrics,
                        struct plugin_host **out, char *error, size_t error_size)
{
    char *text = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&text, &size);
    int result;

    if (lines == NULL) {
        snprintf(error, error_size, "plugins: out of memory");
        return -1;
    }
    result = plugin_host_load_noting(config, metrics->life.loading, lines, out);
    if (fclose(lines) != 0 || text == NULL) {
        snprintf(error, error_size, "plugins: out of memory");
        result = -1;
    } else {
        if (size > 0 && text[size - 1] == '\n')
            text[size - 1] = '\0';
        if (result != 0)
            snprintf(error, error_size, "%s", text);
        else if (size > 0)
            log_warning(text);
    }
    free(text);
    return result;
}

static int add_runners(struct dispatch *dispatch, struct metrics_worker *metrics)
{
    dispatch->runners = calloc(plugin_host_count(dispatch->host) + 1, sizeof dispatch->runners[0]);
    if (dispatch->runners == NULL)
        return -1;
    for (size_t i = 0; i < plugin_host_count(dispatch->host); i++) {
        struct runner *runner = &dispatch->runners[i];

        runner->plugin = plugin_host_get(dispatch->host, i);
        runner->context = services_add_plugin(dispatch->services, runner->plugin);
        if (runner->context == NULL)
            return -1;
        runner->metric = metrics_plugin_slot(metrics, runner->plugin->descriptor.name);
        runner->number = metrics_plugin_number(metrics, runner->metric);
        dispatch->count++;
    }
    return 0;
}

/* A handler is watched for what it does itself: a database that is slow or away is not its fault, and must not cost
 * the worker. The store's waits have limits of their own. */
static void stop_the_clock(void *arg, int waiting)
{
    struct dispatch *dispatch = arg;
    _Atomic int64_t *since_us = &dispatch->metrics->life.since_us;

    if (waiting) {
        dispatch->wait_us = clock_mono_us();
        dispatch->watched_us = atomic_exchange(since_us, 0);
    } else if (dispatch->watched_us != 0) {
        atomic_store(since_us, dispatch->watched_us + clock_mono_us() - dispatch->wait_us);
    }
}

int dispatch_open(const struct config *config, struct store *store, struct metrics_worker *metrics,
                  struct dispatch **out, char *error, size_t error_size)
{
    struct plugin_host *host = NULL;

    if (load_plugins(config, metrics, &host, error, error_size) != 0) {
        plugin_host_free(host);
        return -1;
    }
    return dispatch_open_loaded(config, host, store, metrics, out, error, error_size);
}

int dispatch_open_loaded(const struct config *config, struct plugin_host *host, struct store *store,
                         struct metrics_worker *metrics, struct dispatch **out, char *error,
                         size_t error_size)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);

    if (dispatch == NULL) {
        plugin_host_free(host);
        goto no_memory;
    }
    dispatch->pid = getpid();
    dispatch->host = host;
    dispatch->store = store;
    dispatch->metrics = metrics;
    dispatch->claim_ms = (int64_t)config->handler_timeout_ms * CLAIMED_MOST + CLAIM_MARGIN_MS;
    if (dispatch->claim_ms > CLAIM_LONGEST_MS)
        dispatch->claim_ms = CLAIM_LONGEST_MS;
    store_watch_waits(store, stop_the_clock, dispatch);
    dispatch->services = services_new(config, store);
    dispatch->routes = dispatch_routes_new(dispatch->host);
    dispatch->ledger = ledger_new(metrics);
    if (dispatch->services == NULL || dispatch->routes == NULL || dispatch->ledger == NULL ||
        add_runners(dispatch, metrics) != 0)
        goto no_memory;
    for (size_t i = 0; i < dispatch->count; i++) {
        if (open_or_park(dispatch, &dispatch->runners[i], error, error_size) != 0)
            goto failed;
    }
    *out = dispatch;
    return 0;

no_memory:
    snprintf(error, error_size, "plugins: out of memory");
failed:
    dispatch_close(dispatch);
    return -1;
}

void dispatch_close(struct dispatch *dispatch)
{
    if (dispatch == NULL)
        return;
    store_watch_waits(dispatch->store, NULL, NULL);
    while (dispatch->count > 0) {
        struct runner *runner = &dispatch->runners[--dispatch->count];

        if (runner->opened && runner->plugin->descriptor.close != NULL)
            runner->plugin->descriptor.close(runner->state);
        services_free_plugin(runner->context);
    }
    free(dispatch->runners);
    ledger_free(dispatch->ledger);
    dispatch_routes_free(dispatch->routes);
    services_free(dispatch->services);
    plugin_host_free(dispatch->host);
    free(dispatch);
}

const char *dispatch_types(const struct dispatch *dispatch)
{
    return dispatch_routes_types(dispatch->routes);
}

/* ---- Calling --------------------------------------------------------------------------------- */

/* handle() between a savepoint and its release or undoing: 0 and *answer, or STORE_E_FAILED. */
static int call_handle(struct dispatch *dispatch, struct runner *runner,
                       const struct dispatch_job *job, int32_t *answer, int64_t *took_us)
{
    struct life *life = &dispatch->metrics->life;
    int64_t started_us;
    int ended;

    if (store_savepoint(dispatch->store) < 0)
        return STORE_E_FAILED;
    started_us = clock_mono_us();
    /* What the supervisor watches, and reads when the plugin takes this process along. */
    life_enter(life, runner->number, job->event->seq, job->is_again ? job->event_id : 0,
               started_us);
    services_enter(runner->context);
    *answer = runner->plugin->descriptor.handle(services_context(runner->context), runner->state,
                                                services_event(dispatch->services, job->attempt));
    end_forked_child(dispatch, runner);
    services_leave(runner->context);
    life_leave(life);
    *took_us = clock_mono_us() - started_us;
    /* The transaction is lost, whatever the plugin says. */
    if (services_store_failed(runner->context))
        return STORE_E_FAILED;
    if (*answer == PBXHOOK_OK) {
        ended = store_release(dispatch->store);
        /* What the plugin wrote can't be kept (its own table is damaged, say): its failure, not ours. */
        if (ended != STORE_E_SQL)
            return ended < 0 ? STORE_E_FAILED : 0;
        services_fail(runner->context, store_error(dispatch->store));
        *answer = PBXHOOK_REJECT;
    }
    return store_undo(dispatch->store) < 0 ? STORE_E_FAILED : 0;
}

int dispatch_run(struct dispatch *dispatch, struct runner *runner, const struct dispatch_job *job)
{
    struct ledger_call call = {
        .event = job->event,
        .plugin = runner->plugin->descriptor.name,
        .metric = runner->metric,
        .outcome = LEDGER_HANDLED,
        .attempt = job->attempt,
    };
    char error[ERROR_TEXT];
    int32_t answer;

    if (call_handle(dispatch, runner, job, &answer, &call.took_us) != 0)
        return STORE_E_FAILED;
    if (answer == PBXHOOK_OK) {
        ledger_add_call(dispatch->ledger, &call);
        return 1;
    }
    call.error = services_error(runner->context);
    if (call.error[0] == '\0') {
        snprintf(error, sizeof error, "handle() answered %s (%" PRId32 ") and gave no reason",
                 answer_name(answer), answer);
        call.error = error;
    }
    return dispatch_put_back(dispatch, job->event_id, answer == PBXHOOK_RETRY, &call);
}

/* The PBX has the call waiting: so it got the action, even when it never answered. */
static int confirm_actions(struct dispatch *dispatch, const struct event *event)
{
    if (event->state != LIFECYCLE_WAITING)
        return 0;
    if (store_actions_confirm(dispatch->store, event->field[EVENT_CALL_ID], clock_wall_ms()) < 0)
        return STORE_E_FAILED;
    return 0;
}

/* One plugin of an event that is handled for the first time. */
static int give(struct dispatch *dispatch, struct runner *runner, const struct dispatch_job *job)
{
    if (dispatch_parked_ms(runner) > 0)
        return dispatch_park(dispatch, runner, job->event, job->event_id);
    return dispatch_run(dispatch, runner, job);
}

/* Whether the worker's former life ended in this plugin with this event. */
static int is_blamed(const struct dispatch_blame *blame, const struct runner *runner)
{
    return blame != NULL &&
           (blame->plugin == NULL || strcmp(blame->plugin, runner->plugin->descriptor.name) == 0);
}

int dispatch_event(struct dispatch *dispatch, const struct event *event, int64_t event_id,
                   const struct dispatch_blame *blame)
{
    const struct dispatch_job job = {.event = event, .event_id = event_id, .attempt = 1};
    const size_t *plugins;
    size_t count = dispatch_routes_find(dispatch->routes, event->field[EVENT_TYPE], &plugins);
    int result = confirm_actions(dispatch, event);

    if (result != 0)
        return result;
    services_begin_event(dispatch->services, event, event_id);
    for (size_t i = 0; i < count && result >= 0; i++) {
        struct runner *runner = &dispatch->runners[plugins[i]];

        result = is_blamed(blame, runner) ? dispatch_suspect(dispatch, runner, &job, blame)
                                          : give(dispatch, runner, &job);
    }
    services_end_event(dispatch->services);
    if (result < 0)
        return result;
    if (count == 0)
        ledger_add_note(dispatch->ledger, event, "event kept, no plugin takes it");
    return (int)count;
}

int dispatch_event_to(struct dispatch *dispatch, const struct event *event, int64_t event_id,
                      const char *plugin)
{
    const size_t *plugins;
    size_t count = dispatch_routes_find(dispatch->routes, event->field[EVENT_TYPE], &plugins);
    int64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < count; i++) {
        if (strcmp(dispatch->runners[plugins[i]].plugin->descriptor.name, plugin) == 0)
            return store_retry_put(dispatch->store, event_id, plugin, 0, 0, now_ms, now_ms,
                                   "not handled yet") < 0
                       ? STORE_E_FAILED
                       : 0;
    }
    return 0;
}

void dispatch_note_repeated(struct dispatch *dispatch, const struct event *event)
{
    ledger_add_note(dispatch->ledger, event, "event repeated, handled before");
}

/* ---- The batch's end ------------------------------------------------------------------------- */

void dispatch_committed(struct dispatch *dispatch)
{
    ledger_add_confirmed(dispatch->ledger, store_confirmed(dispatch->store));
    ledger_commit(dispatch->ledger);
}

void dispatch_rolled_back(struct dispatch *dispatch)
{
    ledger_drop(dispatch->ledger);
}
