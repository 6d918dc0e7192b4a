/*
 * database.h: an empty database for one test, on the server that ctest starts for all (tests/postgres/
 * cluster.sh). Every function ends the test when it fails.
 */
#ifndef PBXHOOK_TEST_DATABASE_H
#define PBXHOOK_TEST_DATABASE_H

#include <stddef.h>

#include <libpq-fe.h>

#define DATABASE_URL_SIZE 256

/* The directory of the server's socket. */
const char *database_socket_dir(void);

/* Makes one, and writes its URL. */
void database_make(char url[DATABASE_URL_SIZE]);
/* Drops it, whoever is still connected. */
void database_drop(const char *url);

/* Another connection to it, to be closed with PQfinish(). */
PGconn *database_connect(const char *url);
/* Runs statements; the last one's result is to be freed with PQclear(). */
PGresult *database_run(PGconn *connection, const char *sql);
/* Runs statements on a connection of their own: the last one's first value, in a buffer that is used again. */
const char *database_ask(const char *url, const char *sql);

#endif
