/*
 * mock_pbx_test.c: mock-pbx itself, which the other tests and the benchmark believe: that it misbehaves as it was
 * asked, notices what goes wrong, knows an action again, measures right and posts by hand. Where the server has to
 * be wrong or slow, the test is the server.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fake_target.h"
#include "mock_run.h"

#define ACTIONS       "/api/client/actions"
#define DRIVE         "/api/client/pabx/call"
#define CALLER        "1199999999"
#define FORCED_MS     300
#define ORDER_SIZE    256
#define CALL_ID_SIZE  64
#define ANY_CALL      "0bc692b0-128a-11e8-807b-e3acc2b0c13d"
#define UNTIL_IT_ACTS "--action-timeout", "100" /* s: however slow the machine */

/* ---- Misbehaviour --------------------------------------------------------------------------------- */

static void start_server(struct world *world)
{
    world_give_actions_time(world);
    world_start(world);
}

static int count_lines(const char *path)
{
    char *text = scratch_read(path);
    int lines = 0;
    for (const char *end = text; (end = strchr(end, '\n')) != NULL; end++)
        lines++;
    free(text);
    return lines;
}

/* Of the dice each run rolls the same. */
static void test_misdeeds(struct world *world)
{
    static const char *const counters[] = {"duplicated_events", "late_calls",     "missing_calls",
                                           "shuffled_calls",    "failed_actions", "silent_actions",
                                           "dropped_actions"};
    char journal[SCRATCH_PATH];
    const char *const words[] = {
        "--calls",        "40", "--rate",           "0",  "--seed",         "1",
        "--duplicate",    "20", "--late",           "30", "--missing",      "30",
        "--fail-actions", "20", "--silent-actions", "20", "--silence",      "1",
        "--drop-actions", "20", UNTIL_IT_ACTS,      "-v", "--acknowledged", journal,
        "--shuffle",      NULL};
    json_t *report;
    scratch_path(world->directory, "journal", journal);
    start_server(world);
    mock_run(world, words, &report);
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        if (mock_number(report, "misbehaviour", counters[i]) <= 0)
            fail_msg("mock-pbx: no %s", counters[i]);
    }
    assert_int_equal(mock_number(report, "calls", "right"), 40);
    /* A second copy is no event of its own. */
    assert_int_equal(count_lines(journal),
                     mock_number(report, "events", "posted") -
                         mock_number(report, "misbehaviour", "duplicated_events"));
    json_decref(report);
}

/* All actions of a run are answered in that manner. */
static void check_manner(struct world *world, const char *option, const char *counter)
{
    const char *const words[] = {"--calls", "10", option, "1-5", UNTIL_IT_ACTS, NULL};
    json_t *report;
    start_server(world);
    assert_int_equal(mock_run(world, words, &report), 0);
    assert_int_equal(mock_number(report, "misbehaviour", counter), 10);
    assert_int_equal(mock_number(report, "calls", "right"), 10);
    json_decref(report);
}

static void test_slow_actions(struct world *world)
{
    check_manner(world, "--slow-actions", "slow_actions");
}

static void test_waiting_first(struct world *world)
{
    check_manner(world, "--waiting-first", "waiting_first_actions");
}

static void test_returning_callers(struct world *world)
{
    static const char *const words[] = {"--calls",     "10",  "--rate",       "0",
                                        "--returning", "100", "--max-active", "1",
                                        UNTIL_IT_ACTS, NULL};
    json_t *report;
    start_server(world);
    assert_int_equal(mock_run(world, words, &report), 0);
    assert_int_equal(mock_number(report, "calls", "returning"), 9);
    json_decref(report);
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), 1);
}

/* ---- What goes wrong ------------------------------------------------------------------------------ */

/* Each call is wrong, for this reason. */
static void check_wrong_run(struct world *world, int webhook_port, const char *const *words,
                            const char *reason)
{
    struct mock_run mock;
    json_t *report;
    mock_start(world, webhook_port, words, &mock);
    assert_int_equal(mock_end(&mock, 0, &report), 1);
    assert_false(mock_is_ok(report));
    assert_int_equal(mock_number(report, "calls", "wrong"), 3);
    const json_t *reasons = json_object_get(json_object_get(report, "calls"), "wrong_by_reason");
    assert_int_equal(json_integer_value(json_object_get(reasons, reason)), 3);
    json_decref(report);
}

static void test_wrong_type(struct world *world)
{
    static const char *const words[] = {"--calls", "3",           "--action-type",
                                        "foo",     UNTIL_IT_ACTS, NULL};
    start_server(world);
    check_wrong_run(world, world->server.port, words, "wrong_type");
}

static void test_no_action(struct world *world)
{
    static const char *const words[] = {"--calls", "3", "--action-timeout", "0.1", NULL};
    struct fake_target *webhook = fake_target_new();
    check_wrong_run(world, fake_target_port(webhook), words, "no_action");
    fake_target_free(webhook);
}

/* The one call's id, once so many events of it have been posted. */
static void await_call(struct fake_target *webhook, int events, char out[CALL_ID_SIZE])
{
    struct fake_target_request request;
    await(fake_target_count(webhook) >= events);
    fake_target_get(webhook, 0, &request);
    json_t *event = json_loads(request.body, 0, NULL);
    snprintf(out, CALL_ID_SIZE, "%s", json_string_value(json_object_get(event, "call_id")));
    json_decref(event);
}

static int act(struct mock_run *mock, const char *call_id, const char *key)
{
    char body[ORDER_SIZE], header[ORDER_SIZE];
    snprintf(body, sizeof body,
             "{\"type\":\"call.waiting\",\"call_id\":\"%s\",\"destination\":\"901\"}", call_id);
    snprintf(header, sizeof header, "Idempotency-Key: %s", key);
    return client_post_with(mock->client, ACTIONS, body, header);
}

/* A run whose one call went right, and which serves on. */
static void finish_call(struct world *world, struct fake_target *webhook, struct mock_run *mock)
{
    static const char *const words[] = {"--calls", "1",           "--envelope", "flat",
                                        "--stay",  UNTIL_IT_ACTS, NULL};
    char call_id[CALL_ID_SIZE];
    mock_start(world, fake_target_port(webhook), words, mock);
    await_call(webhook, 2, call_id);
    assert_int_equal(act(mock, call_id, "first"), 200);
    await(mock_stats_are_ok(mock));
}

static void test_malformed_action(struct world *world)
{
    struct fake_target *webhook = fake_target_new();
    struct mock_run mock;
    finish_call(world, webhook, &mock);
    assert_int_equal(client_post(mock.client, ACTIONS, "{\"type\":7}"), 400);
    await(mock_stats(&mock, "actions", "bad") == 1);
    assert_false(mock_stats_are_ok(&mock));
    assert_int_equal(mock_end(&mock, 1, NULL), 1);
    fake_target_free(webhook);
}

static void test_action_for_no_call(struct world *world)
{
    struct fake_target *webhook = fake_target_new();
    struct mock_run mock;
    finish_call(world, webhook, &mock);
    assert_int_equal(act(&mock, ANY_CALL, "second"), 200);
    await(mock_stats(&mock, "actions", "unknown_calls") == 1);
    assert_false(mock_stats_are_ok(&mock));
    assert_int_equal(mock_end(&mock, 1, NULL), 1);
    fake_target_free(webhook);
}

/* ---- Keys ----------------------------------------------------------------------------------------- */

static void test_idempotency_key(struct world *world)
{
    struct fake_target *webhook = fake_target_new();
    struct mock_run mock;
    char call_id[CALL_ID_SIZE];
    finish_call(world, webhook, &mock);
    await_call(webhook, 1, call_id);
    assert_int_equal(act(&mock, call_id, "first"), 200);
    await(mock_stats(&mock, "actions", "repeated_by_key") == 1);
    assert_int_equal(mock_stats(&mock, "actions", "accepted"), 1);
    assert_int_equal(mock_stats(&mock, "actions", "second"), 0);
    assert_int_equal(act(&mock, ANY_CALL, "first"), 422);
    mock_end(&mock, 1, NULL);
    fake_target_free(webhook);
}

/* ---- Events by hand ------------------------------------------------------------------------------- */

/* Posts one event; 1 when the webhook acknowledged it. */
static int drive(struct mock_run *mock, const char *type, char call_id[CALL_ID_SIZE])
{
    char order[ORDER_SIZE];
    snprintf(order, sizeof order, "{\"type\":\"%s\",\"their_number\":\"" CALLER "\"}", type);
    assert_int_equal(client_post(mock->client, DRIVE, order), 200);
    json_t *answer = json_loads(mock->client->body, 0, NULL);
    int ok = strcmp(json_string_value(json_object_get(answer, "status")), "ok") == 0;
    snprintf(call_id, CALL_ID_SIZE, "%s", json_string_value(json_object_get(answer, "call_id")));
    json_decref(answer);
    return ok;
}

static void test_events_by_hand(struct world *world)
{
    char journal[SCRATCH_PATH], first[CALL_ID_SIZE], call_id[CALL_ID_SIZE];
    const char *const words[] = {"--acknowledged", journal, NULL};
    struct mock_run mock;
    json_t *report;
    scratch_path(world->directory, "journal", journal);
    start_server(world);
    mock_start(world, world->server.port, words, &mock);
    for (int k = 0; k < EVENTS_OF_CALL; k++) {
        assert_true(drive(&mock, event_types[k], k == 0 ? first : call_id));
        assert_string_equal(k == 0 ? first : call_id, first);
    }
    store_await_events(world, EVENTS_OF_CALL);
    store_check_status(world, first, "call.finished");
    /* The action is its call's, and this run's. */
    await(mock_stats(&mock, "actions", "accepted") == 1);
    assert_int_equal(mock_end(&mock, 1, &report), 0);
    assert_true(mock_is_ok(report));
    assert_int_equal(mock_number(report, "actions", "unknown_calls"), 0);
    assert_int_equal(mock_number(report, "events", "driven"), EVENTS_OF_CALL);
    assert_int_equal(count_lines(journal), EVENTS_OF_CALL);
    json_decref(report);
}

static void test_drop_before(struct world *world)
{
    static const char *const words[] = {"--drop-actions", "100", "--drop-before", NULL};
    char call_id[CALL_ID_SIZE];
    struct mock_run mock;
    start_server(world);
    mock_start(world, world->server.port, words, &mock);
    assert_true(drive(&mock, "call.standby", call_id));
    await(mock_stats(&mock, "misbehaviour", "dropped_before_actions") > 0);
    assert_int_equal(mock_stats(&mock, "actions", "accepted"), 0);
    assert_int_equal(mock_end(&mock, 1, NULL), 0);
}

/* ---- Measuring ------------------------------------------------------------------------------------ */

/* Lets time pass: it is what is measured. */
static void let_pass(int64_t since_ms)
{
    while (wait_now_ms() < since_ms + FORCED_MS)
        wait_nap();
}

static double get_longest(const json_t *report, const char *what)
{
    return mock_number(json_object_get(report, "latency_ms"), what, "max");
}

/* The webhook keeps call.new waiting, and then the action comes late. */
static void test_latencies(struct world *world)
{
    static const char *const words[] = {"--calls", "1", "--envelope", "flat", UNTIL_IT_ACTS, NULL};
    struct fake_target *webhook = fake_target_new();
    struct mock_run mock;
    char call_id[CALL_ID_SIZE];
    json_t *report;

    fake_target_answer_next(webhook, (struct fake_target_answer){.waits = 1});
    int64_t begun_ms = wait_now_ms();
    mock_start(world, fake_target_port(webhook), words, &mock);
    await_call(webhook, 1, call_id);
    int64_t came_ms = wait_now_ms();
    let_pass(came_ms);
    int64_t released_ms = wait_now_ms();
    fake_target_release(webhook);
    await_call(webhook, 2, call_id);
    int64_t standby_ms = wait_now_ms();
    let_pass(standby_ms);
    int64_t acts_ms = wait_now_ms();
    assert_int_equal(act(&mock, call_id, "first"), 200);
    int64_t acted_ms = wait_now_ms();
    assert_int_equal(mock_end(&mock, 0, &report), 0);

    /* A millisecond for what was rounded. */
    assert_true(get_longest(report, "webhook_answer") + 1 >= (double)(released_ms - came_ms));
    assert_true(get_longest(report, "webhook_answer") <= (double)(wait_now_ms() - begun_ms));
    assert_true(get_longest(report, "standby_to_action") + 1 >= (double)(acts_ms - standby_ms));
    assert_true(get_longest(report, "standby_to_action") - 1 <= (double)(acted_ms - released_ms));
    const json_t *latencies = json_object_get(report, "latency_ms");
    assert_int_equal(mock_number(latencies, "webhook_answer", "count"), EVENTS_OF_CALL);
    assert_int_equal(mock_number(latencies, "standby_to_action", "count"), 1);
    json_decref(report);
    fake_target_free(webhook);
}

/* One attempt is refused and one has no answer; the first of them on a new connection, where libcurl does not try
 * again by itself. */
static void test_attempts(struct world *world)
{
    static const char *const words[] = {"--calls",     "1",   "--envelope",  "flat",
                                        "--retry-cap", "0.1", UNTIL_IT_ACTS, NULL};
    struct fake_target *webhook = fake_target_new();
    struct mock_run mock;
    char call_id[CALL_ID_SIZE];
    json_t *report;

    fake_target_answer_next(webhook, (struct fake_target_answer){.hangs_up = 1});
    fake_target_answer_next(webhook, (struct fake_target_answer){.status = 503});
    mock_start(world, fake_target_port(webhook), words, &mock);
    await_call(webhook, 4, call_id);
    assert_int_equal(act(&mock, call_id, "first"), 200);
    assert_int_equal(mock_end(&mock, 0, &report), 0);
    assert_int_equal(mock_number(report, "events", "posted"), EVENTS_OF_CALL);
    assert_int_equal(mock_number(report, "events", "acknowledged"), EVENTS_OF_CALL);
    assert_int_equal(mock_number(report, "events", "attempts"), EVENTS_OF_CALL + 2);
    assert_int_equal(mock_number(report, "events", "retried"), 2);
    assert_int_equal(mock_number(report, "events", "retried_after_status"), 1);
    assert_int_equal(mock_number(report, "events", "retried_after_no_answer"), 1);
    assert_int_equal(fake_target_count(webhook), EVENTS_OF_CALL + 2);
    json_decref(report);
    fake_target_free(webhook);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"misdeeds", test_misdeeds},
        {"slow actions", test_slow_actions},
        {"waiting first", test_waiting_first},
        {"returning callers", test_returning_callers},
        {"wrong type", test_wrong_type},
        {"no action", test_no_action},
        {"malformed action", test_malformed_action},
        {"action for no call", test_action_for_no_call},
        {"idempotency key", test_idempotency_key},
        {"events by hand", test_events_by_hand},
        {"drop before", test_drop_before},
        {"latencies", test_latencies},
        {"attempts", test_attempts},
    };
    return WORLD_RUN("mock-pbx", tests);
}
