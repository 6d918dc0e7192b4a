/*
 * postgres_migrate.c: brings the schema pbxhook up to date, under a lock that lets any number of pbxhooks start
 * at once, each script in one transaction with its number. Called while a store is opened, before the pipeline
 * is entered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

/*
 * CREATE SCHEMA IF NOT EXISTS would want the right to create one although it is there; and to_regclass() may
 * still believe what it found before the lock was waited for.
 */
#define TABLE_IS_THERE                                                                             \
    "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "                \
    "WHERE n.nspname = 'pbxhook' AND c.relname = 'migrations')"

static const char prepare_sql[] =
    "DO $$ BEGIN "
    "IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'pbxhook') "
    "THEN CREATE SCHEMA pbxhook; END IF; "
    "IF NOT " TABLE_IS_THERE " THEN CREATE TABLE pbxhook.migrations "
    "(version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()); END IF; END $$";

#define VERSION_SQL "SELECT coalesce(max(version), 0) FROM pbxhook.migrations"

static int run(struct pg_store *store, const char *sql)
{
    PGresult *result = pg_simple(store, sql);
    if (result == NULL)
        return STORE_E_FAILED;
    PQclear(result);
    return 0;
}

static int read_version(struct pg_store *store, int *out)
{
    PGresult *result = pg_simple(store, VERSION_SQL);
    if (result == NULL)
        return STORE_E_FAILED;
    *out = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    return 0;
}

static int count_scripts(const char *const *scripts)
{
    int count = 0;
    while (scripts[count] != NULL)
        count++;
    return count;
}

static int refuse_newer(struct pg_store *store)
{
    return store_fail(
        &store->base, STORE_E_CORRUPT,
        "%s was made by a newer pbxhook; pbxhook leaves it as it is: run that version, "
        "or restore a backup made before the upgrade",
        store->place);
}

static int run_scripts(struct pg_store *store, const char *const *scripts, int version)
{
    char mark[128];
    int result = 0;
    for (; scripts[version] != NULL && result == 0; version++) {
        result = run(store, scripts[version]);
        snprintf(mark, sizeof(mark), "INSERT INTO pbxhook.migrations (version) VALUES (%d)",
                 version + 1);
        if (result == 0)
            result = run(store, mark);
    }
    return result;
}

/* 1 when nothing is to be done: the usual start, which locks nothing. */
static int is_up_to_date(struct pg_store *store, const char *const *scripts, int *result)
{
    int version = 0;
    PGresult *there = pg_simple(store, "SELECT " TABLE_IS_THERE);
    *result = there == NULL ? STORE_E_FAILED : 0;
    int is_there = there != NULL && PQgetvalue(there, 0, 0)[0] == 't';
    PQclear(there);
    if (!is_there)
        return 0;
    *result = read_version(store, &version);
    return *result == 0 && version == count_scripts(scripts);
}

int pg_migrate(struct pg_store *store, const char *const *scripts)
{
    int version = 0;
    int result;
    if (is_up_to_date(store, scripts, &result) || result < 0)
        return result;
    /* Making an index of a large table takes longer than a statement otherwise may; it is for this
     * transaction alone. */
    result = run(store, "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; "
                        "SELECT pg_advisory_xact_lock(" PG_ADVISORY_KEY ")");
    if (result == 0)
        result = run(store, prepare_sql);
    if (result == 0)
        result = read_version(store, &version);
    if (result == 0 && version > count_scripts(scripts))
        result = refuse_newer(store);
    if (result == 0 && version > 0 && version < count_scripts(scripts))
        store_tell_migration(version);
    if (result == 0)
        result = run_scripts(store, scripts, version);
    if (result == 0)
        return run(store, "COMMIT");
    char error[STORE_ERROR_SIZE];
    memcpy(error, store->base.error, sizeof(error));
    if (store->conn != NULL)
        run(store, "ROLLBACK");
    return store_fail(&store->base, result, "%.*s; nothing was changed", STORE_ERROR_SIZE - 32,
                      error);
}

int pg_check_schema(struct pg_store *store, const char *const *scripts)
{
    int result;
    int version = 0;
    if (is_up_to_date(store, scripts, &result) || result < 0)
        return result;
    PGresult *newer = pg_simple(store, "SELECT " TABLE_IS_THERE);
    if (newer == NULL)
        return STORE_E_FAILED;
    int is_there = PQgetvalue(newer, 0, 0)[0] == 't';
    PQclear(newer);
    if (is_there && read_version(store, &version) == 0 && version > count_scripts(scripts))
        return refuse_newer(store);
    return store_fail(
        &store->base, STORE_E_FAILED,
        "%s is not ready yet; a worker makes its tables, or brings them up to date, when "
        "it starts",
        store->place);
}
