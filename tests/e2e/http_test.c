/*
 * http_test.c: HTTP itself: routes, methods, media types, sizes, framing, connections. Bytes that no
 * good client sends go over plain sockets.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOOD      "{\"type\":\"call.new\",\"call_id\":\"good\"}"
#define GOOD_SIZE "36"

/* Far below the time after which the server gives up a silent connection. */
#define NOTICE_LIMIT_MS 3000

static void check_problem(const struct world *world, int status)
{
    char member[32];
    assert_int_equal(world->client->status, status);
    assert_string_equal(client_header(world->client, "Content-Type"), "application/problem+json");
    snprintf(member, sizeof member, "\"status\":%d", status);
    assert_non_null(strstr(world->client->body, member));
}

/* After whatever was wrong, a good event is taken, and it is the only one stored. */
static void check_still_answers(struct world *world)
{
    assert_int_equal(client_post(world->client, ROUTE_FLAT, GOOD), 200);
    store_await_events(world, 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), 1);
}

/* ---- Routes and methods -------------------------------------------------------------------------- */

static void test_methods(struct world *world)
{
    static const struct {
        const char *path, *method, *allow;
    } cases[] = {
        {ROUTE_SEED, "GET", "POST"},
        {ROUTE_SEED, "PUT", "POST"},
        {ROUTE_FLAT, "GET", "POST"},
        {ROUTE_FLAT, "DELETE", "POST"},
        {"/api/dashboard/count", "PUT", "GET, HEAD, POST, OPTIONS"},
        {"/api/calls/active", "POST", "GET, HEAD, OPTIONS"},
        {"/healthz", "POST", "GET, HEAD"},
        {"/readyz", "DELETE", "GET, HEAD"},
        {"/metrics", "POST", "GET, HEAD"},
    };
    world_start(world);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *body = strcmp(cases[i].method, "GET") == 0 ? NULL : GOOD;
        client_send(world->client, cases[i].method, cases[i].path, body,
                    body != NULL ? strlen(body) : 0, NULL);
        check_problem(world, 405);
        assert_string_equal(client_header(world->client, "Allow"), cases[i].allow);
    }
    check_still_answers(world);
}

static void test_not_found(struct world *world)
{
    static const char *const paths[] = {"/nothing",  "/apix",        "/webhook/",
                                        "/webhookx", "/api/client/", "/%2e%2e/etc/passwd"};
    world_start(world);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        client_post(world->client, paths[i], GOOD);
        check_problem(world, 404);
    }
    check_still_answers(world);
}

static void test_head(struct world *world)
{
    world_start(world);
    assert_int_equal(client_send(world->client, "HEAD", "/healthz", NULL, 0, NULL), 200);
    assert_int_equal(world->client->body_size, 0);
}

/* ---- Media types --------------------------------------------------------------------------------- */

static void test_media_types(struct world *world)
{
    static const char *const bad[] = {
        "Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: application/jsonx", "Content-Type: multipart/form-data; boundary=x"};
    static const char *const good[] = {
        "Content-Type: application/json", "Content-Type: Application/JSON; charset=utf-8",
        "Content-Type: application/cloudevents+json", "Content-Type:"};
    world_start(world);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const headers[] = {bad[i], NULL};
        client_send(world->client, "POST", ROUTE_FLAT, GOOD, strlen(GOOD), headers);
        check_problem(world, 415);
    }
    const char *const packed[] = {"Content-Type: application/json", "Content-Encoding: gzip", NULL};
    client_send(world->client, "POST", ROUTE_FLAT, GOOD, strlen(GOOD), packed);
    check_problem(world, 415);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"media_type\"}",
                 sizeof bad / sizeof bad[0] + 1);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *const headers[] = {good[i], NULL}; /* the last one: no Content-Type at all */
        assert_int_equal(
            client_send(world->client, "POST", ROUTE_FLAT, GOOD, strlen(GOOD), headers), 200);
    }
    check_still_answers(world);
}

/* ---- Sizes --------------------------------------------------------------------------------------- */

/* Sends bytes on a new connection and reads the answer: its status. closed: whether the server closed. */
static int exchange(struct world *world, const char *request, size_t size, int *closed)
{
    char answer[4096], byte;
    int fd = socket_connect(world->server.port);
    assert_true(fd >= 0);
    socket_write(fd, request, size);
    int status = socket_read_answer(fd, answer, sizeof answer);
    if (closed != NULL) {
        struct timeval limit = {.tv_sec = wait_stretch(2000) / 1000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ssize_t got = recv(fd, &byte, 1, 0);
        *closed = got == 0 || (got < 0 && strcasestr(answer, "connection: close") != NULL);
    }
    close(fd);
    return status;
}

static void test_too_large_by_length(struct world *world)
{
    static const char request[] = "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Type: application/json\r\nContent-Length: 1001\r\n"
                                  "Expect: 100-continue\r\n\r\n";
    static const char huge[] = "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\n"
                               "Content-Type: application/json\r\n"
                               "Content-Length: 18446744073709551615\r\n\r\n";
    world_set(world, "PBXHOOK_WEBHOOK_MAX_BODY", "1000");
    world_start(world);
    /* No "100 Continue": the answer comes before the body. */
    assert_int_equal(exchange(world, request, sizeof request - 1, NULL), 413);
    int status = exchange(world, huge, sizeof huge - 1, NULL);
    assert_true(status == 413 || status == 400);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"too_large\"}",
                 status == 413 ? 2 : 1);
    check_still_answers(world);
}

static void test_a_body_at_the_limit(struct world *world)
{
    char body[1002];
    world_set(world, "PBXHOOK_WEBHOOK_MAX_BODY", "1000");
    world_start(world);
    memset(body, ' ', sizeof body);
    memcpy(body, GOOD, strlen(GOOD));
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    assert_int_equal(client_send(world->client, "POST", ROUTE_FLAT, body, 1001, headers), 413);
    check_problem(world, 413);
    assert_int_equal(client_send(world->client, "POST", ROUTE_FLAT, body, 1000, headers), 200);
    store_await_events(world, 1);
}

static void test_too_large_in_chunks(struct world *world)
{
    static const char head[] = "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\n"
                               "Content-Type: application/json\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    char request[4096], chunk[513];
    world_set(world, "PBXHOOK_WEBHOOK_MAX_BODY", "1000");
    world_start(world);
    memset(chunk, ' ', sizeof chunk - 1);
    chunk[sizeof chunk - 1] = '\0';
    int size = snprintf(request, sizeof request, "%s200\r\n%s\r\n200\r\n%s\r\n0\r\n\r\n", head,
                        chunk, chunk);
    assert_int_equal(exchange(world, request, (size_t)size, NULL), 413);
    /* Chunks as such are fine. */
    size = snprintf(request, sizeof request, "%s4\r\n%.4s\r\n20\r\n%s\r\n0\r\n\r\n", head, GOOD,
                    &GOOD[4]);
    assert_int_equal(exchange(world, request, (size_t)size, NULL), 200);
    check_still_answers(world);
}

static void test_expect_continue(struct world *world)
{
    static const char head[] = "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\n"
                               "Content-Type: application/json\r\nContent-Length: " GOOD_SIZE "\r\n"
                               "Expect: 100-continue\r\n\r\n";
    char answer[4096];
    world_start(world);
    int fd = socket_connect(world->server.port);
    socket_write_text(fd, head);
    assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 100);
    socket_write_text(fd, GOOD);
    assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 200);
    close(fd);
}

/* ---- Framing ------------------------------------------------------------------------------------- */

#define POST_HEAD "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#define SMUGGLED                                                                                   \
    "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\nContent-Length: " GOOD_SIZE "\r\n\r\n" GOOD

static void test_ambiguous_framing(struct world *world)
{
    static const struct {
        const char *name, *request;
    } cases[] = {
        {"Transfer-Encoding and Content-Length",
         POST_HEAD "Content-Length: " GOOD_SIZE "\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "0\r\n\r\n" SMUGGLED},
        {"Content-Length and Transfer-Encoding",
         POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED},
        {"two Content-Lengths",
         POST_HEAD "Content-Length: " GOOD_SIZE "\r\nContent-Length: 0\r\n\r\n" GOOD},
        {"two equal Content-Lengths",
         POST_HEAD "Content-Length: " GOOD_SIZE "\r\nContent-Length: " GOOD_SIZE "\r\n\r\n" GOOD},
        {"a list of Content-Lengths",
         POST_HEAD "Content-Length: " GOOD_SIZE ", " GOOD_SIZE "\r\n\r\n" GOOD},
        {"a negative Content-Length", POST_HEAD "Content-Length: -1\r\n\r\n" GOOD},
        {"a signed Content-Length", POST_HEAD "Content-Length: +" GOOD_SIZE "\r\n\r\n" GOOD},
        {"a Content-Length in hex", POST_HEAD "Content-Length: 0x24\r\n\r\n" GOOD},
        {"an unknown coding", POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {"a space before the colon",
         POST_HEAD "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"},
        {"a bad chunk size", POST_HEAD "Transfer-Encoding: chunked\r\n\r\nxyz\r\n" GOOD},
    };
    int wrong = 0;
    world_start(world);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int closed = 0;
        int status = exchange(world, cases[i].request, strlen(cases[i].request), &closed);
        if ((status != 400 && status != 0 && status != 501) || !closed) {
            print_error("%s: got %d, connection %s\n", cases[i].name, status,
                        closed ? "closed" : "open");
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    metric_check(world, "pbxhook_events_received_total", 0);
    check_still_answers(world);
}

static void test_rubbish(struct world *world)
{
    static const char *const requests[] = {
        "GET\r\n\r\n", "\x16\x03\x01\x02\x01\x01 hello, TLS?\r\n\r\n",
        "POST " ROUTE_FLAT " HTTP/9.9\r\nHost: x\r\n\r\n", "not http at all\r\n\r\n"};
    world_start(world);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = socket_connect(world->server.port);
        socket_write_text(fd, requests[i]);
        char answer[4096];
        int status = socket_read_answer(fd, answer, sizeof answer);
        close(fd);
        assert_true(status == 0 || status >= 400);
    }
    check_still_answers(world);
}

/* Senders that end in the middle of a request leave nothing open behind them. */
static void test_an_end_in_the_middle_is_noticed(struct world *world)
{
    static const char *const beginnings[] = {"\r\n\r\n", "POST " ROUTE_FLAT " HT", POST_HEAD,
                                             POST_HEAD "Content-Length: " GOOD_SIZE
                                                       "\r\n\r\n{\"type\":"};
    int fds[40];
    const int count = sizeof fds / sizeof fds[0];
    world_start(world);
    for (int i = 0; i < count; i++) {
        fds[i] = socket_connect(world->server.port);
        assert_true(fds[i] >= 0);
        socket_write_text(fds[i], beginnings[i % 4]);
        shutdown(fds[i], SHUT_WR);
    }
    int64_t started_ms = wait_now_ms();
    for (int i = 0; i < count; i++) {
        char answer[4096];
        int status = socket_read_answer(fds[i], answer, sizeof answer);
        close(fds[i]);
        assert_true(status == 0 || status >= 400);
    }
    assert_true(wait_now_ms() - started_ms < wait_stretch(NOTICE_LIMIT_MS));
    await(metric_get(world, "pbxhook_http_connections") <= 1); /* that of the question */
    check_still_answers(world);
}

/* ---- Connections --------------------------------------------------------------------------------- */

static void test_half_a_request_disturbs_nobody(struct world *world)
{
    static const char half[] = POST_HEAD "Content-Length: " GOOD_SIZE "\r\n\r\n{\"type\":";
    world_start(world);
    int waiting = socket_connect(world->server.port);
    socket_write_text(waiting, half);
    int gone = socket_connect(world->server.port);
    socket_write_text(gone, half);
    close(gone);
    check_still_answers(world);
    close(waiting);
}

static void test_pipelined_requests(struct world *world)
{
    char answer[4096];
    world_start(world);
    int fd = socket_connect(world->server.port);
    socket_write_text(fd, SMUGGLED "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    /* Both answers, in order. */
    assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 200);
    if (strstr(answer, "HTTP/1.1 200 OK\r\n") == strstr(answer + 1, "HTTP/1.1 200 OK\r\n"))
        assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 200);
    close(fd);
    check_still_answers(world);
}

static void test_byte_by_byte(struct world *world)
{
    char answer[4096];
    world_start(world);
    char *request = socket_make_post(ROUTE_FLAT, GOOD);
    int fd = socket_connect(world->server.port);
    for (const char *at = request; *at != '\0'; at++)
        socket_write(fd, at, 1);
    assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 200);
    close(fd);
    free(request);
    check_still_answers(world);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"methods", test_methods},
        {"not found", test_not_found},
        {"HEAD", test_head},
        {"media types", test_media_types},
        {"too large by length", test_too_large_by_length},
        {"a body at the limit", test_a_body_at_the_limit},
        {"too large in chunks", test_too_large_in_chunks},
        {"Expect: 100-continue", test_expect_continue},
        {"ambiguous framing", test_ambiguous_framing},
        {"rubbish", test_rubbish},
        {"an end in the middle is noticed", test_an_end_in_the_middle_is_noticed},
        {"half a request disturbs nobody", test_half_a_request_disturbs_nobody},
        {"pipelined requests", test_pipelined_requests},
        {"byte by byte", test_byte_by_byte},
    };
    return WORLD_RUN("http", tests);
}
