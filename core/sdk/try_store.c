/*
 * try_store.c: see its header. Tables are found by what the database says of itself, so that those of a
 * plugin need not be told. Virtual tables and their shadows are left out.
 */
#include "sdk/try_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/own_tables.h"

/* Read, but shown as what they mean: actions, results, requests. */
#define ACTIONS    "actions"
#define HANDLINGS  "handlings"
#define DELIVERIES "pbxhook_deliveries"

/* ---- Reading --------------------------------------------------------------------------------- */

/* `key` is what tells a table's rows apart: its rowid, or a WITHOUT ROWID table's primary key. */
static const char list_tables[] =
    "SELECT t.name, CASE WHEN t.wr THEN (SELECT group_concat(quoted, ' || '' '' || ') "
    "  FROM (SELECT '\"' || replace(name, '\"', '\"\"') || '\"' AS quoted "
    "        FROM pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk)) "
    "ELSE 'rowid' END "
    "FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.type = 'table' "
    "AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
    "ORDER BY t.name";

static json_t *text_value(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    json_t *value =
        text == NULL ? NULL : json_stringn(text, (size_t)sqlite3_column_bytes(stmt, column));

    return value != NULL ? value : json_string("(not UTF-8)");
}

static json_t *column_value(sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
        return json_real(sqlite3_column_double(stmt, column));
    case SQLITE_NULL:
        return json_null();
    case SQLITE_BLOB:
        return json_sprintf("(%d bytes)", sqlite3_column_bytes(stmt, column));
    default:
        return text_value(stmt, column);
    }
}

/* The columns behind the first, which is the key. */
static json_t *row_value(sqlite3_stmt *stmt)
{
    json_t *row = json_object();

    for (int i = 1; i < sqlite3_column_count(stmt); i++) {
        if (json_object_set_new(row, sqlite3_column_name(stmt, i), column_value(stmt, i)) != 0) {
            json_decref(row);
            return NULL;
        }
    }
    return row;
}

/* {"key": row}, in the rows' order; NULL when it failed. */
static json_t *read_table(sqlite3 *db, const char *name, const char *key)
{
    json_t *table = json_object();
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT %s, * FROM \"%w\" ORDER BY %s", key, name, key);
    int code = sql == NULL ? SQLITE_NOMEM : sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    while (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        if (json_object_set_new_nocheck(table, (const char *)sqlite3_column_text(stmt, 0),
                                        row_value(stmt)) != 0)
            code = SQLITE_NOMEM;
    }
    if (sqlite3_finalize(stmt) != SQLITE_OK || code != SQLITE_OK) {
        json_decref(table);
        table = NULL;
    }
    sqlite3_free(sql);
    return table;
}

static json_t *read_tables(sqlite3 *db)
{
    json_t *tables = json_object();
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, list_tables, -1, &stmt, NULL);

    while (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        const char *key = (const char *)sqlite3_column_text(stmt, 1);

        if (own_table_is_bookkeeping(
                name, OWN_SQLITE)) /* of what the event was: no work of the plugin's */
            continue;
        if (json_object_set_new_nocheck(tables, name, read_table(db, name, key)) != 0)
            code = SQLITE_ERROR;
    }
    if (sqlite3_finalize(stmt) != SQLITE_OK || code != SQLITE_OK) {
        json_decref(tables);
        return NULL;
    }
    return tables;
}

json_t *try_store_read(const char *path, char *error, size_t error_size)
{
    sqlite3 *db = NULL;
    json_t *tables = NULL;

    /* One transaction, so that it is one moment's. */
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
        sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK)
        tables = read_tables(db);
    if (tables == NULL)
        snprintf(error, error_size, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return tables;
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static int add_change(json_t *changes, const char *table, json_t *before, json_t *after)
{
    const char *change = before == NULL ? "insert" : after == NULL ? "delete" : "update";

    return json_array_append_new(changes, json_pack("{s:s,s:s,s:O?,s:O?}", "table", table, "change",
                                                    change, "before", before, "after", after));
}

static int compare_table(json_t *changes, const char *name, const json_t *before,
                         const json_t *after)
{
    const char *key;
    json_t *row;
    int code = 0;

    json_object_foreach((json_t *)before, key, row)
    {
        if (code == 0 && json_object_get(after, key) == NULL)
            code = add_change(changes, name, row, NULL);
    }
    json_object_foreach((json_t *)after, key, row)
    {
        json_t *old = json_object_get(before, key);

        if (code == 0 && (old == NULL || !json_equal(old, row)))
            code = add_change(changes, name, old, row);
    }
    return code;
}

static int is_shown(const char *table)
{
    return strcmp(table, ACTIONS) != 0 && strcmp(table, HANDLINGS) != 0 &&
           strcmp(table, DELIVERIES) != 0;
}

json_t *try_store_changes(const json_t *before, const json_t *after)
{
    json_t *changes = json_array();
    const char *name;
    json_t *table;
    int code = 0;

    json_object_foreach((json_t *)before, name, table)
    {
        if (code == 0 && is_shown(name) && json_object_get(after, name) == NULL)
            code = compare_table(changes, name, table, NULL);
    }
    json_object_foreach((json_t *)after, name, table)
    {
        if (code == 0 && is_shown(name))
            code = compare_table(changes, name, json_object_get(before, name), table);
    }
    if (code == 0)
        return changes;
    json_decref(changes);
    return NULL;
}

json_t *try_store_actions(const json_t *before, const json_t *after)
{
    const json_t *old = json_object_get(before, ACTIONS);
    json_t *actions = json_array();
    const char *key;
    json_t *row;

    json_object_foreach(json_object_get(after, ACTIONS), key, row)
    {
        const char *body = json_string_value(json_object_get(row, "body"));

        if (json_object_get(old, key) == NULL &&
            json_array_append_new(actions, json_loads(body, 0, NULL)) != 0) {
            json_decref(actions);
            return NULL;
        }
    }
    return actions;
}

static json_t *make_request(const json_t *row)
{
    const char *body = json_string_value(json_object_get(row, "body"));
    json_t *what = body != NULL ? json_loads(body, JSON_DECODE_ANY, NULL)
                                : json_incref(json_object_get(row, "file"));

    return json_pack("{s:O,s:O,s:o}", "target", json_object_get(row, "target"), "path",
                     json_object_get(row, "path"), body != NULL ? "json" : "download", what);
}

json_t *try_store_requests(const json_t *before, const json_t *after)
{
    const json_t *old = json_object_get(before, DELIVERIES);
    json_t *requests = json_array();
    const char *key;
    json_t *row;

    json_object_foreach(json_object_get(after, DELIVERIES), key, row)
    {
        if (json_object_get(old, key) == NULL &&
            json_array_append_new(requests, make_request(row)) != 0) {
            json_decref(requests);
            return NULL;
        }
    }
    return requests;
}

const json_t *try_store_failure(const json_t *before, const json_t *after)
{
    const json_t *old = json_object_get(before, HANDLINGS);
    const char *key;
    json_t *row;

    json_object_foreach(json_object_get(after, HANDLINGS), key, row)
    {
        if (json_object_get(old, key) == NULL)
            return row;
    }
    return NULL;
}
