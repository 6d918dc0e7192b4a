/*
 * sqlite_read.c: what is read out of the store for plugins and for the dashboard: the counts, one
 * call, the active calls. Called through store.c in either mode. It never writes.
 */
#include "store/sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

int sqlite_counts(struct store *store, struct store_counts *out)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_COUNT_LIST, SQL_NO_PARAMS, &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        enum lifecycle state = lifecycle_from_type(sqlite_column_string(stmt, 0));
        int64_t n = sqlite3_column_int64(stmt, 1);
        if (state == LIFECYCLE_NONE)
            out->users = n;
        else
            out->calls[state] = n;
    }
    return result;
}

int sqlite_text_reserve(struct sqlite_text *text, size_t size)
{
    if (size <= text->capacity)
        return 0;
    char *grown = realloc(text->bytes, size);
    if (grown == NULL)
        return -1;
    text->bytes = grown;
    text->capacity = size;
    return 0;
}

/* Copies the first `count` columns of the row, all texts, one behind the other. */
static int copy_texts(struct sqlite_text *memory, sqlite3_stmt *stmt, int count,
                      char **const *fields)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += strlen(sqlite_column_string(stmt, i)) + 1;
    if (sqlite_text_reserve(memory, size) < 0)
        return -1;
    char *end = memory->bytes;
    for (int i = 0; i < count; i++) {
        const char *text = sqlite_column_string(stmt, i);
        size_t length = strlen(text) + 1;
        *fields[i] = memcpy(end, text, length);
        end += length;
    }
    return 0;
}

int sqlite_take_call(struct sqlite_store *store, sqlite3_stmt *stmt,
                     struct sqlite_call_record *record)
{
    struct store_call *call = &record->call;
    char **const fields[] = {&call->call_id,      &call->code,  &call->direction, &call->our_number,
                             &call->their_number, &call->queue, &call->actor};
    const int text_count = (int)(sizeof(fields) / sizeof(fields[0]));
    if (copy_texts(&record->text, stmt, text_count, fields) < 0)
        return sqlite_out_of_memory(store);
    call->state = lifecycle_from_type(sqlite_column_string(stmt, text_count));
    call->created_ms = sqlite3_column_int64(stmt, text_count + 1);
    call->status_ms = sqlite3_column_int64(stmt, text_count + 2);
    call->id = sqlite3_column_int64(stmt, text_count + 3);
    return 0;
}

int sqlite_call_find(struct store *store, const char *call_id, const struct store_call **out)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_CALL_FIND, SQL_PARAMS(param_text(call_id)), &stmt);
    if (result == 0)
        result = sqlite_next(sqlite, stmt);
    if (result <= 0)
        return result;
    result = sqlite_take_call(sqlite, stmt, &sqlite->found_call);
    sqlite3_reset(stmt);
    if (result < 0)
        return result;
    *out = &sqlite->found_call.call;
    return 1;
}

int sqlite_active_calls(struct store *store, int (*row)(void *arg, const struct store_call *call),
                        void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_CALL_LIST_ACTIVE, SQL_NO_PARAMS, &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        result = sqlite_take_call(sqlite, stmt, &sqlite->listed_call);
        if (result == 0 && row(arg, &sqlite->listed_call.call) != 0)
            result = STORE_E_STOPPED;
        if (result < 0) {
            sqlite3_reset(stmt);
            break;
        }
    }
    return result;
}
