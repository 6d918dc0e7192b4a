/*
 * dispatch_retry.c: what a plugin did not handle: when it is tried again, how often, and what is done with
 * a plugin that does not come back. Called by batch.c and dispatch.c inside the batch's transaction.
 */
#include "worker/dispatch.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/dispatch_private.h"
#include "worker/dispatch_routes.h"

#define MAX_ATTEMPTS    20 /* about 75 minutes */
#define MAX_STRIKES     3
#define FIRST_RETRY_MS  1000
#define LONGEST_WAIT_MS (5 * 60 * 1000)
#define NOT_OPEN_MS     1000 /* a plugin that is about to be opened */
#define ERROR_TEXT      600

static int64_t random_below(int64_t limit)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = 0;
    return random % limit;
}

/* 1 s, 2 s, 4 s ... 5 min, less a random part of up to a half, so that what failed together is not
 * tried again together. */
static int64_t backoff_ms(int attempts)
{
    int64_t wait = LONGEST_WAIT_MS;

    if (attempts < 10)
        wait = (int64_t)FIRST_RETRY_MS << (attempts > 0 ? attempts - 1 : 0);
    if (wait > LONGEST_WAIT_MS)
        wait = LONGEST_WAIT_MS;
    return wait - random_below(wait / 2 + 1);
}

int dispatch_put_back(struct dispatch *dispatch, int64_t event_id, int may_retry,
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

static struct runner *find_runner(struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->count; i++) {
        if (strcmp(dispatch->runners[i].plugin->descriptor.name, name) == 0)
            return &dispatch->runners[i];
    }
    return NULL;
}

/* ---- Parked plugins ------------------------------------------------------------------------------ */

int64_t dispatch_parked_ms(const struct runner *runner)
{
    int64_t until_us = 0;

    if (runner->metric != NULL)
        until_us = atomic_load_explicit(&runner->metric->parked_until_us, memory_order_relaxed);
    if (until_us == 0 && runner->opened) /* nearly always: no look at the clock */
        return 0;
    int64_t left_us = until_us - clock_mono_us();
    if (left_us > 0)
        return left_us / 1000 + 1;
    return runner->opened ? 0 : NOT_OPEN_MS;
}

/* Not all at once when its time is over. */
static int64_t parked_due_ms(const struct runner *runner)
{
    int64_t left_ms = dispatch_parked_ms(runner);

    return clock_wall_ms() + left_ms + random_below(left_ms / 4 + 1);
}

int dispatch_park(struct dispatch *dispatch, const struct runner *runner, const struct event *event,
                  int64_t event_id)
{
    const char *why = runner->opened
                          ? "waits: the plugin is parked, it took its worker down repeatedly"
                          : "waits: the plugin is parked, it does not open";

    if (store_retry_suspect(dispatch->store, event_id, runner->plugin->descriptor.name, 0, 0,
                            parked_due_ms(runner), clock_wall_ms(), why) < 0)
        return STORE_E_FAILED;
    ledger_add_note(dispatch->ledger, event, "event waits, its plugin is parked");
    return 0;
}

/* ---- Those that do not come back ------------------------------------------------------------------ */

int dispatch_suspect(struct dispatch *dispatch, const struct runner *runner,
                     const struct dispatch_job *job, const struct dispatch_blame *blame)
{
    const char *plugin = runner->plugin->descriptor.name;
    int64_t now_ms = clock_wall_ms();
    struct ledger_call call = {
        .event = job->event,
        .plugin = plugin,
        .outcome = LEDGER_RETRY,
        .attempt = 1,
        .error = blame->reason,
    };

    /* Due at once: a worker is killed for many reasons, and the caller is waiting. */
    if (store_retry_suspect(dispatch->store, job->event_id, plugin, blame->plugin != NULL,
                            blame->strikes, now_ms, now_ms, blame->reason) < 0)
        return STORE_E_FAILED;
    if (blame->plugin != NULL)
        ledger_add_call(dispatch->ledger, &call);
    return 0;
}

/* Three strikes: 0 or STORE_E_FAILED. */
static int bury(struct dispatch *dispatch, const struct store_retry *retry, const char *reason)
{
    const struct runner *runner = find_runner(dispatch, retry->plugin);
    int64_t now_ms = clock_wall_ms();
    char error[ERROR_TEXT];
    struct ledger_call call = {
        .event = retry->event,
        .plugin = retry->plugin,
        .metric = runner == NULL ? NULL : runner->metric,
        .took_us = LEDGER_NOT_CALLED,
        .outcome = LEDGER_DEAD,
        .attempt = retry->attempts,
        .error = error,
    };

    snprintf(error, sizeof error, "%s; its worker did not survive it %d times", reason,
             retry->strikes);
    if (store_retry_put(dispatch->store, retry->event_id, retry->plugin, retry->attempts, 1, now_ms,
                        now_ms, error) < 0)
        return STORE_E_FAILED;
    ledger_add_call(dispatch->ledger, &call);
    return 0;
}

int dispatch_strike(struct dispatch *dispatch, int64_t event_id, const char *plugin,
                    const char *reason)
{
    struct store_retry retry;
    int64_t now_ms = clock_wall_ms();
    int found = store_retry_find(dispatch->store, event_id, plugin, &retry);
    int result = 0;

    if (found <= 0)
        return found;
    struct ledger_call call = {
        .event = retry.event,
        .plugin = retry.plugin,
        .outcome = LEDGER_RETRY,
        .attempt = retry.attempts,
        .error = reason,
        .retry_in_ms = backoff_ms(retry.strikes),
    };
    if (retry.strikes >= MAX_STRIKES)
        result = bury(dispatch, &retry, reason);
    else if (store_retry_suspect(dispatch->store, event_id, plugin, retry.attempts, retry.strikes,
                                 now_ms + call.retry_in_ms, now_ms, reason) < 0)
        result = STORE_E_FAILED;
    else
        ledger_add_call(dispatch->ledger, &call);
    store_retry_clear(&retry);
    return result;
}

/* ---- Trying again --------------------------------------------------------------------------------- */

int dispatch_claim(struct dispatch *dispatch, struct store_retry *retry)
{
    const struct runner *runner = find_runner(dispatch, retry->plugin);
    int64_t now_ms = clock_wall_ms();
    int claimed;

    if (retry->strikes >= MAX_STRIKES)
        return bury(dispatch, retry, retry->error);
    if (runner != NULL && dispatch_parked_ms(runner) > 0)
        return store_retry_suspect(dispatch->store, retry->event_id, retry->plugin, retry->attempts,
                                   retry->strikes, parked_due_ms(runner), now_ms, retry->error);
    claimed = store_retry_claim(dispatch->store, retry->event_id, retry->plugin,
                                now_ms + dispatch->claim_ms);
    if (claimed == 1) {
        retry->attempts++;
        retry->strikes++;
    }
    return claimed;
}

int64_t dispatch_claim_ms(const struct dispatch *dispatch)
{
    return dispatch->claim_ms;
}

/* Its file may come back, so this counts as one more failure and not as the end. */
static int put_back_unloaded(struct dispatch *dispatch, const struct store_retry *retry)
{
    struct ledger_call call = {
        .event = retry->event,
        .plugin = retry->plugin,
        .attempt = retry->attempts,
        .error = "no plugin of this name is loaded",
    };

    return dispatch_put_back(dispatch, retry->event_id, 1, &call);
}

int dispatch_retry(struct dispatch *dispatch, const struct store_retry *retry)
{
    const struct dispatch_job job = {.event = retry->event,
                                     .event_id = retry->event_id,
                                     .attempt = retry->attempts,
                                     .is_again = 1};
    struct runner *runner = find_runner(dispatch, retry->plugin);
    int result;

    if (runner == NULL)
        return put_back_unloaded(dispatch, retry);
    services_begin_event(dispatch->services, retry->event, retry->event_id);
    result = dispatch_run(dispatch, runner, &job);
    services_end_event(dispatch->services);
    if (result == 1 && store_retry_done(dispatch->store, retry->event_id, retry->plugin) < 0)
        return STORE_E_FAILED;
    return result < 0 ? result : 1;
}

/* ---- Giving up ------------------------------------------------------------------------------------ */

static int give_up(struct dispatch *dispatch, const char *plugin, struct metrics_plugin *metric,
                   const struct event *event, int64_t event_id, int attempt, const char *error)
{
    struct ledger_call call = {.event = event,
                               .plugin = plugin,
                               .metric = metric,
                               .took_us = LEDGER_NOT_CALLED,
                               .attempt = attempt,
                               .error = error};

    return dispatch_put_back(dispatch, event_id, 0, &call);
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
                   retry->event_id, retry->attempts, error);
}
