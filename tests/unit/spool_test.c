/* spool_test.c: the spool's file: what was committed is read, what is done is gone, no one else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "spool/spool.h"

struct fixture {
    char dir[64];
    struct spool_writer *writer;
};

static struct event *make_event(const char *call_id, int64_t time_ms)
{
    const char *field[EVENT_FIELD_COUNT] = {
        [EVENT_TYPE] = "call.new", [EVENT_CALL_ID] = call_id, [EVENT_THEIR_NUMBER] = "119"};
    struct event *event = event_new(field, "{\"a\":1}", 7);
    assert_non_null(event);
    event->time_ms = time_ms;
    event->received_ms = time_ms + 5;
    event->spooled_us = 77;
    assert_int_equal(event_identify_by_content(event), 0);
    return event;
}

/* Commits `count` events of calls "c0", "c1", ...; the time of each is its number. */
static void commit_events(struct spool_writer *writer, int first, int count)
{
    struct event **events = calloc((size_t)count, sizeof *events);
    const int64_t done[1] = {0};
    assert_non_null(events);
    for (int i = 0; i < count; i++) {
        char call_id[16];
        snprintf(call_id, sizeof call_id, "c%d", first + i);
        events[i] = make_event(call_id, first + i);
    }
    assert_int_equal(spool_writer_commit(writer, events, (size_t)count, done, 1), 0);
    for (int i = 0; i < count; i++) {
        assert_int_equal(events[i]->seq, first + i + 1);
        event_free(events[i]);
    }
    free(events);
}

static void open_writer(struct fixture *fixture)
{
    char error[256] = "";
    if (spool_writer_open(fixture->dir, &fixture->writer, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static struct spool_reader *open_reader(const struct fixture *fixture, int worker, int workers)
{
    struct spool_reader *reader = NULL;
    char error[256] = "";
    if (spool_reader_open(fixture->dir, worker, workers, &reader, error, sizeof error) < 0)
        fail_msg("%s", error);
    return reader;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/pbxhook-spool-XXXXXX");
    umask(077);
    if (mkdtemp(fixture->dir) == NULL)
        return -1;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    spool_writer_close(fixture->writer);
    DIR *dir = opendir(fixture->dir);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(fixture->dir);
    free(fixture);
    return 0;
}

static void test_what_is_committed_is_read_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct event *out[10];
    open_writer(fixture);
    commit_events(fixture->writer, 0, 7);
    struct spool_reader *reader = open_reader(fixture, 0, 1);
    assert_int_equal(spool_reader_next(reader, 0, 5, 1 << 20, out), 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(out[i]->seq, i + 1);
        assert_int_equal(out[i]->time_ms, i);
        assert_int_equal(out[i]->received_ms, i + 5);
        assert_int_equal(out[i]->spooled_us, 77);
        assert_int_equal(out[i]->state, LIFECYCLE_NEW);
        assert_string_equal(out[i]->field[EVENT_THEIR_NUMBER], "119");
        assert_string_equal(out[i]->field[EVENT_QUEUE], "");
        assert_string_equal(out[i]->body, "{\"a\":1}");
        struct event *same = make_event(out[i]->field[EVENT_CALL_ID], i);
        assert_memory_equal(out[i]->identity, same->identity, EVENT_IDENTITY_SIZE);
        event_free(same);
        event_free(out[i]);
    }
    assert_int_equal(spool_reader_next(reader, 5, 10, 1 << 20, out), 2);
    event_free(out[0]);
    event_free(out[1]);
    assert_int_equal(spool_reader_next(reader, 7, 10, 1 << 20, out), 0);
    spool_reader_close(reader);
}

static void test_bodies_bound_a_read(void **state)
{
    struct fixture *fixture = *state;
    struct event *out[10];
    open_writer(fixture);
    commit_events(fixture->writer, 0, 7);
    struct spool_reader *reader = open_reader(fixture, 0, 1);
    int count = spool_reader_next(reader, 0, 10, 14, out); /* bodies of 7 bytes */
    assert_int_equal(count, 2);
    event_free(out[0]);
    event_free(out[1]);
    spool_reader_close(reader);
}

static void test_done_is_removed_and_depth_follows(void **state)
{
    struct fixture *fixture = *state;
    struct spool_depth depth;
    open_writer(fixture);
    commit_events(fixture->writer, 0, 10);
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 10);
    assert_int_equal(depth.oldest_received_ms, 5);
    assert_true(depth.bytes > 0);

    const int64_t done[1] = {4};
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, done, 1), 0);
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 6);
    assert_int_equal(depth.oldest_received_ms, 9);

    const int64_t all[1] = {10};
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, all, 1), 0);
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 0);
    assert_int_equal(depth.bytes, 0);
    assert_int_equal(depth.oldest_received_ms, 0);
}

/* A peak that has drained leaves a large file, and room in it. */
static void test_free_pages_are_not_depth(void **state)
{
    struct fixture *fixture = *state;
    struct spool_depth peak, depth;
    open_writer(fixture);
    commit_events(fixture->writer, 0, 2000);
    spool_writer_depth(fixture->writer, &peak);
    const int64_t done[1] = {1900};
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, done, 1), 0);
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 100);
    assert_true(depth.bytes > 0);
    assert_true(depth.bytes < peak.bytes / 5);
}

static void test_survives_reopening(void **state)
{
    struct fixture *fixture = *state;
    struct spool_depth depth;
    open_writer(fixture);
    commit_events(fixture->writer, 0, 3);
    const int64_t done[1] = {2};
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, done, 1), 0);
    spool_writer_close(fixture->writer);
    fixture->writer = NULL;
    open_writer(fixture);
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 1);
    commit_events(fixture->writer, 3, 1); /* goes on behind the newest seq */
}

/* Whose the events are: the file's own name, and no other file's. */
static void test_instance_is_the_files_own(void **state)
{
    struct fixture *fixture = *state;
    char first[64];
    open_writer(fixture);
    struct spool_reader *reader = open_reader(fixture, 0, 1);
    snprintf(first, sizeof first, "%s", spool_reader_instance(reader));
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_int_equal(strlen(first), 32);
    spool_reader_close(reader);
    spool_writer_close(fixture->writer);
    fixture->writer = NULL;
    open_writer(fixture);
    reader = open_reader(fixture, 0, 1);
    assert_string_equal(spool_reader_instance(reader), first);
    spool_reader_close(reader);

    void *other = NULL;
    assert_int_equal(set_up(&other), 0);
    open_writer(other);
    reader = open_reader(other, 0, 1);
    assert_string_not_equal(spool_reader_instance(reader), first);
    spool_reader_close(reader);
    tear_down(&other);
}

static void test_workers_share_the_calls(void **state)
{
    struct fixture *fixture = *state;
    struct event *out[100];
    int seen[100] = {0};
    int64_t done[3] = {0};
    open_writer(fixture);
    commit_events(fixture->writer, 0, 100);
    for (int worker = 0; worker < 3; worker++) {
        struct spool_reader *reader = open_reader(fixture, worker, 3);
        int count = spool_reader_next(reader, 0, 100, 1 << 20, out);
        assert_in_range(count, 10, 60);
        for (int i = 0; i < count; i++) {
            assert_int_equal(event_call_hash(out[i]->field[EVENT_CALL_ID]) % 3, worker);
            seen[out[i]->seq - 1]++;
            event_free(out[i]);
        }
        spool_reader_close(reader);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);

    done[1] = 100; /* one worker is done: the others' events stay */
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, done, 3), 0);
    struct spool_reader *reader = open_reader(fixture, 1, 3);
    assert_int_equal(spool_reader_next(reader, 0, 100, 1 << 20, out), 0);
    spool_reader_close(reader);
    struct spool_depth depth;
    spool_writer_depth(fixture->writer, &depth);
    assert_in_range(depth.events, 40, 90);
}

static sqlite3 *newest_connection; /* opened since remember_connection() was made known to SQLite */

static int remember_connection(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
    (void)error;
    (void)api;
    newest_connection = db;
    return SQLITE_OK;
}

static int take_integer(void *out, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int *)out = atoi(values[0]);
    return 0;
}

static void test_reader_neither_writes_nor_checkpoints(void **state)
{
    struct fixture *fixture = *state;
    struct stat before, after;
    char wal[128];
    int every = -1;
    open_writer(fixture);
    assert_int_equal(sqlite3_auto_extension((void (*)(void))remember_connection), SQLITE_OK);
    struct spool_reader *reader = open_reader(fixture, 0, 1);
    sqlite3_cancel_auto_extension((void (*)(void))remember_connection);
    assert_int_equal(sqlite3_exec(newest_connection, "DELETE FROM event", NULL, NULL, NULL),
                     SQLITE_READONLY);
    assert_int_equal(
        sqlite3_exec(newest_connection, "PRAGMA wal_autocheckpoint", take_integer, &every, NULL),
        SQLITE_OK);
    assert_int_equal(every, 0);

    commit_events(fixture->writer, 0, 3);
    spool_writer_close(fixture->writer); /* not the last one, so it leaves the WAL */
    fixture->writer = NULL;
    snprintf(wal, sizeof wal, "%s/spool.db-wal", fixture->dir);
    assert_int_equal(stat(wal, &before), 0);
    assert_true(before.st_size > 0);
    spool_reader_close(reader);
    assert_int_equal(stat(wal, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
}

static void test_file_is_private(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct stat info;
    open_writer(fixture);
    snprintf(path, sizeof path, "%s/spool.db", fixture->dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_what_is_no_spool_is_refused_and_kept(void **state)
{
    struct fixture *fixture = *state;
    static const char garbage[] = "this is no database, and it is longer than a header of one "
                                  "hundred bytes, so that it is read as one and refused as one.";
    char path[128];
    char error[256] = "";
    char found[sizeof garbage] = "";
    snprintf(path, sizeof path, "%s/spool.db", fixture->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(garbage, 1, sizeof garbage, file), sizeof garbage);
    fclose(file);

    assert_int_equal(spool_writer_open(fixture->dir, &fixture->writer, error, sizeof error), -1);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, "move it away"));
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), sizeof garbage);
    fclose(file);
    assert_memory_equal(found, garbage, sizeof garbage);
}

/* Runs SQL on the spool's file as another program would; *out, if not NULL, is its one text. */
static void run_beside(const struct fixture *fixture, const char *sql, char *out, size_t out_size)
{
    char path[128];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/spool.db", fixture->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    int code = sqlite3_step(statement);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    if (out != NULL) {
        assert_int_equal(code, SQLITE_ROW);
        snprintf(out, out_size, "%s", (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void test_other_programs_database_is_refused_and_kept(void **state)
{
    struct fixture *fixture = *state;
    char error[256] = "";
    char mode[16] = "";
    run_beside(fixture, "CREATE TABLE theirs (id INTEGER)", NULL, 0);
    assert_int_equal(spool_writer_open(fixture->dir, &fixture->writer, error, sizeof error), -1);
    assert_non_null(strstr(error, "move it away"));
    run_beside(fixture, "PRAGMA journal_mode", mode, sizeof mode);
    assert_string_equal(mode, "delete");
}

static void test_later_versions_spool_is_refused_and_kept(void **state)
{
    struct fixture *fixture = *state;
    char error[256] = "";
    char version[16] = "";
    open_writer(fixture);
    commit_events(fixture->writer, 0, 1);
    spool_writer_close(fixture->writer);
    fixture->writer = NULL;
    run_beside(fixture, "PRAGMA user_version = 1000", NULL, 0);
    assert_int_equal(spool_writer_open(fixture->dir, &fixture->writer, error, sizeof error), -1);
    assert_non_null(strstr(error, "move it away"));
    run_beside(fixture, "PRAGMA user_version", version, sizeof version);
    assert_string_equal(version, "1000");
}

/* Nothing of a commit that failed stays, and the next one is not in its way. */
static void test_what_fails_is_rolled_back(void **state)
{
    struct fixture *fixture = *state;
    struct event *events[] = {make_event("c2", 2), make_event("c3", 3)};
    const int64_t done[1] = {1};
    struct spool_depth depth;
    open_writer(fixture);
    commit_events(fixture->writer, 0, 2);
    /* The second one's place is taken; the first one and the removal go through before. */
    run_beside(fixture,
               "INSERT INTO event SELECT 4, call_hash, received_ms, spooled_us, time_ms, identity,"
               " type, call_id, code, direction, our_number, their_number, actor, number, queue,"
               " body FROM event WHERE seq = 1",
               NULL, 0);
    assert_int_equal(spool_writer_commit(fixture->writer, events, 2, done, 1), -1);
    assert_string_not_equal(spool_writer_error(fixture->writer), "");
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 2);
    char seqs[32] = "";
    run_beside(fixture, "SELECT group_concat(seq) FROM event", seqs, sizeof seqs);
    assert_string_equal(seqs, "1,2,4");
    run_beside(fixture, "DELETE FROM event WHERE seq = 4", NULL, 0);
    assert_int_equal(spool_writer_commit(fixture->writer, events, 2, done, 1), 0);
    run_beside(fixture, "SELECT group_concat(seq) FROM event", seqs, sizeof seqs);
    assert_string_equal(seqs, "2,3,4");
    for (int i = 0; i < 2; i++)
        event_free(events[i]);
}

/* A file system on which SQLite can't have shared memory, as one without the means for it: it would
 * fall back on another journal without an error. */
static void test_place_without_shared_memory_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char error[256] = "";
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    sqlite3_vfs *without = sqlite3_vfs_find("unix-none");
    assert_non_null(usual);
    assert_non_null(without);
    sqlite3_vfs_register(without, 1);
    int result = spool_writer_open(fixture->dir, &fixture->writer, error, sizeof error);
    sqlite3_vfs_register(usual, 1);
    assert_int_equal(result, -1);
    assert_non_null(strstr(error, "spool.db: "));
    assert_non_null(strstr(error, "local disk"));
    open_writer(fixture); /* nothing was left behind */
}

/* A worker that reports more than it was given must not cost an event that nobody has seen. */
static void test_report_removes_nothing_of_its_own_commit(void **state)
{
    struct fixture *fixture = *state;
    struct spool_depth depth;
    const int64_t done[1] = {99};
    open_writer(fixture);
    commit_events(fixture->writer, 0, 2);
    struct event *event = make_event("c2", 2);
    assert_int_equal(spool_writer_commit(fixture->writer, &event, 1, done, 1), 0);
    assert_int_equal(event->seq, 3);
    event_free(event);
    spool_writer_depth(fixture->writer, &depth);
    assert_int_equal(depth.events, 1);
    assert_int_equal(depth.oldest_received_ms, 7);
}

/* What callers said does not stay in the file's free pages. */
static void test_what_is_done_is_overwritten(void **state)
{
    struct fixture *fixture = *state;
    static char found[1 << 16];
    const int64_t done[1] = {2};
    char path[128];
    open_writer(fixture);
    commit_events(fixture->writer, 0, 2);
    spool_writer_close(fixture->writer); /* moves the WAL into the file */
    fixture->writer = NULL;
    open_writer(fixture);
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, done, 1), 0);
    spool_writer_close(fixture->writer);
    fixture->writer = NULL;
    snprintf(path, sizeof path, "%s/spool.db", fixture->dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(found, 1, sizeof found, file);
    fclose(file);
    assert_in_range(size, 4096, sizeof found - 1);
    assert_null(memmem(found, size, "{\"a\":1}", 7));
}

static void test_missing_directory_is_told(void **state)
{
    (void)state;
    struct spool_writer *writer = NULL;
    char error[256] = "";
    assert_int_equal(spool_writer_open("/nonexistent/here", &writer, error, sizeof error), -1);
    assert_non_null(strstr(error, "/nonexistent/here/spool.db"));
    assert_null(writer);
}

static void test_oldest_is_any_workers(void **state)
{
    struct fixture *fixture = *state;
    const int64_t done[1] = {2};
    int64_t received_ms = -1;
    open_writer(fixture);
    struct spool_reader *reader = open_reader(fixture, 1, 2);
    assert_int_equal(spool_reader_oldest(reader, &received_ms), 0);
    assert_int_equal(received_ms, -1);
    commit_events(fixture->writer, 0, 5);
    assert_int_equal(spool_reader_oldest(reader, &received_ms), 1);
    assert_int_equal(received_ms, 5);
    assert_int_equal(spool_writer_commit(fixture->writer, NULL, 0, done, 1), 0);
    assert_int_equal(spool_reader_oldest(reader, &received_ms), 1);
    assert_int_equal(received_ms, 7);
    spool_reader_close(reader);
}

/* A process that opens the spool, adds so many events behind the first ones, says up to where all is done, and is killed. */
static void run_and_die(struct fixture *fixture, int first, int events, int64_t done)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_writer(fixture);
        commit_events(fixture->writer, first, events);
        if (done > 0 && spool_writer_commit(fixture->writer, NULL, 0, &done, 1) < 0)
            _exit(1);
        raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check_inherited(struct fixture *fixture, int64_t newest, int failed_runs)
{
    struct spool_inheritance inherited;
    open_writer(fixture);
    spool_writer_inherited(fixture->writer, &inherited);
    assert_int_equal(inherited.newest, newest);
    assert_int_equal(inherited.failed_runs, failed_runs);
}

static void test_runs_that_fail_are_counted(void **state)
{
    struct fixture *fixture = *state;
    run_and_die(fixture, 0, 3, 0); /* it inherited nothing */
    run_and_die(fixture, 3, 0, 0);
    run_and_die(fixture, 3, 1, 2); /* it is not through with all three */
    check_inherited(fixture, 4, 2);
    spool_writer_close(fixture->writer); /* in order */
    fixture->writer = NULL;
    check_inherited(fixture, 4, 0);
    spool_writer_close(fixture->writer);
    fixture->writer = NULL;
    run_and_die(fixture, 4, 1, 0);
    run_and_die(fixture, 5, 2, 5); /* through, and two more came since */
    check_inherited(fixture, 7, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_committed_is_read_in_order),
        TEST(test_bodies_bound_a_read),
        TEST(test_done_is_removed_and_depth_follows),
        TEST(test_free_pages_are_not_depth),
        TEST(test_survives_reopening),
        TEST(test_instance_is_the_files_own),
        TEST(test_workers_share_the_calls),
        TEST(test_oldest_is_any_workers),
        TEST(test_reader_neither_writes_nor_checkpoints),
        TEST(test_file_is_private),
        TEST(test_what_is_no_spool_is_refused_and_kept),
        TEST(test_other_programs_database_is_refused_and_kept),
        TEST(test_later_versions_spool_is_refused_and_kept),
        TEST(test_what_fails_is_rolled_back),
        TEST(test_place_without_shared_memory_is_refused),
        TEST(test_report_removes_nothing_of_its_own_commit),
        TEST(test_what_is_done_is_overwritten),
        TEST(test_missing_directory_is_told),
        TEST(test_runs_that_fail_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
