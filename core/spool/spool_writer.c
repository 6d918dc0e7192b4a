/*
 * spool_writer.c: the one connection that writes and checkpoints the spool. Used by the receiver's
 * spool thread only. A commit is a group: events that came, and what the workers are done with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"
#include "spool/spool_file.h"

#define SCHEMA_PAGES 2 /* of a file without events, but for their table's own root */

struct spool_writer {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *rollback, *insert, *remove, *oldest, *pages, *free_pages;
    int64_t next_seq;
    int64_t page_size;
    struct spool_depth depth;
    char error[256];
};

static const char schema[] =
    "CREATE TABLE event ("
    " seq INTEGER PRIMARY KEY, call_hash INTEGER NOT NULL, received_ms INTEGER NOT NULL,"
    " spooled_us INTEGER NOT NULL, time_ms INTEGER NOT NULL, identity BLOB NOT NULL,"
    " type TEXT NOT NULL, call_id TEXT NOT NULL, code TEXT NOT NULL, direction TEXT NOT NULL,"
    " our_number TEXT NOT NULL, their_number TEXT NOT NULL, actor TEXT NOT NULL,"
    " number TEXT NOT NULL, queue TEXT NOT NULL, body TEXT NOT NULL) STRICT;"
    "CREATE TABLE instance (id TEXT NOT NULL) STRICT;"
    "INSERT INTO instance VALUES (lower(hex(randomblob(16))));";

/*
 * FULL: a commit that returned is on the disk. The page cache holds a few groups, no more. FAST: what is
 * deleted is overwritten where the page is written anyway; ON would write each freed page once more,
 * and writing is what an acknowledgement waits for.
 */
static const char settings[] = "PRAGMA synchronous = FULL;"
                               "PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;"
                               "PRAGMA journal_size_limit = 8388608; PRAGMA secure_delete = FAST;";

static int step_once(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

static int read_integer(sqlite3_stmt *statement, int64_t *out)
{
    int code = sqlite3_step(statement);
    *out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

/* *is_new: the file is empty. Refuses one that is somebody else's or a later version's, and has changed
 * nothing in it. */
static int check_format(sqlite3 *db, int *is_new)
{
    sqlite3_int64 application = 0, version = 0, tables = 0;
    int code = spool_file_pragma(db, "PRAGMA application_id", &application);
    if (code == SQLITE_OK)
        code = spool_file_pragma(db, "PRAGMA user_version", &version);
    if (code == SQLITE_OK)
        code = spool_file_pragma(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code != SQLITE_OK)
        return code;
    *is_new = application == 0 && version == 0 && tables == 0;
    if (*is_new || (application == SPOOL_APPLICATION_ID && version == SPOOL_VERSION))
        return SQLITE_OK;
    return SQLITE_NOTADB;
}

/* Readers in other processes need the WAL; SQLite falls back on another journal without an error. */
static int set_wal(struct spool_writer *spool)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(spool->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(statement, 0);
        code = mode != NULL && strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_ERROR;
        if (code != SQLITE_OK)
            snprintf(
                spool->error, sizeof spool->error,
                "its file system can't share memory between processes, which SQLite's WAL needs; "
                "put state_dir on a local disk");
    }
    sqlite3_finalize(statement);
    return code;
}

static int make_table(sqlite3 *db)
{
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
             SPOOL_APPLICATION_ID, SPOOL_VERSION);
    int code = spool_file_execute(db, "BEGIN IMMEDIATE");
    if (code == SQLITE_OK)
        code = spool_file_execute(db, schema);
    if (code == SQLITE_OK)
        code = spool_file_execute(db, stamp);
    return code;
}

static int prepare_all(struct spool_writer *spool)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } statements[] = {
        {&spool->begin, "BEGIN IMMEDIATE"},
        {&spool->commit, "COMMIT"},
        {&spool->rollback, "ROLLBACK"},
        {&spool->insert,
         "INSERT INTO event (seq, call_hash, received_ms, spooled_us, time_ms,"
         " identity, body, " SPOOL_FIELDS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
        /* one worker: every hash is its own, and SQLite deletes by the key's range alone */
        {&spool->remove, "DELETE FROM event WHERE seq <= ?1 AND (?2 = 1 OR call_hash % ?2 = ?3)"},
        {&spool->oldest, "SELECT received_ms FROM event ORDER BY seq LIMIT 1"},
        {&spool->pages, "PRAGMA page_count"},
        {&spool->free_pages, "PRAGMA freelist_count"},
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        int code = sqlite3_prepare_v3(spool->db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      statements[i].statement, NULL);
        if (code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}

/* bytes: the pages that the events really take, so that the cap is about the disk. */
static int measure_depth(struct spool_writer *spool)
{
    int64_t pages = 0, free_pages = 0;
    int code = read_integer(spool->pages, &pages);
    if (code == SQLITE_OK)
        code = read_integer(spool->free_pages, &free_pages);
    if (code == SQLITE_OK)
        code = read_integer(spool->oldest, &spool->depth.oldest_received_ms);
    if (code == SQLITE_OK && spool->depth.events == 0)
        spool->depth.bytes = 0;
    else if (code == SQLITE_OK)
        spool->depth.bytes = (pages - free_pages - SCHEMA_PAGES) * spool->page_size;
    return code;
}

static int open_database(struct spool_writer *spool, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &spool->db, flags, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_timeout(spool->db, SPOOL_BUSY_MS);
    sqlite3_int64 newest = 0, events = 0, page_size = 0;
    int is_new = 0;
    code = check_format(spool->db, &is_new);
    if (code == SQLITE_OK)
        code = set_wal(spool);
    if (code == SQLITE_OK)
        code = spool_file_execute(spool->db, settings);
    if (code == SQLITE_OK && is_new)
        code = make_table(spool->db);
    if (code == SQLITE_OK)
        code = prepare_all(spool);
    if (code == SQLITE_OK)
        code = spool_file_pragma(spool->db, "SELECT coalesce(max(seq), 0) FROM event", &newest);
    if (code == SQLITE_OK)
        code = spool_file_pragma(spool->db, "SELECT count(*) FROM event", &events);
    if (code == SQLITE_OK)
        code = spool_file_pragma(spool->db, "PRAGMA page_size", &page_size);
    spool->next_seq = newest + 1;
    spool->depth.events = events;
    spool->page_size = page_size;
    return code == SQLITE_OK ? measure_depth(spool) : code;
}

/* Why open_database() gave this code. */
static const char *open_error(const struct spool_writer *spool, int code)
{
    if (spool->error[0] != '\0')
        return spool->error;
    if (spool->db != NULL && sqlite3_errcode(spool->db) == code)
        return sqlite3_errmsg(spool->db);
    return sqlite3_errstr(code);
}

int spool_writer_open(const char *state_dir, struct spool_writer **out, char *error,
                      size_t error_size)
{
    char *path = spool_file_path(state_dir);
    struct spool_writer *spool = calloc(1, sizeof *spool);
    int result = -1;
    if (path == NULL || spool == NULL) {
        snprintf(error, error_size, "out of memory");
        goto done;
    }
    int code = open_database(spool, path);
    if (code != SQLITE_OK) {
        spool_file_explain(error, error_size, path, code, open_error(spool, code));
        goto done;
    }
    *out = spool;
    spool = NULL;
    result = 0;
done:
    spool_writer_close(spool);
    free(path);
    return result;
}

void spool_writer_close(struct spool_writer *spool)
{
    if (spool == NULL)
        return;
    sqlite3_stmt *statements[] = {spool->begin,  spool->commit, spool->rollback, spool->insert,
                                  spool->remove, spool->oldest, spool->pages,    spool->free_pages};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(spool->db);
    free(spool);
}

static int insert_event(struct spool_writer *spool, const struct event *event, int64_t seq)
{
    sqlite3_stmt *insert = spool->insert;
    int at = 1;
    sqlite3_bind_int64(insert, at++, seq);
    sqlite3_bind_int64(insert, at++, event_call_hash(event->field[EVENT_CALL_ID]));
    sqlite3_bind_int64(insert, at++, event->received_ms);
    sqlite3_bind_int64(insert, at++, event->spooled_us);
    sqlite3_bind_int64(insert, at++, event->time_ms);
    sqlite3_bind_blob(insert, at++, event->identity, EVENT_IDENTITY_SIZE, SQLITE_STATIC);
    sqlite3_bind_text(insert, at++, event->body, (int)event->body_size, SQLITE_STATIC);
    for (int field = 0; field < EVENT_FIELD_COUNT; field++)
        sqlite3_bind_text(insert, at++, event->field[field], -1, SQLITE_STATIC);
    return step_once(insert);
}

static int remove_done(struct spool_writer *spool, const int64_t *done, int workers,
                       int64_t *removed)
{
    for (int worker = 0; worker < workers; worker++) {
        if (done[worker] == 0)
            continue;
        sqlite3_bind_int64(spool->remove, 1, done[worker]);
        sqlite3_bind_int(spool->remove, 2, workers);
        sqlite3_bind_int(spool->remove, 3, worker);
        int code = step_once(spool->remove);
        if (code != SQLITE_OK)
            return code;
        *removed += sqlite3_changes64(spool->db);
    }
    return SQLITE_OK;
}

static void roll_back(struct spool_writer *spool, int code)
{
    snprintf(spool->error, sizeof spool->error, "%s (%d)", sqlite3_errmsg(spool->db), code);
    if (!sqlite3_get_autocommit(spool->db))
        step_once(spool->rollback);
}

int spool_writer_commit(struct spool_writer *spool, struct event *const *events, size_t count,
                        const int64_t *done, int workers)
{
    int64_t removed = 0;
    int code = step_once(spool->begin);
    /* First: nobody can be done with what comes now, whatever was reported. */
    if (code == SQLITE_OK)
        code = remove_done(spool, done, workers, &removed);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = insert_event(spool, events[i], spool->next_seq + (int64_t)i);
    if (code == SQLITE_OK)
        code = step_once(spool->commit);
    if (code != SQLITE_OK) {
        roll_back(spool, code);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        events[i]->seq = spool->next_seq++;
    spool->depth.events += (int64_t)count - removed;
    /* The commit stands whatever the reading of its size says; the former figures stay then. */
    (void)measure_depth(spool);
    return 0;
}

const char *spool_writer_error(const struct spool_writer *spool)
{
    return spool->error;
}

void spool_writer_depth(const struct spool_writer *spool, struct spool_depth *out)
{
    *out = spool->depth;
}
