/*
 * spool_file.h: what the spool's writer and its readers agree on about the file. Private to core/spool.
 */
#ifndef PBXHOOK_SPOOL_FILE_H
#define PBXHOOK_SPOOL_FILE_H

#include <stddef.h>

#include <sqlite3.h>

#define SPOOL_FILE_NAME      "spool.db"
#define SPOOL_APPLICATION_ID 0x70627873 /* "pbxs" */
#define SPOOL_VERSION        1
#define SPOOL_BUSY_MS        5000
#define SPOOL_INSTANCE_SIZE  33 /* with its NUL */

/* The event's columns, in the order of enum event_field, for SELECT and INSERT. */
#define SPOOL_FIELDS                                                                               \
    "type, call_id, code, direction, our_number, their_number, actor, number, queue"

/* DIR/spool.db; to be freed; NULL when out of memory. */
char *spool_file_path(const char *state_dir);

/* Runs statements without results: SQLITE_OK or the error's code. */
int spool_file_execute(sqlite3 *db, const char *sql);

/* A PRAGMA that gives one integer: SQLITE_OK and *out, or the error's code. */
int spool_file_pragma(sqlite3 *db, const char *sql, sqlite3_int64 *out);

/* Writes "PATH: TEXT" into error, with what to do for the codes that a person can mend. */
void spool_file_explain(char *error, size_t error_size, const char *path, int code,
                        const char *text);

#endif
