/* control_test.c: messages over a real socketpair: whole, cut, missing, malformed, and last words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/control.h"

struct pair {
    int receiver, worker;
};

static int open_pair(void **state)
{
    struct pair *pair = malloc(sizeof *pair);
    int fd[2];

    if (pair == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
        free(pair);
        return -1;
    }
    *pair = (struct pair){.receiver = fd[0], .worker = fd[1]};
    *state = pair;
    return 0;
}

static int close_pair(void **state)
{
    struct pair *pair = *state;

    if (pair->receiver >= 0)
        close(pair->receiver);
    if (pair->worker >= 0)
        close(pair->worker);
    free(pair);
    return 0;
}

static void messages_arrive_whole_and_in_order(void **state)
{
    struct pair *pair = *state;
    struct control_message message;

    assert_int_equal(control_send(pair->worker, CONTROL_READY, 0, "call.new\ncall.*"), 0);
    assert_int_equal(control_send(pair->worker, CONTROL_DONE, INT64_MAX, NULL), 0);
    assert_int_equal(control_send(pair->worker, CONTROL_REFUSED, -1, ""), 0);

    assert_int_equal(control_receive(pair->receiver, &message), 1);
    assert_int_equal(message.kind, CONTROL_READY);
    assert_int_equal(message.size, 15);
    assert_string_equal(message.text, "call.new\ncall.*");
    assert_int_equal(control_receive(pair->receiver, &message), 1);
    assert_int_equal(message.kind, CONTROL_DONE);
    assert_int_equal(message.seq, INT64_MAX);
    assert_string_equal(message.text, "");
    assert_int_equal(control_receive(pair->receiver, &message), 1);
    assert_int_equal(message.kind, CONTROL_REFUSED);
    assert_int_equal(message.seq, -1);
    assert_int_equal(message.size, 0);

    assert_int_equal(control_send(pair->receiver, CONTROL_WAKE, 0, NULL), 0);
    assert_int_equal(control_send(pair->receiver, CONTROL_STOP, 0, NULL), 0);
    assert_int_equal(control_receive(pair->worker, &message), 1);
    assert_int_equal(message.kind, CONTROL_WAKE);
    assert_int_equal(control_receive(pair->worker, &message), 1);
    assert_int_equal(message.kind, CONTROL_STOP);
}

static void a_long_text_is_cut(void **state)
{
    struct pair *pair = *state;
    struct control_message message;
    char text[CONTROL_TEXT + 2];

    memset(text, 'x', sizeof text);
    text[CONTROL_TEXT + 1] = '\0';
    assert_int_equal(control_send(pair->worker, CONTROL_READY, 0, text), 0);
    text[CONTROL_TEXT] = '\0';
    assert_int_equal(control_send(pair->worker, CONTROL_READY, 0, text), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(control_receive(pair->receiver, &message), 1);
        assert_int_equal(message.size, CONTROL_TEXT);
        assert_string_equal(message.text, text);
    }
}

static void receiving_never_blocks(void **state)
{
    struct pair *pair = *state;
    struct control_message message = {.kind = 77};

    assert_int_equal(control_receive(pair->receiver, &message), -EAGAIN);
    assert_int_equal(message.kind, 77);
}

static void sending_never_blocks(void **state)
{
    struct pair *pair = *state;
    struct control_message message;
    int sent = 0;
    int result;

    while ((result = control_send(pair->receiver, CONTROL_WAKE, sent, NULL)) == 0 && sent < 1000000)
        sent++;
    assert_int_equal(result, -EAGAIN);
    for (int i = 0; i < sent; i++) {
        assert_int_equal(control_receive(pair->worker, &message), 1);
        assert_int_equal(message.seq, i);
    }
    assert_int_equal(control_receive(pair->worker, &message), -EAGAIN);
}

static void the_other_end_is_closed(void **state)
{
    struct pair *pair = *state;
    struct control_message message = {.kind = 77};

    close(pair->worker);
    pair->worker = -1;
    assert_int_equal(control_receive(pair->receiver, &message), 0);
    assert_int_equal(message.kind, 77);
    assert_int_equal(control_send(pair->receiver, CONTROL_WAKE, 0, NULL), -EPIPE);
    assert_int_equal(control_receive(-1, &message), -EBADF);
    assert_int_equal(control_send(-1, CONTROL_WAKE, 0, NULL), -EBADF);
}

/* A worker that dies with a WAKE unread has reported what it committed: the report counts. */
static void last_words_are_heard(void **state)
{
    struct pair *pair = *state;
    struct control_message message;

    assert_int_equal(control_send(pair->receiver, CONTROL_WAKE, 0, NULL), 0);
    assert_int_equal(control_send(pair->worker, CONTROL_DONE, 7, NULL), 0);
    assert_int_equal(control_send(pair->worker, CONTROL_DONE, 8, NULL), 0);
    close(pair->worker);
    pair->worker = -1;
    assert_int_equal(control_receive(pair->receiver, &message), 1);
    assert_int_equal(message.seq, 7);
    assert_int_equal(control_receive(pair->receiver, &message), 1);
    assert_int_equal(message.seq, 8);
    assert_int_equal(control_receive(pair->receiver, &message), 0);
}

static void refuse_packet(const struct pair *pair, const void *packet, size_t size)
{
    struct control_message message = {.kind = 77, .text = "before"};

    assert_int_equal(send(pair->worker, packet, size, 0), (ssize_t)size);
    assert_int_equal(control_receive(pair->receiver, &message), -EPROTO);
    assert_int_equal(message.kind, 77);
    assert_string_equal(message.text, "before");
}

static void what_is_no_message_is_refused(void **state)
{
    enum { HEAD = offsetof(struct control_message, text) };
    struct pair *pair = *state;
    struct control_message good = {.kind = CONTROL_DONE, .size = 3, .text = "abc"};
    struct control_message bad = good;
    struct {
        struct control_message message;
        char more[64];
    } long_packet = {.message = {.kind = CONTROL_READY}};

    refuse_packet(pair, &good, 1);
    refuse_packet(pair, &good, HEAD - 1);
    refuse_packet(pair, &good, HEAD + 2);
    refuse_packet(pair, &good, HEAD + 4);
    bad.kind = 0;
    refuse_packet(pair, &bad, HEAD + 3);
    bad.kind = CONTROL_REPLY + 1;
    refuse_packet(pair, &bad, HEAD + 3);
    bad = good;
    bad.text[1] = '\0';
    refuse_packet(pair, &bad, HEAD + 3);
    bad = good;
    bad.size = UINT32_MAX;
    refuse_packet(pair, &bad, HEAD + 3);

    /* What recv() would cut to a message that looks whole. */
    memset(long_packet.message.text, 'x', sizeof long_packet.message.text);
    long_packet.message.size = CONTROL_TEXT;
    refuse_packet(pair, &long_packet, HEAD + CONTROL_TEXT + 1);
    refuse_packet(pair, &long_packet, sizeof long_packet);

    /* The next one is read as if nothing had been. */
    assert_int_equal(send(pair->worker, &good, HEAD + 3, 0), HEAD + 3);
    assert_int_equal(control_receive(pair->receiver, &bad), 1);
    assert_string_equal(bad.text, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_arrive_whole_and_in_order, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_long_text_is_cut, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(receiving_never_blocks, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(sending_never_blocks, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(the_other_end_is_closed, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(last_words_are_heard, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(what_is_no_message_is_refused, open_pair, close_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
