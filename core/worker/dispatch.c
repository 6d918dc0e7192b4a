/*
 * dispatch.c: calls the plugins, each in a savepoint of its own, and writes down what they did not
 * handle. Called by worker.c inside its batch's transaction, which it never commits or rolls back
 * (but for the ones around open()).
 */
#include "worker/dispatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/dispatch_ledger.h"
#include "worker/dispatch_routes.h"
#include "worker/plugin_host.h"
#include "worker/services.h"

#define MAX_ATTEMPTS    20 /* about 75 minutes */
#define FIRST_RETRY_MS  1000
#define LONGEST_WAIT_MS (5 * 60 * 1000)
#define ERROR_TEXT      600

/* One plugin at work. */
struct runner {
    const struct plugin *plugin;
    struct plugin_context *context;
    struct metrics_plugin *metric;
    void *state;
    int opened;
};

struct dispatch {
    struct store *store;
    struct metrics_worker *metrics;
    struct plugin_host *host;
    struct services *services;
    struct dispatch_routes *routes;
    struct ledger *ledger;
    struct runner *runners; /* in the host's order */
    size_t count;
};

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
    services_enter(runner->context);
    answer = descriptor->open(services_context(runner->context), &runner->state);
    services_leave(runner->context);
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

/* Loads the files; a warning of the host's goes to the log. */
static int load_plugins(struct dispatch *dispatch, const struct config *config, char *error,
                        size_t error_size)
{
    char *text = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&text, &size);
    int result;

    if (lines == NULL) {
        snprintf(error, error_size, "plugins: out of memory");
        return -1;
    }
    result = plugin_host_load(config, lines, &dispatch->host);
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
        dispatch->count++;
    }
    return 0;
}

int dispatch_open(const struct config *config, struct store *store, struct metrics_worker *metrics,
                  struct dispatch **out, char *error, size_t error_size)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);

    if (dispatch == NULL)
        goto no_memory;
    dispatch->store = store;
    dispatch->metrics = metrics;
    if (load_plugins(dispatch, config, error, error_size) != 0)
        goto failed;
    dispatch->services = services_new(config, store);
    dispatch->routes = dispatch_routes_new(dispatch->host);
    dispatch->ledger = ledger_new(metrics);
    if (dispatch->services == NULL || dispatch->routes == NULL || dispatch->ledger == NULL ||
        add_runners(dispatch, metrics) != 0)
        goto no_memory;
    for (size_t i = 0; i < dispatch->count; i++) {
        if (open_plugin(dispatch, &dispatch->runners[i], error, error_size) != 0)
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

/* 1 s, 2 s, 4 s ... 5 min, less a random part of up to a half, so that what failed together is not
 * tried again together. */
static int64_t backoff_ms(int attempts)
{
    int64_t wait = (int64_t)FIRST_RETRY_MS << (attempts - 1); /* fewer than MAX_ATTEMPTS */
    uint32_t random = 0;

    if (wait > LONGEST_WAIT_MS)
        wait = LONGEST_WAIT_MS;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = 0;
    return wait - random % (wait / 2 + 1);
}

/* Writes down what was not handled: 0 or STORE_E_FAILED. */
static int put_back(struct dispatch *dispatch, int64_t event_id, int may_retry,
                    struct ledger_call *call)
{
    int64_t now_ms = clock_wall_ms();
    int dead = !may_retry || call->attempt >= MAX_ATTEMPTS;

    call->outcome = dead ? LEDGER_DEAD : LEDGER_RETRY;
    call->retry_in_ms = dead ? 0 : backoff_ms(call->attempt);
    if (store_retry_put(dispatch->store, event_id, call->plugin, call->attempt, dead,
                        now_ms + call->retry_in_ms, now_ms, call->error) < 0)
        return STORE_E_FAILED;
    ledger_add_call(dispatch->ledger, call);
    return 0;
}

/* handle() between a savepoint and its release or undoing: 0 and *answer, or STORE_E_FAILED. */
static int call_handle(struct dispatch *dispatch, struct runner *runner, int attempt,
                       int32_t *answer, int64_t *took_us)
{
    int64_t started_us;
    int ended;

    if (store_savepoint(dispatch->store) < 0)
        return STORE_E_FAILED;
    started_us = clock_mono_us();
    /* What the supervisor watches: a handler that does not come back. */
    atomic_store(&dispatch->metrics->handler_since_us, started_us);
    services_enter(runner->context);
    *answer = runner->plugin->descriptor.handle(services_context(runner->context), runner->state,
                                                services_event(dispatch->services, attempt));
    services_leave(runner->context);
    atomic_store(&dispatch->metrics->handler_since_us, 0);
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

/* One plugin, one event: 1 handled, 0 not handled and put back, or STORE_E_FAILED. */
static int run(struct dispatch *dispatch, struct runner *runner, const struct event *event,
               int64_t event_id, int attempt)
{
    struct ledger_call call = {
        .event = event,
        .plugin = runner->plugin->descriptor.name,
        .metric = runner->metric,
        .outcome = LEDGER_HANDLED,
        .attempt = attempt,
    };
    char error[ERROR_TEXT];
    int32_t answer;

    if (call_handle(dispatch, runner, attempt, &answer, &call.took_us) != 0)
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
    return put_back(dispatch, event_id, answer == PBXHOOK_RETRY, &call);
}

/* The PBX has the call waiting: so it got the action, even when it never answered. */
static int confirm_actions(struct dispatch *dispatch, const struct event *event)
{
    int confirmed;

    if (event->state != LIFECYCLE_WAITING)
        return 0;
    confirmed =
        store_actions_confirm(dispatch->store, event->field[EVENT_CALL_ID], clock_wall_ms());
    if (confirmed < 0)
        return STORE_E_FAILED;
    ledger_add_confirmed(dispatch->ledger, confirmed);
    return 0;
}

int dispatch_event(struct dispatch *dispatch, const struct event *event, int64_t event_id)
{
    const size_t *plugins;
    size_t count = dispatch_routes_find(dispatch->routes, event->field[EVENT_TYPE], &plugins);
    int result = confirm_actions(dispatch, event);

    if (result != 0)
        return result;
    services_begin_event(dispatch->services, event, event_id);
    for (size_t i = 0; i < count && result >= 0; i++)
        result = run(dispatch, &dispatch->runners[plugins[i]], event, event_id, 1);
    services_end_event(dispatch->services);
    if (result < 0)
        return result;
    if (count == 0)
        ledger_add_note(dispatch->ledger, event, "event kept, no plugin takes it");
    return (int)count;
}

void dispatch_note_repeated(struct dispatch *dispatch, const struct event *event)
{
    ledger_add_note(dispatch->ledger, event, "event repeated, handled before");
}

static struct runner *find_runner(struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->count; i++) {
        if (strcmp(dispatch->runners[i].plugin->descriptor.name, name) == 0)
            return &dispatch->runners[i];
    }
    return NULL;
}

/* Its file may come back, so this counts as one more failure and not as the end. */
static int put_back_unloaded(struct dispatch *dispatch, const struct store_retry *retry)
{
    struct ledger_call call = {
        .event = retry->event,
        .plugin = retry->plugin,
        .attempt = retry->attempts + 1,
        .error = "no plugin of this name is loaded",
    };

    return put_back(dispatch, retry->event_id, 1, &call);
}

int dispatch_retry(struct dispatch *dispatch, const struct store_retry *retry)
{
    struct runner *runner = find_runner(dispatch, retry->plugin);
    int result;

    if (runner == NULL)
        return put_back_unloaded(dispatch, retry);
    services_begin_event(dispatch->services, retry->event, retry->event_id);
    result = run(dispatch, runner, retry->event, retry->event_id, retry->attempts + 1);
    services_end_event(dispatch->services);
    if (result == 1 && store_retry_done(dispatch->store, retry->event_id, retry->plugin) < 0)
        return STORE_E_FAILED;
    return result < 0 ? result : 1;
}

/* ---- Giving up ------------------------------------------------------------------------------- */

static int give_up(struct dispatch *dispatch, const char *plugin, struct metrics_plugin *metric,
                   const struct event *event, int64_t event_id, int attempt, const char *error)
{
    struct ledger_call call = {
        .event = event, .plugin = plugin, .metric = metric, .attempt = attempt, .error = error};

    return put_back(dispatch, event_id, 0, &call);
}

int dispatch_give_up(struct dispatch *dispatch, const struct event *event, int64_t event_id,
                     const char *error)
{
    const size_t *plugins;
    size_t count = dispatch_routes_find(dispatch->routes, event->field[EVENT_TYPE], &plugins);
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++) {
        const struct runner *runner = &dispatch->runners[plugins[i]];

        result = give_up(dispatch, runner->plugin->descriptor.name, runner->metric, event, event_id,
                         1, error);
    }
    return result < 0 ? result : (int)count;
}

int dispatch_give_up_retry(struct dispatch *dispatch, const struct store_retry *retry,
                           const char *error)
{
    const struct runner *runner = find_runner(dispatch, retry->plugin);

    return give_up(dispatch, retry->plugin, runner == NULL ? NULL : runner->metric, retry->event,
                   retry->event_id, retry->attempts + 1, error);
}

/* ---- The batch's end ------------------------------------------------------------------------- */

void dispatch_committed(struct dispatch *dispatch)
{
    ledger_commit(dispatch->ledger);
}

void dispatch_rolled_back(struct dispatch *dispatch)
{
    ledger_drop(dispatch->ledger);
}
