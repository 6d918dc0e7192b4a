/*
 * life_test.c: the whole life of a call, event by event, over both routes and in both envelopes: what
 * is acknowledged, what is stored and what the dashboard shows.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mock_run.h"

#define CALL_ID "0bc692b0-128a-11e8-807b-e3acc2b0c13d"
#define CALLER  "1199999999"

typedef char *(*envelope_fn)(const struct event_text *event);

static struct event_text make_event(int k, char time[EVENT_TIME_SIZE])
{
    event_time(k, time);
    return (struct event_text){.type = event_types[k],
                               .call_id = CALL_ID,
                               .timestamp = time,
                               .code = "K7",
                               .direction = "inbound",
                               .our_number = "0800111111",
                               .their_number = CALLER};
}

static void check_answer(const struct world *world, const char *route, int status)
{
    if (strcmp(route, ROUTE_SEED) == 0) {
        assert_int_equal(status, 204);
        assert_int_equal(world->client->body_size, 0);
        return;
    }
    assert_int_equal(status, 200);
    assert_string_equal(world->client->body, "{\"status\":\"ok\"}");
    assert_string_equal(client_header(world->client, "Content-Type"), "application/json");
}

/* The call's row after its k-th event. */
static void check_call(const struct world *world, int k)
{
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), 1);
    store_check_status(world, CALL_ID, event_types[k]);
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM calls WHERE call_id = $1 AND code = 'K7' AND "
                               "direction = 'inbound' AND our_number = '0800111111' AND "
                               "their_number = '" CALLER "'",
                               CALL_ID),
                     1);
    assert_int_equal(store_int(world,
                               store_sql(world, "SELECT status_ms - created_ms FROM calls",
                                         "SELECT 1000 * extract(epoch FROM status_at - created_at) "
                                         "FROM calls"),
                               NULL),
                     1000 * k);
}

static void check_dashboard(struct world *world, int k)
{
    struct world_counts counts = {.users = k >= 1, .active = k < EVENTS_OF_CALL - 1};
    counts.calls[k] = 1;
    dashboard_check(world, &counts);

    assert_int_equal(client_get(world->client, "/api/calls/active"), 200);
    json_t *json = json_loads(world->client->body, 0, NULL);
    json_t *call = json_object_get(json_object_get(json, "data"), CALL_ID);
    const char *status = json_string_value(json_object_get(call, "status"));
    if (counts.active)
        assert_string_equal(status != NULL ? status : "", event_types[k]);
    else
        assert_string_equal(world->client->body, "{\"data\":{}}");
    json_decref(json);
}

static void live(struct world *world, const char *route, envelope_fn envelope)
{
    char time[EVENT_TIME_SIZE], first[2048] = "";
    world_start(world);
    for (int k = 0; k < EVENTS_OF_CALL; k++) {
        struct event_text event = make_event(k, time);
        char *body = envelope(&event);
        if (k == 0)
            snprintf(first, sizeof first, "%s", body);
        check_answer(world, route, client_post(world->client, route, body));
        store_await_events(world, k + 1);
        store_check_json(world, "SELECT body FROM events WHERE type = $1", event_types[k], body);
        free(body);
        check_call(world, k);
        check_dashboard(world, k);
    }
    store_check_json(
        world,
        "SELECT payload FROM payloads JOIN calls ON calls.id = payloads.call WHERE call_id = $1",
        CALL_ID, first);
    await(fake_pbx_count(world->pbx) == 1);
    metric_check(world, "pbxhook_events_received_total", EVENTS_OF_CALL);
    metric_await(world, "pbxhook_events_handled_total", EVENTS_OF_CALL);
    metric_check(world, "pbxhook_events_duplicate_total", 0);
    metric_await(world, "pbxhook_spool_events", 0);
}

static void test_seed_envelope_on_its_route(struct world *world)
{
    live(world, ROUTE_SEED, event_seed);
}

static void test_flat_event_on_its_route(struct world *world)
{
    live(world, ROUTE_FLAT, event_flat);
}

static void test_flat_event_on_the_seeds_route(struct world *world)
{
    live(world, ROUTE_SEED, event_flat);
}

static void test_seed_envelope_on_the_flat_route(struct world *world)
{
    live(world, ROUTE_FLAT, event_seed);
}

static void test_actor_and_queue_are_kept(struct world *world)
{
    char text[256];
    world_start(world);
    world_post(world, &(struct event_text){.type = "actor.entered",
                                           .call_id = CALL_ID,
                                           .timestamp = EVENT_TIME(3),
                                           .actor = "agent@example.com",
                                           .number = "1042",
                                           .queue = "900"});
    store_await_events(world, 1);
    assert_string_equal(
        store_text(world, "SELECT actor || '|' || queue FROM calls", NULL, text, sizeof text),
        "agent@example.com|900");
}

/* The dashboard of an empty server, before anything was stored. */
static void test_nothing_yet(struct world *world)
{
    world_start(world);
    dashboard_check(world, &(struct world_counts){.users = 0});
    assert_int_equal(client_get(world->client, "/api/calls/active"), 200);
    assert_string_equal(world->client->body, "{\"data\":{}}");
}

/* ---- With the real mock-pbx ---------------------------------------------------------------------- */

static void check_mock_run(struct world *world, const char *const *words, int calls)
{
    world_start(world);
    json_t *report;
    assert_int_equal(mock_run(world, words, &report), 0);
    assert_true(mock_is_ok(report));
    assert_int_equal(mock_number(report, "calls", "right"), calls);
    assert_int_equal(mock_number(report, "calls", "wrong"), 0);
    int64_t new_callers = (int64_t)mock_number(report, "calls", "new");
    int64_t accepted = (int64_t)mock_number(report, "actions", "accepted");
    json_decref(report);

    assert_int_equal(accepted, calls);
    await(store_int(world, "SELECT count(*) FROM calls WHERE status = 'call.finished'", NULL) ==
          calls);
    dashboard_check(world, &(struct world_counts){.users = new_callers,
                                                  .calls = {[EVENTS_OF_CALL - 1] = calls}});
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
}

static void test_many_calls(struct world *world)
{
    static const char *const words[] = {"--calls",      "200", "--rate", "0",
                                        "--max-active", "50",  NULL};
    check_mock_run(world, words, 200);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 200 * EVENTS_OF_CALL);
}

static void test_many_calls_of_a_bad_pbx(struct world *world)
{
    static const char *const words[] = {
        "--calls",      "100",    "--rate",      "0",  "--envelope",      "mixed",
        "--max-active", "50",     "--duplicate", "20", "--waiting-first", "1-20",
        "--shuffle",    "--late", "20",          NULL};
    check_mock_run(world, words, 100);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 100 * EVENTS_OF_CALL);
}

/* It takes every action and answers few, on kept connections: what has no answer is not sent again. mock-pbx
 * looks, and counts the rest. */
static void test_many_calls_of_a_pbx_that_hangs_up(struct world *world)
{
    static const char *const words[] = {
        "--calls", "200", "--rate", "0", "--max-active", "50", "--drop-actions", "40", NULL};
    world_start(world);
    json_t *report;
    assert_int_equal(mock_run(world, words, &report), 0);
    int64_t dropped = (int64_t)mock_number(report, "misbehaviour", "dropped_actions");
    assert_true(mock_is_ok(report));
    assert_int_equal(mock_number(report, "calls", "right"), 200);
    assert_true(dropped > 0);
    assert_int_equal(mock_number(report, "actions", "received"), 200);
    assert_int_equal(mock_number(report, "actions", "repeated_by_key"), 0);
    json_decref(report);
    /* More of them when call.waiting is faster than an answer. */
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('unknown', 'confirmed')",
                    NULL) >= dropped);
}

/* A server that asks who it is, and mock-pbx with the means to say. */
static void test_many_signed_calls(struct world *world)
{
    char path[SCRATCH_PATH];
    const char *const words[] = {"--calls", "50", "--rate", "0", "--secret-file", path, NULL};
    scratch_path(world->directory, "secret", path);
    scratch_write_secret(path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    world_set(world, "PBXHOOK_WEBHOOK_SECRET_FILE", path);
    check_mock_run(world, words, 50);
}

static void test_many_calls_with_a_password(struct world *world)
{
    char path[SCRATCH_PATH];
    const char *const words[] = {"--calls",         "50", "--rate", "0", "--user", "pbx",
                                 "--password-file", path, NULL};
    scratch_path(world->directory, "password", path);
    scratch_write_secret(path, "s3cret\n");
    world_set(world, "PBXHOOK_WEBHOOK_USER", "pbx");
    world_set(world, "PBXHOOK_WEBHOOK_PASSWORD_FILE", path);
    check_mock_run(world, words, 50);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"seed envelope on its route", test_seed_envelope_on_its_route},
        {"flat event on its route", test_flat_event_on_its_route},
        {"flat event on the seed's route", test_flat_event_on_the_seeds_route},
        {"seed envelope on the flat route", test_seed_envelope_on_the_flat_route},
        {"actor and queue are kept", test_actor_and_queue_are_kept},
        {"nothing yet", test_nothing_yet},
        {"many calls", test_many_calls},
        {"many calls of a bad PBX", test_many_calls_of_a_bad_pbx},
        {"many calls of a PBX that hangs up", test_many_calls_of_a_pbx_that_hangs_up},
        {"many signed calls", test_many_signed_calls},
        {"many calls with a password", test_many_calls_with_a_password},
    };
    return WORLD_RUN("life", tests);
}
