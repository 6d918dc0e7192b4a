/*
 * sqlite_store_test.c: what is SQLite's alone: the file, its lock, its migration.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "loop_length.h"
#include "sqlite_fixture.h"

#include "common/clock.h"

/* ---- The URL and the file ------------------------------------------------------------------------------ */

static void url_that_is_no_file_is_refused(void **state)
{
    (void)state;
    expect_refusal("mysql://user:secret@host/db", STORE_WRITE, STORE_E_ARGUMENT, "\"mysql\"");
    expect_refusal("store.db", STORE_WRITE, STORE_E_ARGUMENT, "sqlite:PATH");
    expect_refusal("sqlite:", STORE_WRITE, STORE_E_ARGUMENT, "path of a file");
    expect_refusal("sqlite::memory:", STORE_WRITE, STORE_E_ARGUMENT, "path of a file");
    expect_refusal("sqlite:file:x?mode=memory", STORE_WRITE, STORE_E_ARGUMENT, "path of a file");
    expect_refusal("sqlite:/nonexistent/store.db", STORE_WRITE, STORE_E_FAILED,
                   "its directory must be there");
    expect_refusal("sqlite:/", STORE_READ, STORE_E_FAILED, "unable to open");
}

static void reader_waits_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    expect_refusal(fixture->url, STORE_READ, STORE_E_FAILED, "not there yet");
    assert_int_equal(access(path_of(fixture), F_OK), -1);
    close(open(path_of(fixture), O_WRONLY | O_CREAT, 0600));
    expect_refusal(fixture->url, STORE_READ, STORE_E_FAILED, "not ready yet");
    fixture->store = fixture_open(fixture, STORE_WRITE);
    store_close(fixture_open(fixture, STORE_READ));
}

static void files_are_the_users_alone(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    struct fixture *fixture = *state;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    commit(fixture);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[160];
        struct stat status;
        snprintf(path, sizeof(path), "%s%s", path_of(fixture), suffixes[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

/* ---- One writer ------------------------------------------------------------------------------------------ */

static void second_writer_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char pid[32];
    fixture->store = fixture_open(fixture, STORE_WRITE);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    expect_refusal(fixture->url, STORE_WRITE, STORE_E_BUSY, pid);
    fixture_reopen(fixture); /* the lock goes with the store */
}

/* A child that holds the store until it is told to let go, or killed. */
struct holder {
    pid_t pid;
    int tell; /* write a byte, or close: let go */
};

static void hold_and_wait(const struct fixture *fixture, int ready, int told)
{
    char error[512];
    char byte = 0;
    struct store *store;
    if (store_open(&(const struct store_options){.url = fixture->url,
                                                 .mode = STORE_WRITE,
                                                 .lock_wait_ms = 0},
                   &store, error, sizeof(error)) < 0)
        _exit(1);
    struct event event = make_event("call.new", "unfinished", 10);
    if (store_begin(store, NULL, 0) < 0 || store_call_save(store, &event) < 0)
        _exit(2);
    if (write(ready, &byte, 1) != 1 || read(told, &byte, 1) < 0)
        _exit(3);
    store_close(store);
    _exit(0);
}

static struct holder start_holder(const struct fixture *fixture)
{
    int ready[2];
    int tell[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(tell[1]);
        hold_and_wait(fixture, ready[1], tell[0]);
    }
    close(ready[1]);
    close(tell[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return (struct holder){.pid = pid, .tell = tell[1]};
}

static void next_writer_waits_for_the_lock(void **state)
{
    struct fixture *fixture = *state;
    char error[512];
    struct holder holder = start_holder(fixture);
    int64_t started_us = clock_mono_us();
    assert_int_equal(store_open(&(const struct store_options){.url = fixture->url,
                                                              .mode = STORE_WRITE,
                                                              .lock_wait_ms = 50},
                                &fixture->store, error, sizeof(error)),
                     STORE_E_BUSY);
    assert_true(clock_mono_us() - started_us >= 50000);
    close(holder.tell);
    int result = store_open(&(const struct store_options){.url = fixture->url,
                                                          .mode = STORE_WRITE,
                                                          .lock_wait_ms = 20000},
                            &fixture->store, error, sizeof(error));
    assert_int_equal(result, 0);
    assert_int_equal(reap(holder.pid), 0);
    assert_int_equal(new_calls(fixture), 0);
}

/* It has the file of the lock open as its parent had, and must not keep others out when that is gone. */
static void forked_child_does_not_hold_the_lock(void **state)
{
    struct fixture *fixture = *state;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    pid_t pid = fork();
    assert_in_range(pid, 0, INT32_MAX);
    while (pid == 0)
        pause();
    expect_refusal(fixture->url, STORE_WRITE, STORE_E_BUSY, "process"); /* the parent does */
    fixture_reopen(fixture);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_true(WIFSIGNALED(reap(pid)));
}

static void killed_writer_leaves_what_it_committed(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 3);
    struct holder holder = start_holder(fixture);
    assert_int_equal(kill(holder.pid, SIGKILL), 0);
    assert_true(WIFSIGNALED(reap(holder.pid)));
    close(holder.tell);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    const struct store_call *call = NULL;
    assert_int_equal(new_calls(fixture), 3);
    assert_int_equal(store_call_find(fixture->store, "unfinished", &call), 0);
}

static void other_programs_lock_is_busy(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *other = NULL;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    sqlite3_busy_timeout(sqlite_of(fixture->store)->db, 1);
    assert_int_equal(sqlite3_open(path_of(fixture), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(fixture->store, NULL, 0), STORE_E_BUSY);
    assert_error_has(fixture, "another program");
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    begin(fixture);
    commit(fixture);
    sqlite3_close(other);
}

/* A call that somebody deletes in the file fails the batch, and the next one makes it anew. */
static void call_deleted_beside_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    commit(fixture);
    run_beside(fixture, "DELETE FROM calls");
    struct event event = make_event("call.standby", "a", 20);
    begin(fixture);
    assert_int_equal(store_call_advance(fixture->store, &event), STORE_E_FAILED);
    assert_int_equal(store_commit(fixture->store), STORE_E_FAILED);
    begin(fixture);
    check_ok(fixture, store_call_advance(fixture->store, &event));
    commit(fixture);
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_STANDBY);
}

/* ---- A reader beside the writer --------------------------------------------------------------------------- */

/* Reads until the pipe is closed; each answer must come, and never go back. */
static void poll_counts(const struct fixture *fixture, int told)
{
    char error[512];
    char byte;
    int64_t last = 0;
    struct store *reader = NULL;
    fcntl(told, F_SETFL, O_NONBLOCK);
    do {
        struct store_counts counts;
        if (reader == NULL && store_open(&(const struct store_options){.url = fixture->url,
                                                                       .mode = STORE_READ,
                                                                       .lock_wait_ms = 0},
                                         &reader, error, sizeof(error)) < 0)
            _exit(1);
        if (store_counts(reader, &counts) < 0)
            _exit(2);
        if (counts.calls[LIFECYCLE_NEW] < last)
            _exit(3);
        last = counts.calls[LIFECYCLE_NEW];
        if (last % 7 == 0) { /* opening and closing beside the writer is safe too */
            store_close(reader);
            reader = NULL;
        }
    } while (read(told, &byte, 1) != 0);
    store_close(reader);
    _exit(last > 0 ? 0 : 4);
}

static void polling_reader_never_fails(void **state)
{
    struct fixture *fixture = *state;
    int tell[2];
    make_store(fixture, 1);
    assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(tell[1]);
        poll_counts(fixture, tell[0]);
    }
    close(tell[0]);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    const int rounds = loop_length(300, 12);
    /* A checkpoint behind nearly every commit, and a few writers one after the other. */
    for (int i = 0; i < rounds; i++) {
        char call_id[32];
        snprintf(call_id, sizeof(call_id), "polled-%d", i);
        if (i % (rounds / 5) == 0)
            fixture_reopen(fixture);
        if (i % (rounds / 5) == 0)
            sqlite3_wal_autocheckpoint(sqlite_of(fixture->store)->db, 4);
        begin(fixture);
        advance(fixture, "call.new", call_id, 10);
        commit(fixture);
    }
    close(tell[1]);
    assert_int_equal(reap(pid), 0);
    assert_int_equal(new_calls(fixture), rounds + 1);
}

static void reader_neither_writes_nor_checkpoints(void **state)
{
    struct fixture *fixture = *state;
    char wal[160];
    struct stat before;
    struct stat after;
    make_store(fixture, 1);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    struct store *reader = fixture_open(fixture, STORE_READ);
    begin(fixture);
    advance(fixture, "call.new", "in the wal", 10);
    commit(fixture);
    store_close(fixture->store); /* not the last one, so it leaves the WAL */
    fixture->store = NULL;
    snprintf(wal, sizeof(wal), "%s-wal", path_of(fixture));
    assert_int_equal(stat(wal, &before), 0);
    assert_true(before.st_size > 0);
    struct store_counts counts;
    assert_int_equal(store_counts(reader, &counts), 0);
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 2);
    assert_int_equal(sqlite3_exec(sqlite_of(reader)->db, "DELETE FROM calls", NULL, NULL, NULL),
                     SQLITE_READONLY);
    store_close(reader);
    assert_int_equal(stat(wal, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    assert_int_equal(new_calls(fixture), 2);
}

/* ---- Migration -------------------------------------------------------------------------------------------- */

static int version_of(struct fixture *fixture)
{
    int version = -1;
    static const char *const many[] = {"", "", "", "", "", "", "", "", "", NULL};
    check_ok(fixture, sqlite_identify(sqlite_of(fixture->store), many, &version));
    return version;
}

static void failed_migration_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 2);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    struct sqlite_store *store = sqlite_of(fixture->store);
    const char *scripts[16] = {NULL};
    int shipped = 0;
    for (; sqlite_schema[shipped] != NULL; shipped++)
        scripts[shipped] = sqlite_schema[shipped];
    scripts[shipped] = "CREATE TABLE extra (id INTEGER) STRICT;";
    scripts[shipped + 1] = "CREATE TABLE half (id INTEGER) STRICT; nonsense;";
    char failed[64];
    snprintf(failed, sizeof(failed), "migration to schema %d", shipped + 2);
    assert_int_equal(version_of(fixture), shipped);
    assert_int_equal(sqlite_migrate(store, scripts, shipped), STORE_E_FAILED);
    assert_error_has(fixture, failed);
    assert_int_equal(version_of(fixture), shipped + 1); /* the one before it stands */
    begin(fixture);
    assert_int_equal(
        query_integer(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 1);
    assert_int_equal(
        query_integer(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    commit(fixture);
    scripts[shipped + 1] = "CREATE TABLE half (id INTEGER) STRICT;";
    check_ok(fixture, sqlite_migrate(store, scripts, shipped + 1));
    assert_int_equal(version_of(fixture), shipped + 2);
    check_ok(fixture, sqlite_migrate(store, scripts, shipped + 2)); /* nothing left to do */
    assert_int_equal(new_calls(fixture), 2);
}

static int temporary_files;

/* Where no directory can be written but the store's own. */
static int open_nothing_temporary(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                                  int *out_flags)
{
    sqlite3_vfs *usual = vfs->pNext;
    if ((flags & (SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_TRANSIENT_DB | SQLITE_OPEN_TEMP_JOURNAL |
                  SQLITE_OPEN_SUBJOURNAL)) == 0)
        return usual->xOpen(usual, name, file, flags, out_flags);
    temporary_files++;
    file->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static void migration_needs_no_directory_for_temporary_files(void **state)
{
    /* An index of 3 MB, where 1 MB may be sorted in memory. */
    static const char *const scripts[] = {
        "PRAGMA cache_size = 1; CREATE TABLE big (text TEXT) STRICT;"
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) "
        "INSERT INTO big SELECT printf('%01000d', n) FROM numbers;"
        "CREATE INDEX big_text ON big (text)",
        NULL};
    struct fixture *fixture = *state;
    static sqlite3_vfs vfs; /* stays registered when this fails */
    vfs = *sqlite3_vfs_find(NULL);
    vfs.zName = "no-directory";
    vfs.xOpen = open_nothing_temporary;
    temporary_files = 0;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK); /* in front of the usual one */
    fixture->store = fixture_open(fixture, STORE_WRITE);
    int result = sqlite_migrate(sqlite_of(fixture->store), scripts, 0);
    check_ok(fixture, result);
    store_close(fixture->store);
    fixture->store = NULL;
    sqlite3_vfs_unregister(&vfs);
    assert_true(temporary_files > 0); /* it was tried: memory is what is scarce */
}

/* ---- Speed that must not be lost ------------------------------------------------------------------------------ */

/* Under a number that grows: an index of call_ids gets a page for each. */
static void an_action_lies_under_its_calls_number(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "c", 1000);
    sqlite3_stmt *stmt = NULL;
    int64_t id;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    begin(fixture);
    check_ok(fixture, store_event_add(fixture->store, &event, &id));
    check_ok(fixture, store_call_advance(fixture->store, &event));
    check_ok(fixture, store_action_add(fixture->store, "key", "c", "{}", id, 5, 12005));
    commit(fixture);
    sqlite3 *db = sqlite_of(fixture->store)->db;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM actions JOIN calls ON calls.id = actions.call",
                           -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 1);
    sqlite3_finalize(stmt);
}

/* Each statement finds its rows by an index, and none sorts. */
static void every_statement_uses_an_index(void **state)
{
    struct fixture *fixture = *state;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    sqlite3 *db = sqlite_of(fixture->store)->db;
    for (int which = SQL_COUNT_ADD; which < SQL_STATEMENT_COUNT; which++) {
        char sql[2048];
        sqlite3_stmt *stmt = NULL;
        snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s",
                 sqlite_statement_sql((enum sqlite_statement)which));
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(stmt, 3);
            /* A partial index holds only what is wanted, and counts has eight rows. */
            int is_small = strstr(step, "INDEX calls_active") != NULL ||
                           strstr(step, "INDEX actions_pending") != NULL ||
                           strstr(step, "INDEX actions_unsettled") != NULL ||
                           strstr(step, "INDEX handlings_due") != NULL ||
                           strstr(step, "SUBQUERY") != NULL || /* a heading: its steps follow */
                           strcmp(step, "COMPOUND QUERY") == 0 || strcmp(step, "UNION ALL") == 0 ||
                           strcmp(step, "SCAN counts") == 0 ||
                           (which == SQL_CALL_LIST_UNFINISHED && /* few are: they may be sorted */
                            strcmp(step, "USE TEMP B-TREE FOR ORDER BY") == 0) ||
                           (which == SQL_EVENT_LIST_OF_CALL && /* one call's */
                            strcmp(step, "USE TEMP B-TREE FOR ORDER BY") == 0) ||
                           (which == SQL_KPI_ACTIONS && /* sums of a histogram of few bounds */
                            strcmp(step, "USE TEMP B-TREE FOR GROUP BY") == 0);
            if (strncmp(step, "SEARCH", 6) != 0 && !is_small)
                fail_msg("%s: %s", sql, step);
        }
        sqlite3_finalize(stmt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(url_that_is_no_file_is_refused),
        DIRECTORY_TEST(reader_waits_for_nobody),
        DIRECTORY_TEST(files_are_the_users_alone),
        IN_STORE_TEST(second_writer_is_refused),
        IN_STORE_TEST(next_writer_waits_for_the_lock),
        IN_STORE_TEST(forked_child_does_not_hold_the_lock),
        IN_STORE_TEST(killed_writer_leaves_what_it_committed),
        IN_STORE_TEST(other_programs_lock_is_busy),
        IN_STORE_TEST(call_deleted_beside_is_made_again),
        IN_STORE_TEST(polling_reader_never_fails),
        IN_STORE_TEST(reader_neither_writes_nor_checkpoints),
        IN_STORE_TEST(failed_migration_changes_nothing),
        IN_STORE_TEST(migration_needs_no_directory_for_temporary_files),
        IN_STORE_TEST(an_action_lies_under_its_calls_number),
        IN_STORE_TEST(every_statement_uses_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
