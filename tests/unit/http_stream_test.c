/*
 * http_stream_test.c: what a reader of the live stream sees, and what it costs the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "http_client.h"
#include "http_fakes.h"
#include "http_server.h"
#include "loop_length.h"
#include "receiver/stream.h"
#include "receiver/stream_frame.h"

#define GET_STREAM "GET /api/dashboard/stream HTTP/1.1\r\nHost: x\r\n"
#define ORIGIN     "https://dash.example"
#define DEADLINE   10000
#define FEW        16 /* readers, where loops are short */

struct frame {
    char text[512];
    char id[32];
};

/* As many readers as there may be; a few, if the system does not give more descriptors. */
static int set_up_full(void **state)
{
    const struct rlimit descriptors = {.rlim_cur = 64 + 4 * FEW, .rlim_max = 64 + 4 * FEW};
    if (loop_length(0, 1) && setrlimit(RLIMIT_NOFILE, &descriptors) < 0)
        return -1;
    return http_server_set_up(state);
}

static void set_users(int64_t users)
{
    fakes_set_counts(&(struct store_counts){.users = users});
}

/* A new reader; fields are lines with their ends, or "". The answer's head may be NULL. */
static int subscribe(struct http_server *server, const char *fields, struct client_answer *head)
{
    struct client_answer answer;
    char request[512];
    int fd = client_connect(server->address);

    snprintf(request, sizeof request, GET_STREAM "%s\r\n", fields);
    client_send_text(fd, request);
    client_read(fd, 1, &answer);
    if (head != NULL)
        *head = answer;
    else
        assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    return fd;
}

/* The next frame, its blank line included. */
static void read_frame(int fd, struct frame *out)
{
    size_t size = 0;
    memset(out, 0, sizeof *out);
    while (size < 2 || memcmp(out->text + size - 2, "\n\n", 2) != 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_true(size < sizeof out->text - 1);
        assert_int_equal(poll(&ready, 1, DEADLINE), 1);
        assert_int_equal(recv(fd, out->text + size, 1, 0), 1);
        size++;
    }
    if (sscanf(out->text, "id: %31[^\n]", out->id) != 1)
        out->id[0] = '\0';
}

static void expect_users(int fd, int64_t users)
{
    struct frame frame;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\nevent: counts\ndata: {\"data\":{\"userCount\":%lld,",
             (long long)users);
    read_frame(fd, &frame);
    if (strstr(frame.text, wanted) == NULL)
        fail_msg("%lld users wanted, this came: %s", (long long)users, frame.text);
}

static int readers(struct http_server *server)
{
    struct client_answer answer;
    const char *line;
    int count = -1;

    client_exchange(server->address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    line = strstr(answer.body, "\npbxhook_stream_readers ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "\npbxhook_stream_readers %d", &count), 1);
    client_answer_free(&answer);
    return count;
}

static void await_readers(struct http_server *server, int count)
{
    int64_t until_us = clock_mono_us() + DEADLINE * 1000;
    while (readers(server) != count)
        assert_true(clock_mono_us() < until_us);
}

static void await_stream_readers(struct stream *stream, int count)
{
    int64_t until_us = clock_mono_us() + DEADLINE * 1000;
    while (stream_readers(stream) != count)
        assert_true(clock_mono_us() < until_us);
}

/* Passes over the head and over frames that tell less. */
static void read_until(int fd, int users)
{
    struct frame frame;
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"userCount\":%d,", users);
    do
        read_frame(fd, &frame);
    while (strstr(frame.text, wanted) == NULL);
}

/* ---- What is sent --------------------------------------------------------------------------------- */

static void sends_the_numbers_at_once_and_when_they_change(void **state)
{
    struct http_server *server = *state;
    struct client_answer head;
    char value[64];

    set_users(1);
    int fd = subscribe(server, "Origin: " ORIGIN "\r\n", &head);
    assert_int_equal(head.status, 200);
    assert_true(client_field(&head, "Content-Type", value, sizeof value));
    assert_string_equal(value, "text/event-stream");
    assert_true(client_field(&head, "Cache-Control", value, sizeof value));
    assert_string_equal(value, "no-store");
    assert_true(client_field(&head, "Access-Control-Allow-Origin", value, sizeof value));
    assert_string_equal(value, ORIGIN);
    assert_false(client_field(&head, "Content-Length", value, sizeof value));
    expect_users(fd, 1);
    set_users(2);
    expect_users(fd, 2);
    set_users(3);
    expect_users(fd, 3);
    close(fd);
}

/* One hundred changes, each read by the store's reader, are no hundred events. */
static void sends_four_changes_a_second_at_most(void **state)
{
    struct http_server *server = *state;
    int64_t users = 0;

    set_users(++users);
    int fd = subscribe(server, "", NULL);
    expect_users(fd, users);
    int64_t since_us = clock_mono_us();
    const int changes = loop_length(6, 2);
    for (int i = 0; i < changes; i++) {
        set_users(++users);
        expect_users(fd, users);
    }
    assert_true(clock_mono_us() - since_us >= (changes - 1) * 250000);
    close(fd);
}

static void does_not_repeat_what_a_returning_reader_has(void **state)
{
    struct http_server *server = *state;
    struct frame frame;
    char field[64];

    set_users(7);
    int fd = subscribe(server, "", NULL);
    read_frame(fd, &frame);
    assert_int_equal(strlen(frame.id), 16);
    close(fd);

    snprintf(field, sizeof field, "Last-Event-ID: %s\r\n", frame.id);
    int returning = subscribe(server, field, NULL);
    int other = subscribe(server, "Last-Event-ID: something else\r\n", NULL);
    expect_users(other, 7); /* by now it would have been sent */
    assert_true(client_is_silent(returning));
    set_users(8);
    expect_users(returning, 8);
    close(returning);
    close(other);
}

static void says_when_the_store_is_away_and_back(void **state)
{
    struct http_server *server = *state;
    struct frame frame;

    set_users(5);
    int fd = subscribe(server, "", NULL);
    expect_users(fd, 5);
    fakes_set_store_works(0);
    read_frame(fd, &frame);
    assert_string_equal(frame.text, "event: store\ndata: {\"available\":false}\n\n");
    fakes_set_store_works(1);
    expect_users(fd, 5); /* nothing changed but that it is known again */
    close(fd);
}

/* ---- What it costs -------------------------------------------------------------------------------- */

static void asks_the_store_only_while_somebody_reads(void **state)
{
    struct http_server *server = *state;

    set_users(1);
    int first = subscribe(server, "", NULL);
    int second = subscribe(server, "", NULL);
    expect_users(first, 1);
    expect_users(second, 1);
    close(first);
    close(second);
    await_readers(server, 0);
    int reads = fakes_store_reads();
    int64_t until_us = clock_mono_us() + 600000; /* twice the time of a read */
    while (clock_mono_us() < until_us) {
        readers(server);
        poll(NULL, 0, 20);
    }
    assert_true(fakes_store_reads() <= reads + 1); /* one may have been under way */
    set_users(2);
    int later = subscribe(server, "", NULL);
    expect_users(later, 2); /* not what was known before */
    close(later);
}

static void is_no_place_for_too_many(void **state)
{
    struct http_server *server = *state;
    struct client_answer head;
    static int fd[STREAM_READERS_MAX];
    const int most = loop_length(STREAM_READERS_MAX, FEW);

    set_users(1);
    for (int i = 0; i < most; i++)
        fd[i] = subscribe(server, "", NULL);
    int refused = subscribe(server, "", &head);
    assert_int_equal(head.status, 503);
    close(refused);
    set_users(2);
    for (int i = 0; i < most; i++) {
        struct frame frame;
        do
            read_frame(fd[i], &frame);
        while (strstr(frame.text, "\"userCount\":2,") == NULL);
        close(fd[i]);
    }
    await_readers(server, 0);
    refused = subscribe(server, "", NULL);
    expect_users(refused, 2);
    close(refused);
}

/* Where descriptors are few, the stream has only some of them. */
static void takes_as_many_as_it_may(void **state)
{
    struct stream *stream = stream_new("sqlite:nowhere", "");
    int pair[2];

    (void)state;
    assert_non_null(stream);
    stream_set_limit(stream, 1);
    assert_int_equal(stream_start(stream), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    int taken = dup(pair[1]);
    assert_int_equal(stream_take(stream, taken, "", NULL), 0);
    assert_int_equal(stream_take(stream, pair[1], "", NULL), -1);
    stream_stop(stream);
    stream_free(stream);
    close(pair[1]); /* still ours */
    close(pair[0]);
}

/* A reader that does not read: its socket is full before the next change. */
static void drops_a_reader_that_does_not_keep_up(void **state)
{
    struct http_server *server = *state;
    struct stream *stream = stream_new("sqlite:nowhere", "");
    int pair[2];
    char junk[4096];

    (void)server;
    set_users(1);
    assert_non_null(stream);
    assert_int_equal(stream_start(stream), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    int ours = dup(pair[1]);
    assert_int_equal(stream_take(stream, pair[1], "", NULL), 0);
    memset(junk, ':', sizeof junk);
    while (send(ours, junk, sizeof junk, MSG_DONTWAIT) > 0)
        continue;
    close(ours);
    set_users(2);
    await_stream_readers(stream, 0);
    stream_stop(stream);
    stream_free(stream);
    close(pair[0]);
}

/* As while a process is started: until it runs, it has copies of all descriptors. */
static void forgets_a_reader_whose_socket_is_open_elsewhere(void **state)
{
    struct stream *stream = stream_new("sqlite:nowhere", "");
    int gone[2], staying[2];

    (void)state;
    set_users(1);
    assert_non_null(stream);
    assert_int_equal(stream_start(stream), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, gone), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, staying), 0);
    int copy = dup(gone[1]);
    assert_int_equal(stream_take(stream, gone[1], "", NULL), 0);
    close(gone[0]);
    await_stream_readers(stream, 0);
    assert_int_equal(stream_take(stream, staying[1], "", NULL), 0);
    for (int users = 2; users < 5; users++) { /* each is a round of the thread */
        set_users(users);
        read_until(staying[0], users);
    }
    assert_int_equal(stream_readers(stream), 1);
    stream_stop(stream);
    stream_free(stream);
    close(copy);
    close(staying[0]);
}

static void goes_on_when_readers_come_and_go(void **state)
{
    struct http_server *server = *state;

    set_users(1);
    for (int round = 0; round < loop_length(200, 20); round++) {
        int fd = client_connect(server->address);
        client_send_text(fd, GET_STREAM "\r\n");
        if (round % 2 == 0)
            client_reset(fd);
        else
            close(fd);
    }
    int fd = subscribe(server, "", NULL);
    expect_users(fd, 1);
    client_send_text(fd, "GET / HTTP/1.1\r\n\r\n"); /* nobody listens */
    set_users(2);
    expect_users(fd, 2);
    close(fd);
    await_readers(server, 0);
}

/* ---- The rest of HTTP ----------------------------------------------------------------------------- */

static void answers_head_and_refuses_other_methods(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char value[64];

    client_exchange(server->address, "HEAD /api/dashboard/stream HTTP/1.1\r\nHost: x\r\n\r\n",
                    &answer);
    assert_int_equal(answer.status, 200);
    assert_true(client_field(&answer, "Content-Type", value, sizeof value));
    assert_string_equal(value, "text/event-stream");
    client_answer_free(&answer);
    client_exchange(server->address,
                    "POST /api/dashboard/stream HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                    &answer);
    assert_int_equal(answer.status, 405);
    client_answer_free(&answer);
}

static void ends_with_the_server(void **state)
{
    struct http_server *server = *state;

    set_users(1);
    int fd = subscribe(server, "", NULL);
    expect_users(fd, 1);
    http_stop(server->http, 5000);
    client_await_close(fd);
    close(fd);
}

/* ---- Frames --------------------------------------------------------------------------------------- */

static void ids_are_read_back(void **state)
{
    struct stream_frame frame = {.id = 0};
    char id[32];

    (void)state;
    assert_int_equal(stream_frame_counts(&frame, "{\"a\":1}", 7), 0);
    assert_int_equal(sscanf(frame.text, "id: %31[^\n]", id), 1);
    assert_true(stream_frame_parse_id(id) == frame.id);
    uint64_t first = frame.id;
    assert_int_equal(stream_frame_counts(&frame, "{\"a\":2}", 7), 0);
    assert_true(frame.id != first);
    assert_int_equal(stream_frame_away(&frame), 0);
    assert_null(strstr(frame.text, "id:"));
    stream_frame_clear(&frame);
    assert_true(stream_frame_parse_id(NULL) == 0);
    assert_true(stream_frame_parse_id("") == 0);
    assert_true(stream_frame_parse_id("0123456789abcde") == 0);
    assert_true(stream_frame_parse_id("0123456789ABCDEF") == 0);
    assert_true(stream_frame_parse_id("0000000000000001") == 0);
    assert_true(stream_frame_parse_id("0123456789abcdef") == 0x0123456789abcdef);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_case(sends_the_numbers_at_once_and_when_they_change),
        http_case(sends_four_changes_a_second_at_most),
        http_case(does_not_repeat_what_a_returning_reader_has),
        http_case(says_when_the_store_is_away_and_back),
        http_case(asks_the_store_only_while_somebody_reads),
        cmocka_unit_test_setup_teardown(is_no_place_for_too_many, set_up_full,
                                        http_server_tear_down),
        http_case(takes_as_many_as_it_may),
        http_case(drops_a_reader_that_does_not_keep_up),
        http_case(forgets_a_reader_whose_socket_is_open_elsewhere),
        http_case(goes_on_when_readers_come_and_go),
        http_case(answers_head_and_refuses_other_methods),
        http_case(ends_with_the_server),
        cmocka_unit_test(ids_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
