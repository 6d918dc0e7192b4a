/*
 * order_test.c: events in any order but the right one, events more than once, and events of types that
 * nobody or only an integrator's plugin knows.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void post(struct world *world, const char *call_id, const char *type, const char *time)
{
    world_post(world, &(struct event_text){.type = type, .call_id = call_id, .timestamp = time});
}

/* Posts the k-th event of a life, at its time. */
static void post_step(struct world *world, const char *call_id, int k)
{
    char time[EVENT_TIME_SIZE];
    event_time(k, time);
    post(world, call_id, event_types[k], time);
}

/* ---- Order -------------------------------------------------------------------------------------- */

static void test_any_order_ends_the_same(struct world *world)
{
    static const int orders[][EVENTS_OF_CALL] = {
        {6, 5, 4, 3, 2, 1, 0},
        {1, 0, 2, 3, 4, 5, 6},
        {3, 6, 0, 5, 1, 4, 2},
        {0, 2, 1, 6, 5, 4, 3},
    };
    const int count = sizeof orders / sizeof orders[0];
    world_start(world);
    for (int i = 0; i < count; i++) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "order-%d", i);
        int greatest = 0;
        for (int k = 0; k < EVENTS_OF_CALL; k++) {
            post_step(world, call_id, orders[i][k]);
            store_await_events(world, i * EVENTS_OF_CALL + k + 1);
            /* A late event never moves the status back. */
            greatest = orders[i][k] > greatest ? orders[i][k] : greatest;
            store_check_status(world, call_id, event_types[greatest]);
        }
    }
    assert_int_equal(store_int(world, "SELECT count(*) FROM payloads", NULL), count);
    dashboard_check(world, &(struct world_counts){.calls = {[EVENTS_OF_CALL - 1] = count}});
}

static void test_missing_events(struct world *world)
{
    world_start(world);
    post_step(world, "headless", 4); /* first heard of while it is ongoing */
    store_await_events(world, 1);
    store_check_status(world, "headless", "call.ongoing");
    post_step(world, "headless", 6);
    post_step(world, "short", 0);
    post_step(world, "short", 6);
    store_await_events(world, 4);
    store_check_status(world, "headless", "call.finished");
    store_check_status(world, "short", "call.finished");
}

static void test_equal_times_go_by_rank(struct world *world)
{
    world_start(world);
    post(world, "up", "call.new", EVENT_TIME(5));
    post(world, "up", "call.waiting", EVENT_TIME(5));
    post(world, "down", "call.waiting", EVENT_TIME(5));
    post(world, "down", "call.new", EVENT_TIME(5));
    /* The time counts before the rank: a later one of a lower rank is the status. */
    post(world, "again", "call.ongoing", EVENT_TIME(5));
    post(world, "again", "call.waiting", EVENT_TIME(6));
    store_await_events(world, 6);
    store_check_status(world, "up", "call.waiting");
    store_check_status(world, "down", "call.waiting");
    store_check_status(world, "again", "call.waiting");
}

/* The same moment, said in another zone. */
static void test_zones(struct world *world)
{
    world_start(world);
    post(world, "zones", "call.ongoing", "2026-11-01T10:00:00Z");
    post(world, "zones", "call.finished", "2026-11-01T06:59:00-03:00");
    store_await_events(world, 2);
    store_check_status(world, "zones", "call.ongoing");
    assert_int_equal(store_int(world, "SELECT max(time_ms) - min(time_ms) FROM events", NULL),
                     60000);
}

/* ---- More than once ------------------------------------------------------------------------------ */

static const char *const standby = "{\"type\":\"call.standby\",\"call_id\":\"twice\","
                                   "\"their_number\":\"1199999999\","
                                   "\"timestamp\":\"2026-11-01T10:00:01.000Z\"}";
static const char *const other = "{\"type\":\"call.standby\",\"call_id\":\"twice\","
                                 "\"their_number\":\"1199999999\","
                                 "\"timestamp\":\"2026-11-01T10:00:02.000Z\"}";

/* As standby, in other bytes: sent again, with a word more. */
static const char *const reworded = "{\"type\":\"call.standby\",\"call_id\":\"twice\","
                                    "\"their_number\":\"1199999999\",\"attempt\":2,"
                                    "\"timestamp\":\"2026-11-01T10:00:01.000Z\"}";

static void post_flat(struct world *world, const char *body, const char *header)
{
    assert_int_equal(client_post_with(world->client, ROUTE_FLAT, body, header), 200);
}

/* Acknowledged `received`, of them `stored` stored, handled and answered with an action. */
static void check_repeated(struct world *world, int received, int stored)
{
    metric_check(world, "pbxhook_events_received_total", received);
    metric_await(world, "pbxhook_events_handled_total", stored);
    metric_await(world, "pbxhook_events_duplicate_total", received - stored);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), stored);
    assert_int_equal(store_int(world, "SELECT count(*) FROM actions", NULL), stored);
    await(fake_pbx_count(world->pbx) == stored);
}

static void test_the_same_body_twice(struct world *world)
{
    world_start(world);
    post_flat(world, standby, NULL);
    post_flat(world, standby, NULL);
    post_flat(world, other, NULL);
    check_repeated(world, 3, 2);
}

static void test_the_senders_id(struct world *world)
{
    world_start(world);
    post_flat(world, standby, "webhook-id: msg_1");
    post_flat(world, reworded, "webhook-id: msg_1"); /* the id decides, not the body */
    post_flat(world, standby, "webhook-id: msg_2");
    post_flat(world, standby, "Idempotency-Key: key-1");
    post_flat(world, reworded, "Idempotency-Key: key-1");
    post_flat(world, other, "Idempotency-Key: key-1"); /* of another time: another event */
    check_repeated(world, 6, 4);
}

static void test_deduplicate_off(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_DEDUPLICATE", "false");
    world_start(world);
    post_flat(world, standby, NULL);
    post_flat(world, standby, NULL);
    post_flat(world, standby, "webhook-id: msg_1");
    post_flat(world, standby, "webhook-id: msg_1");
    check_repeated(world, 4, 4);
}

static void test_repeated_after_a_restart(struct world *world)
{
    world_start(world);
    post_flat(world, standby, NULL);
    store_await_events(world, 1);
    await(fake_pbx_count(world->pbx) == 1);
    server_stop(&world->server);
    world_start(world);
    post_flat(world, standby, NULL);
    metric_await(world, "pbxhook_events_duplicate_total", 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
    assert_int_equal(fake_pbx_count(world->pbx), 1);
}

/* ---- Other types --------------------------------------------------------------------------------- */

static void test_unknown_types_are_kept(struct world *world)
{
    char text[256];
    world_start(world);
    post(world, "known", "call.new", EVENT_TIME(0));
    post(world, "known", "call.recording-available", EVENT_TIME(9));
    post(world, "unheard", "call.cpf-provided", EVENT_TIME(0));
    store_await_events(world, 3);
    store_check_status(world, "known", "call.new");
    assert_string_equal(store_text(world, "SELECT call_id FROM events WHERE type = ?1",
                                   "call.cpf-provided", text, sizeof text),
                        "unheard");
    metric_await(world, "pbxhook_events_unknown_total", 2);
    dashboard_check(world, &(struct world_counts){.active = 1, .calls = {[0] = 1}});
}

static void test_unknown_types_are_refused_if_wanted(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_UNKNOWN_EVENTS", "reject");
    world_start(world);
    assert_int_equal(client_post(world->client, ROUTE_FLAT,
                                 "{\"type\":\"call.cpf-provided\",\"call_id\":\"c\"}"),
                     422);
    assert_string_equal(client_header(world->client, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(world->client->body, "\"member\":\"type\""));
    post(world, "c", "call.new", EVENT_TIME(0));
    store_await_events(world, 1);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"unknown_event\"}", 1);
}

static void test_a_plugin_of_patterns(struct world *world)
{
    static const char *const names[] = {"spy", NULL};
    char text[256];
    world_add_plugins(world, names);
    world_set(world, "PBXHOOK_WEBHOOK_UNKNOWN_EVENTS", "reject");
    world_start(world);
    post(world, "c", "call.new", EVENT_TIME(0));
    post(world, "c", "call.cpf-provided", EVENT_TIME(1));
    post(world, "c", "actor.entered", EVENT_TIME(2)); /* call_*.so's, not the spy's */
    assert_int_equal(
        client_post(world->client, ROUTE_FLAT, "{\"type\":\"agent.idle\",\"call_id\":\"c\"}"), 422);
    store_await_events(world, 3);
    assert_string_equal(store_text(world,
                                   "SELECT group_concat(type || ' ' || cpf) FROM "
                                   "(SELECT * FROM spy WHERE call_id = ?1 ORDER BY id)",
                                   "c", text, sizeof text),
                        "call.new 12345678909,call.cpf-provided 12345678909");
    metric_await(world, "pbxhook_events_handled_total", 3);
    metric_check(world, "pbxhook_events_unknown_total", 0);
    metric_check(world, "pbxhook_handler_results_total{plugin=\"spy\",result=\"ok\"}", 2);
    metric_check(world, "pbxhook_handler_results_total{plugin=\"call_new\",result=\"ok\"}", 1);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"any order ends the same", test_any_order_ends_the_same},
        {"missing events", test_missing_events},
        {"equal times go by rank", test_equal_times_go_by_rank},
        {"zones", test_zones},
        {"the same body twice", test_the_same_body_twice},
        {"the sender's id", test_the_senders_id},
        {"deduplicate off", test_deduplicate_off},
        {"repeated after a restart", test_repeated_after_a_restart},
        {"unknown types are kept", test_unknown_types_are_kept},
        {"unknown types are refused if wanted", test_unknown_types_are_refused_if_wanted},
        {"a plugin of patterns", test_a_plugin_of_patterns},
    };
    return WORLD_RUN("order", tests);
}
