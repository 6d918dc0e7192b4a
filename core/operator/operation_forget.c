/*
 * operation_forget.c: forgets a caller, or counts what there is of him. What had been acknowledged before is
 * waited for first: it is handled as ever, and then forgotten with the rest, so that no event that waits in the
 * spool brings him back. In the end the store's own log is emptied.
 */
#include "operator/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "http/deliveries.h"

/* So many records in one step, fewer when that takes longer than events may wait. Most are only looked at. */
#define FIRST_ROWS    500
#define MOST_ROWS     4000
#define FEWEST_ROWS   10
#define STEP_LONG_US  20000

#define SPOOL_WAIT_US ((int64_t)60 * 1000000)
#define SCRUB_WAIT_US ((int64_t)10 * 1000000) /* for those who read the store just now */

enum stage { LOOK_AT_SPOOL, WAIT_FOR_SPOOL, DELIVERIES, STORE, SCRUB, DONE };

struct forget {
    struct forgetting forgetting;
    int dry_run;
    enum stage stage;
    int64_t until_us; /* of a stage that waits           */
    int64_t newest;   /* in the spool when it was asked  */
    int max_rows;
    int scrubbed;
    struct deliveries_forgotten deliveries;
    struct store_forgotten store;
};

json_t *operation_forget_request(const char *number, int dry_run)
{
    return json_pack("{s:s, s:s, s:b}", "command", operation_forget.command, "number", number,
                     "dry_run", dry_run);
}

static void *begin(const json_t *request, char *error)
{
    const char *number = json_string_value(json_object_get(request, "number"));
    struct forget *forget = calloc(1, sizeof *forget);
    if (forget == NULL) {
        snprintf(error, OPERATION_ERROR_SIZE, "out of memory");
        return NULL;
    }
    if (number == NULL || forgetting_init(&forget->forgetting, number) < 0) {
        snprintf(error, OPERATION_ERROR_SIZE,
                 "number: wanted a caller's number, a text of 1 to %d bytes", EVENT_MAX_FIELD);
        free(forget);
        return NULL;
    }
    forget->dry_run = json_is_true(json_object_get(request, "dry_run"));
    forget->max_rows = FIRST_ROWS;
    return forget;
}

/* ---- The spool ------------------------------------------------------------------------------------ */

static void enter(struct forget *forget, enum stage stage, int64_t wait_us)
{
    forget->stage = stage;
    forget->until_us = clock_mono_us() + wait_us;
}

static int refuse_to_wait(const struct operation_parts *parts, char *error)
{
    snprintf(error, OPERATION_ERROR_SIZE, "%s; nothing was changed",
             parts->is_alone
                 ? "events wait in the spool, and no server runs that handles them, which comes "
                   "before forgetting them: start it, and ask again"
                 : "events that came before still wait in the spool after a minute: ask again "
                   "once they are handled");
    return -1;
}

/* Waits until the events that wait now, when this is asked, have been handled. */
static int pass_spool(struct forget *forget, const struct operation_parts *parts, char *error)
{
    int64_t oldest = 0, newest = 0;
    int found = parts->spool == NULL || forget->dry_run
                    ? 0
                    : spool_reader_span(parts->spool, &oldest, &newest);
    if (found < 0) {
        snprintf(error, OPERATION_ERROR_SIZE, "the spool can't be read: %s",
                 spool_reader_error(parts->spool));
        return -1;
    }
    if (forget->stage == LOOK_AT_SPOOL) {
        forget->newest = newest;
        enter(forget, WAIT_FOR_SPOOL, SPOOL_WAIT_US);
    }
    if (found == 0 || oldest > forget->newest) {
        forget->stage = DELIVERIES;
        return 1;
    }
    if (!parts->is_alone && clock_mono_us() < forget->until_us)
        return OPERATION_WAIT;
    return refuse_to_wait(parts, error);
}

/* ---- The store ------------------------------------------------------------------------------------ */

/* Adopts what the step did once it is committed. */
static int forget_some(struct forget *forget, struct store *store, char *error)
{
    struct deliveries_forgotten deliveries = forget->deliveries;
    struct store_forgotten forgotten = forget->store;
    int more = store_begin(store, NULL, 0);
    if (more == 0)
        more = forget->stage == DELIVERIES
                   ? deliveries_forget(store, &forget->forgetting, forget->max_rows,
                                       forget->dry_run, &deliveries)
                   : store_forget(store, &forget->forgetting, forget->max_rows, forget->dry_run,
                                  &forgotten);
    int code = more < 0 ? more : store_commit(store);
    if (code < 0) {
        snprintf(
            error, OPERATION_ERROR_SIZE,
            "the store failed: %s; what was forgotten by then stays so, ask again for the rest",
            store_error(store));
        store_rollback(store);
        return code == STORE_E_AGAIN ? OPERATION_WAIT : -1;
    }
    forget->deliveries = deliveries;
    forget->store = forgotten;
    if (more == 0)
        enter(forget, forget->stage + 1, SCRUB_WAIT_US);
    return 1;
}

static void adapt(struct forget *forget, int64_t took_us)
{
    if (took_us > STEP_LONG_US && forget->max_rows > FEWEST_ROWS)
        forget->max_rows /= 2;
    else if (took_us < STEP_LONG_US / 4 && forget->max_rows < MOST_ROWS)
        forget->max_rows = forget->max_rows * 2 < MOST_ROWS ? forget->max_rows * 2 : MOST_ROWS;
}

static int found_any(const struct forget *forget)
{
    const struct store_forgotten *store = &forget->store;
    return store->users + store->calls + store->events + store->payloads + store->actions +
               store->handlings + store->came_since + forget->deliveries.deliveries +
               forget->deliveries.came_since >
           0;
}

/* What can't be emptied in time is told, and overwritten by later events. */
static int scrub(struct forget *forget, struct store *store, char *error)
{
    int done = forget->dry_run || !found_any(forget) ? 1 : store_scrub(store);
    if (done < 0) {
        snprintf(error, OPERATION_ERROR_SIZE, "all was forgotten, but the store's log stays: %s",
                 store_error(store));
        return -1;
    }
    if (done == 0 && clock_mono_us() < forget->until_us)
        return OPERATION_WAIT;
    forget->scrubbed = done;
    forget->stage = DONE;
    return 0;
}

static int step(void *state, const struct operation_parts *parts, char *error)
{
    struct forget *forget = state;
    int64_t started_us = clock_mono_us();
    int more = 0;
    switch (forget->stage) {
    case LOOK_AT_SPOOL:
    case WAIT_FOR_SPOOL:
        return pass_spool(forget, parts, error);
    case DELIVERIES:
    case STORE:
        more = forget_some(forget, parts->store, error);
        adapt(forget, clock_mono_us() - started_us);
        return more;
    case SCRUB:
        return scrub(forget, parts->store, error);
    case DONE:
        break;
    }
    return more;
}

/* Without the number: the report is logged. */
static json_t *report(const void *state)
{
    const struct forget *forget = state;
    const struct store_forgotten *store = &forget->store;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "token",
                     forget->forgetting.token, "users", (json_int_t)store->users, "calls",
                     (json_int_t)store->calls, "active_calls", (json_int_t)store->active, "events",
                     (json_int_t)store->events, "payloads", (json_int_t)store->payloads, "actions",
                     (json_int_t)store->actions, "handlings", (json_int_t)store->handlings,
                     "deliveries", (json_int_t)forget->deliveries.deliveries, "under_way",
                     (json_int_t)(store->under_way + forget->deliveries.under_way), "came_since",
                     (json_int_t)(store->came_since + forget->deliveries.came_since), "scrubbed",
                     forget->scrubbed, "dry_run", forget->dry_run);
}

const struct operation_kind operation_forget = {
    .command = "forget",
    .is_private = 1,
    .begin = begin,
    .step = step,
    .report = report,
    .free = free,
};
