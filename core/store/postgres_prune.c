/*
 * postgres_prune.c: takes old records out. A month of events that is old as a whole is dropped with its
 * partition; of the others the rows are deleted, in steps that look at a bounded number of them. Called
 * through store.c, inside a transaction. Several may do it at once: what another one has locked is passed by.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

/* In this order: what keeps a call or an event is looked up in the other tables as they were before. */
enum kind { MONTHS, EVENTS, STRAY_EVENTS, CALLS, ACTIONS, KIND_COUNT };

enum { NOT_BEGUN, AT_FIRST, BEHIND }; /* store_pruned.begun: where in the kind */

/* The rows that one step looked at. */
struct step {
    struct store_pruned *pruned;
    struct pg_vector ids;        /* int64_t: those that may go */
    struct pg_vector identities; /* uint8_t[EVENT_IDENTITY_SIZE], of the same events */
    int looked_at;
};

static void begin_kind(struct store_pruned *pruned, enum kind kind)
{
    pruned->kind = (int)kind;
    pruned->begun = AT_FIRST;
    pruned->after_ms = INT64_MIN;
    pruned->after_id = INT64_MIN;
}

static int take_number(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)store;
    *(int64_t *)arg = pg_get_int8(result, 0, 0);
    return 0;
}

static int take_changed(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)store;
    *(int64_t *)arg += strtoll(PQcmdTuples((PGresult *)result), NULL, 10);
    return 0;
}

/* ---- Whole months ---------------------------------------------------------------------------------- */

struct month {
    char name[64];
    int64_t end_ms; /* behind its last event */
    int found;
};

static int take_month(struct pg_store *store, const PGresult *result, void *arg)
{
    struct month *month = arg;
    (void)store;
    if (PQntuples(result) == 0)
        return 0;
    snprintf(month->name, sizeof(month->name), "%s", pg_get_text(result, 0, 0));
    month->end_ms = pg_get_time(result, 0, 1);
    month->found = 1;
    return 0;
}

/* Whether something that is still going on needs the month, or some of its events came late: they are among the
 * last that were stored, though not always the very last, for several servers store what they have. */
static int is_needed(struct pg_store *store, const struct month *month, int64_t before_ms, int *out)
{
    char sql[320];
    int64_t needed = 1, late = 1;
    snprintf(sql, sizeof(sql),
             "SELECT coalesce(max(received_at) >= $1::timestamptz, false)::int::int8 "
             "FROM (SELECT received_at FROM pbxhook.%s ORDER BY id DESC LIMIT 10000) AS last",
             month->name);
    pg_params_clear(&store->params);
    pg_one_time(&store->params, before_ms);
    int result = pg_queue_text(store, sql, &store->params, take_number, &late);
    pg_params_clear(&store->params);
    pg_one_time(&store->params, month->end_ms);
    if (result == 0)
        result = pg_query(store, PG_PRUNE_MONTH_NEEDED, &store->params, take_number, &needed);
    *out = needed != 0 || late != 0;
    return result;
}

/*
 * What it held is told as the database estimates it: to count a month takes as long as to delete it. One that
 * was never looked at by the database is small, and counted.
 */
static int drop_month(struct pg_store *store, const struct month *month,
                      struct store_pruned *pruned)
{
    char count[320], letters[200], drop[96];
    int64_t events = 0;
    snprintf(count, sizeof(count),
             "SELECT CASE WHEN reltuples >= 0 THEN reltuples::int8 "
             "ELSE (SELECT count(*) FROM pbxhook.%s) END FROM pg_class "
             "WHERE oid = 'pbxhook.%s'::regclass",
             month->name, month->name);
    snprintf(letters, sizeof(letters),
             "DELETE FROM pbxhook.handlings h USING pbxhook.%s e WHERE h.event_id = e.id",
             month->name);
    snprintf(drop, sizeof(drop), "DROP TABLE pbxhook.%s", month->name);
    int result = pg_queue_text(store, count, NULL, take_number, &events);
    if (result == 0)
        result = pg_queue_text(store, letters, NULL, take_changed, &pruned->dead_letters);
    if (result == 0)
        result = pg_queue_text(store, drop, NULL, NULL, NULL);
    if (result == 0)
        result = pg_run(store);
    if (result == 0)
        pruned->events += events;
    return result;
}

/*
 * Nothing comes into the month any more: 1; 0 when others are at it, a backup say. While this waits everybody
 * waits behind it, events and all, so not for long.
 */
static int lock_month(struct pg_store *store, const struct month *month)
{
    char lock[160];
    snprintf(lock, sizeof(lock),
             "LOCK TABLE ONLY pbxhook.events, pbxhook.%s IN ACCESS EXCLUSIVE MODE", month->name);
    int result = pg_queue(store, PG_STATEMENT_OPEN, NULL, NULL, NULL);
    if (result == 0)
        result = pg_queue_text(store, "SET LOCAL lock_timeout = '500ms'", NULL, NULL, NULL);
    if (result == 0)
        result = pg_queue_text(store, lock, NULL, NULL, NULL);
    if (result == 0)
        result = pg_run(store);
    if (result == 0)
        return 1;
    if (result != STORE_E_BUSY || store->conn == NULL)
        return result;
    result = pg_queue(store, PG_STATEMENT_UNDO, NULL, NULL, NULL);
    return result < 0 ? result : pg_query(store, PG_STATEMENT_RELEASE, NULL, NULL, NULL);
}

/* Drops the oldest month if it may go. The first that may not ends it: its rows come next. */
static int prune_month(struct pg_store *store, int64_t before_ms, struct store_pruned *pruned)
{
    struct month month = {.found = 0};
    int needed = 1;
    int result = pg_query(store, PG_DDL_LOCK, NULL, NULL, NULL);
    pg_params_clear(&store->params);
    pg_one_time(&store->params, before_ms);
    if (result == 0)
        result = pg_query(store, PG_PRUNE_MONTHS, &store->params, take_month, &month);
    if (result == 0 && month.found)
        result = is_needed(store, &month, before_ms, &needed);
    if (result == 0 && !needed) {
        result = lock_month(store, &month);
        needed = result != 1;
        if (result == 1) /* what came while it was waited for may need it */
            result = is_needed(store, &month, before_ms, &needed);
    }
    if (result < 0)
        return result;
    if (!month.found || needed) {
        begin_kind(pruned, EVENTS);
        return 0;
    }
    return drop_month(store, &month, pruned);
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* An identity as two integers of store_pruned, and back. */
static void note_identity(struct store_pruned *pruned, const char *identity)
{
    memcpy(&pruned->after_ms, identity, sizeof(pruned->after_ms));
    memcpy(&pruned->after_id, identity + sizeof(pruned->after_ms), sizeof(pruned->after_id));
    pruned->begun = BEHIND;
}

/* Rows (identity, id, may_go). */
static int take_events(struct pg_store *store, const PGresult *result, void *arg)
{
    struct step *step = arg;
    step->looked_at = PQntuples(result);
    for (int row = 0; row < step->looked_at; row++) {
        note_identity(step->pruned, PQgetvalue(result, row, 0));
        if (!pg_get_bool(result, row, 2))
            continue;
        int64_t *id = pg_vector_add(&step->ids, sizeof(*id));
        void *identity = pg_vector_add(&step->identities, EVENT_IDENTITY_SIZE);
        if (id == NULL || identity == NULL)
            return pg_no_memory(store);
        *id = pg_get_int8(result, row, 1);
        memcpy(identity, PQgetvalue(result, row, 0), EVENT_IDENTITY_SIZE);
    }
    return 0;
}

/* Rows (time, id, may_go). */
static int take_rows(struct pg_store *store, const PGresult *result, void *arg)
{
    struct step *step = arg;
    step->looked_at = PQntuples(result);
    for (int row = 0; row < step->looked_at; row++) {
        step->pruned->after_ms = pg_get_time(result, row, 0);
        step->pruned->after_id = pg_get_int8(result, row, 1);
        step->pruned->begun = BEHIND;
        if (!pg_get_bool(result, row, 2))
            continue;
        int64_t *id = pg_vector_add(&step->ids, sizeof(*id));
        if (id == NULL)
            return pg_no_memory(store);
        *id = step->pruned->after_id;
    }
    return 0;
}

/* What the identities of events of that time begin with. */
static void put_bound(struct pg_params *params, int64_t time_ms)
{
    uint8_t bound[6];
    for (size_t i = 0; i < sizeof(bound); i++)
        bound[i] = (uint8_t)((uint64_t)time_ms >> (8 * (sizeof(bound) - 1 - i)));
    pg_one_bytes(params, bound, sizeof(bound));
}

static int list_events(struct pg_store *store, int64_t before_ms, int max, struct step *step)
{
    static const enum pg_statement list[] = {
        [EVENTS] = PG_PRUNE_EVENTS, [STRAY_EVENTS] = PG_PRUNE_STRAY_EVENTS};
    const struct store_pruned *pruned = step->pruned;
    char after[EVENT_IDENTITY_SIZE];
    memcpy(after, &pruned->after_ms, sizeof(pruned->after_ms));
    memcpy(after + sizeof(pruned->after_ms), &pruned->after_id, sizeof(pruned->after_id));
    pg_params_clear(&store->params);
    pg_one_bytes(&store->params, after, pruned->begun == BEHIND ? sizeof(after) : 0);
    pg_one_time(&store->params, before_ms);
    pg_one_int8(&store->params, max);
    put_bound(&store->params, before_ms);
    return pg_query(store, list[pruned->kind], &store->params, take_events, step);
}

static int list_rows(struct pg_store *store, int64_t before_ms, int max, struct step *step)
{
    pg_params_clear(&store->params);
    pg_one_time(&store->params, step->pruned->begun == BEHIND ? step->pruned->after_ms : INT64_MIN);
    pg_one_int8(&store->params, step->pruned->after_id);
    pg_one_time(&store->params, before_ms);
    pg_one_int8(&store->params, max);
    return pg_query(store, step->pruned->kind == CALLS ? PG_PRUNE_CALLS : PG_PRUNE_ACTIONS,
                    &store->params, take_rows, step);
}

static void put_ids(struct pg_params *params, const struct step *step)
{
    static const enum pg_type types[] = {PG_INT8};
    const int64_t *ids = step->ids.items;
    pg_params_clear(params);
    pg_params_arrays(params, types, 1);
    for (size_t i = 0; i < step->ids.count; i++)
        pg_put_int8(params, 0, ids[i]);
}

static int remove_events(struct pg_store *store, const struct step *step)
{
    static const enum pg_type types[] = {PG_BYTEA};
    const uint8_t *identities = step->identities.items;
    put_ids(&store->params, step);
    int result = pg_queue(store, PG_PRUNE_HANDLINGS, &store->params, take_changed,
                          &step->pruned->dead_letters);
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 1);
    for (size_t i = 0; i < step->identities.count; i++)
        pg_put_bytes(&store->params, 0, identities + i * EVENT_IDENTITY_SIZE, EVENT_IDENTITY_SIZE);
    if (result == 0)
        result =
            pg_queue(store, PG_EVENTS_DROP, &store->params, take_changed, &step->pruned->events);
    return result < 0 ? result : pg_run(store);
}

static int remove_calls(struct pg_store *store, const struct step *step)
{
    int64_t removed = 0;
    put_ids(&store->params, step);
    int result = pg_queue(store, PG_PRUNE_PAYLOADS_REMOVE, &store->params, NULL, NULL);
    if (result == 0)
        result = pg_query(store, PG_PRUNE_CALLS_REMOVE, &store->params, take_changed, &removed);
    if (result < 0)
        return result;
    step->pruned->calls += removed;
    store->base.delta.calls[LIFECYCLE_FINISHED] -= removed;
    return 0;
}

static int remove_rows(struct pg_store *store, const struct step *step)
{
    switch (step->pruned->kind) {
    case CALLS:
        return remove_calls(store, step);
    case ACTIONS:
        put_ids(&store->params, step);
        return pg_query(store, PG_PRUNE_ACTIONS_REMOVE, &store->params, take_changed,
                        &step->pruned->actions);
    default:
        return remove_events(store, step);
    }
}

/* What remove_rows() would have removed. */
static int count_rows(struct pg_store *store, const struct step *step)
{
    int64_t letters = 0;
    int64_t count = (int64_t)step->ids.count;
    int result = 0;
    switch (step->pruned->kind) {
    case CALLS:
        step->pruned->calls += count;
        return 0;
    case ACTIONS:
        step->pruned->actions += count;
        return 0;
    default:
        put_ids(&store->params, step);
        result = pg_query(store, PG_PRUNE_LETTERS, &store->params, take_number, &letters);
        step->pruned->events += count;
        step->pruned->dead_letters += letters;
        return result;
    }
}

static int prune_rows(struct pg_store *store, int64_t before_ms, int max, int remove,
                      struct store_pruned *pruned)
{
    struct step step = {.pruned = pruned};
    int is_event = pruned->kind == EVENTS || pruned->kind == STRAY_EVENTS;
    int result = is_event ? list_events(store, before_ms, max, &step)
                          : list_rows(store, before_ms, max, &step);
    if (result == 0 && step.ids.count > 0)
        result = remove ? remove_rows(store, &step) : count_rows(store, &step);
    if (result == 0 && step.looked_at < max)
        begin_kind(pruned, (enum kind)(pruned->kind + 1));
    pg_vector_free(&step.ids);
    pg_vector_free(&step.identities);
    return result;
}

int pg_prune(struct store *base, int64_t before_ms, int max_rows, int remove,
             struct store_pruned *pruned)
{
    struct pg_store *store = pg_of(base);
    if (pruned->kind >= KIND_COUNT)
        return 0;
    if (pruned->begun == NOT_BEGUN)
        begin_kind(pruned, remove ? MONTHS : EVENTS); /* what is only counted is counted by row */
    int result = pg_flush(store);
    if (result == 0)
        result = pruned->kind == MONTHS ? prune_month(store, before_ms, pruned)
                                        : prune_rows(store, before_ms, max_rows, remove, pruned);
    return result < 0 ? result : pruned->kind < KIND_COUNT;
}
