/*
 * sqlite_failures_test.c: what happens on SQLite when the file is damaged, strange, too new, a plugin's
 * statement trips over it, or the disk is full.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sqlite_fixture.h"

/* ---- Files that are no good store -------------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* Refused for writing and for reading, and not a byte of it is changed. */
static void expect_untouched_refusal(const struct fixture *fixture, const char *told)
{
    size_t size_before;
    size_t size_after;
    char *before = read_file(path_of(fixture), &size_before);
    expect_refusal(fixture->url, STORE_WRITE, STORE_E_CORRUPT, told);
    expect_refusal(fixture->url, STORE_READ, STORE_E_CORRUPT, told);
    char *after = read_file(path_of(fixture), &size_after);
    assert_int_equal(size_after, size_before);
    assert_memory_equal(after, before, size_before);
    free(before);
    free(after);
}

static void garbage_is_refused(void **state)
{
    struct fixture *fixture = *state;
    FILE *file = fopen(path_of(fixture), "wb");
    assert_non_null(file);
    for (int i = 0; i < 10000; i++)
        fputc(i * 7 & 0xff, file);
    fclose(file);
    expect_untouched_refusal(fixture, "file is not a database");
}

static void other_programs_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    run_beside(fixture, "CREATE TABLE calls (id INTEGER); INSERT INTO calls VALUES (1)");
    expect_untouched_refusal(fixture, "another program's database");
}

static void newer_store_is_refused(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 1);
    run_beside(fixture, "PRAGMA user_version = 99");
    expect_untouched_refusal(fixture, "made by a newer pbxhook");
}

static void store_without_its_counts_is_refused(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 1);
    run_beside(fixture, "DELETE FROM counts WHERE name = 'call.new'");
    expect_untouched_refusal(fixture, "lost rows");
    run_beside(fixture, "DROP TABLE counts");
    expect_untouched_refusal(fixture, "lost its table counts");
}

static void file_cut_short_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    make_store(fixture, 200);
    assert_int_equal(stat(path_of(fixture), &status), 0);
    assert_int_equal(truncate(path_of(fixture), status.st_size / 2 / 4096 * 4096), 0);
    expect_untouched_refusal(fixture, "malformed");
}

static int root_page(const struct fixture *fixture, const char *table)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(path_of(fixture), &db), SQLITE_OK);
    sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?1", -1, &stmt, NULL);
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int page = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return page;
}

/* Found when it is read: the batch fails with the words for it, and what is whole goes on. */
static void damaged_page_is_told(void **state)
{
    struct fixture *fixture = *state;
    char zeros[4096];
    int64_t id;
    make_store(fixture, 10);
    memset(zeros, 0x5a, sizeof(zeros));
    int fd = open(path_of(fixture), O_WRONLY);
    assert_true(fd >= 0);
    off_t place = (off_t)(root_page(fixture, "events") - 1) * 4096;
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), place), sizeof(zeros));
    close(fd);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    struct event event = make_event("call.new", "a", 10);
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_E_CORRUPT);
    assert_error_has(fixture, "restore a backup");
    assert_int_equal(store_call_save(fixture->store, &event), STORE_E_FAILED);
    assert_error_has(fixture, "restore a backup"); /* still the cause */
    assert_int_equal(store_commit(fixture->store), STORE_E_FAILED);
    begin(fixture);
    check_ok(fixture, store_call_save(fixture->store, &event));
    commit(fixture);
    assert_int_equal(new_calls(fixture), 11);
}

/* ---- A plugin's SQL that SQLite itself trips over --------------------------------------------------------- */

static int run(struct fixture *fixture, const char *sql)
{
    return store_sql(fixture->store, sql, NULL, 0, NULL, NULL, NULL);
}

/* A plugin's search index that `damage` breaks behind its back; a savepoint is open, and a call before it. */
static void begin_with_broken_index(struct fixture *fixture, const char *damage)
{
    make_store(fixture, 0);
    run_beside(fixture, "CREATE VIRTUAL TABLE ft USING fts5 (body);"
                        "INSERT INTO ft VALUES ('one'), ('two');");
    fixture->store = fixture_open(fixture, STORE_WRITE);
    begin(fixture);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM ft"), 2); /* it is in use */
    commit(fixture);
    run_beside(fixture, damage);
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    check_ok(fixture, store_savepoint(fixture->store));
}

/* It would be tried again for ever with the whole batch: no call would be handled any more. */
static void broken_index_of_a_plugin_costs_its_statement_only(void **state)
{
    struct fixture *fixture = *state;
    begin_with_broken_index(fixture, "DELETE FROM ft_content WHERE id = 1");
    assert_int_equal(run(fixture, "INSERT INTO ft (ft, rank) VALUES ('integrity-check', 1)"),
                     STORE_E_SQL);
    assert_error_has(fixture, "malformed");
    check_ok(fixture, store_undo(fixture->store));
    commit(fixture);
    assert_int_equal(new_calls(fixture), 1);
}

/* The index is written late: the statement has succeeded by then. */
static void broken_index_is_found_before_the_release(void **state)
{
    struct fixture *fixture = *state;
    begin_with_broken_index(fixture, "UPDATE ft_data SET block = x'00000000ffffff' WHERE id = 10");
    check_ok(fixture, run(fixture, "CREATE TABLE notes (body TEXT)"));
    check_ok(fixture, run(fixture, "INSERT INTO ft VALUES ('three')"));
    assert_int_equal(store_release(fixture->store), STORE_E_SQL);
    assert_error_has(fixture, "malformed");
    check_ok(fixture, store_undo(fixture->store));
    check_ok(fixture, store_savepoint(fixture->store));
    check_ok(fixture, run(fixture, "CREATE TABLE notes (body TEXT)")); /* it was undone */
    check_ok(fixture, store_release(fixture->store));
    commit(fixture);
    assert_int_equal(new_calls(fixture), 1);
}

/* As it is run, fts5 prepares statements of its own, a PRAGMA among them. */
static void search_index_of_a_plugin_works(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 1);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    for (int i = 1; i <= 3; i++) {
        begin(fixture);
        check_ok(fixture, store_savepoint(fixture->store));
        check_ok(fixture, run(fixture, "CREATE VIRTUAL TABLE IF NOT EXISTS ft USING fts5 (body)"));
        check_ok(fixture, run(fixture, "INSERT INTO ft VALUES ('one more')"));
        assert_int_equal(query_integer(fixture, "SELECT count(*) FROM ft WHERE ft MATCH 'more'"),
                         i);
        check_ok(fixture, store_release(fixture->store));
        commit(fixture);
        fixture_reopen(fixture);
    }
}

static int interrupt(void *arg, const struct store_value *values, uint32_t count)
{
    (void)values;
    (void)count;
    sqlite3_interrupt(arg);
    return 0;
}

static void interrupted_statement_costs_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    fixture->store = fixture_open(fixture, STORE_WRITE);
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    assert_int_equal(store_sql(fixture->store, "SELECT name FROM counts", NULL, 0, interrupt,
                               sqlite_of(fixture->store)->db, NULL),
                     STORE_E_SQL);
    commit(fixture);
    assert_int_equal(new_calls(fixture), 1);
}

/* ---- A full disk ------------------------------------------------------------------------------------------- */

/* Adds events in a transaction until one fails; the failure. */
static int fill_up(struct fixture *fixture)
{
    static char body[8192];
    int result = 0;
    memset(body, 'x', sizeof(body));
    begin(fixture);
    for (int i = 0; i < 10000 && result >= 0; i++) {
        int64_t id;
        struct event event = make_event("call.new", "big", 10 + i);
        event.body = body;
        event.body_size = sizeof(body);
        result = store_event_add(fixture->store, &event, &id);
        if (result >= 0)
            result = store_call_save(fixture->store, &event);
    }
    return result;
}

static void set_page_limit(struct fixture *fixture, const char *pages)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %s", pages);
    assert_int_equal(sqlite3_exec(sqlite_of(fixture->store)->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void full_store_loses_the_batch_only(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 5);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    set_page_limit(fixture, "200");
    assert_int_equal(fill_up(fixture), STORE_E_FAILED);
    assert_error_has(fixture, "full");
    assert_error_has(fixture, "free space");
    assert_int_equal(store_savepoint(fixture->store), STORE_E_FAILED);
    assert_int_equal(store_commit(fixture->store), STORE_E_FAILED);
    assert_error_has(fixture, "free space");
    assert_int_equal(new_calls(fixture), 5);
    set_page_limit(fixture, "4000000000");
    begin(fixture);
    advance(fixture, "call.new", "big", 10);
    commit(fixture);
    assert_int_equal(new_calls(fixture), 6);
}

/* The same where the system refuses the bytes: in the commit, as it writes the WAL. In a child, for its
 * limits. Its exit status is the number of the step that went wrong. */
static int live_with_a_file_limit(struct fixture *fixture)
{
    struct rlimit limit;
    struct store_counts counts;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 300000;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 2;
    int result = fill_up(fixture);
    if (result == 0)
        result = store_commit(fixture->store);
    else
        store_rollback(fixture->store);
    if (result != STORE_E_FAILED)
        return 3;
    if (store_counts(fixture->store, &counts) < 0 || counts.calls[LIFECYCLE_NEW] != 5)
        return 4;
    limit.rlim_cur = before;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 5;
    struct event event = make_event("call.new", "after", 10);
    if (store_begin(fixture->store, NULL, 0) < 0 || store_call_save(fixture->store, &event) < 0 ||
        store_commit(fixture->store) < 0)
        return 6;
    if (store_counts(fixture->store, &counts) < 0 || counts.calls[LIFECYCLE_NEW] != 6)
        return 7;
    return 0;
}

static void refused_write_loses_the_batch_only(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture, 5);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fixture->store = fixture_open(fixture, STORE_WRITE);
        int step = live_with_a_file_limit(fixture);
        store_close(fixture->store);
        _exit(step);
    }
    int status = reap(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    assert_int_equal(new_calls(fixture), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(garbage_is_refused),
        DIRECTORY_TEST(other_programs_database_is_refused),
        IN_STORE_TEST(newer_store_is_refused),
        IN_STORE_TEST(store_without_its_counts_is_refused),
        IN_STORE_TEST(file_cut_short_is_refused),
        IN_STORE_TEST(damaged_page_is_told),
        IN_STORE_TEST(broken_index_of_a_plugin_costs_its_statement_only),
        IN_STORE_TEST(broken_index_is_found_before_the_release),
        IN_STORE_TEST(search_index_of_a_plugin_works),
        IN_STORE_TEST(interrupted_statement_costs_nothing_else),
        IN_STORE_TEST(full_store_loses_the_batch_only),
        IN_STORE_TEST(refused_write_loses_the_batch_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
