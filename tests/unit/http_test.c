/*
 * http_test.c: what a PBX and its integrator see of the webhook: when it is acknowledged, what is refused
 * and how, and that nothing a client does harms the next one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

#include "common/clock.h"
#include "http_client.h"
#include "http_fakes.h"
#include "http_server.h"

#define BODY                                                                                       \
    "{\"type\":\"call.new\",\"call_id\":\"c-1\",\"timestamp\":\"2018-02-15T20:07:32.562Z\"}"
#define HEAD "POST /webhook HTTP/1.1\r\nHost: x\r\n"

static int set_up(void **state)
{
    struct http_server *server = malloc(sizeof *server);
    if (server == NULL)
        return -1;
    http_server_prepare(server);
    http_server_start(server);
    *state = server;
    return 0;
}

static int tear_down(void **state)
{
    http_server_stop(*state);
    free(*state);
    return 0;
}

/* Starts anew with what the test has changed in the configuration. */
static void restart(struct http_server *server)
{
    http_server_stop(server);
    http_server_start(server);
}

static uint64_t rejected(struct http_server *server, enum metrics_reject reason)
{
    return metrics_get(&server->metrics.rejected[reason]);
}

static uint64_t received(struct http_server *server)
{
    return metrics_get(&server->metrics.events_received);
}

/* A request on an open connection: fields are lines with their ends, or "". */
static void post_on(int fd, const char *path, const char *fields, const char *body)
{
    char request[2048];
    int size = snprintf(request, sizeof request,
                        "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n%s", path,
                        strlen(body), fields, body);
    assert_true(size > 0 && (size_t)size < sizeof request);
    client_send(fd, request, (size_t)size);
}

static void post(struct http_server *server, const char *path, const char *fields, const char *body,
                 struct client_answer *out)
{
    int fd = client_connect(server->address);
    post_on(fd, path, fields, body);
    client_read(fd, 0, out);
    close(fd);
}

static void check_post(struct http_server *server, const char *fields, const char *body, int status)
{
    struct client_answer answer;
    post(server, "/webhook", fields, body, &answer);
    if (answer.status != status)
        fail_msg("%d instead of %d for %s%s: %s", answer.status, status, fields, body, answer.body);
    client_answer_free(&answer);
}

/* The member of a problem's JSON into `out`, "" when there is none. */
static void problem_text(const struct client_answer *answer, const char *name, char *out,
                         size_t size)
{
    char type[64] = "";
    json_t *object = json_loads(answer->body, 0, NULL);
    assert_non_null(object);
    client_field(answer, "Content-Type", type, sizeof type);
    assert_string_equal(type, "application/problem+json");
    assert_int_equal(json_integer_value(json_object_get(object, "status")), answer->status);
    const char *value = json_string_value(json_object_get(object, name));
    snprintf(out, size, "%s", value == NULL ? "" : value);
    json_decref(object);
}

static void check_field(const struct client_answer *answer, const char *name, const char *expected)
{
    char value[128] = "";
    if (!client_field(answer, name, value, sizeof value) || strcmp(value, expected) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", name, value, expected);
}

/* ---- Acknowledging ------------------------------------------------------------------------------ */

static void acknowledges_on_both_routes(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    post(server, "/api/client/webhook", "Content-Type: application/json\r\n", BODY, &answer);
    assert_int_equal(answer.status, 204);
    client_answer_free(&answer);
    post(server, "/webhook", "Content-Type: application/json\r\n", BODY, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"status\":\"ok\"}");
    check_field(&answer, "Content-Type", "application/json");
    check_field(&answer, "Cache-Control", "no-store");
    client_answer_free(&answer);

    char body[512];
    fakes_last_body(body, sizeof body);
    assert_string_equal(body, BODY);
    assert_int_equal(received(server), 2);
}

static void acknowledges_only_what_is_safe(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_spool(FAKE_SPOOL_HELD);
    int fd = client_connect(server->address);
    post_on(fd, "/api/client/webhook", "", BODY);
    fakes_await_held(1);
    client_exchange(server->address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200); /* others are served in the meantime */
    client_answer_free(&answer);
    assert_true(client_is_silent(fd));
    assert_int_equal(received(server), 0);
    fakes_release_spool(SPOOL_SAFE);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 204);
    client_answer_free(&answer);
    assert_int_equal(received(server), 1);

    post_on(fd, "/api/client/webhook", "", BODY);
    fakes_await_held(1);
    fakes_release_spool(SPOOL_FAILED);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 503);
    check_field(&answer, "Retry-After", "5");
    client_answer_free(&answer);
    assert_int_equal(received(server), 1);
    assert_int_equal(rejected(server, METRICS_REJECT_SPOOL_ERROR), 1);

    post_on(fd, "/api/client/webhook", "", BODY);
    fakes_await_held(1);
    fakes_release_spool(SPOOL_UNSTORED);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 503);
    check_field(&answer, "Retry-After", "5");
    client_answer_free(&answer);
    assert_int_equal(received(server), 1);
    assert_int_equal(rejected(server, METRICS_REJECT_NOT_STORED), 1);
    close(fd);
}

static void asks_to_come_back_when_the_spool_is_full(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char reason[64];

    fakes_set_spool(FAKE_SPOOL_FULL);
    post(server, "/webhook", "", BODY, &answer);
    assert_int_equal(answer.status, 503);
    check_field(&answer, "Retry-After", "1");
    problem_text(&answer, "reason", reason, sizeof reason);
    assert_string_equal(reason, "spool_full");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_SPOOL_FULL), 1);
}

static void keeps_the_event_of_a_client_that_vanished(void **state)
{
    struct http_server *server = *state;

    fakes_set_spool(FAKE_SPOOL_HELD);
    for (int i = 0; i < 10; i++) {
        int fd = client_connect(server->address);
        post_on(fd, "/webhook", "", BODY);
        fakes_await_held(i + 1);
        close(fd);
    }
    fakes_release_spool(SPOOL_SAFE);
    fakes_set_spool(FAKE_SPOOL_SAFE);
    check_post(server, "", BODY, 200);
    assert_int_equal(received(server), 11);
}

static void forgets_a_client_that_vanished_within_its_body(void **state)
{
    struct http_server *server = *state;
    int fd = client_connect(server->address);
    client_send_text(fd, HEAD "Content-Length: 1000\r\n\r\n{\"type\":");
    close(fd);
    check_post(server, "", BODY, 200);
    assert_int_equal(received(server), 1);
    assert_int_equal(fakes_submitted(), 1);
}

static void answers_pipelined_requests_in_order(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char both[1024];
    int fd = client_connect(server->address);

    snprintf(both, sizeof both,
             HEAD "Content-Length: %zu\r\n\r\n%s"
                  "POST /api/client/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(BODY), BODY, strlen(BODY), BODY);
    client_send_text(fd, both);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 204);
    client_answer_free(&answer);
    close(fd);
}

static void identifies_by_key_or_content(void **state)
{
    struct http_server *server = *state;
    uint8_t content[EVENT_IDENTITY_SIZE], id[EVENT_IDENTITY_SIZE], other[EVENT_IDENTITY_SIZE];

    check_post(server, "", BODY, 200);
    fakes_last_identity(content);
    check_post(server, "webhook-id: \r\n", BODY, 200); /* empty is none */
    fakes_last_identity(other);
    assert_memory_equal(content, other, sizeof content);

    check_post(server, "Webhook-Id: m-1\r\nIdempotency-Key: k-1\r\n", BODY, 200);
    fakes_last_identity(id);
    assert_memory_not_equal(id, content, sizeof id);
    check_post(server, "webhook-id: m-1\r\nIdempotency-Key: k-2\r\n", BODY " ", 200);
    fakes_last_identity(other);
    assert_memory_equal(id, other, sizeof id);
    check_post(server, "idempotency-key: m-1\r\n", BODY, 200);
    fakes_last_identity(other);
    assert_memory_equal(id, other, sizeof id);

    server->config.webhook.deduplicate = 0;
    restart(server);
    check_post(server, "webhook-id: m-1\r\n", BODY, 200);
    fakes_last_identity(other);
    assert_memory_not_equal(id, other, sizeof id);
}

static void refuses_unknown_events_when_told_to(void **state)
{
    static const char unknown[] =
        "{\"type\":\"call.hold\",\"call_id\":\"c-1\",\"timestamp\":\"2018-02-15T20:07:32.562Z\"}";
    struct http_server *server = *state;
    struct client_answer answer;
    char member[64];

    check_post(server, "", unknown, 200);
    server->config.webhook.reject_unknown = 1;
    restart(server);
    post(server, "/webhook", "", unknown, &answer);
    assert_int_equal(answer.status, 422);
    problem_text(&answer, "member", member, sizeof member);
    assert_string_equal(member, "type");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_UNKNOWN_EVENT), 1);
    check_post(server, "", BODY, 200);
    fakes_set_taken_type("call.hold");
    check_post(server, "", unknown, 200);
}

/* ---- Bodies -------------------------------------------------------------------------------------- */

static void takes_a_large_body_in_either_framing(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    size_t size = (size_t)server->config.webhook.max_body_bytes;
    char *body = malloc(size + 1);
    char head[128];

    assert_non_null(body);
    memset(body, ' ', size);
    memcpy(body, BODY, strlen(BODY));
    int fd = client_connect(server->address);
    snprintf(head, sizeof head, HEAD "Content-Length: %zu\r\n\r\n", size);
    client_send_text(fd, head);
    client_send(fd, body, size);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);

    client_send_text(fd, HEAD "Transfer-Encoding: Chunked\r\n\r\n");
    for (size_t sent = 0; sent < size; sent += size / 4) {
        snprintf(head, sizeof head, "%zx;extension=1\r\n", size / 4);
        client_send_text(fd, head);
        client_send(fd, body + sent, size / 4);
        client_send_text(fd, "\r\n");
    }
    client_send_text(fd, "0\r\n\r\n");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    close(fd);
    free(body);
    assert_int_equal(received(server), 2);
}

static void refuses_a_length_that_is_too_large_at_once(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    static const char *const requests[] = {
        HEAD "Content-Length: 262145\r\n\r\n",
        HEAD "Content-Length: 262145\r\nExpect: 100-continue\r\n\r\n",
        HEAD "Content-Length: 9223372036854775808\r\n\r\n",
        "POST /api/dashboard/count HTTP/1.1\r\nHost: x\r\nContent-Length: 262145\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = client_connect(server->address);
        client_send_text(fd, requests[i]);
        client_read(fd, 0, &answer);
        assert_int_equal(answer.status, 413);
        check_field(&answer, "Connection", "close");
        client_answer_free(&answer);
        client_await_close(fd);
        close(fd);
    }
    assert_int_equal(rejected(server, METRICS_REJECT_TOO_LARGE), 4);
}

static void refuses_chunks_that_grow_too_large(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    static const char *const paths[] = {"/webhook", "/api/dashboard/count"};
    static char chunk[0x10000];

    memset(chunk, 'x', sizeof chunk);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char head[128];
        int fd = client_connect(server->address);
        snprintf(head, sizeof head,
                 "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", paths[i]);
        client_send_text(fd, head);
        for (int sent = 0; sent < 6; sent++) {
            client_send_text(fd, "10000\r\n");
            client_send(fd, chunk, sizeof chunk);
            client_send_text(fd, "\r\n");
        }
        client_send_text(fd, "0\r\n\r\n");
        client_read(fd, 0, &answer);
        assert_int_equal(answer.status, 413);
        client_answer_free(&answer);
        post_on(fd, "/webhook", "", BODY); /* behind chunks the connection ends */
        client_read(fd, 0, &answer);
        assert_int_equal(answer.status, 0);
        client_answer_free(&answer);
        close(fd);
    }
    assert_int_equal(rejected(server, METRICS_REJECT_TOO_LARGE), 2);
    assert_int_equal(received(server), 0);
}

/* Waits until the server has so many connections besides the one that asks. */
static void await_connections(struct http_server *server, int count)
{
    char expected[64];
    snprintf(expected, sizeof expected, "\npbxhook_http_connections %d\n", count + 1);
    for (int64_t until_us = clock_mono_us() + 10000000;;) {
        struct client_answer answer;
        client_exchange(server->address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
        int reached = strstr(answer.body, expected) != NULL;
        client_answer_free(&answer);
        if (reached)
            return;
        assert_true(clock_mono_us() < until_us);
    }
}

static void has_room_for_so_many_bodies_only(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    const size_t size = (size_t)24 << 20, part = (size_t)18 << 20;
    char head[128];

    server->config.webhook.max_body_bytes = (int64_t)size;
    restart(server);
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, ' ', size);
    snprintf(head, sizeof head, HEAD "Content-Length: %zu\r\n\r\n", size);

    fakes_set_spool(FAKE_SPOOL_HELD);
    memcpy(body, BODY, strlen(BODY));
    int first = client_connect(server->address);
    client_send_text(first, head);
    client_send(first, body, size);
    fakes_await_held(1); /* its room is taken until it is safe */
    int second = client_connect(server->address);
    client_send_text(second, head);
    client_send(second, body, size);
    client_read(second, 0, &answer);
    assert_int_equal(answer.status, 503);
    check_field(&answer, "Retry-After", "1");
    client_answer_free(&answer);
    fakes_release_spool(SPOOL_SAFE);
    client_read(first, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);

    client_send_text(second, head); /* and a client that leaves gives its room back */
    client_send(second, body, part);
    client_reset(second);
    await_connections(server, 1);
    fakes_set_spool(FAKE_SPOOL_SAFE);
    client_send_text(first, head);
    client_send(first, body, size);
    client_read(first, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    close(first);
    free(body);
}

static void invites_only_a_body_that_it_wants(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char head[256];
    int fd = client_connect(server->address);

    snprintf(head, sizeof head, HEAD "Content-Length: %zu\r\nExpect: 100-continue\r\n\r\n",
             strlen(BODY));
    client_send_text(fd, head);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 100);
    client_answer_free(&answer);
    client_send_text(fd, BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);

    client_send_text(fd, HEAD "Content-Length: 5\r\nContent-Type: text/plain\r\n"
                              "Expect: 100-continue\r\n\r\n");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 415);
    client_answer_free(&answer);
    client_await_close(fd);
    close(fd);
}

/* ---- Refusing ------------------------------------------------------------------------------------ */

static void refuses_ambiguous_framing_and_closes(void **state)
{
    static const char *const requests[] = {
        HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: gzip\r\n\r\n{}",
        HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: \r\n\r\n{}",
        HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD "Content-Length : 2\r\n\r\n{}",
        HEAD "X: y\rContent-Length: 2\r\n\r\n{}",
        HEAD "Host: y\r\nContent-Length: 2\r\n\r\n{}",
        "POST /webhook HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /webhook HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
    };
    const size_t count = sizeof requests / sizeof requests[0];
    struct http_server *server = *state;

    for (size_t i = 0; i < count; i++) {
        struct client_answer answer;
        char reason[64];
        int fd = client_connect(server->address);
        client_send_text(fd, requests[i]);
        client_read(fd, 0, &answer);
        if (answer.status != 400)
            fail_msg("%d for %s", answer.status, requests[i]);
        problem_text(&answer, "reason", reason, sizeof reason);
        assert_string_equal(reason, "framing");
        client_answer_free(&answer);
        client_await_close(fd);
        close(fd);
    }
    assert_int_equal(rejected(server, METRICS_REJECT_FRAMING), count);
    assert_int_equal(fakes_submitted(), 0);
}

/* What libmicrohttpd refuses by itself: the connection ends, nothing is taken. */
static void survives_what_is_no_http(void **state)
{
    static const char *const requests[] = {
        "\x16\x03\x01\x02\r\n\r\n",
        "GET /\r\n\r\n",
        "POST /webhook HTTP/2.0\r\nHost: x\r\n\r\n",
        HEAD "Content-Length: abc\r\n\r\n{}",
        HEAD "Content-Length: -1\r\n\r\n{}",
        HEAD "Content-Length: 2, 2\r\n\r\n{}",
        HEAD "Content-Length: 99999999999999999999999\r\n\r\n{}",
        HEAD "nonsense\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        NULL,
    };
    struct http_server *server = *state;
    static char huge[100000];

    for (size_t i = 0; requests[i] != NULL; i++) {
        int fd = client_connect(server->address);
        client_send_text(fd, requests[i]);
        client_await_close(fd);
        close(fd);
    }
    struct client_answer answer;
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, HEAD "X: ", strlen(HEAD "X: "));
    int fd = client_connect(server->address);
    client_send(fd, huge, 9000);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 431);
    client_answer_free(&answer);
    close(fd);
    check_post(server, "", BODY, 200);
    assert_int_equal(fakes_submitted(), 1);
}

static void refuses_what_is_not_json_by_its_type(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    check_post(server, "", BODY, 200);
    check_post(server, "Content-Type: application/json; charset=utf-8\r\n", BODY, 200);
    check_post(server, "content-type: Application/JSON;charset=utf-8\r\n", BODY, 200);
    check_post(server, "Content-Type: application/cloudevents+json\r\n", BODY, 200);
    check_post(server, "Content-Encoding: identity\r\n", BODY, 200);
    check_post(server, "Content-Type: application/x-www-form-urlencoded\r\n", BODY, 415);
    check_post(server, "Content-Type: multipart/form-data; boundary=+json\r\n", BODY, 415);
    check_post(server, "Content-Type: text/json\r\n", BODY, 415);
    check_post(server, "Content-Type: application/jsonp\r\n", BODY, 415);
    check_post(server, "Content-Type: +json\r\n", BODY, 415);
    check_post(server, "Content-Type: \r\n", BODY, 415);
    check_post(server, "Content-Encoding: gzip\r\n", BODY, 415);
    assert_int_equal(rejected(server, METRICS_REJECT_MEDIA_TYPE), 7);

    post(server, "/webhook", "Content-Type: text/plain\r\n", BODY, &answer);
    check_field(&answer, "Accept", "application/json");
    client_answer_free(&answer);
    post(server, "/webhook", "Content-Encoding: br\r\n", BODY, &answer);
    check_field(&answer, "Accept-Encoding", "identity");
    client_answer_free(&answer);
}

static void names_the_member_that_is_wrong(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char member[64], reason[64];

    post(server, "/webhook", "", "{\"chamada\":{\"type\":\"call.new\"}}", &answer);
    assert_int_equal(answer.status, 400);
    problem_text(&answer, "member", member, sizeof member);
    assert_string_equal(member, "chamada.call_id");
    problem_text(&answer, "reason", reason, sizeof reason);
    assert_string_equal(reason, "missing_member");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_MISSING_MEMBER), 1);

    check_post(server, "", "", 400);
    check_post(server, "", "{\"type\":", 400);
    assert_int_equal(rejected(server, METRICS_REJECT_NOT_JSON), 2);
    assert_int_equal(fakes_submitted(), 0);
}

static void leaves_the_connection_open_after_a_refusal(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    int fd = client_connect(server->address);

    post_on(fd, "/nowhere", "", BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 404);
    client_answer_free(&answer);
    post_on(fd, "/webhook", "Content-Type: text/plain\r\n", BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 415);
    client_answer_free(&answer);
    client_send_text(fd, "PUT /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 405);
    check_field(&answer, "Allow", "POST");
    client_answer_free(&answer);
    client_send_text(fd, "GET /webhook?type=call.new HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 405);
    client_answer_free(&answer);
    client_send_text(fd, "POST /webhook%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 404);
    client_answer_free(&answer);
    post_on(fd, "/webhook", "", BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    close(fd);
}

/* ---- Another client ------------------------------------------------------------------------------ */

static size_t read_body(char *out, size_t size, size_t count, void *arg)
{
    const char **rest = arg;
    size_t part = strlen(*rest);
    if (part > size * count)
        part = size * count;
    memcpy(out, *rest, part);
    *rest += part;
    return part;
}

static size_t ignore_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void serves_libcurl(void **state)
{
    struct http_server *server = *state;
    char url[128];
    long status = 0, connects = 0;
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(url, sizeof url, "http://%s/webhook", server->address);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
    for (int i = 0; i < 20; i++) {
        const char *rest = BODY;
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        if (i % 2 == 0) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, BODY);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(BODY));
        } else { /* of unknown length: chunked */
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, -1L);
            curl_easy_setopt(curl, CURLOPT_READDATA, &rest);
        }
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        assert_int_equal(status, 200);
        curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
        assert_int_equal(connects, i % 2 == 0); /* the connection ends behind chunks */
    }
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
    assert_int_equal(received(server), 20);
}

/* What the service manager's watchdog asks. A loop that has ended does not hang. */
static void test_alive_while_the_loop_goes_round(void **state)
{
    struct http_server *server = *state;
    const int64_t long_ago_us = -1; /* no round is as young as that */
    assert_true(http_is_alive(server->http, 5000000));
    assert_false(http_is_alive(server->http, long_ago_us));
    http_stop(server->http, 0);
    assert_true(http_is_alive(server->http, long_ago_us));
}

#define http_case(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_case(test_alive_while_the_loop_goes_round),
        http_case(acknowledges_on_both_routes),
        http_case(acknowledges_only_what_is_safe),
        http_case(asks_to_come_back_when_the_spool_is_full),
        http_case(keeps_the_event_of_a_client_that_vanished),
        http_case(forgets_a_client_that_vanished_within_its_body),
        http_case(answers_pipelined_requests_in_order),
        http_case(identifies_by_key_or_content),
        http_case(refuses_unknown_events_when_told_to),
        http_case(takes_a_large_body_in_either_framing),
        http_case(refuses_a_length_that_is_too_large_at_once),
        http_case(refuses_chunks_that_grow_too_large),
        http_case(has_room_for_so_many_bodies_only),
        http_case(invites_only_a_body_that_it_wants),
        http_case(refuses_ambiguous_framing_and_closes),
        http_case(survives_what_is_no_http),
        http_case(refuses_what_is_not_json_by_its_type),
        http_case(names_the_member_that_is_wrong),
        http_case(leaves_the_connection_open_after_a_refusal),
        http_case(serves_libcurl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
