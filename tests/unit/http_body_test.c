/*
 * http_body_test.c: the bodies of requests: where they end, how large they may be, how many have room at
 * a time, and which are asked for.
 */
#include "webhook_fixture.h"

#include "common/clock.h"

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
        client_check_field(&answer, "Connection", "close");
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

static void refuses_chunks_of_one_byte_too_many(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    size_t size = (size_t)server->config.webhook.max_body_bytes;
    char *body = malloc(size);
    char head[64];

    assert_non_null(body);
    memset(body, ' ', size);
    memcpy(body, BODY, strlen(BODY));
    int fd = client_connect(server->address);
    snprintf(head, sizeof head, "%zx\r\n", size);
    client_send_text(fd, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    client_send_text(fd, head);
    client_send(fd, body, size);
    client_send_text(fd, "\r\n1\r\n \r\n0\r\n\r\n");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 413);
    client_answer_free(&answer);
    close(fd);
    free(body);
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
    client_check_field(&answer, "Retry-After", "1");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_NO_MEMORY), 1); /* the spool has room */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_case(takes_a_large_body_in_either_framing),
        http_case(refuses_a_length_that_is_too_large_at_once),
        http_case(refuses_chunks_that_grow_too_large),
        http_case(refuses_chunks_of_one_byte_too_many),
        http_case(has_room_for_so_many_bodies_only),
        http_case(invites_only_a_body_that_it_wants),
        http_case(refuses_ambiguous_framing_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
