/*
 * sqlite_prune.c: takes old records out: events, finished calls with their payloads, ended actions, in
 * steps that look at a bounded number of rows. Called through store.c, inside a transaction. What is
 * still going on stays, however old it is; the statements say what that means.
 */
#include "store/sqlite_internal.h"

#include <stdlib.h>

/* One row that is old enough. */
struct candidate {
    int64_t id;
    int may_go; /* 0: something that is still going on needs it */
};

struct step {
    struct sqlite_store *store;
    struct store_pruned *pruned;
    int remove; /* 0: only counts */
};

/* Runs statements whose one parameter is the id. */
static int run_each(const struct step *step, const enum sqlite_statement *which, size_t count,
                    int64_t id)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = sqlite_run(step->store, which[i], SQL_PARAMS(param_int(id)));
    return result;
}

/* ---- One kind of record each: removes it, or only counts it --------------------------------------- */

static int prune_event(const struct step *step, int64_t id)
{
    static const enum sqlite_statement removal[] = {SQL_PRUNE_EVENT_LINK, SQL_PRUNE_STRAY,
                                                    SQL_PRUNE_EVENT};
    sqlite3_stmt *stmt;
    int64_t letters = 0;
    int result =
        sqlite_query(step->store, SQL_PRUNE_DEAD_LETTERS, SQL_PARAMS(param_int(id)), &stmt);
    if (result == 0)
        result = sqlite_next(step->store, stmt);
    if (result == 1) {
        letters = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        result = 0;
    }
    if (result == 0 && step->remove && letters > 0)
        result = sqlite_run(step->store, SQL_PRUNE_HANDLINGS, SQL_PARAMS(param_int(id)));
    if (result == 0 && step->remove)
        result = run_each(step, removal, sizeof(removal) / sizeof(removal[0]), id);
    if (result < 0)
        return result;
    step->pruned->events++;
    step->pruned->dead_letters += letters;
    return 0;
}

/* An event or action that stays is one without a call then. */
static int prune_call(const struct step *step, int64_t id)
{
    static const enum sqlite_statement removal[] = {SQL_PRUNE_CALL_LINKS, SQL_PRUNE_CALL_UNLINK,
                                                    SQL_PRUNE_CALL_ACTIONS, SQL_PRUNE_PAYLOAD,
                                                    SQL_PRUNE_CALL};
    int result = 0;
    if (step->remove) {
        sqlite_call_cache_clear(&step->store->call_cache); /* it may know this one */
        result = run_each(step, removal, sizeof(removal) / sizeof(removal[0]), id);
        if (result == 0)
            step->store->base.delta.calls[LIFECYCLE_FINISHED]--;
    }
    if (result < 0)
        return result;
    step->pruned->calls++;
    return 0;
}

static int prune_action(const struct step *step, int64_t id)
{
    int result =
        step->remove ? sqlite_run(step->store, SQL_PRUNE_ACTION, SQL_PARAMS(param_int(id))) : 0;
    if (result < 0)
        return result;
    step->pruned->actions++;
    return 0;
}

/* In this order: what keeps a call or an event is looked up in the other tables as they were before. */
static const struct kind {
    enum sqlite_statement list; /* time, id, may_go; of (after_ms, after_id], before_ms, limit */
    int (*prune)(const struct step *step, int64_t id);
} kinds[] = {
    {SQL_PRUNE_LIST_EVENTS, prune_event},
    {SQL_PRUNE_LIST_CALLS, prune_call},
    {SQL_PRUNE_LIST_ACTIONS, prune_action},
};

#define KIND_COUNT ((int)(sizeof(kinds) / sizeof(kinds[0])))

/* ---- A step --------------------------------------------------------------------------------------- */

/* The next rows of the kind that are old enough, and the place behind them. Their number. */
static int list_candidates(const struct step *step, enum sqlite_statement which, int64_t before_ms,
                           int max, struct candidate *out)
{
    struct store_pruned *pruned = step->pruned;
    sqlite3_stmt *stmt;
    int count = 0;
    int result = sqlite_query(step->store, which,
                              SQL_PARAMS(param_int(pruned->after_ms), param_int(pruned->after_id),
                                         param_int(before_ms), param_int(max)),
                              &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(step->store, stmt)) == 1) {
        pruned->after_ms = sqlite3_column_int64(stmt, 0);
        pruned->after_id = sqlite3_column_int64(stmt, 1);
        out[count++] =
            (struct candidate){.id = pruned->after_id, .may_go = sqlite3_column_int(stmt, 2)};
    }
    return result < 0 ? result : count;
}

/* Up to max rows of the present kind; goes on to the next kind when there are no more. */
static int prune_some(const struct step *step, int64_t before_ms, int max,
                      struct candidate *candidates)
{
    struct store_pruned *pruned = step->pruned;
    const struct kind *kind = &kinds[pruned->kind];
    int count = list_candidates(step, kind->list, before_ms, max, candidates);
    int result = count < 0 ? count : 0;
    for (int i = 0; i < count && result == 0; i++)
        result = candidates[i].may_go ? kind->prune(step, candidates[i].id) : 0;
    if (result == 0 && count < max) {
        pruned->kind++;
        pruned->after_ms = INT64_MIN;
        pruned->after_id = INT64_MIN;
    }
    return result;
}

int sqlite_prune(struct store *store, int64_t before_ms, int max_rows, int remove,
                 struct store_pruned *pruned)
{
    const struct step step = {.store = sqlite_of(store), .pruned = pruned, .remove = remove};
    if (pruned->kind >= KIND_COUNT)
        return 0;
    struct candidate *candidates = calloc((size_t)max_rows, sizeof(*candidates));
    if (candidates == NULL)
        return sqlite_out_of_memory(step.store);
    if (!pruned->begun) {
        pruned->begun = 1;
        pruned->after_ms = INT64_MIN;
        pruned->after_id = INT64_MIN;
    }
    int result = prune_some(&step, before_ms, max_rows, candidates);
    free(candidates);
    if (result < 0)
        return result;
    return pruned->kind < KIND_COUNT;
}
