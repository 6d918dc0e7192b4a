/*
 * sqlite_fixture.h: what the tests of SQLite's store say often, beside store_fixture.h.
 */
#ifndef TEST_SQLITE_FIXTURE_H
#define TEST_SQLITE_FIXTURE_H

#include <sys/wait.h>

#include "store_fixture.h"

#include "store/sqlite_internal.h"

/* ---- A directory without a store yet ------------------------------------------------------------------ */

static inline int directory_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL || fixture_make_directory(fixture) < 0)
        return -1;
    sqlite_make_place(fixture);
    *state = fixture;
    return 0;
}

/* One with an empty store in it. */
static inline int store_setup(void **state)
{
    if (directory_setup(state) < 0)
        return -1;
    store_close(fixture_open(*state, STORE_WRITE));
    return 0;
}

#define DIRECTORY_TEST(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, directory_setup, fixture_teardown)
#define IN_STORE_TEST(function)                                                                    \
    cmocka_unit_test_setup_teardown(function, store_setup, fixture_teardown)

static inline const char *path_of(const struct fixture *fixture)
{
    return fixture->url + strlen("sqlite:");
}

static inline void expect_refusal(const char *url, enum store_mode mode, int code, const char *told)
{
    char error[512] = "";
    struct store *store = (struct store *)error;
    assert_int_equal(
        store_open(&(const struct store_options){.url = url, .mode = mode, .lock_wait_ms = 0},
                   &store, error, sizeof(error)),
        code);
    assert_null(store);
    if (strstr(error, told) == NULL)
        fail_msg("\"%s\" is not in: %s", told, error);
}

/* A store with so many calls more, closed. */
static inline void make_store(struct fixture *fixture, int calls)
{
    fixture->store = fixture_open(fixture, STORE_WRITE);
    begin(fixture);
    for (int i = 0; i < calls; i++) {
        char call_id[32];
        int64_t id;
        snprintf(call_id, sizeof(call_id), "call-%d", i);
        struct event event = make_event("call.new", call_id, 10);
        check_ok(fixture, store_event_add(fixture->store, &event, &id));
        check_ok(fixture, store_call_save(fixture->store, &event));
    }
    commit(fixture);
    store_close(fixture->store);
    fixture->store = NULL;
}

/* SQL of somebody else, on a connection of its own. */
static inline void run_beside(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path_of(fixture), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static inline int64_t new_calls(struct fixture *fixture)
{
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    return counts.calls[LIFECYCLE_NEW];
}

static inline int reap(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
