/*
 * postgres_store_test.c: what only PostgreSQL has: several workers at once, connections that are lost, partitions,
 * migrations in a race, types of columns.
 */
#include "loop_length.h"
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/clock.h"
#include <sys/stat.h>

#include "cut_proxy.h"
#include "store/postgres_internal.h"

/* ---- What these tests say often ---------------------------------------------------------------------- */

static struct store *open_as(const char *url, enum store_mode mode, const char *owner,
                             int64_t lease_ms, char *error)
{
    struct store *store = NULL;
    const struct store_options options = {.url = url,
                                          .mode = mode,
                                          .lock_wait_ms = 10000,
                                          .spool = "spool",
                                          .owner = owner,
                                          .lease_ms = lease_ms};
    if (store_open(&options, &store, error, 512) < 0)
        return NULL;
    return store;
}

static struct store *open_other(const struct fixture *fixture, const char *owner, int64_t lease_ms)
{
    char error[512];
    struct store *store = open_as(fixture->url, STORE_WRITE, owner, lease_ms, error);
    if (store == NULL)
        fail_msg("%s", error);
    return store;
}

static void assert_ok(const struct store *store, int result)
{
    if (result < 0)
        fail_msg("result %d: %s", result, store_error(store));
}

static void assert_asked(const struct fixture *fixture, const char *sql, const char *expected)
{
    const char *answer = database_ask(fixture->url, sql);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s: \"%s\"", sql, answer);
}

static struct event event_of_time(const char *call_id, int64_t time_ms)
{
    struct event event = make_event("call.new", call_id, time_ms);
    for (int i = 0; i < 6; i++)
        event.identity[i] = (uint8_t)((uint64_t)time_ms >> (8 * (5 - i)));
    event.identity[6] = (uint8_t)event.seq;
    event.identity[7] = (uint8_t)(event.seq >> 8);
    return event;
}

static void kill_connections(const struct fixture *fixture)
{
    database_ask(fixture->url,
                 "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                 "WHERE datname = current_database() AND pid <> pg_backend_pid()");
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
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)), 1);
    assert_int_equal(due_ms, 6000);                                             /* a lease ends */
    assert_int_equal(settle_in(fixture->store, id, STORE_ACTION_DELIVERED), 0); /* not its own */
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_actions_abandon(fixture->store, 3000, 0)), 0);
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
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)), 1);
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

/* ---- Connections that are lost ------------------------------------------------------------------------------ */

static void lost_connection_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 1000);
    const struct event *events[] = {&event};
    int64_t id;
    assert_int_equal(store_begin(fixture->store, events, 1), 0);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    advance(fixture, "call.new", "a", 1000);
    kill_connections(fixture);
    assert_int_equal(store_commit(fixture->store), STORE_E_FAILED);
    assert_int_equal(store_begin(fixture->store, events, 1), 0);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    advance(fixture, "call.new", "a", 1000);
    commit(fixture);
    kill_connections(fixture);
    /* Between transactions, too: the first to notice fails, the next one works. */
    assert_int_equal(store_begin(fixture->store, events, 1), STORE_E_FAILED);
    assert_int_equal(store_begin(fixture->store, events, 1), 0);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_REPLAY);
    commit(fixture);
    assert_asked(fixture, "SELECT sum(n) FROM pbxhook.counts", "1");
}

static void reader_connects_again(void **state)
{
    struct fixture *fixture = *state;
    struct store *reader = fixture_open(fixture, STORE_READ);
    struct store_counts counts;
    assert_int_equal(store_counts(reader, &counts), 0);
    kill_connections(fixture);
    assert_int_equal(store_counts(reader, &counts), STORE_E_FAILED);
    assert_int_equal(store_counts(reader, &counts), 0);
    store_close(reader);
}

struct cut_scene {
    struct cut_proxy *proxy;
    struct store *store;
};

static void open_through_proxy(struct fixture *fixture, struct cut_scene *scene)
{
    char url[DATABASE_URL_SIZE], error[512];
    const char *name = strstr(fixture->url, "@/") + 2;
    scene->proxy = cut_proxy_start(fixture->directory, database_socket_dir());
    snprintf(url, sizeof(url), "postgresql://pbxhook@/%.*s?host=%s", (int)strcspn(name, "?"), name,
             fixture->directory);
    scene->store = open_as(url, STORE_WRITE, "spool/1", 3600000, error);
    if (scene->store == NULL)
        fail_msg("%s", error);
}

/* One batch: an event, its call, an action, its claim. The claimed ones, or negative. */
static int run_cut_batch(struct cut_scene *scene, const struct event *event, enum cut cut,
                         int *stored, int *attempts)
{
    struct store *store = scene->store;
    struct store_action *actions = NULL;
    struct store_expired expired;
    int64_t id;
    int count = 0;
    assert_ok(store, store_begin(store, &event, 1));
    *stored = store_event_add(store, event, &id);
    if (*stored == STORE_EVENT_NEW) {
        assert_ok(store, store_call_save(store, event));
        assert_ok(store, store_action_add(store, "key", "a", "{\"destination\":\"900\"}", id, 1000,
                                          100000));
    }
    assert_ok(store, store_actions_claim(store, 2000, 10, &actions, &count, &expired));
    *attempts = count > 0 ? actions[0].attempts : 0;
    store_actions_free(actions, count);
    cut_proxy_arm(scene->proxy, cut);
    int result = store_commit(store);
    return result < 0 ? result : count;
}

/* Committed, and nobody heard of it: the event is not handled twice, and its action is sent. */
static void commit_without_an_answer_is_settled(void **state)
{
    static const enum cut cuts[] = {CUT_AFTER, CUT_BEFORE};
    static const int then[] = {STORE_EVENT_REPLAY, STORE_EVENT_NEW};
    struct fixture *fixture = *state;
    struct cut_scene scene;
    int stored, attempts;
    open_through_proxy(fixture, &scene);
    for (int i = 0; i < 2; i++) {
        struct event event = make_event("call.new", "a", 1000 + i);
        assert_int_equal(run_cut_batch(&scene, &event, cuts[i], &stored, &attempts),
                         STORE_E_FAILED);
        assert_int_equal(stored, STORE_EVENT_NEW);
        assert_int_equal(run_cut_batch(&scene, &event, CUT_NOTHING, &stored, &attempts), 1);
        assert_int_equal(stored, then[i]);
        assert_int_equal(attempts, 1);
        assert_int_equal(run_cut_batch(&scene, &event, CUT_NOTHING, &stored, &attempts), 0);
        assert_int_equal(stored, STORE_EVENT_REPLAY);
    }
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.actions WHERE state = 'sending'", "2");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "2");
    store_close(scene.store);
    cut_proxy_stop(scene.proxy);
}

/* A server that says nothing any more is given up, and what it did in silence is not done twice. */
static void silence_is_no_answer(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 1000);
    struct cut_scene scene;
    int stored, attempts;
    open_through_proxy(fixture, &scene);
    pg_of(scene.store)->silence_limit_ms = 200;
    assert_int_equal(run_cut_batch(&scene, &event, CUT_SILENT, &stored, &attempts), STORE_E_FAILED);
    assert_non_null(strstr(store_error(scene.store), "no word from the server"));
    pg_of(scene.store)->silence_limit_ms = PG_SILENCE_LIMIT_MS;
    assert_int_equal(run_cut_batch(&scene, &event, CUT_NOTHING, &stored, &attempts), 1);
    assert_int_equal(stored, STORE_EVENT_REPLAY);
    assert_int_equal(attempts, 1);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "1");
    store_close(scene.store);
    cut_proxy_stop(scene.proxy);
}

/* ---- Tables --------------------------------------------------------------------------------------------------- */

static void store_events(struct fixture *fixture, struct event *events, int count)
{
    int64_t id;
    begin(fixture);
    for (int i = 0; i < count; i++)
        check_ok(fixture, store_event_add(fixture->store, &events[i], &id));
    commit(fixture);
}

static void events_go_where_their_time_is(void **state)
{
    struct fixture *fixture = *state;
    int64_t now_ms = clock_wall_ms();
    struct event events[] = {event_of_time("now", now_ms), event_of_time("timeless", 0),
                             event_of_time("long ago", 86400000),
                             event_of_time("far ahead", now_ms + (int64_t)86400000 * 3650)};
    store_events(fixture, events, 4);
    assert_asked(fixture,
                 "SELECT count(*) FROM pbxhook.events JOIN pg_class c ON c.oid = events.tableoid "
                 "WHERE relname = 'events_' || to_char(happened_at AT TIME ZONE 'UTC', 'YYYY_MM')",
                 "1");
    assert_asked(fixture, "SELECT call_id FROM pbxhook.events_timeless", "timeless");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_other", "2");
}

/* A month that was not made ahead takes its events out of the default partition. */
static void late_partition_takes_its_events(void **state)
{
    struct fixture *fixture = *state;
    const int64_t in_2031_03 = 1930000000000;
    struct event events[] = {event_of_time("a", in_2031_03), event_of_time("b", in_2031_03 + 5),
                             event_of_time("c", in_2031_03 + (int64_t)86400000 * 400)};
    int64_t id;
    store_events(fixture, events, 3);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_other", "3");
    assert_ok(fixture->store, pg_make_partitions(pg_of(fixture->store), in_2031_03));
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_other", "1");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_2031_02", "2");
    assert_ok(fixture->store, pg_make_partitions(pg_of(fixture->store), in_2031_03));
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &events[0], &id), STORE_EVENT_REPLAY);
    commit(fixture);
}

static void unrun_events_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    struct event one = make_event("call.new", "a", 1000);
    struct event other = make_event("call.new", "b", 1000);
    const struct event *events[] = {&one, &other};
    int64_t id;
    assert_int_equal(store_begin(fixture->store, events, 2), 0);
    assert_int_equal(store_event_add(fixture->store, &one, &id), STORE_EVENT_NEW);
    commit(fixture);
    assert_asked(fixture, "SELECT string_agg(call_id, ' ') FROM pbxhook.events", "a");
    assert_int_equal(store_begin(fixture->store, events, 2), 0);
    assert_int_equal(store_event_add(fixture->store, &one, &id), STORE_EVENT_REPLAY);
    assert_int_equal(store_event_add(fixture->store, &other, &id), STORE_EVENT_NEW);
    commit(fixture);
}

static void newer_schema_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char error[512];
    database_ask(fixture->url, "INSERT INTO pbxhook.migrations VALUES (1000)");
    assert_null(open_as(fixture->url, STORE_WRITE, "spool/1", 1000, error));
    assert_non_null(strstr(error, "newer pbxhook"));
    assert_null(open_as(fixture->url, STORE_READ, NULL, 1000, error));
    assert_non_null(strstr(error, "newer pbxhook"));
}

static void failed_migration_changes_nothing(void **state)
{
    static const char *const scripts[] = {"CREATE TABLE pbxhook.first (id integer)",
                                          "CREATE TABLE pbxhook.second (id integer); SELECT 1 / 0",
                                          NULL};
    struct fixture *fixture = *state;
    struct pg_store *store = pg_of(fixture->store);
    database_ask(fixture->url, "DROP SCHEMA pbxhook CASCADE");
    assert_int_equal(PQexitPipelineMode(store->conn), 1);
    assert_int_equal(pg_migrate(store, scripts), STORE_E_FAILED);
    assert_error_has(fixture, "division by zero");
    assert_error_has(fixture, "nothing was changed");
    assert_int_equal(PQenterPipelineMode(store->conn), 1);
    assert_asked(fixture, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pbxhook'", "0");
}

static void reader_waits_for_the_tables(void **state)
{
    char url[DATABASE_URL_SIZE], error[512];
    (void)state;
    database_make(url);
    assert_null(open_as(url, STORE_READ, NULL, 1000, error));
    assert_non_null(strstr(error, "not ready yet"));
    database_drop(url);
}

/* For reports: to read all and write nothing. */
static void reading_can_be_granted(void **state)
{
    struct fixture *fixture = *state;
    char role[64], sql[512];
    snprintf(role, sizeof(role), "reports_%ld", (long)getpid());
    snprintf(sql, sizeof(sql),
             "CREATE ROLE %s; GRANT USAGE ON SCHEMA pbxhook TO %s; "
             "GRANT SELECT ON ALL TABLES IN SCHEMA pbxhook TO %s",
             role, role, role);
    database_ask(fixture->url, sql);
    snprintf(sql, sizeof(sql),
             "SET ROLE %s; SELECT count(*) FROM pbxhook.events JOIN pbxhook.calls USING (call_id)",
             role);
    assert_asked(fixture, sql, "0");
    snprintf(sql, sizeof(sql),
             "SELECT has_table_privilege('%s', 'pbxhook.calls', 'UPDATE') "
             "OR has_table_privilege('%s', 'pbxhook.events', 'INSERT')",
             role, role);
    assert_asked(fixture, sql, "f");
    snprintf(sql, sizeof(sql), "DROP OWNED BY %s; DROP ROLE %s", role, role);
    database_ask(fixture->url, sql);
}

/* The database is somebody else's, who made the schemas and gave away no more than these. */
static void schemas_may_be_made_by_a_dba(void **state)
{
    char role[64], sql[512], url[DATABASE_URL_SIZE], name[64] = "", error[512] = "";
    (void)state;
    database_make(url);
    snprintf(role, sizeof(role), "worker_%ld", (long)getpid());
    snprintf(sql, sizeof(sql),
             "CREATE ROLE %s LOGIN; CREATE SCHEMA pbxhook AUTHORIZATION %s; "
             "CREATE SCHEMA pbxhook_plugins AUTHORIZATION %s",
             role, role, role);
    database_ask(url, sql);
    assert_int_equal(sscanf(url, "postgresql://pbxhook@/%63[^?]", name), 1);
    char its_url[2 * DATABASE_URL_SIZE];
    snprintf(its_url, sizeof(its_url), "postgresql://%s@/%s?host=%s", role, name,
             database_socket_dir());
    struct store *store = open_as(its_url, STORE_WRITE, "spool/0", 1000, error);
    store_close(store);
    database_drop(url);
    snprintf(sql, sizeof(sql), "postgresql://pbxhook@/postgres?host=%s", database_socket_dir());
    snprintf(its_url, sizeof(its_url), "DROP ROLE %s", role);
    database_ask(sql, its_url);
    assert_string_equal(error, "");
}

static void password_is_in_no_error(void **state)
{
    char error[512];
    (void)state;
    assert_null(open_as("postgresql://pbx:s3cret@127.0.0.1:1/x", STORE_WRITE, "s/0", 1000, error));
    assert_null(strstr(error, "s3cret"));
    assert_non_null(strstr(error, "127.0.0.1"));
    assert_null(
        open_as("postgresql://pbx:s3cret@h/x?nonsense=s3cret", STORE_WRITE, "s/0", 1000, error));
    assert_null(strstr(error, "s3cret"));
}

static void password_file_must_be_good(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = NULL;
    char error[512];
    struct store_options options = {
        .url = fixture->url, .mode = STORE_READ, .password_file = "/nonexistent/password"};
    assert_int_equal(store_open(&options, &store, error, sizeof(error)), STORE_E_FAILED);
    assert_non_null(strstr(error, "store.password_file: /nonexistent/password"));
    char path[96];
    snprintf(path, sizeof(path), "%s/password", fixture->directory);
    options.password_file = path;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("\n", file) >= 0);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(store_open(&options, &store, error, sizeof(error)), STORE_E_FAILED);
    assert_non_null(strstr(error, "found nothing"));
    /* As every other file of secrets: not when others may read it. */
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(store_open(&options, &store, error, sizeof(error)), STORE_E_FAILED);
    assert_non_null(strstr(error, "store.password_file"));
    assert_non_null(strstr(error, path));
}

/* ---- Plugins ------------------------------------------------------------------------------------------------------ */

static int take_types(void *arg, const struct store_value *values, uint32_t count)
{
    char *text = arg;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = strlen(text);
        switch (values[i].type) {
        case STORE_NULL:
            snprintf(text + length, 256 - length, "null ");
            break;
        case STORE_INT64:
            snprintf(text + length, 256 - length, "%lld ", (long long)values[i].as.integer);
            break;
        case STORE_DOUBLE:
            snprintf(text + length, 256 - length, "%g ", values[i].as.number);
            break;
        case STORE_TEXT:
            snprintf(text + length, 256 - length, "'%.*s' ", (int)values[i].size,
                     values[i].as.text);
            break;
        }
    }
    return 0;
}

static void columns_have_their_types(void **state)
{
    struct fixture *fixture = *state;
    char text[256] = "";
    begin(fixture);
    check_ok(fixture,
             store_sql(fixture->store,
                       "SELECT true, 2::smallint, 3::integer, 4::bigint, 0.5::real, 0.25::float8, "
                       "sum(x), 1.5::numeric, 12345678901234567890::numeric, NULL, 'a'::text, "
                       "DATE '2026-11-01', '{\"a\":1}'::jsonb, '\\x6f6c61'::bytea "
                       "FROM (VALUES (1::bigint), (2)) AS v (x)",
                       NULL, 0, take_types, text, NULL));
    assert_string_equal(text, "1 2 3 4 0.5 0.25 3 1.5 1.23457e+19 null 'a' '2026-11-01' "
                              "'{\"a\": 1}' 'ola' ");
    commit(fixture);
}

/* A number for a text's column, a text for a number's: as the column wants it. */
static void parameters_fit_their_columns(void **state)
{
    struct fixture *fixture = *state;
    const struct store_value params[] = {{.type = STORE_INT64, .as = {.integer = 7}},
                                         {.type = STORE_TEXT, .as = {.text = "8"}},
                                         {.type = STORE_INT64, .as = {.integer = 1}},
                                         {.type = STORE_TEXT, .as = {.text = "2026-11-01"}},
                                         {.type = STORE_DOUBLE, .as = {.number = 2.5}}};
    char text[256] = "";
    begin(fixture);
    check_ok(fixture,
             store_sql(fixture->store,
                       "CREATE TABLE mixed (a TEXT, b INTEGER, c BOOLEAN, d DATE, e NUMERIC)", NULL,
                       0, NULL, NULL, NULL));
    for (int i = 0; i < 2; i++)
        check_ok(fixture, store_sql(fixture->store, "INSERT INTO mixed VALUES ($1, $2, $3, $4, $5)",
                                    params, 5, NULL, NULL, NULL));
    check_ok(fixture,
             store_sql(fixture->store, "SELECT a, b, c, d, e FROM mixed WHERE a = $1 LIMIT 1",
                       params, 1, take_types, text, NULL));
    assert_string_equal(text, "'7' 8 1 '2026-11-01' 2.5 ");
    /* One text with parameters of other types than before. */
    check_ok(fixture, store_sql(fixture->store, "SELECT count(*) FROM mixed WHERE b = $1",
                                &params[0], 1, NULL, NULL, NULL));
    check_ok(fixture, store_sql(fixture->store, "SELECT count(*) FROM mixed WHERE b = $1",
                                &params[1], 1, NULL, NULL, NULL));
    commit(fixture);
}

/* The columns of "*" are others now. */
static void statement_is_prepared_again_for_a_changed_table(void **state)
{
    struct fixture *fixture = *state;
    char text[256] = "";
    begin(fixture);
    check_ok(fixture, store_sql(fixture->store, "CREATE TABLE stars (a INTEGER)", NULL, 0, NULL,
                                NULL, NULL));
    check_ok(fixture,
             store_sql(fixture->store, "INSERT INTO stars VALUES (1)", NULL, 0, NULL, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        check_ok(fixture,
                 store_sql(fixture->store, "SELECT * FROM stars", NULL, 0, take_types, text, NULL));
        check_ok(fixture,
                 store_sql(fixture->store,
                           i == 0 ? "ALTER TABLE stars ADD COLUMN b INTEGER DEFAULT 2" : "SELECT 1",
                           NULL, 0, NULL, NULL, NULL));
    }
    assert_string_equal(text, "1 1 2 ");
    commit(fixture);
    assert_asked(fixture, "SELECT schemaname FROM pg_tables WHERE tablename = 'stars'",
                 "pbxhook_plugins");
}

/* A deferred constraint speaks up at the commit only: the batch is run apart then. */
static void what_fails_at_the_commit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    check_ok(fixture,
             store_sql(fixture->store,
                       "CREATE TABLE later (a INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)", NULL,
                       0, NULL, NULL, NULL));
    check_ok(fixture, store_sql(fixture->store, "INSERT INTO later VALUES (1), (1)", NULL, 0, NULL,
                                NULL, NULL));
    assert_int_equal(store_commit(fixture->store), STORE_E_REFUSED);
    begin(fixture);
    commit(fixture);
}

/* Of the statements that run with each batch: with the tables of a server that has been up for a while, each
 * goes by an index. */
static void statements_go_by_their_indexes(void **state)
{
    static const struct {
        enum pg_statement which;
        const char *arguments;
        const char *index; /* NULL: any */
    } statements[] = {
        {PG_EVENTS_FIND, "'{}'::bytea[], ''", NULL},
        {PG_CALLS_LOCK, "'{}'::text[]", NULL},
        {PG_CALL_FIND, "''", NULL},
        {PG_USERS_FIND, "'{}'::text[]", NULL},
        {PG_ACTIONS_UNSETTLED, "'{}'::text[]", "actions_unsettled"},
        {PG_ACTIONS_CLAIM, "now(), 1, '', now()", "actions_pending"},
        {PG_ACTIONS_LEASES, "now(), true", "actions_sending"},
        {PG_ACTIONS_NEXT_DUE, NULL, "actions_pending"},
        {PG_ACTIONS_SETTLE, "'{}'::int8[], '{}', '{}', '{}', '{}', '{}', '{}', ''", "actions_pkey"},
        {PG_ACTIONS_ANNOTATE, "'{}'::int8[], '{}', '{}'", "actions_pkey"},
        {PG_ACTIONS_CONFIRM, "'{}'::int8[], '{}'", "actions_pkey"},
        {PG_RETRIES_DUE, "now(), 1", NULL},
        {PG_RETRIES_NEXT_DUE, NULL, NULL},
        {PG_PRUNE_CALLS, "now(), 1, now(), 1", "calls_finished"},
        {PG_PRUNE_ACTIONS, "now(), 1, now(), 1", "actions_ended"},
    };
    struct fixture *fixture = *state;
    PGconn *connection = database_connect(fixture->url);
    PQclear(database_run(connection,
                         "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
                         "SET enable_hashjoin = off; SET enable_mergejoin = off"));
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        char sql[4096];
        snprintf(sql, sizeof(sql), "PREPARE s%zu AS %s", i, pg_statement_sql(statements[i].which));
        PQclear(database_run(connection, sql));
        snprintf(sql, sizeof(sql), "EXPLAIN EXECUTE s%zu%s%s%s", i,
                 statements[i].arguments == NULL ? "" : "(",
                 statements[i].arguments == NULL ? "" : statements[i].arguments,
                 statements[i].arguments == NULL ? "" : ")");
        PGresult *plan = database_run(connection, sql);
        int goes_by_index = statements[i].index == NULL;
        for (int row = 0; row < PQntuples(plan); row++) {
            const char *line = PQgetvalue(plan, row, 0);
            if (strstr(line, "Seq Scan") != NULL)
                fail_msg("%s: %s", pg_statement_sql(statements[i].which), line);
            goes_by_index |= statements[i].index != NULL && strstr(line, statements[i].index);
        }
        if (!goes_by_index)
            fail_msg("%s: not by %s", pg_statement_sql(statements[i].which), statements[i].index);
        PQclear(plan);
    }
    PQfinish(connection);
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
        cmocka_unit_test_setup_teardown(settling_and_confirming_make_no_circle, fixture_setup,
                                        crosser_teardown),
        cmocka_unit_test_setup_teardown(settling_and_new_users_make_no_circle, fixture_setup,
                                        crosser_teardown),
        STORE_TEST(lost_connection_is_made_again),
        STORE_TEST(reader_connects_again),
        STORE_TEST(commit_without_an_answer_is_settled),
        STORE_TEST(silence_is_no_answer),
        STORE_TEST(events_go_where_their_time_is),
        STORE_TEST(late_partition_takes_its_events),
        STORE_TEST(unrun_events_are_not_kept),
        STORE_TEST(newer_schema_is_refused),
        STORE_TEST(failed_migration_changes_nothing),
        cmocka_unit_test(reader_waits_for_the_tables),
        STORE_TEST(reading_can_be_granted),
        cmocka_unit_test(schemas_may_be_made_by_a_dba),
        cmocka_unit_test(password_is_in_no_error),
        STORE_TEST(password_file_must_be_good),
        STORE_TEST(columns_have_their_types),
        STORE_TEST(parameters_fit_their_columns),
        STORE_TEST(statement_is_prepared_again_for_a_changed_table),
        STORE_TEST(what_fails_at_the_commit_is_refused),
        STORE_TEST(statements_go_by_their_indexes),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
