/*
 * sqlite_plugin_sql.c: runs the SQL that plugins write for tables of their own: one statement at a
 * time, its parameters bound as $1, $2, ..., inside the event's transaction. Called through
 * store_sql(). The guards are against mistakes: a plugin is code in this process and could do worse
 * without SQL. It never lets a statement end, split or leave the transaction.
 */
#include "store/own_tables.h"
#include "store/sqlite_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What a plugin's statement may do -------------------------------------------------------------- */

/* What SQLite's own fts and rtree read when a statement that uses such a table is prepared. */
static int is_harmless_pragma(const char *name, const char *value)
{
    return value == NULL && (strcmp(name, "data_version") == 0 || strcmp(name, "page_size") == 0);
}

static int deny(struct sqlite_store *store, const char *reason)
{
    store->plugin_refusal = reason;
    return SQLITE_DENY;
}

static int deny_own_table(struct sqlite_store *store, const char *table)
{
    if (!own_table_is(table, OWN_SQLITE | (store->base.is_plugins ? OWN_SERVICES : 0)))
        return SQLITE_OK;
    return deny(store, "it would change a table of pbxhook's own, which is done through the other "
                       "functions of the db service");
}

int sqlite_authorize(void *arg, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    struct sqlite_store *store = arg;
    (void)database;
    (void)trigger;
    if (store->guard == SQLITE_GUARD_OFF)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return deny(store, "the transaction is the event's, and pbxhook ends it");
    case SQLITE_PRAGMA:
        if (store->guard == SQLITE_GUARD_STEP || is_harmless_pragma(first, second))
            return SQLITE_OK;
        /* fall through */
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return deny(store, "PRAGMA, ATTACH and DETACH would change the connection of all plugins");
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_DROP_TABLE:
    /* A temporary one of such a name would hide it. */
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_VTABLE:
        return deny_own_table(store, first);
    case SQLITE_ALTER_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_DROP_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_TEMP_TRIGGER:
        return deny_own_table(store, second);
    default:
        return SQLITE_OK;
    }
}

static int is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/*
 * INSERT OR ROLLBACK, ON CONFLICT ROLLBACK and RAISE(ROLLBACK, ...) would throw away the whole batch
 * each time it is tried again, and the authorizer is not asked about them.
 */
static int has_word_rollback(const char *sql)
{
    static const char word[] = "rollback";
    for (const char *at = sql; (at = strcasestr(at, word)) != NULL; at++) {
        int starts = at == sql || !is_word_character(at[-1]);
        if (starts && !is_word_character(at[sizeof(word) - 1]))
            return 1;
    }
    return 0;
}

/* ---- Errors ----------------------------------------------------------------------------------------- */

static int refuse(struct sqlite_store *store, const char *sql, const char *reason)
{
    return store_fail(&store->base, STORE_E_SQL, "%s; the statement is: %.200s", reason, sql);
}

/*
 * The fault is the statement's own, not the database's: the plugin is told and the batch goes on. What
 * is taken for the database's instead is tried again for ever, and no call gets past it; so in doubt it
 * is the statement's. A fault of the database will show in a statement of pbxhook's own.
 */
static int is_statement_fault(int sqlite_code)
{
    /* A virtual table's, fts5 say, about its own content: the file is whole. */
    if (sqlite_code == SQLITE_CORRUPT_VTAB)
        return 1;
    switch (sqlite_code & 0xff) {
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_AUTH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
    case SQLITE_LOCKED: /* by a query of the plugin's own that is still running */
    case SQLITE_NOMEM:  /* for what it wanted to build                          */
    case SQLITE_INTERRUPT:
    case SQLITE_READONLY:
    case SQLITE_SCHEMA:
    case SQLITE_ABORT:
        return 1;
    default:
        return 0;
    }
}

static int fail(struct sqlite_store *store, const char *sql)
{
    int code = sqlite3_extended_errcode(store->db);
    /* With the transaction gone, what the statement did wrong is no longer its own affair. */
    if (!is_statement_fault(code) || sqlite3_get_autocommit(store->db))
        return sqlite_fail(store);
    if (store->plugin_refusal != NULL)
        return refuse(store, sql, store->plugin_refusal);
    return refuse(store, sql, sqlite3_errmsg(store->db));
}

/* ---- Preparing --------------------------------------------------------------------------------------- */

/* The first statement of *tail, NULL when there is none; *tail is what follows. */
static int prepare_next(struct sqlite_store *store, const char **tail, sqlite3_stmt **out)
{
    store->plugin_refusal = NULL;
    store->guard = store->base.owns_sql ? SQLITE_GUARD_OFF : SQLITE_GUARD_PREPARE;
    int code = sqlite3_prepare_v3(store->db, *tail, -1, SQLITE_PREPARE_PERSISTENT, out, tail);
    store->guard = SQLITE_GUARD_OFF;
    return code;
}

/* 1 when nothing but space, comments and semicolons is left. */
static int is_end(struct sqlite_store *store, const char *tail)
{
    while (*tail != '\0') {
        sqlite3_stmt *stmt = NULL;
        int code = prepare_next(store, &tail, &stmt);
        sqlite3_finalize(stmt);
        if (code != SQLITE_OK || stmt != NULL)
            return 0;
    }
    return 1;
}

/* All of $1 to $count must be in the statement, and nothing else. */
static int check_parameters(struct sqlite_store *store, const char *sql, sqlite3_stmt *stmt,
                            uint32_t count)
{
    int found = sqlite3_bind_parameter_count(stmt);
    for (uint32_t i = 1; i <= count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "$%u", i);
        if (found == 0 || sqlite3_bind_parameter_index(stmt, name) == 0)
            return store_fail(&store->base, STORE_E_SQL,
                              "%u parameters were given, but %s is not in the statement: %.200s",
                              count, name, sql);
    }
    if ((uint32_t)found == count)
        return 0;
    return store_fail(&store->base, STORE_E_SQL,
                      "%u parameters were given, but the statement has %d; they are written $1, "
                      "$2, ...: %.200s",
                      count, found, sql);
}

static int prepare(struct sqlite_store *store, const char *sql, sqlite3_stmt **out)
{
    if (has_word_rollback(sql))
        return refuse(store, sql,
                      "ROLLBACK would undo all events of the batch; a text with this "
                      "word in it can be given as a parameter");
    const char *tail = sql;
    sqlite3_stmt *stmt = NULL;
    if (prepare_next(store, &tail, &stmt) != SQLITE_OK)
        return fail(store, sql);
    if (stmt == NULL)
        return refuse(store, sql, "there is no statement in this text");
    if (!is_end(store, tail)) {
        sqlite3_finalize(stmt);
        return refuse(store, sql, "more than one statement");
    }
    *out = stmt;
    return 0;
}

/* ---- The statements that were prepared before --------------------------------------------------------- */

static void empty_slot(struct sqlite_plugin_statement *slot)
{
    sqlite3_finalize(slot->stmt);
    free(slot->sql);
    memset(slot, 0, sizeof(*slot));
}

void sqlite_plugin_finalize_all(struct sqlite_store *store)
{
    for (int i = 0; i < SQLITE_PLUGIN_STATEMENTS; i++)
        empty_slot(&store->plugin_statement[i]);
}

/* The slot that holds this text and is not in use, or NULL. */
static struct sqlite_plugin_statement *find_slot(struct sqlite_store *store, const char *sql,
                                                 uint32_t hash)
{
    for (int i = 0; i < SQLITE_PLUGIN_STATEMENTS; i++) {
        struct sqlite_plugin_statement *slot = &store->plugin_statement[i];
        if (slot->stmt != NULL && !slot->busy && slot->is_own == store->base.owns_sql &&
            slot->is_plugins == store->base.is_plugins && slot->hash == hash &&
            strcmp(slot->sql, sql) == 0)
            return slot;
    }
    return NULL;
}

/* Keeps the statement in the slot that was not used for longest; NULL when it can't be kept. */
static struct sqlite_plugin_statement *fill_slot(struct sqlite_store *store, const char *sql,
                                                 uint32_t hash, sqlite3_stmt *stmt)
{
    struct sqlite_plugin_statement *oldest = NULL;
    for (int i = 0; i < SQLITE_PLUGIN_STATEMENTS; i++) {
        struct sqlite_plugin_statement *slot = &store->plugin_statement[i];
        if (!slot->busy && (oldest == NULL || slot->used < oldest->used))
            oldest = slot;
    }
    char *copy = oldest == NULL ? NULL : strdup(sql);
    if (copy == NULL)
        return NULL;
    empty_slot(oldest);
    oldest->sql = copy;
    oldest->hash = hash;
    oldest->is_own = store->base.owns_sql;
    oldest->is_plugins = store->base.is_plugins;
    oldest->stmt = stmt;
    return oldest;
}

/* A statement in use, to be given back; slot NULL: it is not kept. */
struct lease {
    sqlite3_stmt *stmt;
    struct sqlite_plugin_statement *slot;
};

static int lease(struct sqlite_store *store, const char *sql, struct lease *out)
{
    uint32_t hash = sqlite_hash(sql);
    sqlite3_stmt *stmt = NULL;
    struct sqlite_plugin_statement *slot = find_slot(store, sql, hash);
    if (slot == NULL) {
        int result = prepare(store, sql, &stmt);
        if (result < 0)
            return result;
        slot = fill_slot(store, sql, hash, stmt);
    }
    if (slot != NULL) {
        slot->used = ++store->plugin_clock;
        slot->busy = 1;
        stmt = slot->stmt;
    }
    *out = (struct lease){.stmt = stmt, .slot = slot};
    return 0;
}

static void give_back(struct lease *lease)
{
    if (lease->slot == NULL) {
        sqlite3_finalize(lease->stmt);
        return;
    }
    sqlite3_reset(lease->stmt);
    sqlite3_clear_bindings(lease->stmt);
    lease->slot->busy = 0;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static int bind_value(sqlite3_stmt *stmt, int index, const struct store_value *value)
{
    switch (value->type) {
    case STORE_INT64:
        return sqlite3_bind_int64(stmt, index, value->as.integer);
    case STORE_DOUBLE:
        return sqlite3_bind_double(stmt, index, value->as.number);
    case STORE_TEXT:
        return sqlite3_bind_text64(
            stmt, index, value->as.text,
            value->size == 0 && value->as.text != NULL ? strlen(value->as.text) : value->size,
            SQLITE_STATIC, SQLITE_UTF8);
    case STORE_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, index);
}

static int bind_values(struct sqlite_store *store, const char *sql, sqlite3_stmt *stmt,
                       const struct store_value *params, uint32_t count)
{
    int result = check_parameters(store, sql, stmt, count);
    for (uint32_t i = 0; i < count && result == 0; i++) {
        char name[16];
        snprintf(name, sizeof(name), "$%u", i + 1);
        if (bind_value(stmt, sqlite3_bind_parameter_index(stmt, name), &params[i]) != SQLITE_OK)
            result = fail(store, sql);
    }
    return result;
}

static struct store_value column_value(sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return (struct store_value){.type = STORE_INT64,
                                    .as = {.integer = sqlite3_column_int64(stmt, column)}};
    case SQLITE_FLOAT:
        return (struct store_value){.type = STORE_DOUBLE,
                                    .as = {.number = sqlite3_column_double(stmt, column)}};
    case SQLITE_NULL:
        return (struct store_value){.type = STORE_NULL};
    default: { /* A blob's bytes are handed out as they are, as a text. */
        const char *text = sqlite_column_string(stmt, column);
        uint32_t size = (uint32_t)sqlite3_column_bytes(stmt, column);
        return (struct store_value){.type = STORE_TEXT, .size = size, .as = {.text = text}};
    }
    }
}

/* The guard is off again when a row is handed out: the callback may use the store. */
static int step(struct sqlite_store *store, sqlite3_stmt *stmt)
{
    store->plugin_refusal = NULL;
    store->guard = store->base.owns_sql ? SQLITE_GUARD_OFF : SQLITE_GUARD_STEP;
    int code = sqlite3_step(stmt);
    store->guard = SQLITE_GUARD_OFF;
    return code;
}

/* Steps to the end, or until the callback asks to stop. */
static int step_rows(struct sqlite_store *store, const char *sql, sqlite3_stmt *stmt,
                     store_row_fn row, void *arg)
{
    int columns = sqlite3_column_count(stmt);
    struct store_value *values = NULL;
    int result = 0;
    int code;
    if (columns > 0 && row != NULL) {
        values = calloc((size_t)columns, sizeof(*values));
        if (values == NULL)
            return sqlite_out_of_memory(store);
    }
    while ((code = step(store, stmt)) == SQLITE_ROW) {
        if (values == NULL)
            continue;
        for (int i = 0; i < columns; i++)
            values[i] = column_value(stmt, i);
        if (row(arg, values, (uint32_t)columns) != 0) {
            result = STORE_E_STOPPED;
            break;
        }
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = fail(store, sql);
    free(values);
    return result;
}

int sqlite_plugin_sql(struct store *store, const char *sql, const struct store_value *params,
                      uint32_t count, store_row_fn row, void *arg, int64_t *changed)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct lease leased;
    int result = lease(sqlite, sql, &leased);
    if (result < 0)
        return result;
    sqlite->plugin_wrote |= !sqlite3_stmt_readonly(leased.stmt);
    int64_t before = sqlite3_total_changes64(sqlite->db);
    result = bind_values(sqlite, sql, leased.stmt, params, count);
    if (result == 0)
        result = step_rows(sqlite, sql, leased.stmt, row, arg);
    /* A statement that changes no row leaves sqlite3_changes64() as an earlier one set it. */
    if (result == 0 && changed != NULL)
        *changed =
            sqlite3_total_changes64(sqlite->db) == before ? 0 : sqlite3_changes64(sqlite->db);
    give_back(&leased);
    return result;
}

/*
 * fts5 keeps what is inserted in memory and writes it when a savepoint is opened or released. If that
 * fails as one is opened, nothing has changed and the plugin's can still be undone; as it is released,
 * or committed, it would cost the batch each time it is tried. The inner one ends with the plugin's.
 */
int sqlite_plugin_flush(struct sqlite_store *store)
{
    if (!store->plugin_wrote)
        return 0;
    int result = sqlite_run(store, SQL_SAVEPOINT_FLUSH, SQL_NO_PARAMS);
    if (result == 0 || !is_statement_fault(sqlite3_extended_errcode(store->db)) ||
        sqlite3_get_autocommit(store->db))
        return result;
    return store_fail(&store->base, STORE_E_SQL, "a table of a plugin's own can't be written: %s",
                      sqlite3_errmsg(store->db));
}
