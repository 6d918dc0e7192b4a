/*
 * sqlite_retries.c: handlings that failed: to be tried again, or dead letters. Called through store.c.
 * It never calls a plugin and knows nothing of backoff: the times are the caller's.
 */
#include "store/sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

int sqlite_retry_put(struct store *store, int64_t event_id, const char *plugin, int attempts,
                     int dead, int64_t due_ms, int64_t now_ms, const char *error)
{
    return sqlite_run(sqlite_of(store), SQL_RETRY_PUT,
                      SQL_PARAMS(param_int(event_id), param_text(plugin),
                                 param_text(dead ? "dead" : "retry"), param_int(attempts),
                                 param_int(0), param_int(due_ms), param_int(now_ms),
                                 param_text(error)));
}

int sqlite_retry_suspect(struct store *store, int64_t event_id, const char *plugin, int attempts,
                         int strikes, int64_t due_ms, int64_t now_ms, const char *error)
{
    return sqlite_run(sqlite_of(store), SQL_RETRY_PUT,
                      SQL_PARAMS(param_int(event_id), param_text(plugin), param_text("retry"),
                                 param_int(attempts), param_int(strikes), param_int(due_ms),
                                 param_int(now_ms), param_text(error)));
}

int sqlite_retry_claim(struct store *store, int64_t event_id, const char *plugin, int64_t until_ms)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    int result =
        sqlite_run(sqlite, SQL_RETRY_CLAIM,
                   SQL_PARAMS(param_int(event_id), param_text(plugin), param_int(until_ms)));
    return result < 0 ? result : sqlite3_changes(sqlite->db) > 0;
}

int sqlite_retries_release(struct store *store, int64_t now_ms, int untried)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    int result = sqlite_run(sqlite, SQL_RETRIES_RELEASE,
                            SQL_PARAMS(param_int(now_ms), param_int(untried != 0)));
    return result < 0 ? result : sqlite3_changes(sqlite->db);
}

int sqlite_retry_done(struct store *store, int64_t event_id, const char *plugin)
{
    return sqlite_run(sqlite_of(store), SQL_RETRY_DONE,
                      SQL_PARAMS(param_int(event_id), param_text(plugin)));
}

int sqlite_retry_next_due(struct store *store, int64_t *due_ms)
{
    return sqlite_query_int(sqlite_of(store), SQL_RETRY_NEXT_DUE, due_ms);
}

int sqlite_retries_bring_forward(struct store *store, int64_t now_ms, int64_t longest_ms,
                                 int64_t claim_ms)
{
    return sqlite_run(sqlite_of(store), SQL_RETRIES_FORWARD,
                      SQL_PARAMS(param_int(now_ms), param_int(now_ms + longest_ms),
                                 param_int(now_ms + claim_ms)));
}

/* ---- The event of a handling, as it was ----------------------------------------------------------- */

/* The body was accepted once; if a later pbxhook reads it otherwise, the stored columns still tell
 * what the event was. NULL when out of memory. */
static struct event *event_of_columns(sqlite3_stmt *stmt, const char *body, size_t size)
{
    const char *const field[EVENT_FIELD_COUNT] = {
        [EVENT_CALL_ID] = sqlite_column_string(stmt, 4),
        [EVENT_TYPE] = sqlite_column_string(stmt, 5),
    };
    return event_new(field, body, size);
}

/* The event in a row of RETRY_COLUMNS; NULL when out of memory. */
static struct event *take_event(sqlite3_stmt *stmt)
{
    struct event *event = NULL;
    struct event_problem problem;
    const char *body = sqlite_column_string(stmt, 9);
    size_t size = (size_t)sqlite3_column_bytes(stmt, 9);
    int64_t received_ms = sqlite3_column_int64(stmt, 7);
    if (event_parse(body, size, received_ms, &event, &problem) < 0)
        event = problem.status == 503 ? NULL : event_of_columns(stmt, body, size);
    if (event == NULL)
        return NULL;
    const void *identity = sqlite3_column_blob(stmt, 3);
    if (identity != NULL && sqlite3_column_bytes(stmt, 3) == EVENT_IDENTITY_SIZE)
        memcpy(event->identity, identity, EVENT_IDENTITY_SIZE);
    event->time_ms = sqlite3_column_int64(stmt, 6);
    event->received_ms = received_ms;
    event->seq = sqlite3_column_int64(stmt, 8);
    return event;
}

static int take_retry(sqlite3_stmt *stmt, struct store_retry *out)
{
    out->event_id = sqlite3_column_int64(stmt, 0);
    out->attempts = sqlite3_column_int(stmt, 2);
    out->strikes = sqlite3_column_int(stmt, 10);
    out->plugin = strdup(sqlite_column_string(stmt, 1));
    out->error = strdup(sqlite_column_string(stmt, 11));
    out->event = take_event(stmt);
    return out->plugin == NULL || out->error == NULL || out->event == NULL ? -1 : 0;
}

int sqlite_retry_find(struct store *store, int64_t event_id, const char *plugin,
                      struct store_retry *out)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct store_retry found = {.event_id = 0};
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_RETRY_FIND,
                              SQL_PARAMS(param_int(event_id), param_text(plugin)), &stmt);
    if (result == 0)
        result = sqlite_next(sqlite, stmt);
    if (result != 1)
        return result;
    int taken = take_retry(stmt, &found);
    sqlite3_reset(stmt);
    if (taken < 0) {
        store_retry_clear(&found);
        return sqlite_out_of_memory(sqlite);
    }
    *out = found;
    return 1;
}

int sqlite_retries_due(struct store *store, int64_t now_ms, int max, struct store_retry **out,
                       int *count)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct store_retry *retries = NULL;
    int taken = 0;
    sqlite3_stmt *stmt;
    int result =
        sqlite_query(sqlite, SQL_RETRY_DUE, SQL_PARAMS(param_int(now_ms), param_int(max)), &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        /* Nothing is due most of the time, so nothing is allocated before the first row. */
        if (retries == NULL)
            retries = calloc((size_t)max, sizeof(*retries));
        if (retries == NULL || take_retry(stmt, &retries[taken++]) < 0) {
            sqlite3_reset(stmt);
            result = sqlite_out_of_memory(sqlite);
            break;
        }
    }
    if (result < 0) {
        store_retries_free(retries, taken);
        return result;
    }
    *out = retries;
    *count = taken;
    return 0;
}
