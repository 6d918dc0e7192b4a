/*
 * postgres.c: the PostgreSQL backend's table for store.c, and the end of its transactions. How a batch begins
 * is in postgres_batch.c. It never retries: the worker does, with the whole batch.
 */
#include <string.h>
#include <unistd.h>

#include "store/postgres_internal.h"

static void end_transaction(struct pg_store *store)
{
    store->queued = 0;
    pg_image_clear(&store->image);
}

/* Keeps the text of the error that led here. */
static void rollback(struct store *base)
{
    struct pg_store *store = pg_of(base);
    char error[STORE_ERROR_SIZE];
    memcpy(error, base->error, sizeof(error));
    store->queued = 0;
    if (store->conn != NULL)
        pg_query(store, PG_ROLLBACK, NULL, NULL, NULL);
    memcpy(base->error, error, sizeof(error));
    store->claimed.count = store->claimed_lost;
    end_transaction(store);
}

static int queue_counts(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_TEXT, PG_INT8};
    const struct store_counts *delta = &store->base.delta;
    int rows = 0;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, store->shard);
    pg_params_arrays(&store->params, types, 2);
    for (int i = 0; i <= LIFECYCLE_COUNT; i++) {
        int64_t n = i == LIFECYCLE_COUNT ? delta->users : delta->calls[i];
        if (n == 0)
            continue;
        pg_put_text(&store->params, 1,
                    i == LIFECYCLE_COUNT ? "users" : lifecycle_type((enum lifecycle)i));
        pg_put_int8(&store->params, 2, n);
        rows++;
    }
    return rows == 0 ? 0 : pg_queue(store, PG_COUNTS_ADD, &store->params, NULL, NULL);
}

/*
 * A connection that is lost now leaves open whether it was committed. The worker runs the same batch again: the
 * identities of its events tell, and what it claimed is remembered: see queue_lost_claims().
 */
static int commit(struct store *base)
{
    struct pg_store *store = pg_of(base);
    int is_sent = 0;
    /* In a round trip of its own, if the claim has not done it: what its results say may forbid the commit. */
    int result = pg_flush(store);
    if (result == 0)
        result = pg_drop_events(store);
    if (result == 0)
        result = queue_counts(store);
    if (result == 0)
        result = pg_kpi_queue(store);
    if (result == 0)
        result = pg_queue(store, PG_COMMIT, NULL, NULL, NULL);
    if (result == 0) {
        is_sent = 1;
        result = pg_run(store);
    }
    if (result == 0) {
        store->claimed.count = store->claimed_lost = 0;
        end_transaction(store);
    } else if (is_sent && store->conn == NULL) {
        store->claimed_lost = store->claimed.count;
        end_transaction(store);
    } else {
        rollback(base);
    }
    return result;
}

/* ---- Savepoints: nothing is sent unless a plugin runs SQL of its own ----------------------------------- */

static int savepoint(struct store *base)
{
    pg_image_open_savepoint(&pg_of(base)->image);
    return 0;
}

static int release(struct store *base)
{
    struct pg_store *store = pg_of(base);
    int is_real = store->image.has_real_savepoint;
    store->image.in_savepoint = store->image.has_real_savepoint = 0;
    store->image.undo.count = 0;
    return is_real ? pg_query(store, PG_SAVEPOINT_RELEASE, NULL, NULL, NULL) : 0;
}

static int undo(struct store *base)
{
    struct pg_store *store = pg_of(base);
    int is_real = store->image.has_real_savepoint;
    int result = 0;
    if (is_real) {
        result = pg_queue(store, PG_SAVEPOINT_UNDO, NULL, NULL, NULL);
        if (result == 0)
            result = pg_query(store, PG_SAVEPOINT_RELEASE, NULL, NULL, NULL);
    }
    pg_image_undo(&store->image);
    return result;
}

static int is_away(const struct store *base)
{
    return ((const struct pg_store *)base)->conn == NULL;
}

/* Nothing is said to the server: the session is the parent's. */
static void let_go(struct store *base)
{
    const struct pg_store *store = pg_of(base);
    int fd = store->conn == NULL ? -1 : PQsocket(store->conn);
    if (fd >= 0)
        close(fd);
}

#define FUNCTIONS                                                                                  \
    .dialect = "postgresql", .open = pg_open, .close = pg_close, .is_away = is_away,               \
    .let_go = let_go, .begin = pg_batch_begin, .commit = commit, .rollback = rollback,             \
    .savepoint = savepoint, .release = release, .undo = undo, .event_add = pg_event_add,           \
    .call_put = pg_call_put, .call_find = pg_call_find, .user_find = pg_user_find,                 \
    .user_create = pg_user_create, .sql = pg_plugin_sql, .action_add = pg_action_add,              \
    .actions_claim = pg_actions_claim, .action_next_due = pg_action_next_due,                      \
    .actions_bring_forward = pg_actions_bring_forward, .actions_settle = pg_actions_settle,        \
    .actions_confirm = pg_actions_confirm, .actions_abandon = pg_actions_abandon,                  \
    .retry_put = pg_retry_put, .retry_done = pg_retry_done, .retry_suspect = pg_retry_suspect,     \
    .retry_claim = pg_retry_claim, .retries_release = pg_retries_release,                          \
    .retry_find = pg_retry_find, .retries_due = pg_retries_due,                                    \
    .retry_next_due = pg_retry_next_due, .retries_bring_forward = pg_retries_bring_forward,        \
    .letters = pg_letters, .letter_find = pg_letter_find, .letters_count = pg_letters_count,       \
    .letter_replay = pg_letter_replay, .letters_replay = pg_letters_replay,                        \
    .letter_drop = pg_letter_drop, .prune = pg_prune, .counts = pg_counts,                         \
    .active_calls = pg_active_calls, .calls = pg_calls, .events_after = pg_events_after,           \
    .events_newest = pg_events_newest, .call_events = pg_call_events,                              \
    .call_actions = pg_call_actions, .kpi = pg_kpi, .kpi_callers = pg_kpi_callers,                 \
    .kpi_actions = pg_kpi_actions, .kpi_events = pg_kpi_events

const struct store_backend postgres_backend = {.scheme = "postgresql://", FUNCTIONS};
const struct store_backend postgres_short_backend = {.scheme = "postgres://", FUNCTIONS};
