/*
 * store_upgrade_test.c: a store of each earlier version that is in use, with rows of each kind, is opened by this
 * one: what was in it is there, what is new is filled, and its calls go on.
 */
#include "store_fixture.h"

#include <sqlite3.h>

#include "store/postgres_internal.h"
#include "store/sqlite_internal.h"

#define MINUTE 60000
#define START  (INT64_C(28000000) * MINUTE) /* a whole minute, in 2023: 2023-03-28T10:40:00Z */

/* Two calls, one of them at its end, two users, four events in two minutes and two actions: one each of no call. */
static const char *const sqlite_rows[] = {
    "INSERT INTO calls (id, call_id, status, status_ms, finished_ms, created_ms, code, direction, our_number, "
    "their_number, queue, actor) VALUES "
    "(7, 'active', 'call.waiting', 1680000001000, NULL, 1680000000000, '', '', '', '1', '900', ''), "
    "(8, 'ended', 'call.finished', 1680000030000, 1680000030000, 1680000000000, '', '', '', '2', '900', '')",
    "INSERT INTO users (number, created_ms) VALUES ('1', 1680000000500), ('2', 1680000061000)",
    "UPDATE counts SET n = 1 WHERE name IN ('call.waiting', 'call.finished')",
    "UPDATE counts SET n = 2 WHERE name = 'users'",
    "INSERT INTO events (id, identity, call_id, type, time_ms, received_ms, spool_seq, body) VALUES "
    "(1, x'01', 'active', 'call.new', 1680000000000, 1680000000010, 1, '{}'), "
    "(2, x'02', 'active', 'call.waiting', 1680000001000, 1680000001010, 2, '{}'), "
    "(3, x'03', 'ended', 'call.finished', 1680000030000, 1680000059999, 3, '{}'), "
    "(4, x'04', 'nobody', 'call.strange', 1680000060000, 1680000060000, 4, '{}')",
    "INSERT INTO actions (key, call_id, event_id, state, state_ms, due_ms, received_ms, expires_ms, attempts, "
    "body) VALUES ('a', 'active', 1, 'delivered', 1, 1, 1, 1, 1, '{}'), "
    "('n', 'nobody', 4, 'delivered', 1, 1, 1, 1, 1, '{}')",
    NULL};

/* Since version 2. */
static const char sqlite_links[] =
    "INSERT INTO call_events (call, event) VALUES (7, 1), (7, 2), (8, 3);"
    "INSERT INTO stray_events (call_id, event) VALUES ('nobody', 4)";

/* Since version 3. */
static const char sqlite_minutes[] =
    "INSERT INTO kpi_minutes (minute, events, callers) VALUES (28000000, 3, 1), (28000001, 1, 1)";

static const char *const postgres_rows[] = {
    "INSERT INTO pbxhook.calls (call_id, status, status_at, finished_at, created_at, code, direction, our_number, "
    "their_number, queue, actor) VALUES "
    "('active', 'call.waiting', to_timestamp(1680000001), NULL, to_timestamp(1680000000), '', '', '', '1', '900', "
    "''), ('ended', 'call.finished', to_timestamp(1680000030), to_timestamp(1680000030), "
    "to_timestamp(1680000000), '', '', '', '2', '900', '')",
    "INSERT INTO pbxhook.users (number, created_at) VALUES ('1', to_timestamp(1680000000.5)), "
    "('2', to_timestamp(1680000061))",
    "INSERT INTO pbxhook.counts (name, shard, n) VALUES ('call.waiting', 0, 1), ('call.finished', 0, 1), "
    "('users', 0, 2)",
    "INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body) "
    "SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), call_id, type, to_timestamp(happened), "
    "to_timestamp(received), 'spool', n, '{}' FROM (VALUES "
    "(1, 'active', 'call.new', 1680000000, 1680000000.01), "
    "(2, 'active', 'call.waiting', 1680000001, 1680000001.01), "
    "(3, 'ended', 'call.finished', 1680000030, 1680000059.999), "
    "(4, 'nobody', 'call.strange', 1680000060, 1680000060)) AS v (n, call_id, type, happened, received)",
    "INSERT INTO pbxhook.actions (key, call_id, event_id, state, state_at, delegate, due_at, received_at, "
    "expires_at, attempts, body) SELECT call_id, call_id, 1, 'delivered', now(), true, now(), now(), now(), 1, '{}' "
    "FROM (VALUES ('active'), ('nobody')) AS v (call_id)",
    NULL};

/* ---- Making one ---------------------------------------------------------------------------------------- */

static void run_in_file(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", error, sql);
}

static void make_file(const struct fixture *fixture, int version)
{
    char mark[128];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->url + strlen("sqlite:"), &db), SQLITE_OK);
    for (int i = 0; i < version; i++)
        run_in_file(db, sqlite_schema[i]);
    for (int i = 0; sqlite_rows[i] != NULL; i++)
        run_in_file(db, sqlite_rows[i]);
    if (version >= 2)
        run_in_file(db, sqlite_links);
    if (version >= 3)
        run_in_file(db, sqlite_minutes);
    snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d",
             SQLITE_STORE_APPLICATION_ID, version);
    run_in_file(db, mark);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void run_in_database(PGconn *connection, const char *sql)
{
    PQclear(database_run(connection, sql));
}

static void make_schema(const struct fixture *fixture, int version)
{
    char mark[128];
    PGconn *connection = database_connect(fixture->url);
    run_in_database(connection,
                    "CREATE SCHEMA pbxhook; CREATE TABLE pbxhook.migrations (version integer "
                    "PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())");
    for (int i = 0; i < version; i++) {
        run_in_database(connection, postgres_schema[i]);
        snprintf(mark, sizeof(mark), "INSERT INTO pbxhook.migrations VALUES (%d)", i + 1);
        run_in_database(connection, mark);
    }
    for (int i = 0; postgres_rows[i] != NULL; i++)
        run_in_database(connection, postgres_rows[i]);
    PQfinish(connection);
}

/* ---- What has become of it -------------------------------------------------------------------------------- */

static int count_event(void *arg, const struct store_event *event)
{
    (void)event;
    ++*(int *)arg;
    return 0;
}

static int events_of(struct fixture *fixture, const char *call_id)
{
    int count = 0;
    check_ok(fixture, store_call_events(fixture->store, call_id, 10, count_event, &count));
    return count;
}

static int add_sums(void *arg, int64_t minute, const char *queue, const struct store_kpi *sums)
{
    struct store_kpi *all = arg;
    (void)minute;
    (void)queue;
    all->offered += sums->offered;
    all->answered += sums->answered;
    all->abandoned += sums->abandoned;
    return 0;
}

static void expect_indicators(struct fixture *fixture)
{
    const int64_t minute = START / MINUTE;
    int64_t count = -1;
    check_ok(fixture, store_kpi_events(fixture->store, minute, &count));
    assert_int_equal(count, 4);
    check_ok(fixture, store_kpi_events(fixture->store, minute + 1, &count));
    assert_int_equal(count, 1);
    check_ok(fixture, store_kpi_callers(fixture->store, minute, minute + 1, &count));
    assert_int_equal(count, 1);
    check_ok(fixture, store_kpi_callers(fixture->store, minute, minute + 2, &count));
    assert_int_equal(count, 2);
}

/* What came before is not counted as calls; what begins now is. */
static void expect_calls_to_go_on(struct fixture *fixture)
{
    struct store_kpi all = {0};
    struct store_counts counts;
    begin(fixture);
    advance(fixture, "call.finished", "active", START + 70000);
    advance(fixture, "call.waiting", "young", START + 80000);
    advance(fixture, "call.finished", "young", START + 90000);
    commit(fixture);
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.calls[LIFECYCLE_FINISHED], 3);
    assert_int_equal(counts.calls[LIFECYCLE_WAITING], 0);
    assert_int_equal(counts.users, 2);
    check_ok(fixture,
             store_kpi(fixture->store, START / MINUTE, START / MINUTE + 3, 2, add_sums, &all));
    assert_int_equal(all.offered, 1);
    assert_int_equal(all.answered, 0);
    assert_int_equal(all.abandoned, 1);
}

static void check_upgrade(struct fixture *fixture, int version)
{
    current_backend->make_place(fixture);
    if (strcmp(current_backend->name, "sqlite") == 0)
        make_file(fixture, version);
    else
        make_schema(fixture, version);
    fixture->store = fixture_open(fixture, STORE_WRITE);
    assert_int_equal(events_of(fixture, "active"), 2);
    assert_int_equal(events_of(fixture, "ended"), 1);
    assert_int_equal(events_of(fixture, "nobody"), 1);
    assert_int_equal(actions_of(fixture, "active"), 1);
    assert_int_equal(actions_of(fixture, "ended"), 0);
    assert_int_equal(actions_of(fixture, "nobody"), 1);
    expect_indicators(fixture);
    expect_calls_to_go_on(fixture);
    assert_int_equal(find_call(fixture, "ended")->status_ms, START + 30000);
    store_close(fixture->store);
    if (current_backend->drop_place != NULL)
        current_backend->drop_place(fixture);
    fixture_remove_directory(fixture);
}

static void each_version_is_brought_up_to_date(void **state)
{
    int shipped = 0;
    (void)state;
    const char *const *schema =
        strcmp(current_backend->name, "sqlite") == 0 ? sqlite_schema : postgres_schema;
    while (schema[shipped] != NULL)
        shipped++;
    assert_true(shipped > 1);
    for (int version = 1; version < shipped; version++) {
        struct fixture fixture = {.store = NULL};
        assert_int_equal(fixture_make_directory(&fixture), 0);
        check_upgrade(&fixture, version);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_version_is_brought_up_to_date)};
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
