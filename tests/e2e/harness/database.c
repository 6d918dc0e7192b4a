/* database.c: see database.h. */
#include "database.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#define NAME_SIZE 32

struct database {
    const struct cluster *cluster;
    char name[NAME_SIZE];
    PGconn *conn; /* NULL: not connected */
};

struct database *database_new(const struct cluster *cluster)
{
    static int made;
    char sql[128];
    struct database *database = calloc(1, sizeof *database);
    assert_non_null(database);
    database->cluster = cluster;
    snprintf(database->name, sizeof database->name, "test_%d", ++made);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", database->name);
    cluster_execute(cluster, sql);
    return database;
}

void database_free(struct database *database)
{
    char sql[128];
    if (database == NULL)
        return;
    PQfinish(database->conn);
    /* A test that failed may have left the cluster stopped, and the database goes with it. */
    snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", database->name);
    if (database->cluster->pid != 0)
        cluster_execute(database->cluster, sql);
    free(database);
}

const char *database_name(const struct database *database)
{
    return database->name;
}

/* pbxhook's tables and its plugins' are named without their schemas here. */
static int connect_to(struct database *database)
{
    char conninfo[SCRATCH_PATH];
    if (database->conn != NULL && PQstatus(database->conn) == CONNECTION_OK)
        return 0;
    PQfinish(database->conn);
    cluster_conninfo(database->cluster, database->name, conninfo);
    database->conn = PQconnectdb(conninfo);
    PQclear(PQexec(database->conn, "SET search_path = pbxhook, pbxhook_plugins, public; "
                                   "SET client_min_messages = warning; SET TimeZone = 'UTC'"));
    return PQstatus(database->conn) == CONNECTION_OK ? 0 : -1;
}

/* The result, to be cleared; NULL when there is no row. A connection that the cluster took along when it was
 * stopped is noticed by the first statement, so there are two tries. */
static PGresult *query(struct database *database, const char *sql, const char *text)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (connect_to(database) < 0)
            return NULL;
        PGresult *result =
            PQexecParams(database->conn, sql, text != NULL ? 1 : 0, NULL, &text, NULL, NULL, 0);
        if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
            return result;
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        /* 42P01, 3F000: no table or schema yet. Else the statement is wrong, which no waiting mends. */
        if (sqlstate != NULL && strncmp(sqlstate, "42", 2) == 0 && strcmp(sqlstate, "42P01") != 0)
            fail_msg("%s: %s", sql, PQerrorMessage(database->conn));
        PQclear(result);
        if (PQstatus(database->conn) == CONNECTION_OK)
            return NULL;
    }
    return NULL;
}

int64_t database_int(struct database *database, const char *sql, const char *text)
{
    PGresult *result = query(database, sql, text);
    if (result == NULL)
        return -1;
    const char *value = PQgetvalue(result, 0, 0);
    int64_t number = value[0] == 't' ? 1 : strtoll(value, NULL, 10);
    PQclear(result);
    return number;
}

char *database_text(struct database *database, const char *sql, const char *text, char *out,
                    size_t out_size)
{
    PGresult *result = query(database, sql, text);
    snprintf(out, out_size, "%s", result != NULL ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return out;
}

void database_execute(struct database *database, const char *sql)
{
    assert_int_equal(connect_to(database), 0);
    PGresult *result = PQexec(database->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(database->conn));
    PQclear(result);
}
