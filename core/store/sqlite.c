/*
 * sqlite.c: the SQLite backend's table for store.c, its transactions, and what an SQLite error means.
 * How a file is opened is in sqlite_open.c. It never retries: the worker does, with the whole batch.
 */
#include "store/sqlite_internal.h"

#include <string.h>

/* ---- Errors -------------------------------------------------------------------------------------- */

int sqlite_classify(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return STORE_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STORE_E_CORRUPT;
    case SQLITE_NOMEM:
        return STORE_E_MEMORY;
    default:
        return STORE_E_FAILED;
    }
}

const char *sqlite_advice(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
        return "; free space on its file system";
    case SQLITE_IOERR:
        return "; look at the kernel's log for its disk, and at quotas and limits";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return "; check the owner and the permissions of the file and its directory";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program keeps it locked";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; pbxhook leaves the file as it is: restore a backup, or salvage what is readable "
               "with the .recover command of sqlite3";
    default:
        return "";
    }
}

int sqlite_fail(struct sqlite_store *store)
{
    int code = sqlite3_extended_errcode(store->db);
    return store_fail(&store->base, sqlite_classify(code), "%s: %s (SQLite error %d)%s",
                      store->path, sqlite3_errmsg(store->db), code, sqlite_advice(code));
}

int sqlite_out_of_memory(struct sqlite_store *store)
{
    return store_fail(&store->base, STORE_E_MEMORY, "%s: out of memory", store->path);
}

/* ---- Transactions -------------------------------------------------------------------------------- */

static int begin(struct store *store, const struct event *const *events, size_t count)
{
    (void)events; /* reading is cheap here: there is nothing to fetch ahead */
    (void)count;
    return sqlite_run(sqlite_of(store), SQL_BEGIN, SQL_NO_PARAMS);
}

/* Keeps the text of the error that led here. */
static void rollback(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    char error[STORE_ERROR_SIZE];
    memcpy(error, store->error, sizeof(error));
    sqlite_call_cache_clear(&sqlite->call_cache);
    /* After some failures SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(sqlite->db))
        sqlite_run(sqlite, SQL_ROLLBACK, SQL_NO_PARAMS);
    memcpy(store->error, error, sizeof(error));
}

static int apply_delta(struct sqlite_store *store)
{
    const struct store_counts *delta = &store->base.delta;
    int result = 0;
    if (delta->users != 0)
        result = sqlite_run(store, SQL_COUNT_ADD,
                            SQL_PARAMS(param_text("users"), param_int(delta->users)));
    for (int state = 0; state < LIFECYCLE_COUNT && result == 0; state++) {
        if (delta->calls[state] != 0)
            result = sqlite_run(store, SQL_COUNT_ADD,
                                SQL_PARAMS(param_text(lifecycle_type((enum lifecycle)state)),
                                           param_int(delta->calls[state])));
    }
    return result;
}

static int commit(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    int result = apply_delta(sqlite);
    if (result == 0)
        result = sqlite_kpi_apply(sqlite);
    if (result == 0)
        result = sqlite_run(sqlite, SQL_COMMIT, SQL_NO_PARAMS);
    if (result < 0)
        rollback(store);
    return result;
}

static int savepoint(struct store *store)
{
    sqlite_of(store)->plugin_wrote = 0;
    return sqlite_run(sqlite_of(store), SQL_SAVEPOINT_OPEN, SQL_NO_PARAMS);
}

static int release(struct store *store)
{
    int result = sqlite_plugin_flush(sqlite_of(store));
    if (result < 0)
        return result;
    return sqlite_run(sqlite_of(store), SQL_SAVEPOINT_RELEASE, SQL_NO_PARAMS);
}

static int undo(struct store *store)
{
    sqlite_call_cache_clear(&sqlite_of(store)->call_cache);
    int result = sqlite_run(sqlite_of(store), SQL_SAVEPOINT_UNDO, SQL_NO_PARAMS);
    sqlite_of(store)->plugin_wrote = 0; /* and nothing of it is left */
    return result < 0 ? result : release(store);
}

const struct store_backend sqlite_backend = {
    .scheme = "sqlite:",
    .dialect = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .let_go = sqlite_let_go,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .savepoint = savepoint,
    .release = release,
    .undo = undo,
    .event_add = sqlite_event_add,
    .call_put = sqlite_call_put,
    .call_find = sqlite_call_find,
    .user_find = sqlite_user_find,
    .user_create = sqlite_user_create,
    .sql = sqlite_plugin_sql,
    .action_add = sqlite_action_add,
    .actions_claim = sqlite_actions_claim,
    .action_next_due = sqlite_action_next_due,
    .actions_bring_forward = sqlite_actions_bring_forward,
    .actions_settle = sqlite_actions_settle,
    .actions_confirm = sqlite_actions_confirm,
    .actions_abandon = sqlite_actions_abandon,
    .retry_put = sqlite_retry_put,
    .retry_suspect = sqlite_retry_suspect,
    .retry_claim = sqlite_retry_claim,
    .retries_release = sqlite_retries_release,
    .retry_done = sqlite_retry_done,
    .retry_find = sqlite_retry_find,
    .retries_due = sqlite_retries_due,
    .retry_next_due = sqlite_retry_next_due,
    .retries_bring_forward = sqlite_retries_bring_forward,
    .letters = sqlite_letters,
    .letter_find = sqlite_letter_find,
    .letters_count = sqlite_letters_count,
    .letter_replay = sqlite_letter_replay,
    .letters_replay = sqlite_letters_replay,
    .letter_drop = sqlite_letter_drop,
    .prune = sqlite_prune,
    .scrub = sqlite_scrub,
    .counts = sqlite_counts,
    .active_calls = sqlite_active_calls,
    .calls = sqlite_calls,
    .events_after = sqlite_events_after,
    .events_newest = sqlite_events_newest,
    .call_events = sqlite_call_events,
    .call_actions = sqlite_call_actions,
    .kpi = sqlite_kpi,
    .kpi_callers = sqlite_kpi_callers,
    .kpi_actions = sqlite_kpi_actions,
    .kpi_events = sqlite_kpi_events,
};
