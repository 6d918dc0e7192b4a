/*
 * postgres_workers_test.c: several workers on one PostgreSQL database: they start at once, contend, take over what one of
 * them left, and never wait for each other in a circle.
 */
#include "loop_length.h"
#include "postgres_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "store/postgres_internal.h"

static struct store *open_other(const struct fixture *fixture, const char *owner, int64_t lease_ms)
{
    char error[512];
    struct store *store = open_as(fixture->url, STORE_WRITE, owner, lease_ms, error);
    if (store == NULL)
        fail_msg("%s", error);
    return store;
}

/* ---- Several at once ----------------------------------------------------------------------------------- */

#define STARTERS_MAX 10
#define STARTERS     loop_length(STARTERS_MAX, 3)

struct starter {
    pthread_t thread;
    const char *url;
    char owner[16];
    char error[512];
    struct store *store;
};

static void *start(void *arg)
{
    struct starter *starter = arg;
    starter->store = open_as(starter->url, STORE_WRITE, starter->owner, 1000, starter->error);
    return NULL;
}

static void many_start_at_once(void **state)
{
    struct starter starters[STARTERS_MAX] = {0};
    char url[DATABASE_URL_SIZE];
    (void)state;
    database_make(url);
    int started = 0;
    for (int failed = 0; started < STARTERS && !failed; started += !failed) {
        struct starter *next = &starters[started];
        next->url = url;
        snprintf(next->owner, sizeof(next->owner), "s/%d", started);
        failed = pthread_create(&next->thread, NULL, start, next) != 0;
    }
    for (int i = 0; i < started; i++)
        pthread_join(starters[i].thread, NULL);
    assert_int_equal(started, STARTERS);
    for (int i = 0; i < STARTERS; i++) {
        if (starters[i].store == NULL)
            fail_msg("%s", starters[i].error);
        store_close(starters[i].store);
    }
    char shipped[16];
    int count = 0;
    while (postgres_schema[count] != NULL)
        count++;
    snprintf(shipped, sizeof(shipped), "%d", count);
    assert_string_equal(database_ask(url, "SELECT count(*) FROM pbxhook.migrations"), shipped);
    assert_string_equal(database_ask(url, "SELECT count(*) FROM pg_inherits "
                                          "WHERE inhparent = 'pbxhook.events'::regclass"),
                        "6"); /* four months, the timeless, the others */
    database_drop(url);
}

static void one_owner_is_one_worker(void **state)
{
    struct fixture *fixture = *state;
    struct store *second = NULL;
    char error[512];
    const struct store_options options = {
        .url = fixture->url, .mode = STORE_WRITE, .owner = "spool/0", .lock_wait_ms = 100};
    assert_int_equal(store_open(&options, &second, error, sizeof(error)), STORE_E_BUSY);
    assert_non_null(strstr(error, "spool/0"));
}

static int advance_by(struct store *store, const char *type, const char *call_id, int64_t time_ms)
{
    struct event event = make_event(type, call_id, time_ms);
    return store_call_advance(store, &event);
}

/* Both heard of a new call and a new user first: one of them runs its batch again, and nothing is counted
 * twice. */
static void those_who_collide_run_again(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_other(fixture, "spool/1", 1000);
    struct store_counts counts;
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    assert_int_equal(store_user_create(fixture->store, "119", 1, NULL), 1);
    assert_ok(other, store_begin(other, NULL, 0));
    assert_ok(other, advance_by(other, "call.standby", "a", 20));
    assert_int_equal(store_user_create(other, "119", 1, NULL), 1);
    assert_ok(other, store_commit(other));
    assert_int_equal(store_commit(fixture->store), STORE_E_AGAIN);
    assert_int_equal(store_failure(fixture->store), STORE_E_AGAIN);
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    assert_int_equal(store_user_create(fixture->store, "119", 1, NULL), 0);
    commit(fixture);
    assert_ok(other, store_counts(other, &counts));
    assert_int_equal(counts.users, 1);
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 0);
    assert_int_equal(counts.calls[LIFECYCLE_STANDBY], 1);
    assert_int_equal(find_call(fixture, "a")->created_ms, 10);
    store_close(other);
}

struct contender {
    pthread_t thread;
    struct store *store;
    int number;
    int collisions;
    char error[512];
};

#define CONTENDED_MAX   20
#define CONTENDED_CALLS loop_length(CONTENDED_MAX, 4)
#define ROUNDS          loop_length(40, 4)
#define CONTENDERS      4

static int run_round(struct contender *contender, int round)
{
    struct store *store = contender->store;
    struct event events[CONTENDED_MAX];
    const struct event *batch[CONTENDED_MAX];
    char call_id[CONTENDED_MAX][32];
    for (int i = 0; i < CONTENDED_CALLS; i++) {
        int call = contender->number % 2 == 0 ? i : CONTENDED_CALLS - 1 - i;
        snprintf(call_id[i], sizeof(call_id[i]), "call-%d-%d", round / 4, call);
        events[i] = event_of_time(call_id[i], 1000 + round);
        events[i].identity[8] = (uint8_t)contender->number;
        events[i].identity[9] = (uint8_t)round;
        events[i].identity[10] = (uint8_t)i;
        batch[i] = &events[i];
    }
    int result = store_begin(store, batch, (size_t)CONTENDED_CALLS);
    for (int i = 0; i < CONTENDED_CALLS && result >= 0; i++) {
        int64_t id;
        result = store_event_add(store, &events[i], &id);
        if (result == STORE_EVENT_NEW)
            result = store_call_advance(store, &events[i]);
    }
    if (result < 0) {
        store_rollback(store);
        return result;
    }
    return store_commit(store);
}

static void *contend(void *arg)
{
    struct contender *contender = arg;
    for (int round = 0; round < ROUNDS && contender->error[0] == '\0'; round++) {
        int result;
        while ((result = run_round(contender, round)) == STORE_E_AGAIN)
            contender->collisions++;
        if (result < 0)
            snprintf(contender->error, sizeof(contender->error), "%d: %s", result,
                     store_error(contender->store));
    }
    return NULL;
}

/* The same calls from both sides at the same time: each event is stored once, no one is stuck, and the numbers
 * are right. */
static void contenders_agree(void **state)
{
    struct fixture *fixture = *state;
    struct contender contenders[CONTENDERS] = {0};
    char owner[16], events[16], calls[16];
    snprintf(events, sizeof(events), "%d", CONTENDERS * ROUNDS * CONTENDED_CALLS);
    snprintf(calls, sizeof(calls), "%d", ROUNDS / 4 * CONTENDED_CALLS);
    for (int i = 0; i < CONTENDERS; i++) {
        snprintf(owner, sizeof(owner), "other/%d", i);
        contenders[i].number = i;
        contenders[i].store = open_other(fixture, owner, 1000);
    }
    int started = 0;
    while (started < CONTENDERS &&
           pthread_create(&contenders[started].thread, NULL, contend, &contenders[started]) == 0)
        started++;
    for (int i = 0; i < started; i++)
        pthread_join(contenders[i].thread, NULL);
    assert_int_equal(started, CONTENDERS);
    for (int i = 0; i < CONTENDERS; i++) {
        if (contenders[i].error[0] != '\0')
            fail_msg("%s", contenders[i].error);
        store_close(contenders[i].store);
    }
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", events);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.calls", calls);
    assert_asked(fixture, "SELECT sum(n) FROM pbxhook.counts", calls);
}

/* ---- Leases ---------------------------------------------------------------------------------------------- */

static void add_action(struct fixture *fixture, const char *call_id, int64_t received_ms)
{
    begin(fixture);
    check_ok(fixture, store_action_add(fixture->store, "key", call_id, "{\"destination\":\"900\"}",
                                       1, received_ms, received_ms + 100000));
    commit(fixture);
}

static int claim_in(struct store *store, int64_t now_ms, struct store_expired *expired, int64_t *id,
                    int *attempts)
{
    struct store_action *actions = NULL;
    int count = 0;
    assert_ok(store, store_begin(store, NULL, 0));
    assert_ok(store, store_actions_claim(store, now_ms, 10, &actions, &count, expired));
    assert_ok(store, store_commit(store));
    if (count > 0) {
        *id = actions[0].id;
        *attempts = actions[0].attempts;
    }
    store_actions_free(actions, count);
    return count;
}

static int settle_in(struct store *store, int64_t id, enum store_action_state state)
{
    assert_ok(store, store_begin(store, NULL, 0));
    int changed = settle_action(store, id, state, 0, 9000, 200, NULL);
    assert_ok(store, changed);
    assert_ok(store, store_commit(store));
    return changed;
}

static void lease_that_ran_out_is_anybodys(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_other(fixture, "spool/1", 5000);
    struct store_expired expired;
    int64_t id = 0;
    int64_t due_ms = 0;
    int attempts = 0;
    add_action(fixture, "a", 1000);
    assert_int_equal(claim_in(other, 1000, &expired, &id, &attempts), 1);
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_LEASE);
    assert_int_equal(due_ms, 6000);
    assert_int_equal(settle_in(fixture->store, id, STORE_ACTION_DELIVERED), 0); /* not its own */
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_actions_abandon(fixture->store, 3000, 0, NULL)), 0);
    commit(fixture);
    assert_int_equal(claim_in(fixture->store, 5999, &expired, &id, &attempts), 0);
    assert_int_equal(expired.unknown, 0);
    assert_int_equal(claim_in(fixture->store, 6000, &expired, &id, &attempts), 0);
    assert_int_equal(expired.unknown, 1);
    assert_asked(fixture, "SELECT state FROM pbxhook.actions", "unknown");
    assert_int_equal(settle_in(other, id, STORE_ACTION_DELIVERED), 0); /* too late */
    store_close(other);
}

/* The clock was put back by 90 s while the other was sending: he is not taken for gone. */
static void lease_of_a_clock_put_back_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_other(fixture, "spool/1", 5000);
    struct store_expired expired;
    int64_t sent_before = 0, sent_after = 0, due_ms = 0;
    int attempts = 0;
    add_action(fixture, "a", 91000);
    assert_int_equal(claim_in(other, 91000, &expired, &sent_before, &attempts), 1);
    add_action(fixture, "b", 1000);
    assert_int_equal(claim_in(other, 1000, &expired, &sent_after, &attempts), 1);
    begin(fixture);
    check_ok(fixture, store_actions_bring_forward(fixture->store, 1000, 60000));
    commit(fixture);
    assert_int_equal(claim_in(fixture->store, 1001, &expired, &sent_before, &attempts), 0);
    assert_int_equal(expired.unknown, 0);
    assert_int_equal(settle_in(other, sent_after, STORE_ACTION_DELIVERED), 1);
    /* Nor is he waited for until the clock is there again: for a lease of the one who looked, an hour. */
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_LEASE);
    assert_int_equal(due_ms, 1000 + 3600000);
    assert_int_equal(settle_in(other, sent_before, STORE_ACTION_DELIVERED), 1);
    store_close(other);
}

static void two_never_claim_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_other(fixture, "spool/1", 5000);
    struct store_action *actions = NULL;
    struct store_expired expired;
    int64_t id = 0;
    int count = 0;
    int attempts = 0;
    add_action(fixture, "a", 1000);
    begin(fixture);
    check_ok(fixture, store_actions_claim(fixture->store, 2000, 10, &actions, &count, &expired));
    assert_int_equal(count, 1);
    assert_int_equal(claim_in(other, 2000, &expired, &id, &attempts), 0); /* and does not wait */
    commit(fixture);
    assert_int_equal(claim_in(other, 2000, &expired, &id, &attempts), 0);
    store_actions_free(actions, count);
    store_close(other);
}

/* Settled by the other while this one's batch was under way: one answer of the PBX is counted once. */
static void what_was_settled_meanwhile_is_not_confirmed(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_other(fixture, "spool/1", 5000);
    struct store_expired expired;
    struct event event = make_event("call.waiting", "a", 7);
    const struct event *waiting = &event;
    int64_t id = 0;
    int attempts = 0;
    add_action(fixture, "a", 1000);
    assert_int_equal(claim_in(other, 1000, &expired, &id, &attempts), 1);
    check_ok(fixture, store_begin(fixture->store, &waiting, 1));
    assert_int_equal(settle_in(other, id, STORE_ACTION_DELIVERED), 1);
    check_ok(fixture, store_event_add(fixture->store, waiting, &id));
    assert_int_equal(check_ok(fixture, store_actions_confirm(fixture->store, "a", 9500)), 1);
    commit(fixture);
    assert_int_equal(store_confirmed(fixture->store), 0);
    assert_asked(fixture, "SELECT state FROM pbxhook.actions", "delivered");
    assert_asked(fixture, "SELECT sum(n) FROM pbxhook.kpi_actions", "1");
    store_close(other);
}

/* ---- No circles ------------------------------------------------------------------------------------------- */

/* Another worker, in the middle of a batch: it has settled its own action, or none (0), and confirms a call's. */
static struct crosser {
    pthread_t thread;
    int runs;
    struct store *store;
    int64_t settles;
    const char *confirms;
    const char *number; /* of a new user, "": none */
    int result;
    atomic_int ended;
} crosser;

static int settle_first(struct store *store, const struct event *waiting, int64_t settles)
{
    int result = store_begin(store, &waiting, 1);
    if (result == 0 && settles != 0)
        result = settle_action(store, settles, STORE_ACTION_DELIVERED, 0, 9000, 200, NULL);
    return result < 0 ? result : 0;
}

static int confirm_then(struct store *store, const struct event *waiting, const char *number)
{
    int64_t id = 0;
    int result = store_event_add(store, waiting, &id);
    if (result >= 0 && number[0] != '\0')
        result = store_user_create(store, number, 1, NULL);
    if (result >= 0)
        result = store_actions_confirm(store, waiting->field[EVENT_CALL_ID], 9000);
    if (result >= 0)
        return store_commit(store);
    store_rollback(store);
    return result;
}

static void *cross(void *arg)
{
    struct event waiting = make_event("call.waiting", crosser.confirms, 7);
    (void)arg;
    crosser.result = settle_first(crosser.store, &waiting, crosser.settles);
    if (crosser.result == 0)
        crosser.result = confirm_then(crosser.store, &waiting, crosser.number);
    atomic_store(&crosser.ended, 1);
    return NULL;
}

static void prepare_crosser(const struct fixture *fixture, const char *number)
{
    crosser.store = open_other(fixture, "spool/1", 50000);
    crosser.settles = 0;
    crosser.confirms = "a";
    crosser.number = number;
    atomic_store(&crosser.ended, 0);
}

static void start_crosser(void)
{
    assert_int_equal(pthread_create(&crosser.thread, NULL, cross, NULL), 0);
    crosser.runs = 1;
}

static void join_crosser(void)
{
    if (crosser.runs)
        pthread_join(crosser.thread, NULL);
    crosser.runs = 0;
}

/* It may wait for what this store has locked. */
static int crosser_teardown(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    fixture->store = NULL;
    join_crosser();
    store_close(crosser.store);
    crosser.store = NULL;
    return fixture_teardown(state);
}

static void await_blocked(const struct fixture *fixture)
{
    int64_t until_us = clock_mono_us() + 30 * 1000000;
    while (
        strcmp(database_ask(fixture->url, "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                          "current_database() AND wait_event_type = 'Lock'"),
               "0") == 0) {
        if (clock_mono_us() > until_us)
            fail_msg("the other one never came to wait");
        if (atomic_load(&crosser.ended))
            fail_msg("the other one failed: %s", store_error(crosser.store));
    }
}

/* Claims the one action that is due. */
static int64_t claim_for(struct fixture *fixture, struct store *store, const char *call_id)
{
    struct store_expired expired;
    int64_t id = 0;
    int attempts = 0;
    add_action(fixture, call_id, 1000);
    assert_int_equal(claim_in(store, 1000, &expired, &id, &attempts), 1);
    return id;
}

/* Each settles what it has sent and confirms what the other one has sent: one waits, and both come through. */
static void settling_and_confirming_make_no_circle(void **state)
{
    struct fixture *fixture = *state;
    prepare_crosser(fixture, "");
    int64_t own = claim_for(fixture, fixture->store, "a");
    crosser.settles = claim_for(fixture, crosser.store, "b");
    struct event waiting = make_event("call.waiting", "b", 8);
    check_ok(fixture, settle_first(fixture->store, &waiting, own));
    start_crosser();
    await_blocked(fixture);
    check_ok(fixture, confirm_then(fixture->store, &waiting, ""));
    join_crosser();
    assert_ok(crosser.store, crosser.result);
}

/* The same with a new user whom both make: one of them may have to run its batch again, but not for a circle. */
static void settling_and_new_users_make_no_circle(void **state)
{
    struct fixture *fixture = *state;
    prepare_crosser(fixture, "119");
    int64_t own = claim_for(fixture, fixture->store, "a");
    struct event waiting = make_event("call.waiting", "b", 8);
    check_ok(fixture, settle_first(fixture->store, &waiting, own));
    start_crosser();
    await_blocked(fixture);
    check_ok(fixture, confirm_then(fixture->store, &waiting, "119"));
    join_crosser();
    assert_int_equal(crosser.result, STORE_E_AGAIN);
    assert_null(strstr(store_error(crosser.store), "deadlock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_start_at_once),
        STORE_TEST(one_owner_is_one_worker),
        STORE_TEST(those_who_collide_run_again),
        STORE_TEST(contenders_agree),
        STORE_TEST(lease_that_ran_out_is_anybodys),
        STORE_TEST(lease_of_a_clock_put_back_begins_anew),
        STORE_TEST(two_never_claim_the_same),
        STORE_TEST(what_was_settled_meanwhile_is_not_confirmed),
        cmocka_unit_test_setup_teardown(settling_and_confirming_make_no_circle, fixture_setup,
                                        crosser_teardown),
        cmocka_unit_test_setup_teardown(settling_and_new_users_make_no_circle, fixture_setup,
                                        crosser_teardown),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
