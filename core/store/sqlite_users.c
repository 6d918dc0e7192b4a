/*
 * sqlite_users.c: the users, known by their number. Called through store.c, which has checked that
 * the number is not empty and counts the new ones.
 */
#include "store/sqlite_internal.h"

#include <string.h>

static int hand_out(struct sqlite_store *store, const char *number, int64_t id, int64_t created_ms,
                    const struct store_user **out)
{
    size_t size = strlen(number) + 1;
    if (sqlite_text_reserve(&store->user_text, size) < 0)
        return sqlite_out_of_memory(store);
    /* The caller may hand back the number that it was given. */
    memmove(store->user_text.bytes, number, size);
    store->user =
        (struct store_user){.id = id, .created_ms = created_ms, .number = store->user_text.bytes};
    if (out != NULL)
        *out = &store->user;
    return 0;
}

int sqlite_user_find(struct store *store, const char *number, const struct store_user **out)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_USER_FIND, SQL_PARAMS(param_text(number)), &stmt);
    if (result == 0)
        result = sqlite_next(sqlite, stmt);
    if (result <= 0)
        return result;
    int64_t id = sqlite3_column_int64(stmt, 0);
    int64_t created_ms = sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    result = hand_out(sqlite, number, id, created_ms, out);
    return result < 0 ? result : 1;
}

int sqlite_user_create(struct store *store, const char *number, int64_t now_ms,
                       const struct store_user **out)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    int result =
        sqlite_run(sqlite, SQL_USER_ADD, SQL_PARAMS(param_text(number), param_int(now_ms)));
    if (result < 0)
        return result;
    if (sqlite3_changes(sqlite->db) == 0) {
        result = sqlite_user_find(store, number, out);
        return result < 0 ? result : 0;
    }
    result = hand_out(sqlite, number, sqlite3_last_insert_rowid(sqlite->db), now_ms, out);
    return result < 0 ? result : 1;
}
