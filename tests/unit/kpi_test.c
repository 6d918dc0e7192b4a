/*
 * kpi_test.c: the indicators against a data set that was calculated by hand, with every odd case; and that
 * the order in which events come does not matter.
 */
#include <signal.h>

#include "loop_length.h"
#include "store_fixture.h"

#include <jansson.h>

#include "receiver/kpi_json.h"

#define MINUTE 60000
#define START  (INT64_C(28000000) * MINUTE) /* a whole minute, in 2023 */
#define S(x)   (START + (int64_t)(x)*1000)

struct step {
    const char *call_id, *type;
    int second;
    const char *queue;
};

/*
 * By hand (waits in seconds):
 *   a: queue 900, waits 0-12, answered (12 s), talks 12-72 (60 s), ends at 75 (handle 63 s)
 *   b: queue 900, waits 10-40, answered (30 s: not within 20 s), no actor.left: talks to its end, 40-100 (60 s)
 *   c: queue 900, waits 20-23, hangs up: abandoned after 3 s, short
 *   d: queue 901, waits 30-95, hangs up: abandoned after 65 s
 *   e: queue 901, waits 70 (the second minute) and never ends: lost, offered only
 *   f: never waits, answered at 80 by actor.entered, ends at 90: offered and answered at once, queue ""
 *   g: two visits: queue 900 at 5, answered at 25 (20 s), left at 30, queue 901 at 31, answered again at 60, left
 *      at 65, ends at 66: one call, in 900; talk 25-65 (40 s), handle 41 s
 *   h: new and finished, never in a queue: not offered
 *   i: only its waiting came, twice, the second time later: offered at 50, queue 901
 */
static const struct step steps[] = {
    {"a", "call.new", -2, ""},        {"a", "call.standby", -1, ""},
    {"a", "call.waiting", 0, "900"},  {"a", "actor.entered", 12, ""},
    {"a", "call.ongoing", 13, ""},    {"a", "actor.left", 72, ""},
    {"a", "call.finished", 75, ""},   {"b", "call.waiting", 10, "900"},
    {"b", "call.ongoing", 40, ""},    {"b", "call.finished", 100, ""},
    {"c", "call.waiting", 20, "900"}, {"c", "call.finished", 23, ""},
    {"d", "call.new", 29, ""},        {"d", "call.waiting", 30, "901"},
    {"d", "call.finished", 95, ""},   {"e", "call.waiting", 70, "901"},
    {"f", "actor.entered", 80, ""},   {"f", "call.finished", 90, ""},
    {"g", "call.waiting", 5, "900"},  {"g", "call.ongoing", 25, ""},
    {"g", "actor.left", 30, ""},      {"g", "call.waiting", 31, "901"},
    {"g", "call.ongoing", 60, ""},    {"g", "actor.left", 65, ""},
    {"g", "call.finished", 66, ""},   {"h", "call.new", 40, ""},
    {"h", "call.finished", 44, ""},   {"i", "call.waiting", 50, "901"},
    {"i", "call.waiting", 55, "900"},
};
#define STEP_COUNT ((int)(sizeof steps / sizeof steps[0]))

static void take_step(struct fixture *fixture, const struct step *step)
{
    struct event event = make_event(step->type, step->call_id, S(step->second));
    int64_t id;
    event.field[EVENT_QUEUE] = step->queue;
    check_ok(fixture, store_event_add(fixture->store, &event, &id));
    check_ok(fixture, store_call_advance(fixture->store, &event));
}

static json_t *ask(struct fixture *fixture, const struct kpi_question *question)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(check_ok(fixture, kpi_json(fixture->store, question, out)), 0);
    assert_int_equal(fclose(out), 0);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        fail_msg("no JSON: %s", text);
    free(text);
    return json;
}

/* Two minutes of one each, 20 s for 80 %, 5 s short, lost after an hour. */
static struct kpi_question two_minutes(void)
{
    return (struct kpi_question){.from_minute = START / MINUTE,
                                 .to_minute = START / MINUTE + 2,
                                 .bucket_minutes = 1,
                                 .now_ms = S(110),
                                 .level_limit = 3,
                                 .level_percent = 80,
                                 .short_limit = 0,
                                 .lost_after_ms = 3600 * 1000};
}

/* "offered answered abandoned short | rate asa level talk handle max" */
static void expect(const json_t *sums, const char *where, const char *wanted)
{
    static const char *const counts[] = {"offered", "answered", "abandoned", "short_abandoned"};
    static const char *const values[] = {"abandon_rate", "speed_of_answer_ms", "service_level",
                                         "talk_time_ms", "handle_time_ms",     "max_wait_ms"};
    char got[256] = "";
    for (int i = 0; i < 4; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%lld ",
                 (long long)json_integer_value(json_object_get(sums, counts[i])));
    snprintf(got + strlen(got), sizeof got - strlen(got), "|");
    for (int i = 0; i < 6; i++) {
        const json_t *value = json_object_get(sums, values[i]);
        char text[32] = " null";
        assert_non_null(value);
        if (json_is_integer(value))
            snprintf(text, sizeof text, " %lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
            snprintf(text, sizeof text, " %.4f", json_real_value(value));
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s", text);
    }
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: wanted %s\n  got %s", where, wanted, got);
}

/*
 * All: offered a b c d e f g i = 8; answered a b f g = 4; abandoned c d = 2; short c = 1; rate 2/8.
 * Waits of the answered 12 + 30 + 0 + 20 = 62 s / 4 = 15500 ms. Within 20 s: a f g = 3; abandoned after 20 s: d;
 * level 3 / (4 + 1). Talk a 60, b 60, f 10, g 40: 170 / 4 = 42500. Handle a 63, b 60, f 10, g 41: 174 / 4 = 43500.
 */
static void check_all(const json_t *answer)
{
    const json_t *data = json_object_get(answer, "data");
    const json_t *queues = json_object_get(data, "queues");
    const json_t *buckets = json_object_get(data, "buckets");

    expect(json_object_get(data, "all"), "all", "8 4 2 1 | 0.2500 15500 0.6000 42500 43500 65000");
    /* a b c g: waits 12 30 20 = 62 / 3; within: a g; nobody abandoned later; talk 60 60 40, handle 63 60 41 */
    expect(json_object_get(queues, "900"), "900",
           "4 3 1 1 | 0.2500 20666 0.6666 53333 54666 30000");
    /* d e i: one abandoned after 65 s, none answered */
    expect(json_object_get(queues, "901"), "901", "3 0 1 0 | 0.3333 null 0.0000 null null 65000");
    /* f */
    expect(json_object_get(queues, ""), "no queue", "1 1 0 0 | 0.0000 0 1.0000 10000 10000 0");
    assert_int_equal(json_array_size(buckets), 2);
    expect(json_array_get(buckets, 0), "first minute",
           "6 3 2 1 | 0.3333 20666 0.5000 53333 54666 65000");
    expect(json_array_get(buckets, 1), "second minute", "2 1 0 0 | 0.0000 0 1.0000 10000 10000 0");
}

static void is_what_was_calculated_by_hand(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    begin(fixture);
    for (int i = 0; i < STEP_COUNT; i++)
        take_step(fixture, &steps[i]);
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    check_all(answer);
    /* Waiting now: e since 70, i since 55 (its status is the later one's). */
    const json_t *all = json_object_get(json_object_get(answer, "data"), "all");
    assert_int_equal(json_integer_value(json_object_get(all, "waiting_now")), 2);
    assert_int_equal(json_integer_value(json_object_get(all, "talking_now")), 0);
    assert_int_equal(json_integer_value(json_object_get(all, "longest_wait_now_ms")), 55000);
    json_decref(answer);
}

/* A PBX whose clock was never set: a minute is as long on either side of 1970. */
static void minutes_before_1970_are_minutes(void **state)
{
    static const int64_t times_ms[] = {-60000, -1, 0, 59999};
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    question.from_minute = -1;
    question.to_minute = 1;
    begin(fixture);
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        char call_id[8];
        snprintf(call_id, sizeof call_id, "c%zu", i);
        struct event event = make_event("call.waiting", call_id, times_ms[i]);
        int64_t id;
        check_ok(fixture, store_event_add(fixture->store, &event, &id));
        check_ok(fixture, store_call_advance(fixture->store, &event));
    }
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    const json_t *buckets = json_object_get(json_object_get(answer, "data"), "buckets");
    assert_int_equal(json_array_size(buckets), 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(buckets, i), "offered")),
                         2);
    json_decref(answer);
}

/* The same events in many orders, each more than once: the same sums. */
static void any_order_gives_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();
    uint32_t dice = 12345;

    for (int round = 0; round < loop_length(12, 1); round++) {
        if (round > 0) {
            fixture_teardown(state);
            *state = NULL;
            assert_int_equal(fixture_setup(state), 0);
            fixture = *state;
        }
        int order[STEP_COUNT * 2];
        for (int i = 0; i < STEP_COUNT * 2; i++)
            order[i] = i % STEP_COUNT;
        for (int i = STEP_COUNT * 2 - 1; i > 0; i--) {
            dice = dice * 1664525 + 1013904223;
            int k = (int)(dice >> 8) % (i + 1);
            int kept = order[i];
            order[i] = order[k];
            order[k] = kept;
        }
        begin(fixture);
        for (int i = 0; i < STEP_COUNT * 2; i++) {
            if (i % 7 == 0) { /* what is undone leaves nothing */
                check_ok(fixture, store_savepoint(fixture->store));
                take_step(fixture, &steps[order[i]]);
                check_ok(fixture, store_undo(fixture->store));
            }
            take_step(fixture, &steps[order[i]]);
        }
        commit(fixture);
        json_t *answer = ask(fixture, &question);
        check_all(answer);
        json_decref(answer);
    }
}

/* A plugin that runs SQL of its own makes the savepoint a real one, on PostgreSQL. */
static void what_a_plugin_undid_was_never_there(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();
    const char *const insert = "INSERT INTO notes (n) VALUES (1)";

    begin(fixture);
    check_ok(fixture, store_sql(fixture->store, "CREATE TABLE notes (n INTEGER)", NULL, 0, NULL,
                                NULL, NULL));
    for (int i = 0; i < STEP_COUNT; i++) {
        check_ok(fixture, store_savepoint(fixture->store));
        if (i % 2 == 0)
            take_step(fixture, &steps[i]);
        check_ok(fixture, store_sql(fixture->store, insert, NULL, 0, NULL, NULL, NULL));
        take_step(fixture, &steps[STEP_COUNT - 1 - i]);
        check_ok(fixture, store_undo(fixture->store));
        check_ok(fixture, store_savepoint(fixture->store));
        take_step(fixture, &steps[i]);
        if (i % 3 == 0)
            check_ok(fixture, store_sql(fixture->store, insert, NULL, 0, NULL, NULL, NULL));
        check_ok(fixture, store_release(fixture->store));
    }
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    check_all(answer);
    json_decref(answer);
}

static int64_t events_since_start(struct fixture *fixture)
{
    int64_t count = -1;
    check_ok(fixture, store_kpi_events(fixture->store, START / MINUTE - 1, &count));
    return count;
}

static void a_batch_that_failed_or_came_again_adds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();
    struct event event = make_event("call.strange", "z", S(1));
    int64_t id;

    begin(fixture);
    for (int i = 0; i < STEP_COUNT / 2; i++)
        take_step(fixture, &steps[i]);
    store_rollback(fixture->store);
    begin(fixture);
    for (int i = 0; i < STEP_COUNT; i++)
        take_step(fixture, &steps[i]);
    assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                     STORE_EVENT_NEW);
    commit(fixture);
    assert_int_equal(events_since_start(fixture), STEP_COUNT + 1);
    for (int i = 0; i < 2; i++) { /* its commit was not answered; then the PBX repeats it */
        event.seq += i;
        begin(fixture);
        assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                         i == 0 ? STORE_EVENT_REPLAY : STORE_EVENT_DUPLICATE);
        commit(fixture);
    }
    assert_int_equal(events_since_start(fixture), STEP_COUNT + 1);
    json_t *answer = ask(fixture, &question);
    check_all(answer);
    json_decref(answer);
}

/* The indicators are history: what is removed for its age was there, and stays in the sums. */
static void pruned_calls_stay_in_the_sums(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();
    struct store_pruned pruned = {0};
    int more = 1;

    begin(fixture);
    for (int i = 0; i < STEP_COUNT; i++)
        take_step(fixture, &steps[i]);
    commit(fixture);
    while (more == 1) {
        begin(fixture);
        more = check_ok(fixture, store_prune(fixture->store, INT64_MAX, 100, &pruned));
        commit(fixture);
    }
    assert_int_equal(pruned.calls, 7); /* all but e and i, whose end did not come */
    /* One that comes back with its last events alone was not offered then. */
    begin(fixture);
    take_step(fixture, &(struct step){"a", "actor.left", 72, ""});
    take_step(fixture, &(struct step){"a", "call.finished", 75, ""});
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    check_all(answer);
    json_decref(answer);
}

static void zero_denominators_have_no_answer(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();
    json_t *answer = ask(fixture, &question);
    const json_t *data = json_object_get(answer, "data");
    const json_t *all = json_object_get(data, "all");

    expect(all, "all", "0 0 0 0 | null null null null null null");
    assert_true(json_is_null(json_object_get(all, "new_caller_share")));
    assert_true(json_is_null(json_object_get(all, "longest_wait_now_ms")));
    assert_true(json_is_null(json_object_get(json_object_get(data, "delegates"), "p95_ms")));
    assert_int_equal(json_object_size(json_object_get(data, "queues")), 0);
    json_decref(answer);
}

static void a_silent_call_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    begin(fixture);
    take_step(fixture, &(struct step){"old", "call.waiting", 0, "900"});
    take_step(fixture, &(struct step){"young", "call.ongoing", 100, "900"});
    commit(fixture);
    question.lost_after_ms = 60000;
    json_t *answer = ask(fixture, &question);
    const json_t *data = json_object_get(answer, "data");
    const json_t *all = json_object_get(data, "all");
    assert_int_equal(json_integer_value(json_object_get(data, "lost")), 1);
    assert_int_equal(json_integer_value(json_object_get(all, "waiting_now")), 0);
    assert_int_equal(json_integer_value(json_object_get(all, "talking_now")), 1);
    json_decref(answer);
}

/* The call that had it turns out to have begun a minute earlier; the other one hung up before it waited. */
static void the_longest_wait_is_never_less_than_none(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    begin(fixture);
    take_step(fixture, &(struct step){"a", "call.waiting", 60, "900"});
    take_step(fixture, &(struct step){"a", "call.finished", 90, ""});
    take_step(fixture, &(struct step){"b", "call.waiting", 70, "900"});
    take_step(fixture, &(struct step){"b", "call.finished", 65, ""});
    commit(fixture);
    begin(fixture);
    take_step(fixture, &(struct step){"a", "call.waiting", 50, "900"});
    commit(fixture);
    begin(fixture);
    assert_int_equal(query_integer(fixture, either("SELECT min(max_wait_ms) FROM kpi",
                                                   "SELECT min(max_wait_ms) FROM pbxhook.kpi")),
                     0);
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    const json_t *buckets = json_object_get(json_object_get(answer, "data"), "buckets");
    expect(json_array_get(buckets, 0), "first minute",
           "1 0 1 0 | 1.0000 null 0.0000 null null 40000");
    expect(json_array_get(buckets, 1), "second minute", "1 0 1 1 | 1.0000 null null null null 0");
    json_decref(answer);
}

static void a_queue_in_which_nothing_was_is_not_listed(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    begin(fixture);
    take_step(fixture, &(struct step){"a", "call.ongoing", 10, ""}); /* in no queue, so far */
    take_step(fixture, &(struct step){"b", "call.new", 20, ""});
    commit(fixture);
    begin(fixture);
    take_step(fixture, &(struct step){"a", "call.waiting", 5, "900"});
    take_step(fixture, &(struct step){"a", "call.finished", 30, ""});
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    const json_t *queues = json_object_get(json_object_get(answer, "data"), "queues");
    assert_int_equal(json_object_size(queues), 1);
    expect(json_object_get(queues, "900"), "900", "1 1 0 0 | 0.0000 5000 1.0000 20000 20000 5000");
    json_decref(answer);
}

/* As long as an event may name it, and read from the database again. */
static void a_long_queue_is_one_queue(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();
    char queue[EVENT_MAX_FIELD + 1] = "";
    struct step step = {"a", "call.waiting", 0, queue};

    memset(queue, 'q', EVENT_MAX_FIELD);
    for (int i = 0; i < 3; i++) {
        static const char *const types[] = {"call.waiting", "call.ongoing", "call.finished"};
        step.type = types[i];
        step.second = i * 10;
        begin(fixture);
        take_step(fixture, &step);
        commit(fixture);
        fixture_reopen(fixture);
    }
    json_t *answer = ask(fixture, &question);
    const json_t *queues = json_object_get(json_object_get(answer, "data"), "queues");
    assert_int_equal(json_object_size(queues), 1);
    expect(json_object_get(queues, queue), "its queue",
           "1 1 0 0 | 0.0000 10000 1.0000 10000 10000 10000");
    json_decref(answer);
}

static void counts_callers_and_recent_events(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    begin(fixture);
    take_step(fixture, &(struct step){"d", "call.waiting", 30, "900"});
    take_step(fixture, &(struct step){"e", "call.waiting", 31, "900"});
    for (int i = 0; i < 40; i++) /* a minute apart */
        take_step(fixture, &(struct step){"c", "call.strange", i * 60, ""});
    check_ok(fixture, store_user_create(fixture->store, "1", S(30), NULL));
    check_ok(fixture, store_user_create(fixture->store, "1", S(31), NULL));  /* not new */
    check_ok(fixture, store_user_create(fixture->store, "2", S(500), NULL)); /* later */
    commit(fixture);
    question.now_ms = S(39 * 60);
    json_t *answer = ask(fixture, &question);
    const json_t *data = json_object_get(answer, "data");
    const json_t *all = json_object_get(data, "all");
    assert_int_equal(json_integer_value(json_object_get(all, "new_callers")), 1);
    assert_true(json_real_value(json_object_get(all, "new_caller_share")) == 0.5);
    /* received 5 ms after they happened: those of minutes 9 to 39 */
    assert_int_equal(json_integer_value(json_object_get(data, "events_30m")), 31);
    json_decref(answer);
}

/* An action that was asked for at `second` and answered after so long. */
static void deliver(struct fixture *fixture, int second, int latency_ms)
{
    struct store_action *claimed = NULL;
    struct store_expired expired;
    unsigned char changed = 0;
    int count = 0;
    check_ok(fixture,
             store_action_add(fixture->store, "k", "c", "{}", 1, S(second), S(second) + 3600000));
    check_ok(fixture,
             store_actions_claim(fixture->store, S(second), 10, &claimed, &count, &expired));
    assert_int_equal(count, 1);
    const struct store_settlement settlement = {.id = claimed[0].id,
                                                .state = STORE_ACTION_DELIVERED,
                                                .http_status = 200,
                                                .received_ms = claimed[0].received_ms,
                                                .now_ms = S(second) + latency_ms};
    check_ok(fixture, store_actions_settle(fixture->store, &settlement, 1, &changed));
    assert_int_equal(changed, 1);
    store_actions_free(claimed, count);
}

static void measures_delegates(void **state)
{
    struct fixture *fixture = *state;
    struct kpi_question question = two_minutes();

    begin(fixture);
    for (int i = 0; i < 18; i++)
        deliver(fixture, 1, 3);   /* in the bucket to 5 ms */
    deliver(fixture, 1, 700);     /* to 1000 */
    deliver(fixture, 61, 12500);  /* late */
    deliver(fixture, 121, 30000); /* not in these minutes */
    commit(fixture);
    json_t *answer = ask(fixture, &question);
    const json_t *delegates = json_object_get(json_object_get(answer, "data"), "delegates");
    assert_int_equal(json_integer_value(json_object_get(delegates, "count")), 20);
    assert_int_equal(json_integer_value(json_object_get(delegates, "late")), 1);
    assert_int_equal(json_integer_value(json_object_get(delegates, "p50_ms")), 5);
    assert_int_equal(json_integer_value(json_object_get(delegates, "p95_ms")), 1000);
    assert_int_equal(json_integer_value(json_object_get(delegates, "max_ms")), 12500);
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(is_what_was_calculated_by_hand),
        STORE_TEST(any_order_gives_the_same),
        STORE_TEST(minutes_before_1970_are_minutes),
        STORE_TEST(zero_denominators_have_no_answer),
        STORE_TEST(a_silent_call_is_lost),
        STORE_TEST(counts_callers_and_recent_events),
        STORE_TEST(measures_delegates),
        STORE_TEST(pruned_calls_stay_in_the_sums),
        STORE_TEST(what_a_plugin_undid_was_never_there),
        STORE_TEST(a_batch_that_failed_or_came_again_adds_nothing),
        STORE_TEST(the_longest_wait_is_never_less_than_none),
        STORE_TEST(a_long_queue_is_one_queue),
        STORE_TEST(a_queue_in_which_nothing_was_is_not_listed),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
