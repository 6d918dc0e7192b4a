/*
 * store_fixture.h: what the store's tests share. They are one suite for every database: a backend is one
 * more line of `backends`, and each test runs once for each. Included by the tests that need a real store.
 */
#ifndef PBXHOOK_STORE_FIXTURE_H
#define PBXHOOK_STORE_FIXTURE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "postgres/database.h"
#include "store/store.h"

struct fixture {
    char directory[64];
    char url[DATABASE_URL_SIZE];
    struct store *store; /* open for writing, empty */
};

struct test_backend {
    const char *name;
    /* Sets the url of a new, empty place; `directory` is the test's own. */
    void (*make_place)(struct fixture *fixture);
    void (*drop_place)(struct fixture *fixture); /* may be NULL */
};

static inline void sqlite_make_place(struct fixture *fixture)
{
    snprintf(fixture->url, sizeof(fixture->url), "sqlite:%s/store.db", fixture->directory);
}

static inline void postgres_make_place(struct fixture *fixture)
{
    database_make(fixture->url);
}

static inline void postgres_drop_place(struct fixture *fixture)
{
    database_drop(fixture->url);
}

static const struct test_backend backends[] = {
    {"sqlite", sqlite_make_place, NULL},
    {"postgresql", postgres_make_place, postgres_drop_place},
};

static const struct test_backend *current_backend;

/* ---- Opening -------------------------------------------------------------------------------------- */

static inline struct store *fixture_open(const struct fixture *fixture, enum store_mode mode)
{
    char error[512] = "";
    struct store *store = NULL;
    const struct store_options options = {.url = fixture->url,
                                          .mode = mode,
                                          .lock_wait_ms =
                                              10000, /* a server lets go a little later */
                                          .spool = "spool",
                                          .owner = mode == STORE_WRITE ? "spool/0" : NULL,
                                          .lease_ms = 3600000,
                                          .deadline_ms = 10000};
    if (store_open(&options, &store, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    return store;
}

static inline int fixture_make_directory(struct fixture *fixture)
{
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/pbxhook-store-XXXXXX");
    return mkdtemp(fixture->directory) == NULL ? -1 : 0;
}

static inline int remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void fixture_remove_directory(const struct fixture *fixture)
{
    nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL || fixture_make_directory(fixture) < 0)
        return -1;
    current_backend->make_place(fixture);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture == NULL) /* it could not be set up again */
        return 0;
    store_close(fixture->store);
    if (current_backend != NULL && current_backend->drop_place != NULL)
        current_backend->drop_place(fixture);
    fixture_remove_directory(fixture);
    free(fixture);
    return 0;
}

static inline void fixture_reopen(struct fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
    fixture->store = fixture_open(fixture, STORE_WRITE);
}

#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

static inline int run_for_backend(const char *name, const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i].name, name) == 0)
            current_backend = &backends[i];
    }
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

static inline int run_for_each_backend(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        current_backend = &backends[i];
        failed += _cmocka_run_group_tests(backends[i].name, tests, count, NULL, NULL);
    }
    return failed;
}

/* ---- What tests say often -------------------------------------------------------------------------- */

/* Succeeded; the result. The store's text is shown when it did not. */
static inline int check_ok(const struct fixture *fixture, int result)
{
    if (result < 0)
        fail_msg("result %d: %s", result, store_error(fixture->store));
    return result;
}

/* The statement of the backend in hand, where the two differ. */
static inline const char *either(const char *sqlite, const char *postgresql)
{
    return strcmp(current_backend->name, "sqlite") == 0 ? sqlite : postgresql;
}

/* Settles one action: whether its state was changed, or what store_actions_settle() says. */
static inline int settle_action(struct store *store, int64_t id, enum store_action_state state,
                                int64_t due_ms, int64_t now_ms, int http_status, const char *detail)
{
    const struct store_settlement settlement = {.id = id,
                                                .state = state,
                                                .http_status = http_status,
                                                .due_ms = due_ms,
                                                .now_ms = now_ms,
                                                .detail = detail};
    unsigned char changed = 0;
    int result = store_actions_settle(store, &settlement, 1, &changed);
    return result < 0 ? result : changed;
}

static inline void begin(struct fixture *fixture)
{
    check_ok(fixture, store_begin(fixture->store, NULL, 0));
}

static inline void commit(struct fixture *fixture)
{
    check_ok(fixture, store_commit(fixture->store));
}

static inline void assert_error_has(const struct fixture *fixture, const char *text)
{
    if (strstr(store_error(fixture->store), text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, store_error(fixture->store));
}

/* An event of its own identity, on the test's stack: the texts are the caller's. */
static inline struct event make_event(const char *type, const char *call_id, int64_t time_ms)
{
    static _Atomic uint32_t last; /* some tests make events on several threads */
    const uint32_t number = ++last;
    struct event event = {.time_ms = time_ms,
                          .received_ms = time_ms + 5,
                          .seq = number,
                          .state = lifecycle_from_type(type),
                          .body = "{}",
                          .body_size = 2};
    /* As a real one's, it begins with the time. */
    for (int i = 0; i < 6; i++)
        event.identity[i] = (uint8_t)((uint64_t)time_ms >> (8 * (5 - i)));
    memcpy(event.identity + 6, &number, sizeof(number));
    for (int i = 0; i < EVENT_FIELD_COUNT; i++)
        event.field[i] = "";
    event.field[EVENT_TYPE] = type;
    event.field[EVENT_CALL_ID] = call_id;
    return event;
}

static inline void advance(struct fixture *fixture, const char *type, const char *call_id,
                           int64_t time_ms)
{
    struct event event = make_event(type, call_id, time_ms);
    check_ok(fixture, store_call_advance(fixture->store, &event));
}

static inline const struct store_call *find_call(struct fixture *fixture, const char *call_id)
{
    const struct store_call *call = NULL;
    assert_int_equal(check_ok(fixture, store_call_find(fixture->store, call_id, &call)), 1);
    return call;
}

static inline int count_action(void *arg, const struct store_past_action *action)
{
    (void)action;
    ++*(int *)arg;
    return 0;
}

/* How many of its actions a call's history has. */
static inline int actions_of(struct fixture *fixture, const char *call_id)
{
    int count = 0;
    check_ok(fixture, store_call_actions(fixture->store, call_id, 10, count_action, &count));
    return count;
}

static inline int take_integer(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 1);
    assert_int_equal(values[0].type, STORE_INT64);
    *(int64_t *)arg = values[0].as.integer;
    return 0;
}

/* The one integer of a query; a transaction must be open. */
static inline int64_t query_integer(struct fixture *fixture, const char *sql)
{
    int64_t integer = -1;
    check_ok(fixture, store_sql(fixture->store, sql, NULL, 0, take_integer, &integer, NULL));
    return integer;
}

#endif
