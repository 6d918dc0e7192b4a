/*
 * http_dashboard_test.c: what a dashboard, a load balancer and Prometheus see, and how the server stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "http_client.h"
#include "http_fakes.h"
#include "http_server.h"

#define ORIGIN "Origin: https://dash.example\r\n"

/* A thread that stops the server while the test goes on. */
static struct {
    pthread_t thread;
    int runs;
    struct http *http;
    int drain_ms;
} stopping;

static void *stop(void *arg)
{
    (void)arg;
    http_stop(stopping.http, stopping.drain_ms);
    return NULL;
}

static void begin_stop(const struct http_server *server, int drain_ms)
{
    stopping.http = server->http;
    stopping.drain_ms = drain_ms;
    assert_int_equal(pthread_create(&stopping.thread, NULL, stop, NULL), 0);
    stopping.runs = 1;
}

static void await_stopped(void)
{
    if (stopping.runs)
        pthread_join(stopping.thread, NULL);
    stopping.runs = 0;
}

static int tear_down(void **state)
{
    fakes_hold_store(0);
    await_stopped();
    return http_server_tear_down(state);
}

/* fields are lines with their ends, or "". */
static void ask(struct http_server *server, const char *method, const char *path,
                const char *fields, struct client_answer *out)
{
    char request[512];
    int size = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method,
                        path, fields);
    assert_true(size > 0 && (size_t)size < sizeof request);
    client_exchange(server->address, request, out);
}

static void check_status(struct http_server *server, const char *path, int status)
{
    struct client_answer answer;
    ask(server, "GET", path, "", &answer);
    assert_int_equal(answer.status, status);
    client_answer_free(&answer);
}

/* ---- The store's numbers and calls --------------------------------------------------------------- */

static void counts_calls_by_their_status(void **state)
{
    static const char expected[] =
        "{\"data\":{\"userCount\":12,\"activeCallsCount\":21,\"eventCall\":{\"new\":1,\"standby\":2,"
        "\"waiting\":3,\"entered\":4,\"ongoing\":5,\"left\":6,\"finished\":7}}}";
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_counts(&(struct store_counts){.users = 12, .calls = {1, 2, 3, 4, 5, 6, 7}});
    ask(server, "GET", "/api/dashboard/count", "", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, expected);
    client_check_field(&answer, "Content-Type", "application/json");
    client_check_field(&answer, "Cache-Control", "no-store");
    client_answer_free(&answer);

    client_exchange(
        server->address,
        "POST /api/dashboard/count HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwhat", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, expected);
    client_answer_free(&answer);

    ask(server, "HEAD", "/api/dashboard/count", "", &answer);
    assert_int_equal(answer.status, 200);
    char length[32];
    snprintf(length, sizeof length, "%zu", strlen(expected));
    client_check_field(&answer, "Content-Length", length);
    client_answer_free(&answer);
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void lists_active_calls(void **state)
{
    const struct store_call calls[] = {
        {"a\"b\\c", "123", "inbound", "0800", "\xc3\xa9", "900", "Ana", LIFECYCLE_ONGOING,
         1518725252562, 1518725262000, 1},
        {"d", "", "", "", "", "", "", LIFECYCLE_NEW, 0, 0, 2},
    };
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_active_calls(calls, 2);
    ask(server, "GET", "/api/calls/active", "", &answer);
    assert_int_equal(answer.status, 200);
    json_t *root = json_loads(answer.body, JSON_REJECT_DUPLICATES, NULL);
    json_t *data = json_object_get(root, "data");
    assert_int_equal(json_object_size(data), 2);
    json_t *call = json_object_get(data, "a\"b\\c");
    assert_int_equal(json_object_size(call), 10);
    assert_string_equal(text(call, "call_id"), "a\"b\\c");
    assert_string_equal(text(call, "status"), "call.ongoing");
    assert_string_equal(text(call, "code"), "123");
    assert_string_equal(text(call, "direction"), "inbound");
    assert_string_equal(text(call, "our_number"), "0800");
    assert_string_equal(text(call, "their_number"), "\xc3\xa9");
    assert_string_equal(text(call, "queue"), "900");
    assert_string_equal(text(call, "actor"), "Ana");
    assert_string_equal(text(call, "created"), "2018-02-15T20:07:32.562Z");
    assert_string_equal(text(call, "status_time"), "2018-02-15T20:07:42.000Z");
    assert_string_equal(text(json_object_get(data, "d"), "status"), "call.new");
    json_decref(root);
    client_answer_free(&answer);

    fakes_set_active_calls(NULL, 0);
    ask(server, "GET", "/api/calls/active", "", &answer);
    assert_string_equal(answer.body, "{\"data\":{}}");
    client_answer_free(&answer);
}

static void lists_dead_letters(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    ask(server, "GET", "/api/dead-letters", "", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(
        answer.body,
        "{\"data\":{\"count\":2,\"letters\":[{\"id\":\"42/call_standby\",\"plugin\":\"call_standby\","
        "\"event\":\"call.standby\",\"call_id\":\"c1\",\"attempts\":3,"
        "\"failed\":\"1970-01-01T00:00:01.000Z\",\"received\":\"1970-01-01T00:00:00.000Z\","
        "\"error\":\"no \\\"such\\\" queue\"}]}}");
    client_answer_free(&answer);
}

static void says_when_the_store_cannot_be_read(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_store_works(0);
    ask(server, "GET", "/api/dashboard/count", ORIGIN, &answer);
    assert_int_equal(answer.status, 503);
    client_check_field(&answer, "Content-Type", "application/problem+json");
    client_check_field(&answer, "Retry-After", "1");
    client_check_field(&answer, "Access-Control-Allow-Origin", "https://dash.example");
    client_answer_free(&answer);
    check_status(server, "/healthz", 200);
    fakes_set_store_works(1);
    check_status(server, "/api/dashboard/count", 200);
}

static void a_slow_store_holds_nobody_else_up(void **state)
{
    static const char request[] = "GET /api/dashboard/count HTTP/1.1\r\nHost: x\r\n\r\n";
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_hold_store(1);
    int fd = client_connect(server->address);
    int gone = client_connect(server->address);
    client_send_text(fd, request);
    fakes_await_read();
    client_send_text(gone, request);
    check_status(server, "/healthz", 200);
    check_status(server, "/metrics", 200);
    assert_true(client_is_silent(fd));
    close(gone);
    fakes_hold_store(0);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    close(fd);
}

/* ---- Other origins ------------------------------------------------------------------------------- */

static void tells_browsers_who_may_read(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    ask(server, "OPTIONS", "/api/dashboard/count", ORIGIN "Access-Control-Request-Method: POST\r\n",
        &answer);
    assert_int_equal(answer.status, 204);
    client_check_field(&answer, "Access-Control-Allow-Origin", "https://dash.example");
    client_check_field(&answer, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    client_check_field(&answer, "Vary", "Origin");
    client_answer_free(&answer);

    ask(server, "GET", "/api/calls/active", ORIGIN, &answer);
    assert_int_equal(answer.status, 200);
    client_check_field(&answer, "Access-Control-Allow-Origin", "https://dash.example");
    client_check_field(&answer, "Vary", "Origin");
    client_answer_free(&answer);

    ask(server, "GET", "/api/calls/active", "Origin: https://evil.example\r\n", &answer);
    assert_int_equal(answer.status, 200);
    client_check_field(&answer, "Access-Control-Allow-Origin", NULL);
    client_answer_free(&answer);

    ask(server, "OPTIONS", "/webhook", ORIGIN, &answer);
    assert_int_equal(answer.status, 405);
    client_check_field(&answer, "Access-Control-Allow-Origin", NULL);
    client_answer_free(&answer);
}

/* ---- Health -------------------------------------------------------------------------------------- */

static void is_ready_when_events_are_taken_and_handled(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    check_status(server, "/readyz", 200);
    fakes_set_workers_ready(0);
    ask(server, "GET", "/readyz", "", &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "no worker"));
    client_answer_free(&answer);
    fakes_set_workers_ready(1);
    fakes_set_spool(FAKE_SPOOL_FAILED);
    ask(server, "GET", "/readyz", "", &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "spool"));
    client_answer_free(&answer);
    check_status(server, "/healthz", 200);
}

static void shows_its_numbers(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    client_exchange(server->address,
                    "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{", &answer);
    assert_int_equal(answer.status, 400);
    client_answer_free(&answer);
    ask(server, "GET", "/metrics", "", &answer);
    assert_int_equal(answer.status, 200);
    client_check_field(&answer, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(answer.body, "reason=\"not_json\"} 1\n"));
    client_answer_free(&answer);
}

static void lists_its_routes(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    ask(server, "GET", "/api", "", &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "\"/api/client/webhook\""));
    client_answer_free(&answer);
    ask(server, "HEAD", "/api", "", &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    check_status(server, "/nothing", 404);
}

/* ---- Stopping ------------------------------------------------------------------------------------ */

static void send_event(int fd)
{
    char request[512];
    int size = snprintf(request, sizeof request,
                        "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(BODY), BODY);
    client_send(fd, request, (size_t)size);
}

static void answers_what_is_in_flight_before_it_stops(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_spool(FAKE_SPOOL_HELD);
    int busy = client_connect(server->address);
    int idle = client_connect(server->address);
    send_event(idle);
    fakes_await_held(1);
    fakes_release_spool(SPOOL_SAFE);
    client_read(idle, 0, &answer);
    client_answer_free(&answer);
    send_event(busy);
    fakes_await_held(1);
    begin_stop(server, 10000);

    while (client_can_connect(server->address)) /* until it listens no more: now it is stopping */
        continue;
    fakes_release_spool(SPOOL_SAFE);
    client_read(busy, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_check_field(&answer, "Connection", "close");
    client_answer_free(&answer);
    client_await_close(busy);
    client_await_close(idle);
    await_stopped();
    close(busy);
    close(idle);
}

static void stops_without_a_spool_that_hangs(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_spool(FAKE_SPOOL_HELD);
    int fd = client_connect(server->address);
    send_event(fd);
    fakes_await_held(1);
    http_stop(server->http, 10);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 503);
    client_answer_free(&answer);
    client_await_close(fd);
    close(fd);
    fakes_release_spool(SPOOL_SAFE); /* the ticket is still there to be decided */
    assert_int_equal(metrics_get(&server->metrics.events_received), 0);
}

static void stops_with_a_store_that_is_slow(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_hold_store(1);
    int fd = client_connect(server->address);
    client_send_text(fd, "GET /api/dashboard/count HTTP/1.1\r\nHost: x\r\n\r\n");
    fakes_await_read();
    begin_stop(server, 10);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 503);
    client_answer_free(&answer);
    fakes_hold_store(0);
    await_stopped();
    close(fd);
}

static void is_freed_without_having_started(void **state)
{
    struct http_server *server = *state;
    struct http_options options = {.config = &server->config, .metrics = &server->metrics};
    struct http *http = NULL;
    char error[256] = "";

    assert_int_equal(http_open(&options, &http, error, sizeof error), 0);
    http_stop(http, 1000);
    http_free(http);
    http_stop(NULL, 0);
    http_free(NULL);

    server->config.listen = (char *)server->address; /* taken by the running one */
    http = NULL;
    assert_int_equal(http_open(&options, &http, error, sizeof error), -1);
    assert_null(http);
    assert_non_null(strstr(error, "Address already in use"));
}

#define dashboard_case(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, http_server_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        dashboard_case(counts_calls_by_their_status),
        dashboard_case(lists_active_calls),
        dashboard_case(lists_dead_letters),
        dashboard_case(says_when_the_store_cannot_be_read),
        dashboard_case(a_slow_store_holds_nobody_else_up),
        dashboard_case(tells_browsers_who_may_read),
        dashboard_case(is_ready_when_events_are_taken_and_handled),
        dashboard_case(shows_its_numbers),
        dashboard_case(lists_its_routes),
        dashboard_case(answers_what_is_in_flight_before_it_stops),
        dashboard_case(stops_without_a_spool_that_hangs),
        dashboard_case(stops_with_a_store_that_is_slow),
        dashboard_case(is_freed_without_having_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
