/*
 * sqlite_letters.c: handlings that are not tried any more, for the operator: to be looked at, tried again
 * after all, or forgotten. Called through store.c.
 */
#include "store/sqlite_internal.h"

#include <string.h>

/* A row of LETTER_COLUMNS, and of the body behind them if it has one. */
static void take_letter(sqlite3_stmt *stmt, struct store_letter *out)
{
    *out = (struct store_letter){.event_id = sqlite3_column_int64(stmt, 0),
                                 .plugin = sqlite_column_string(stmt, 1),
                                 .error = sqlite_column_string(stmt, 2),
                                 .call_id = sqlite_column_string(stmt, 3),
                                 .type = sqlite_column_string(stmt, 4),
                                 .failed_ms = sqlite3_column_int64(stmt, 5),
                                 .received_ms = sqlite3_column_int64(stmt, 6),
                                 .attempts = sqlite3_column_int(stmt, 7)};
    if (sqlite3_column_count(stmt) <= 8)
        return;
    out->body = sqlite_column_string(stmt, 8);
    out->body_size = (size_t)sqlite3_column_bytes(stmt, 8);
}

int sqlite_letters(struct store *store, const struct store_letter *before, int max,
                   store_letter_fn row, void *arg)
{
    const struct store_letter newest = {.failed_ms = INT64_MAX, .plugin = ""};
    const struct store_letter *from = before == NULL ? &newest : before;
    struct sqlite_store *sqlite = sqlite_of(store);
    struct store_letter letter;
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_LETTER_LIST,
                              SQL_PARAMS(param_int(from->failed_ms), param_int(from->event_id),
                                         param_text(from->plugin), param_int(max)),
                              &stmt);
    while (result >= 0 && (result = sqlite_next(sqlite, stmt)) == 1) {
        take_letter(stmt, &letter);
        if (row(arg, &letter) != 0) {
            sqlite3_reset(stmt);
            return store_fail(store, STORE_E_STOPPED, "stopped by the caller");
        }
    }
    return result;
}

int sqlite_letter_find(struct store *store, int64_t event_id, const char *plugin,
                       store_letter_fn row, void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct store_letter letter;
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_LETTER_FIND,
                              SQL_PARAMS(param_int(event_id), param_text(plugin)), &stmt);
    if (result == 0)
        result = sqlite_next(sqlite, stmt);
    if (result != 1)
        return result;
    take_letter(stmt, &letter);
    int stopped = row(arg, &letter);
    sqlite3_reset(stmt);
    return stopped ? store_fail(store, STORE_E_STOPPED, "stopped by the caller") : 1;
}

int sqlite_letters_count(struct store *store, int64_t *out)
{
    int result = sqlite_query_int(sqlite_of(store), SQL_LETTER_COUNT, out);
    return result < 0 ? result : 0;
}

static int changed(struct sqlite_store *sqlite, int result)
{
    return result < 0 ? result : sqlite3_changes(sqlite->db);
}

int sqlite_letter_replay(struct store *store, int64_t event_id, const char *plugin, int64_t now_ms)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    return changed(
        sqlite, sqlite_run(sqlite, SQL_LETTER_REPLAY,
                           SQL_PARAMS(param_int(event_id), param_text(plugin), param_int(now_ms))));
}

int sqlite_letters_replay(struct store *store, int64_t before_ms, int max, int64_t now_ms)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    return changed(sqlite,
                   sqlite_run(sqlite, SQL_LETTERS_REPLAY,
                              SQL_PARAMS(param_int(before_ms), param_int(max), param_int(now_ms))));
}

int sqlite_letter_drop(struct store *store, int64_t event_id, const char *plugin)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    return changed(sqlite, sqlite_run(sqlite, SQL_LETTER_DROP,
                                      SQL_PARAMS(param_int(event_id), param_text(plugin))));
}
