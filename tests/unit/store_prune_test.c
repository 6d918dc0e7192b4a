/*
 * store_prune_test.c: what is old goes, what is still going on stays, and the counts agree; on every
 * backend.
 */
#include <poll.h>

#include "store_fixture.h"

#define OLD    ((int64_t)1000)
#define LIMIT  ((int64_t)5000) /* what is before it is old */
#define RECENT ((int64_t)9000)

/* ---- What these tests say often -------------------------------------------------------------------- */

/* Stores an event and what it makes of its call; its row. */
static int64_t receive(struct fixture *fixture, const char *type, const char *call_id,
                       int64_t time_ms)
{
    struct event event = make_event(type, call_id, time_ms);
    int64_t id = 0;
    assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                     STORE_EVENT_NEW);
    if (strcmp(type, "call.new") == 0)
        check_ok(fixture, store_call_save(fixture->store, &event));
    else if (event.state != LIFECYCLE_NONE)
        check_ok(fixture, store_call_advance(fixture->store, &event));
    return id;
}

/* SQLite keeps the newest event, however old it is: with this one those before it may go. */
static void receive_newest(struct fixture *fixture)
{
    receive(fixture, "x.y", "newest", RECENT);
}

/* An action that is claimed and, unless the state is SENDING, settled as that. */
static void act(struct fixture *fixture, const char *call_id, enum store_action_state state,
                int64_t time_ms)
{
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    int count = 0;
    check_ok(fixture,
             store_action_add(fixture->store, call_id, call_id, "{}", 1, time_ms, RECENT + 100000));
    if (state == STORE_ACTION_PENDING)
        return;
    check_ok(fixture, store_actions_claim(fixture->store, time_ms, 10, &actions, &count, &expired));
    assert_int_equal(count, 1);
    if (state != STORE_ACTION_SENDING)
        assert_int_equal(check_ok(fixture, settle_action(fixture->store, actions[0].id, state, 0,
                                                         time_ms, 200, NULL)),
                         1);
    store_actions_free(actions, count);
}

/* Steps of so many rows, each in a transaction of its own, to the end; how many there were. */
static int prune_all(struct fixture *fixture, int max_rows, struct store_pruned *pruned)
{
    int steps = 0;
    int more = 1;
    *pruned = (struct store_pruned){0};
    for (; more == 1; steps++) {
        begin(fixture);
        more = check_ok(fixture, store_prune(fixture->store, LIMIT, max_rows, pruned));
        commit(fixture);
        assert_true(steps < 1000);
    }
    return steps;
}

static int64_t count_of(struct fixture *fixture, const char *sql)
{
    begin(fixture);
    int64_t count = query_integer(fixture, sql);
    commit(fixture);
    return count;
}

static void check_finished(struct fixture *fixture, int64_t wanted)
{
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.calls[LIFECYCLE_FINISHED], wanted);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM calls WHERE status = 'call.finished'"),
                     wanted);
}

/* ---- Tests ------------------------------------------------------------------------------------------ */

static void nothing_is_in_an_empty_store(void **state)
{
    struct store_pruned pruned;
    prune_all(*state, 10, &pruned);
    assert_int_equal(pruned.events + pruned.calls + pruned.actions + pruned.dead_letters, 0);
}

static void old_goes_and_recent_stays(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    begin(fixture);
    receive(fixture, "call.new", "old", OLD);
    receive(fixture, "call.finished", "old", OLD + 1);
    act(fixture, "old", STORE_ACTION_DELIVERED, OLD);
    receive(fixture, "call.new", "recent", RECENT);
    receive(fixture, "call.finished", "recent", RECENT + 1);
    act(fixture, "recent", STORE_ACTION_DELIVERED, RECENT);
    check_ok(fixture, store_user_create(fixture->store, "1199", OLD, NULL));
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.events, 2);
    assert_int_equal(pruned.calls, 1);
    assert_int_equal(pruned.actions, 1);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events WHERE call_id = 'recent'"), 2);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events"), 2);
    assert_int_equal(count_of(fixture, either("SELECT (SELECT count(*) FROM call_events) + "
                                              "(SELECT count(*) FROM stray_events)",
                                              "SELECT count(*) FROM events")),
                     2);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM payloads"), 1);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM actions"), 1);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM users"), 1);
    check_finished(fixture, 1);
}

/* What is before the limit is old; the limit itself is not. */
static void limit_is_exact(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    begin(fixture);
    receive(fixture, "call.finished", "before", LIMIT - 1); /* received 5 ms later */
    receive(fixture, "x.y", "before", LIMIT - 6);
    receive(fixture, "call.finished", "at", LIMIT);
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.events, 1);
    assert_int_equal(pruned.calls, 1);
    check_finished(fixture, 1);
}

static void active_call_keeps_its_events(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    begin(fixture);
    receive(fixture, "x.y", "nobody's", OLD);
    receive(fixture, "call.new", "active", OLD);
    receive(fixture, "call.ongoing", "active", OLD + 1);
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.events, 1);
    assert_int_equal(pruned.calls, 0);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events WHERE call_id = 'active'"), 2);
    assert_int_equal(find_call(fixture, "active")->state, LIFECYCLE_ONGOING);
}

static void action_without_an_end_stays_with_its_call(void **state)
{
    static const struct {
        enum store_action_state state;
        int stays;
    } cases[] = {
        {STORE_ACTION_SENDING, 1},  {STORE_ACTION_UNKNOWN, 1}, {STORE_ACTION_DELIVERED, 0},
        {STORE_ACTION_REJECTED, 0}, {STORE_ACTION_EXPIRED, 0}, {STORE_ACTION_PENDING, 1},
    };
    const int count = (int)(sizeof(cases) / sizeof(cases[0]));
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    int stay = 0;
    begin(fixture);
    for (int i = 0; i < count; i++) { /* PENDING is last: a claim would take it */
        char call_id[16];
        snprintf(call_id, sizeof(call_id), "call-%d", i);
        receive(fixture, "call.finished", call_id, OLD);
        act(fixture, call_id, cases[i].state, OLD);
        stay += cases[i].stays;
    }
    receive_newest(fixture);
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.events, count);
    assert_int_equal(pruned.actions, count - stay);
    assert_int_equal(pruned.calls, count - stay);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM actions WHERE state IN "
                                       "('sending', 'unknown', 'pending')"),
                     stay);
    check_finished(fixture, stay);
}

static void event_to_be_handled_again_stays_with_its_call(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    begin(fixture);
    int64_t again = receive(fixture, "call.finished", "again", OLD);
    int64_t dead = receive(fixture, "call.finished", "dead", OLD);
    int64_t both = receive(fixture, "call.finished", "both", OLD);
    check_ok(fixture, store_retry_put(fixture->store, again, "p", 1, 0, RECENT, OLD, "later"));
    check_ok(fixture, store_retry_put(fixture->store, dead, "p", 9, 1, 0, OLD, "never"));
    check_ok(fixture, store_retry_put(fixture->store, dead, "q", 9, 1, 0, OLD, "never"));
    check_ok(fixture, store_retry_put(fixture->store, both, "p", 9, 1, 0, OLD, "never"));
    check_ok(fixture, store_retry_put(fixture->store, both, "q", 1, 0, RECENT, OLD, "later"));
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.events, 1);
    assert_int_equal(pruned.calls, 1);
    assert_int_equal(pruned.dead_letters, 2);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM handlings"), 3);
    assert_int_equal(find_call(fixture, "again")->state, LIFECYCLE_FINISHED);
    check_finished(fixture, 2);
}

/* What stays is passed by, and does not keep the rest from its end. */
static void small_steps_do_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    char call_id[32];
    begin(fixture);
    for (int i = 0; i < 30; i++) {
        snprintf(call_id, sizeof(call_id), "call-%d", i);
        receive(fixture, "call.new", call_id, OLD);
        if (i % 3 != 0)
            receive(fixture, "call.finished", call_id, OLD + i / 10);
    }
    receive_newest(fixture);
    commit(fixture);
    int steps = prune_all(fixture, 4, &pruned);
    assert_true(steps > (50 + 20) / 4);
    assert_int_equal(pruned.events, 40);
    assert_int_equal(pruned.calls, 20);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events"), 10 + 1);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM payloads"), 10);
    check_finished(fixture, 0);
    /* Once more: nothing is left to do. */
    prune_all(fixture, 4, &pruned);
    assert_int_equal(pruned.events + pruned.calls, 0);
}

static void counting_removes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned counted = {0}, pruned;
    begin(fixture);
    for (int i = 0; i < 5; i++) {
        char call_id[16];
        snprintf(call_id, sizeof(call_id), "call-%d", i);
        int64_t id = receive(fixture, "call.finished", call_id, OLD);
        check_ok(fixture, store_retry_put(fixture->store, id, "p", 9, 1, 0, OLD, "never"));
        act(fixture, call_id, STORE_ACTION_DELIVERED, OLD);
    }
    receive_newest(fixture);
    commit(fixture);
    begin(fixture);
    while (check_ok(fixture, store_prune_count(fixture->store, LIMIT, 2, &counted)) == 1)
        continue;
    commit(fixture);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events"), 5 + 1);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM handlings"), 5);
    check_finished(fixture, 5);
    prune_all(fixture, 2, &pruned);
    assert_int_equal(counted.events, 5);
    assert_int_equal(pruned.events, counted.events);
    assert_int_equal(pruned.calls, counted.calls);
    assert_int_equal(pruned.actions, counted.actions);
    assert_int_equal(pruned.dead_letters, counted.dead_letters);
}

static void rolled_back_step_has_not_happened(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned = {0};
    begin(fixture);
    receive(fixture, "call.finished", "a", OLD);
    commit(fixture);
    begin(fixture);
    check_ok(fixture, store_prune(fixture->store, LIMIT, 100, &pruned));
    store_rollback(fixture->store);
    check_finished(fixture, 1);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.calls, 1);
    check_finished(fixture, 0);
}

/* A call that the store knows by heart is gone; an event of it makes it anew. */
static void call_that_was_removed_can_come_again(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    begin(fixture);
    receive(fixture, "call.finished", "a", OLD);
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    begin(fixture);
    receive(fixture, "call.new", "a", RECENT);
    commit(fixture);
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_NEW);
    check_finished(fixture, 0);
}

/* SQLite gives a number anew that was the newest call's: the next call has nothing of that one. */
static void action_that_stays_is_nobody_elses(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned;
    begin(fixture);
    receive(fixture, "call.finished", "a", OLD);
    act(fixture, "a", STORE_ACTION_DELIVERED, RECENT);
    commit(fixture);
    prune_all(fixture, 100, &pruned);
    assert_int_equal(pruned.calls, 1);
    begin(fixture);
    receive(fixture, "call.new", "b", RECENT);
    commit(fixture);
    assert_int_equal(actions_of(fixture, "b"), 0);
    assert_int_equal(actions_of(fixture, "a"), 1);
}

struct reader {
    struct store_place place;
    int events;
};

static int read_event(void *arg, const struct store_event *event)
{
    struct reader *reader = arg;
    reader->place = event->place;
    reader->events++;
    return 0;
}

/* Reads on until there are so many. On PostgreSQL an event waits for older transactions of the whole cluster,
 * other tests' too. */
static void read_until(struct fixture *fixture, struct reader *reader, int events)
{
    for (int ms = 0; reader->events < events && ms < 10000; ms++) {
        const struct store_place behind = reader->place;
        check_ok(fixture, store_events_after(fixture->store, &behind, 10, read_event, reader));
        if (reader->events < events)
            poll(NULL, 0, 1);
    }
    assert_int_equal(reader->events, events);
}

/* Who has read all there was finds what comes behind it, however much of it is gone by then. */
static void event_behind_what_was_removed_is_found(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    struct store_pruned pruned;
    begin(fixture);
    for (int i = 0; i < 3; i++)
        receive(fixture, "x.y", "old", OLD);
    commit(fixture);
    read_until(fixture, &reader, 3);
    prune_all(fixture, 1, &pruned);
    begin(fixture);
    receive(fixture, "x.y", "new", RECENT);
    commit(fixture);
    read_until(fixture, &reader, 4);
    /* What had to stay for that goes the next time. */
    prune_all(fixture, 1, &pruned);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events"), 1);
}

static void it_is_refused_out_of_place(void **state)
{
    struct fixture *fixture = *state;
    struct store_pruned pruned = {0};
    assert_int_equal(store_prune(fixture->store, LIMIT, 1, &pruned), STORE_E_ARGUMENT);
    begin(fixture);
    assert_int_equal(store_prune(fixture->store, LIMIT, 0, &pruned), STORE_E_ARGUMENT);
    assert_error_has(fixture, "max_rows");
    commit(fixture);
    assert_int_equal(pruned.begun, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(nothing_is_in_an_empty_store),
        STORE_TEST(old_goes_and_recent_stays),
        STORE_TEST(limit_is_exact),
        STORE_TEST(active_call_keeps_its_events),
        STORE_TEST(action_without_an_end_stays_with_its_call),
        STORE_TEST(event_to_be_handled_again_stays_with_its_call),
        STORE_TEST(small_steps_do_the_same),
        STORE_TEST(counting_removes_nothing),
        STORE_TEST(rolled_back_step_has_not_happened),
        STORE_TEST(call_that_was_removed_can_come_again),
        STORE_TEST(action_that_stays_is_nobody_elses),
        STORE_TEST(event_behind_what_was_removed_is_found),
        STORE_TEST(it_is_refused_out_of_place),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
