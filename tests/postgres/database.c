/* database.c: see its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "postgres/database.h"

#define SOCKET_FILE PBXHOOK_BUILD_DIR "/tests/postgres/socket"

const char *database_socket_dir(void)
{
    static char directory[128];
    const char *given = getenv("PBXHOOK_TEST_POSTGRES");
    if (given != NULL)
        return given;
    FILE *file = fopen(SOCKET_FILE, "re");
    if (file == NULL || fgets(directory, sizeof(directory), file) == NULL)
        fail_msg("no server: start one with sh tests/postgres/cluster.sh start %s, as ctest does",
                 SOCKET_FILE);
    fclose(file);
    directory[strcspn(directory, "\n")] = '\0';
    return directory;
}

static void make_url(char url[DATABASE_URL_SIZE], const char *name)
{
    snprintf(url, DATABASE_URL_SIZE, "postgresql://pbxhook@/%s?host=%s", name,
             database_socket_dir());
}

PGconn *database_connect(const char *url)
{
    PGconn *connection = PQconnectdb(url);
    if (PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(connection));
    return connection;
}

PGresult *database_run(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    return result;
}

const char *database_ask(const char *url, const char *sql)
{
    static char answer[512];
    PGconn *connection = database_connect(url);
    PGresult *result = database_run(connection, sql);
    snprintf(answer, sizeof(answer), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(connection);
    return answer;
}

static PGconn *connect_to_server(void)
{
    char url[DATABASE_URL_SIZE];
    make_url(url, "postgres");
    return database_connect(url);
}

void database_make(char url[DATABASE_URL_SIZE])
{
    struct timespec now;
    char name[64], sql[128];
    PGconn *server = connect_to_server();
    /* Since version 15 a template goes through the log page by page, if nothing else is asked for: far dearer. */
    int is_dear = PQserverVersion(server) >= 150000;
    /* The time, too: a killed process may have had this number before, and left its databases. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(name, sizeof(name), "test_%ld_%lld%09ld", (long)getpid(), (long long)now.tv_sec,
             now.tv_nsec);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s%s", name, is_dear ? " STRATEGY file_copy" : "");
    PQclear(database_run(server, sql));
    PQfinish(server);
    make_url(url, name);
}

void database_drop(const char *url)
{
    char name[64] = "", sql[128];
    PGconn *server = connect_to_server();
    sscanf(url, "postgresql://pbxhook@/%63[^?]", name);
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    PQclear(database_run(server, sql));
    PQfinish(server);
}
