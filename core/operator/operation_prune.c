/*
 * operation_prune.c: removes what is older than a given time, or counts it. What the spool still holds is
 * never old: its record in the store is what tells a replay after a crash from a new event.
 */
#include "operator/operation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/config.h"
#include "http/deliveries.h"

/* So many rows in one step, fewer when that takes longer than events may wait. */
#define MOST_ROWS    500
#define FEWEST_ROWS  10
#define STEP_LONG_US 20000

struct prune {
    int64_t before_ms;
    int dry_run;
    int looked_at_spool;
    int max_rows;
    struct store_pruned pruned;
    int64_t deliveries;
};

json_t *operation_prune_request(int64_t older_than_ms, int dry_run)
{
    return json_pack("{s:s, s:I, s:b}", "command", operation_prune.command, "older_than_ms",
                     (json_int_t)older_than_ms, "dry_run", dry_run);
}

static void *begin(const json_t *request, char *error)
{
    const json_t *older_than = json_object_get(request, "older_than_ms");
    int64_t older_than_ms = json_integer_value(older_than);
    if (!json_is_integer(older_than) || older_than_ms < CONFIG_PERIOD_MIN_MS ||
        older_than_ms > CONFIG_PERIOD_MAX_MS) {
        snprintf(error, OPERATION_ERROR_SIZE, "older_than_ms: wanted an integer from %lld to %lld",
                 (long long)CONFIG_PERIOD_MIN_MS, (long long)CONFIG_PERIOD_MAX_MS);
        return NULL;
    }
    struct prune *prune = calloc(1, sizeof *prune);
    if (prune == NULL) {
        snprintf(error, OPERATION_ERROR_SIZE, "out of memory");
        return NULL;
    }
    prune->before_ms = clock_wall_ms() - older_than_ms;
    prune->dry_run = json_is_true(json_object_get(request, "dry_run"));
    prune->max_rows = MOST_ROWS;
    return prune;
}

/* Once: what comes into the spool from now on is not old. */
static int look_at_spool(struct prune *prune, struct spool_reader *spool, char *error)
{
    int64_t oldest_ms = 0;
    int found = spool == NULL ? 0 : spool_reader_oldest(spool, &oldest_ms);
    if (found < 0) {
        snprintf(error, OPERATION_ERROR_SIZE, "the spool can't be read: %s",
                 spool_reader_error(spool));
        return -1;
    }
    if (found == 1 && oldest_ms < prune->before_ms)
        prune->before_ms = oldest_ms;
    prune->looked_at_spool = 1;
    return 0;
}

/* Once nothing else is left. 1 there may be more, 0, or a STORE_E_...; a dry run counts them in one go. */
static int prune_deliveries(struct prune *prune, struct store *store, int64_t *deliveries)
{
    int code = deliveries_exist(store);
    if (code > 0)
        code = prune->dry_run ? deliveries_count_ended(store, prune->before_ms, INT_MAX)
                              : deliveries_prune(store, prune->before_ms, prune->max_rows);
    if (code <= 0)
        return code;
    *deliveries += code;
    return !prune->dry_run && code == prune->max_rows;
}

/* Adopts what the step did once it is committed. */
static int prune_some(struct prune *prune, struct store *store, char *error)
{
    struct store_pruned pruned = prune->pruned;
    int64_t deliveries = prune->deliveries;
    int more = store_begin(store, NULL, 0);
    if (more == 0)
        more = prune->dry_run ? store_prune_count(store, prune->before_ms, prune->max_rows, &pruned)
                              : store_prune(store, prune->before_ms, prune->max_rows, &pruned);
    if (more == 0)
        more = prune_deliveries(prune, store, &deliveries);
    int code = more < 0 ? more : store_commit(store);
    if (code < 0) {
        snprintf(error, OPERATION_ERROR_SIZE, "the store failed: %s", store_error(store));
        store_rollback(store);
        return code == STORE_E_AGAIN ? OPERATION_WAIT : -1;
    }
    prune->pruned = pruned;
    prune->deliveries = deliveries;
    return more;
}

static int step(void *state, const struct operation_parts *parts, char *error)
{
    struct prune *prune = state;
    int64_t started_us = clock_mono_us();
    if (!prune->looked_at_spool && look_at_spool(prune, parts->spool, error) < 0)
        return -1;
    int more = prune_some(prune, parts->store, error);
    int64_t took_us = clock_mono_us() - started_us;
    if (took_us > STEP_LONG_US && prune->max_rows > FEWEST_ROWS)
        prune->max_rows /= 2;
    else if (took_us < STEP_LONG_US / 4 && prune->max_rows < MOST_ROWS)
        prune->max_rows = prune->max_rows * 2 < MOST_ROWS ? prune->max_rows * 2 : MOST_ROWS;
    return more;
}

static json_t *report(const void *state)
{
    const struct prune *prune = state;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "events",
                     (json_int_t)prune->pruned.events, "calls", (json_int_t)prune->pruned.calls,
                     "actions", (json_int_t)prune->pruned.actions, "dead_letters",
                     (json_int_t)prune->pruned.dead_letters, "deliveries",
                     (json_int_t)prune->deliveries, "before_ms", (json_int_t)prune->before_ms,
                     "dry_run", prune->dry_run);
}

const struct operation_kind operation_prune = {
    .command = "prune",
    .begin = begin,
    .step = step,
    .report = report,
    .free = free,
};
