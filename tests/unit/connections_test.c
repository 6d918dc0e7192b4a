/* connections_test.c: who is late is shut, who waits for us or has just begun is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "receiver/connections.h"

struct pair {
    int ours, theirs;
    struct connection *connection;
};

static struct connection *add(struct connections *list, int fd, int64_t now_us)
{
    static const struct address nowhere;
    struct connection *added = connections_add(list, fd, &nowhere, now_us);
    assert_non_null(added);
    return added;
}

static void open_pair(struct connections *list, struct pair *pair, int64_t now_us)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pair->ours = fds[0];
    pair->theirs = fds[1];
    pair->connection = add(list, fds[0], now_us);
    assert_non_null(pair->connection);
}

static void close_pair(struct connections *list, struct pair *pair)
{
    connections_remove(list, pair->connection);
    close(pair->ours);
    close(pair->theirs);
}

/* 1 when the other side sees the end. */
static int is_shut(const struct pair *pair)
{
    char byte;
    return recv(pair->theirs, &byte, 1, MSG_DONTWAIT) == 0;
}

static void shuts_the_late_ones_only(void **state)
{
    struct connections list = {.oldest = NULL};
    struct pair late, renewed, waiting, young;

    (void)state;
    open_pair(&list, &late, 0);
    open_pair(&list, &renewed, 1);
    open_pair(&list, &waiting, 2);
    open_pair(&list, &young, 60);
    connections_renew(&list, renewed.connection, 70);
    waiting.connection->waiting = 1;

    assert_int_equal(connections_expire(&list, 100, 100), 0);
    assert_int_equal(connections_expire(&list, 120, 100), 1);
    assert_true(is_shut(&late));
    assert_false(is_shut(&renewed));
    assert_false(is_shut(&waiting));
    assert_false(is_shut(&young));

    /* The time of those looked at began anew. */
    assert_int_equal(connections_expire(&list, 161, 100), 1);
    assert_true(is_shut(&young));
    waiting.connection->waiting = 0;
    assert_int_equal(connections_expire(&list, 171, 100), 1);
    assert_true(is_shut(&renewed));
    assert_int_equal(connections_expire(&list, 221, 100), 2);
    assert_true(is_shut(&waiting));

    close_pair(&list, &renewed);
    close_pair(&list, &late);
    close_pair(&list, &young);
    close_pair(&list, &waiting);
    assert_null(list.oldest);
    assert_null(list.newest);
    assert_int_equal(connections_expire(&list, INT64_MAX, 100), 0);
}

static void keeps_the_order(void **state)
{
    struct connections list = {.oldest = NULL};
    struct connection *a = add(&list, -1, 1);
    struct connection *b = add(&list, -1, 2);
    struct connection *c = add(&list, -1, 3);

    (void)state;
    connections_renew(&list, b, 4);
    assert_int_equal(list.count, 3);
    assert_ptr_equal(list.oldest, a);
    assert_ptr_equal(a->newer, c);
    assert_ptr_equal(c->newer, b);
    assert_ptr_equal(list.newest, b);
    assert_ptr_equal(b->older, c);
    connections_renew(&list, b, 5);
    assert_ptr_equal(list.newest, b);
    connections_remove(&list, a);
    assert_ptr_equal(list.oldest, c);
    assert_null(c->older);
    connections_remove(&list, b);
    assert_ptr_equal(list.newest, c);
    connections_remove(&list, c);
    connections_remove(&list, NULL);
    assert_int_equal(list.count, 0);
    assert_null(list.oldest);
}

static void evicts_who_was_silent_longest(void **state)
{
    struct connections list = {.oldest = NULL};
    struct pair waiting, oldest, young;

    (void)state;
    assert_int_equal(connections_evict(&list, 1), -1);
    open_pair(&list, &waiting, 0);
    open_pair(&list, &oldest, 1);
    open_pair(&list, &young, 2);
    waiting.connection->waiting = 1;
    assert_int_equal(connections_evict(&list, 3), 0);
    assert_true(is_shut(&oldest));
    assert_false(is_shut(&young));
    assert_int_equal(connections_evict(&list, 4), 0); /* not the same one again */
    assert_true(is_shut(&young));
    assert_false(is_shut(&waiting));
    close_pair(&list, &oldest);
    close_pair(&list, &young);
    assert_int_equal(connections_evict(&list, 5), -1);
    close_pair(&list, &waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuts_the_late_ones_only),
        cmocka_unit_test(keeps_the_order),
        cmocka_unit_test(evicts_who_was_silent_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
