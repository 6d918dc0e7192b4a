/*
 * postgres_prune_test.c: months of events that are dropped with their partition, and those that are not, because
 * something that goes on needs them or because some of their events came late.
 */
#include "store_fixture.h"

#include "store/postgres_internal.h"

/* 2020-03-10, and a limit in May of that year: February and March are over then, and April. */
#define DAY      ((int64_t)86400000)
#define FEBRUARY ((int64_t)1581292800000)
#define MARCH    ((int64_t)1583798400000)
#define LIMIT    ((int64_t)1589068800000)

/* ---- What these tests say often -------------------------------------------------------------------- */

static void assert_asked(const struct fixture *fixture, const char *sql, const char *expected)
{
    const char *answer = database_ask(fixture->url, sql);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s: %s", sql, answer);
}

static void assert_month(const struct fixture *fixture, const char *name, int is_there)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_class WHERE relname = '%s'", name);
    assert_asked(fixture, sql, is_there ? "1" : "0");
}

/* January to June, then. */
static void make_months(struct fixture *fixture)
{
    check_ok(fixture, pg_make_partitions(pg_of(fixture->store), FEBRUARY));
    check_ok(fixture, pg_make_partitions(pg_of(fixture->store), FEBRUARY + 59 * DAY));
    assert_month(fixture, "events_2020_02", 1);
    assert_month(fixture, "events_2020_03", 1);
}

/* Received late_ms after it happened; its row. */
static int64_t receive(struct fixture *fixture, const char *type, const char *call_id,
                       int64_t time_ms, int64_t late_ms)
{
    struct event event = make_event(type, call_id, time_ms);
    int64_t id = 0;
    event.received_ms = time_ms + late_ms;
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                     STORE_EVENT_NEW);
    if (event.state != LIFECYCLE_NONE)
        check_ok(fixture, store_call_advance(fixture->store, &event));
    commit(fixture);
    return id;
}

static void put(struct fixture *fixture, int64_t id, int dead)
{
    begin(fixture);
    check_ok(fixture, store_retry_put(fixture->store, id, "p", 1, dead, LIMIT, LIMIT, "reason"));
    commit(fixture);
}

static struct store_pruned prune(struct fixture *fixture, int remove)
{
    struct store_pruned pruned = {0};
    int more = 1;
    for (int steps = 0; more == 1; steps++) {
        begin(fixture);
        more = check_ok(fixture, remove ? store_prune(fixture->store, LIMIT, 3, &pruned)
                                        : store_prune_count(fixture->store, LIMIT, 3, &pruned));
        commit(fixture);
        assert_true(steps < 100);
    }
    return pruned;
}

/* ---- Tests ------------------------------------------------------------------------------------------ */

static void old_month_is_dropped_with_its_letters(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    for (int i = 0; i < 5; i++)
        receive(fixture, "x.y", "nobody's", FEBRUARY + i, 5);
    put(fixture, receive(fixture, "x.y", "nobody's", MARCH, 5), 1);
    receive(fixture, "x.y", "nobody's", LIMIT + DAY, 5);
    put(fixture, receive(fixture, "x.y", "nobody's", LIMIT + DAY, 6), 1);
    struct store_pruned pruned = prune(fixture, 1);
    assert_int_equal(pruned.events, 6); /* the database never looked: they are counted */
    assert_int_equal(pruned.dead_letters, 1);
    assert_month(fixture, "events_2020_02", 0);
    assert_month(fixture, "events_2020_03", 0);
    assert_month(fixture, "events_2020_04", 0); /* empty, and over */
    assert_month(fixture, "events_2020_05", 1); /* the limit is in it */
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "2");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.handlings", "1");
}

/* What the database has counted for its own use is told, and not counted again. */
static void large_month_is_told_by_its_estimate(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    for (int i = 0; i < 4; i++)
        receive(fixture, "x.y", "nobody's", FEBRUARY + i, 5);
    database_ask(fixture->url, "ANALYZE pbxhook.events_2020_02");
    receive(fixture, "x.y", "nobody's", FEBRUARY + 10, 5);
    assert_int_equal(prune(fixture, 1).events, 4);
    assert_month(fixture, "events_2020_02", 0);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "0");
}

static void counting_drops_nothing(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    for (int i = 0; i < 5; i++)
        receive(fixture, "x.y", "nobody's", FEBRUARY + i, 5);
    put(fixture, receive(fixture, "x.y", "nobody's", MARCH, 5), 1);
    struct store_pruned counted = prune(fixture, 0);
    assert_int_equal(counted.events, 6);
    assert_int_equal(counted.dead_letters, 1);
    assert_month(fixture, "events_2020_02", 1);
    assert_month(fixture, "events_2020_04", 1);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "6");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.handlings", "1");
}

/* Its rows go, but for those of the call; and so in the months behind it. */
static void month_of_an_active_call_stays(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    receive(fixture, "x.y", "nobody's", FEBRUARY, 5);
    receive(fixture, "call.ongoing", "active", MARCH, 5);
    for (int i = 0; i < 7; i++)
        receive(fixture, "x.y", "nobody's", MARCH + i, 5);
    receive(fixture, "call.finished", "over", MARCH + 10, 5);
    struct store_pruned pruned = prune(fixture, 1);
    assert_int_equal(pruned.events, 9);
    assert_int_equal(pruned.calls, 1);
    assert_month(fixture, "events_2020_02", 0);
    assert_month(fixture, "events_2020_03", 1);
    assert_month(fixture, "events_2020_04", 1); /* the call may have events in it */
    assert_asked(fixture, "SELECT string_agg(call_id, ' ') FROM pbxhook.events", "active");
    /* It goes with the call's end. */
    receive(fixture, "call.finished", "active", MARCH + 100, 5);
    pruned = prune(fixture, 1);
    assert_int_equal(pruned.events, 2);
    assert_int_equal(pruned.calls, 1);
    assert_month(fixture, "events_2020_03", 0);
}

static void month_of_an_event_to_be_handled_again_stays(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    int64_t again = receive(fixture, "x.y", "again", FEBRUARY, 5);
    put(fixture, receive(fixture, "x.y", "nobody's", FEBRUARY + 1, 5), 1);
    put(fixture, again, 0);
    struct store_pruned pruned = prune(fixture, 1);
    assert_int_equal(pruned.events, 1);
    assert_int_equal(pruned.dead_letters, 1);
    assert_month(fixture, "events_2020_02", 1);
    assert_asked(fixture, "SELECT string_agg(call_id, ' ') FROM pbxhook.events", "again");
}

static void month_with_an_event_that_came_late_stays(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    receive(fixture, "x.y", "in time", FEBRUARY, 5);
    receive(fixture, "x.y", "late", FEBRUARY + 1, LIMIT - FEBRUARY);
    assert_int_equal(prune(fixture, 1).events, 1);
    assert_month(fixture, "events_2020_02", 1);
    assert_asked(fixture, "SELECT string_agg(call_id, ' ') FROM pbxhook.events", "late");
}

/* Another server's backlog may be stored behind it: the last row is not the last to arrive. */
static void late_event_need_not_be_stored_last(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    receive(fixture, "x.y", "late", FEBRUARY + 1, LIMIT - FEBRUARY);
    receive(fixture, "x.y", "from a backlog", FEBRUARY, 5);
    assert_int_equal(prune(fixture, 1).events, 1);
    assert_month(fixture, "events_2020_02", 1);
    assert_asked(fixture, "SELECT string_agg(call_id, ' ') FROM pbxhook.events", "late");
}

/* While a backup reads the tables no month is dropped, and nobody waits for it: its rows go. */
static void month_that_is_being_read_goes_by_rows(void **state)
{
    struct fixture *fixture = *state;
    make_months(fixture);
    for (int i = 0; i < 5; i++)
        receive(fixture, "x.y", "nobody's", FEBRUARY + i, 5);
    PGconn *backup = database_connect(fixture->url);
    PQclear(database_run(backup, "BEGIN; LOCK TABLE pbxhook.events IN ACCESS SHARE MODE"));
    assert_int_equal(prune(fixture, 1).events, 5);
    assert_month(fixture, "events_2020_02", 1);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "0");
    PQfinish(backup);
    assert_int_equal(prune(fixture, 1).events, 0);
    assert_month(fixture, "events_2020_02", 0);
}

/* The same for the months that are made: a start does not fail, and they are made when it is over. */
static void months_wait_for_a_backup(void **state)
{
    struct fixture *fixture = *state;
    database_ask(fixture->url, "SELECT 1; DO $$ DECLARE name text; BEGIN "
                               "FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' "
                               "AND relname ~ '^events_[0-9]' LOOP "
                               "EXECUTE format('DROP TABLE pbxhook.%I', name); END LOOP; END $$");
    PGconn *backup = database_connect(fixture->url);
    PQclear(database_run(backup, "BEGIN; LOCK TABLE pbxhook.events IN ACCESS SHARE MODE"));
    fixture_reopen(fixture);
    assert_asked(fixture,
                 "SELECT count(*) FROM pg_inherits WHERE inhparent = "
                 "'pbxhook.events'::regclass",
                 "2");
    PQfinish(backup);
    receive(fixture, "x.y", "nobody's", LIMIT, 5);
    assert_asked(fixture,
                 "SELECT count(*) FROM pg_inherits WHERE inhparent = "
                 "'pbxhook.events'::regclass",
                 "6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(old_month_is_dropped_with_its_letters),
        STORE_TEST(large_month_is_told_by_its_estimate),
        STORE_TEST(counting_drops_nothing),
        STORE_TEST(month_of_an_active_call_stays),
        STORE_TEST(month_of_an_event_to_be_handled_again_stays),
        STORE_TEST(month_with_an_event_that_came_late_stays),
        STORE_TEST(late_event_need_not_be_stored_last),
        STORE_TEST(month_that_is_being_read_goes_by_rows),
        STORE_TEST(months_wait_for_a_backup),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
