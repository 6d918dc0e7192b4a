/*
 * dashboard_test.c: what people and their tools look at: CORS, health, readiness, metrics.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define ORIGIN "https://dashboard.example.com"

/* ---- CORS ---------------------------------------------------------------------------------------- */

static void preflight(struct world *world, const char *path, const char *origin)
{
    char line[256];
    snprintf(line, sizeof line, "Origin: %s", origin);
    const char *const headers[] = {line, "Access-Control-Request-Method: POST",
                                   "Access-Control-Request-Headers: content-type", NULL};
    assert_int_equal(client_send(world->client, "OPTIONS", path, NULL, 0, headers), 204);
}

static void check_header(struct world *world, const char *name, const char *value)
{
    assert_string_equal(client_header(world->client, name), value);
}

static void get_from(struct world *world, const char *origin)
{
    char line[256];
    snprintf(line, sizeof line, "Origin: %s", origin);
    const char *const headers[] = {line, NULL};
    assert_int_equal(client_send(world->client, "GET", "/api/dashboard/count", NULL, 0, headers),
                     200);
}

static void test_one_origin(struct world *world)
{
    world_set(world, "PBXHOOK_DASHBOARD_CORS_ORIGINS", ORIGIN);
    world_start(world);
    preflight(world, "/api/dashboard/count", ORIGIN);
    check_header(world, "Access-Control-Allow-Origin", ORIGIN);
    check_header(world, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    check_header(world, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    check_header(world, "Vary", "Origin");
    preflight(world, "/api/calls/active", ORIGIN);
    check_header(world, "Access-Control-Allow-Origin", ORIGIN);
    preflight(world, "/api/dashboard/count", "https://evil.example.com");
    check_header(world, "Access-Control-Allow-Origin", "");
    check_header(world, "Access-Control-Allow-Methods", "");

    get_from(world, ORIGIN);
    check_header(world, "Access-Control-Allow-Origin", ORIGIN);
    check_header(world, "Vary", "Origin");
    get_from(world, "https://dashboard.example.com.evil.example.com");
    check_header(world, "Access-Control-Allow-Origin", "");
    check_header(world, "Vary", "Origin");
}

static void test_any_origin(struct world *world)
{
    world_set(world, "PBXHOOK_DASHBOARD_CORS_ORIGINS", "*");
    world_start(world);
    preflight(world, "/api/dashboard/count", ORIGIN);
    check_header(world, "Access-Control-Allow-Origin", "*");
    get_from(world, ORIGIN);
    check_header(world, "Access-Control-Allow-Origin", "*");
}

/* No page may post events in a visitor's name. */
static void test_the_webhook_has_no_cors(struct world *world)
{
    static const char *const headers[] = {"Origin: " ORIGIN, "Access-Control-Request-Method: POST",
                                          NULL};
    world_set(world, "PBXHOOK_DASHBOARD_CORS_ORIGINS", "*");
    world_start(world);
    assert_int_equal(client_send(world->client, "OPTIONS", ROUTE_SEED, NULL, 0, headers), 405);
    check_header(world, "Access-Control-Allow-Origin", "");
}

static void test_no_origin_by_default(struct world *world)
{
    world_start(world);
    get_from(world, ORIGIN);
    check_header(world, "Access-Control-Allow-Origin", "");
}

/* ---- Health -------------------------------------------------------------------------------------- */

static void test_health_and_readiness(struct world *world)
{
    world_start(world);
    assert_int_equal(client_get(world->client, "/healthz"), 200);
    assert_string_equal(world->client->body, "{\"status\":\"ok\"}");
    assert_int_equal(client_get(world->client, "/readyz"), 200);
    assert_string_equal(world->client->body, "{\"status\":\"ready\"}");
}

/* The second early death makes the supervisor wait, so there is a time without a worker. */
static void test_not_ready_without_a_worker(struct world *world)
{
    int64_t deaths = 0;
    int not_ready = 0;
    world_start(world);
    while (!not_ready && deaths < 6) {
        pid_t worker = server_worker_pid(&world->server);
        assert_int_equal(kill(worker, SIGKILL), 0);
        deaths++;
        await((int64_t)metric_get(world, "pbxhook_worker_restarts_total") == deaths);
        while (server_worker_pid(&world->server) == worker) {
            if (client_get(world->client, "/readyz") == 503) {
                not_ready = 1;
                check_header(world, "Content-Type", "application/problem+json");
            }
            assert_int_equal(client_get(world->client, "/healthz"), 200);
        }
    }
    assert_true(not_ready);
    await(client_get(world->client, "/readyz") == 200);
}

/* ---- Metrics ------------------------------------------------------------------------------------- */

static void test_metrics_are_all_there(struct world *world)
{
    static const char *const samples[] = {
        "pbxhook_events_received_total",
        "pbxhook_events_rejected_total{reason=\"not_json\"}",
        "pbxhook_ack_duration_seconds_count",
        "pbxhook_ack_duration_seconds_bucket{le=\"+Inf\"}",
        "pbxhook_spool_events",
        "pbxhook_spool_bytes",
        "pbxhook_spool_oldest_seconds",
        "pbxhook_spool_commits_total",
        "pbxhook_events_handled_total",
        "pbxhook_events_duplicate_total",
        "pbxhook_events_unknown_total",
        "pbxhook_event_latency_seconds_count",
        "pbxhook_store_commit_duration_seconds_count",
        "pbxhook_handler_duration_seconds_count{plugin=\"call_new\"}",
        "pbxhook_handler_results_total{plugin=\"call_standby\",result=\"ok\"}",
        "pbxhook_handler_results_total{plugin=\"call_finished\",result=\"reject\"}",
        "pbxhook_actions_total{outcome=\"delivered\"}",
        "pbxhook_actions_total{outcome=\"confirmed\"}",
        "pbxhook_actions_total{outcome=\"rejected\"}",
        "pbxhook_actions_total{outcome=\"expired\"}",
        "pbxhook_actions_total{outcome=\"unknown\"}",
        "pbxhook_action_retries_total",
        "pbxhook_action_latency_seconds_count",
        "pbxhook_worker_restarts_total",
        "pbxhook_http_connections",
        "pbxhook_stream_readers",
    };
    world_start(world);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        assert_true(metric_get(world, samples[i]) >= 0);
    metric_check(world, "pbxhook_workers_ready", 1);
    assert_string_equal(client_header(world->client, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
}

/* Every sample belongs to a family that was described before it. */
static void test_metrics_are_well_formed(struct world *world)
{
    char family[128] = "";
    world_start(world);
    assert_int_equal(client_get(world->client, "/metrics"), 200);
    for (const char *line = world->client->body; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        assert_int_equal(line[length], '\n');
        if (strncmp(line, "# TYPE ", 7) == 0)
            snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "), line + 7);
        else if (strncmp(line, "# HELP ", 7) != 0)
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
        line += length + 1;
    }
    assert_string_not_equal(family, "");
}

static void test_metrics_move_exactly(struct world *world)
{
    world_start(world);
    for (int i = 0; i < 3; i++) {
        char call_id[16];
        snprintf(call_id, sizeof call_id, "call-%d", i);
        world_post(world, &(struct event_text){.type = "call.standby", .call_id = call_id});
    }
    world_post(world, &(struct event_text){.type = "call.other", .call_id = "call-0"});
    assert_int_equal(client_post(world->client, ROUTE_FLAT, "{}"), 400);
    await(fake_pbx_count(world->pbx) == 3);
    metric_await(world, "pbxhook_actions_total{outcome=\"delivered\"}", 3);
    metric_await(world, "pbxhook_events_handled_total", 4);
    metric_await(world, "pbxhook_spool_events", 0);
    metric_check(world, "pbxhook_spool_bytes", 0);
    metric_check(world, "pbxhook_events_received_total", 4);
    metric_check(world, "pbxhook_events_unknown_total", 1);
    metric_check(world, "pbxhook_events_duplicate_total", 0);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"missing_member\"}", 1);
    metric_check(world, "pbxhook_ack_duration_seconds_count", 4);
    metric_check(world, "pbxhook_event_latency_seconds_count", 4);
    metric_check(world, "pbxhook_action_latency_seconds_count", 3);
    metric_check(world, "pbxhook_handler_results_total{plugin=\"call_standby\",result=\"ok\"}", 3);
    metric_check(world, "pbxhook_handler_duration_seconds_count{plugin=\"call_standby\"}", 3);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
}

/* Numbers of a caller are nobody's business who can read the metrics. */
static void test_metrics_hold_no_numbers(struct world *world)
{
    world_start(world);
    world_post(world, &(struct event_text){
                          .type = "call.standby", .call_id = "c", .their_number = "1199999999"});
    await(fake_pbx_count(world->pbx) == 1);
    assert_int_equal(client_get(world->client, "/metrics"), 200);
    assert_null(strstr(world->client->body, "1199999999"));
}

static void test_active_calls_in_full(struct world *world)
{
    world_start(world);
    world_post(world, &(struct event_text){.type = "call.new",
                                           .call_id = "a \"quoted\" id",
                                           .timestamp = EVENT_TIME(0),
                                           .direction = "inbound",
                                           .their_number = "1199999999"});
    world_post(world, &(struct event_text){.type = "call.finished", .call_id = "done"});
    store_await_events(world, 2);
    assert_int_equal(client_get(world->client, "/api/calls/active"), 200);
    json_t *json = json_loads(world->client->body, 0, NULL);
    json_t *calls = json_object_get(json, "data");
    json_t *call = json_object_get(calls, "a \"quoted\" id");
    assert_int_equal(json_object_size(calls), 1);
    assert_string_equal(json_string_value(json_object_get(call, "status")), "call.new");
    assert_string_equal(json_string_value(json_object_get(call, "their_number")), "1199999999");
    assert_string_equal(json_string_value(json_object_get(call, "created")), EVENT_TIME(0));
    json_decref(json);
}

/* With or without npm at build time, there is a page; and nothing that it holds may run but its own files. */
static void test_the_page(struct world *world)
{
    char known[64];
    world_start(world);
    assert_int_equal(client_get(world->client, "/"), 200);
    check_header(world, "Content-Type", "text/html; charset=utf-8");
    check_header(world, "X-Content-Type-Options", "nosniff");
    assert_non_null(strstr(client_header(world->client, "Content-Security-Policy"),
                           "default-src 'none'; script-src 'self'"));
    assert_non_null(strstr(world->client->body, "<title>pbxhook</title>"));

    snprintf(known, sizeof known, "If-None-Match: %s", client_header(world->client, "ETag"));
    const char *const headers[] = {known, NULL};
    assert_int_equal(client_send(world->client, "GET", "/", NULL, 0, headers), 304);
    assert_int_equal(world->client->body_size, 0);
    assert_int_equal(client_get(world->client, "/assets/nothing.js"), 404);
    assert_int_equal(client_get(world->client, "/assets/..%2fconfig"), 404);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"one origin", test_one_origin},
        {"any origin", test_any_origin},
        {"the webhook has no CORS", test_the_webhook_has_no_cors},
        {"no origin by default", test_no_origin_by_default},
        {"health and readiness", test_health_and_readiness},
        {"not ready without a worker", test_not_ready_without_a_worker},
        {"metrics are all there", test_metrics_are_all_there},
        {"metrics are well formed", test_metrics_are_well_formed},
        {"metrics move exactly", test_metrics_move_exactly},
        {"metrics hold no numbers", test_metrics_hold_no_numbers},
        {"active calls in full", test_active_calls_in_full},
        {"the page", test_the_page},
    };
    return WORLD_RUN("dashboard", tests);
}
