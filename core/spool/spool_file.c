/* spool_file.c: the little that the spool's writer and readers share. */
#include "spool/spool_file.h"

#include <stdio.h>

char *spool_file_path(const char *state_dir)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", state_dir, SPOOL_FILE_NAME) < 0 ? NULL : path;
}

int spool_file_execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int spool_file_pragma(sqlite3 *db, const char *sql, sqlite3_int64 *out)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_ERROR : code;
}

void spool_file_explain(char *error, size_t error_size, const char *path, int code,
                        const char *text)
{
    const char *advice = "";
    switch (code & 0xff) {
    case SQLITE_CANTOPEN:
        advice = "; does the directory exist, and may this user write there?";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        advice =
            "; it is left as it is: move it away to start with an empty spool, and keep it: it may hold events";
        break;
    case SQLITE_FULL:
        advice = "; make room on its disk";
        break;
    default:
        break;
    }
    snprintf(error, error_size, "%s: %s%s", path, text, advice);
}
