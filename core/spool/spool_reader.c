/*
 * spool_reader.c: tails the spool for one worker, through a connection that can't write and never
 * checkpoints. Each read is a short transaction of its own, so that the writer's checkpoints get on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"
#include "spool/spool_file.h"

struct spool_reader {
    sqlite3 *db;
    sqlite3_stmt *next;
    int worker;
    int workers;
    char instance[SPOOL_INSTANCE_SIZE];
    char error[256];
};

/* The fields come first, so that a column's number is its enum event_field. */
static const char next_sql[] =
    "SELECT " SPOOL_FIELDS ", seq, received_ms, spooled_us, time_ms, identity, body FROM event"
    " WHERE seq > ?1 AND (?3 = 1 OR call_hash % ?3 = ?4) ORDER BY seq LIMIT ?2";

static int read_instance(struct spool_reader *spool)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(spool->db, "SELECT id FROM instance", -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        snprintf(spool->instance, sizeof spool->instance, "%s",
                 (const char *)sqlite3_column_text(statement, 0));
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

static int open_database(struct spool_reader *spool, const char *path)
{
    int code = sqlite3_open_v2(path, &spool->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_timeout(spool->db, SPOOL_BUSY_MS);
    code = sqlite3_db_config(spool->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK)
        code = spool_file_execute(spool->db, "PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = 1;"
                                             "PRAGMA cache_size = -2048;");
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v3(spool->db, next_sql, -1, SQLITE_PREPARE_PERSISTENT, &spool->next,
                                  NULL);
    return code == SQLITE_OK ? read_instance(spool) : code;
}

int spool_reader_open(const char *state_dir, int worker, int workers, struct spool_reader **out,
                      char *error, size_t error_size)
{
    char *path = spool_file_path(state_dir);
    struct spool_reader *spool = calloc(1, sizeof *spool);
    int result = -1;
    if (path == NULL || spool == NULL) {
        snprintf(error, error_size, "out of memory");
        goto done;
    }
    spool->worker = worker;
    spool->workers = workers;
    int code = open_database(spool, path);
    if (code != SQLITE_OK) {
        spool_file_explain(error, error_size, path, code,
                           spool->db != NULL ? sqlite3_errmsg(spool->db) : sqlite3_errstr(code));
        goto done;
    }
    *out = spool;
    spool = NULL;
    result = 0;
done:
    spool_reader_close(spool);
    free(path);
    return result;
}

void spool_reader_close(struct spool_reader *spool)
{
    if (spool == NULL)
        return;
    sqlite3_finalize(spool->next);
    sqlite3_close(spool->db);
    free(spool);
}

static struct event *read_event(sqlite3_stmt *row)
{
    const char *field[EVENT_FIELD_COUNT];
    for (int i = 0; i < EVENT_FIELD_COUNT; i++)
        field[i] = (const char *)sqlite3_column_text(row, i);
    int at = EVENT_FIELD_COUNT;
    int body = at + 5;
    const char *text = (const char *)sqlite3_column_text(row, body);
    struct event *event = event_new(field, text, (size_t)sqlite3_column_bytes(row, body));
    if (event == NULL)
        return NULL;
    event->seq = sqlite3_column_int64(row, at);
    event->received_ms = sqlite3_column_int64(row, at + 1);
    event->spooled_us = sqlite3_column_int64(row, at + 2);
    event->time_ms = sqlite3_column_int64(row, at + 3);
    const void *identity = sqlite3_column_blob(row, at + 4);
    if (identity != NULL && sqlite3_column_bytes(row, at + 4) == EVENT_IDENTITY_SIZE)
        memcpy(event->identity, identity, EVENT_IDENTITY_SIZE);
    return event;
}

int spool_reader_next(struct spool_reader *spool, int64_t after, int max, int64_t max_bytes,
                      struct event **out)
{
    int count = 0;
    int64_t bytes = 0;
    int code = SQLITE_DONE;
    sqlite3_bind_int64(spool->next, 1, after);
    sqlite3_bind_int(spool->next, 2, max);
    sqlite3_bind_int(spool->next, 3, spool->workers);
    sqlite3_bind_int(spool->next, 4, spool->worker);
    while (count < max && bytes < max_bytes && (code = sqlite3_step(spool->next)) == SQLITE_ROW) {
        out[count] = read_event(spool->next);
        if (out[count] == NULL) {
            code = SQLITE_NOMEM;
            break;
        }
        bytes += (int64_t)out[count++]->body_size;
    }
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        snprintf(spool->error, sizeof spool->error, "%s", sqlite3_errmsg(spool->db));
        while (count > 0)
            event_free(out[--count]);
        count = -1;
    }
    sqlite3_reset(spool->next);
    return count;
}

int spool_reader_oldest(struct spool_reader *spool, int64_t *received_ms)
{
    sqlite3_stmt *oldest = NULL;
    int code = sqlite3_prepare_v2(spool->db, "SELECT received_ms FROM event ORDER BY seq LIMIT 1",
                                  -1, &oldest, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(oldest);
    if (code == SQLITE_ROW)
        *received_ms = sqlite3_column_int64(oldest, 0);
    else if (code != SQLITE_DONE)
        snprintf(spool->error, sizeof spool->error, "%s", sqlite3_errmsg(spool->db));
    sqlite3_finalize(oldest);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : -1;
}

int spool_reader_span(struct spool_reader *spool, int64_t *oldest, int64_t *newest)
{
    sqlite3_stmt *span = NULL;
    int found = 0;
    int code =
        sqlite3_prepare_v2(spool->db, "SELECT min(seq), max(seq) FROM event", -1, &span, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(span)) == SQLITE_ROW &&
        sqlite3_column_type(span, 0) != SQLITE_NULL) {
        *oldest = sqlite3_column_int64(span, 0);
        *newest = sqlite3_column_int64(span, 1);
        found = 1;
    }
    if (code != SQLITE_ROW)
        snprintf(spool->error, sizeof spool->error, "%s", sqlite3_errmsg(spool->db));
    sqlite3_finalize(span);
    return code == SQLITE_ROW ? found : -1;
}

const char *spool_reader_error(const struct spool_reader *spool)
{
    return spool->error;
}

const char *spool_reader_instance(const struct spool_reader *spool)
{
    return spool->instance;
}
