/*
 * sqlite_migrate.c: tells whether a file is a store that can be used, and brings an older one's schema
 * up to date. Called while a store is opened, before anything else. Recognising changes nothing.
 */
#include "store/sqlite_internal.h"

#include <stdio.h>

/* One integer of the file. */
static int ask(struct sqlite_store *store, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        result = sqlite_fail(store);
    else
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return result;
}

static int refuse(struct sqlite_store *store, const char *found, const char *do_what)
{
    return store_fail(&store->base, STORE_E_CORRUPT, "%s %s; pbxhook leaves it as it is: %s",
                      store->path, found, do_what);
}

/*
 * Of one snapshot, so that a reader that comes while the file is made sees all of it or nothing.
 * Reading the schema also finds a file that was cut or overwritten.
 */
static int read_marks(struct sqlite_store *store, int64_t *application, int64_t *version,
                      int64_t *tables)
{
    if (sqlite3_exec(store->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fail(store);
    int result = ask(store, "SELECT count(*) FROM sqlite_schema", tables);
    if (result == 0)
        result = ask(store, "PRAGMA application_id", application);
    if (result == 0)
        result = ask(store, "PRAGMA user_version", version);
    sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    return result;
}

int sqlite_identify(struct sqlite_store *store, const char *const *scripts, int *version)
{
    int64_t application = 0;
    int64_t found = 0;
    int64_t tables = 0;
    int64_t known = 0;
    while (scripts[known] != NULL)
        known++;
    int result = read_marks(store, &application, &found, &tables);
    if (result < 0)
        return result;
    if (tables == 0 && application == 0 && found == 0) {
        *version = 0;
        return 0;
    }
    if (application != SQLITE_STORE_APPLICATION_ID)
        return refuse(store, "is another program's database",
                      "give store.url the path of another file");
    if (found > known)
        return refuse(store, "was made by a newer pbxhook",
                      "run that version, or restore a backup made before the upgrade");
    /* Eight rows, by the primary key: there since version 1. */
    int64_t rows = 0;
    result = ask(store, "SELECT count(*) FROM counts", &rows);
    if (result < 0 && sqlite3_errcode(store->db) == SQLITE_ERROR)
        return refuse(store, "has lost its table counts", "restore a backup");
    if (result < 0)
        return result;
    if (rows != LIFECYCLE_COUNT + 1)
        return refuse(store, "has lost rows of its table counts", "restore a backup");
    *version = (int)found;
    return 0;
}

/* The script, the number and the mark: all or nothing. SQLITE_OK, or SQLite's extended code. */
static int try_script(struct sqlite_store *store, const char *script, int version)
{
    char mark[128];
    snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             SQLITE_STORE_APPLICATION_ID, version);
    const char *const steps[] = {"BEGIN IMMEDIATE", script, mark};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (sqlite3_exec(store->db, steps[i], NULL, NULL, NULL) == SQLITE_OK)
            continue;
        int code = sqlite3_extended_errcode(store->db);
        store_fail(&store->base, sqlite_classify(code),
                   "%s: migration to schema %d: %s (SQLite error %d)%s; nothing was changed",
                   store->path, version, sqlite3_errmsg(store->db), code, sqlite_advice(code));
        if (!sqlite3_get_autocommit(store->db))
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    return SQLITE_OK;
}

/*
 * The index of a large table is sorted in a temporary file: a worker's memory is limited. In memory where there is no
 * directory for such a file, as in a container that is read-only but for the state.
 */
static int run_script(struct sqlite_store *store, const char *script, int version)
{
    sqlite3_exec(store->db, "PRAGMA temp_store = FILE", NULL, NULL, NULL);
    int code = try_script(store, script, version);
    sqlite3_exec(store->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    if ((code & 0xff) == SQLITE_CANTOPEN || code == SQLITE_IOERR_GETTEMPPATH)
        code = try_script(store, script, version);
    return code == SQLITE_OK ? 0 : sqlite_classify(code);
}

int sqlite_migrate(struct sqlite_store *store, const char *const *scripts, int version)
{
    int result = 0;
    if (version > 0 && scripts[version] != NULL)
        store_tell_migration(version);
    for (; scripts[version] != NULL && result == 0; version++)
        result = run_script(store, scripts[version], version + 1);
    return result;
}
