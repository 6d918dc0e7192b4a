/*
 * stream_test.c: the live stream of a real server: what changes in the store is told, a thousand readers fit
 * into little memory and hold nobody up, and a restart is survived.
 */
#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READERS    1000
#define MEMORY_MAX ((int64_t)50 << 20) /* for a thousand of them */

static int subscribe(const struct world *world)
{
    int fd = socket_connect(world->server.port);
    assert_true(fd >= 0);
    socket_write_text(fd, "GET /api/dashboard/stream HTTP/1.1\r\nHost: x\r\n\r\n");
    return fd;
}

/* Reads until the text has come. What follows it may be taken, too. */
static void await_text(int fd, const char *text)
{
    char seen[8192] = "";
    size_t size = 0;
    while (strstr(seen, text) == NULL) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (size > sizeof seen / 2) { /* keeps the end: the text may be cut in two */
            memmove(seen, seen + size - 1024, 1024);
            size = 1024;
        }
        if (poll(&ready, 1, 20000) != 1)
            fail_msg("%s did not come in 20 s; last: %s", text, seen);
        ssize_t got = recv(fd, seen + size, sizeof seen - 1 - size, 0);
        if (got <= 0)
            fail_msg("the stream ended before %s; last: %s", text, seen);
        size += (size_t)got;
        seen[size] = '\0';
    }
}

/* Of the receiver, without what it shares with others. */
static int64_t memory_of(pid_t pid)
{
    char path[64], line[256];
    long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        long long value;
        if (sscanf(line, "Private_Dirty: %lld kB", &value) == 1)
            kib += value;
    }
    fclose(file);
    return kib * 1024;
}

static void post_new_call(struct world *world, const char *call_id)
{
    world_post(world, &(struct event_text){.type = "call.new", .call_id = call_id});
}

static void test_tells_what_changes(struct world *world)
{
    world_start(world);
    int fd = subscribe(world);
    await_text(fd, "\"activeCallsCount\":0,");
    post_new_call(world, "a");
    await_text(fd, "\"activeCallsCount\":1,\"eventCall\":{\"new\":1,");
    world_post(world, &(struct event_text){.type = "call.finished", .call_id = "a"});
    await_text(fd, "\"finished\":1}}}\n\n");
    close(fd);
}

static void test_a_thousand_readers(struct world *world)
{
    static int fd[READERS];

    world_start(world);
    post_new_call(world, "before");
    metric_await(world, "pbxhook_events_handled_total", 1);
    int64_t before = memory_of(world->server.pid);
    for (int i = 0; i < READERS; i++)
        fd[i] = subscribe(world);
    for (int i = 0; i < READERS; i++)
        await_text(fd[i], "\"activeCallsCount\":1,");
    metric_check(world, "pbxhook_stream_readers", READERS);
    metric_check(world, "pbxhook_http_connections", 1); /* libmicrohttpd has let go of them */
    post_new_call(world, "after");
    for (int i = 0; i < READERS; i++)
        await_text(fd[i], "\"activeCallsCount\":2,");
    assert_true(memory_of(world->server.pid) - before < MEMORY_MAX);
    for (int i = 0; i < READERS; i++)
        close(fd[i]);
    metric_await(world, "pbxhook_stream_readers", 0);
}

static void test_ends_and_begins_with_the_server(struct world *world)
{
    char rest[256];

    world_start(world);
    int fd = subscribe(world);
    await_text(fd, "\"activeCallsCount\":0,");
    server_stop(&world->server); /* in time, in spite of the reader */
    while (recv(fd, rest, sizeof rest, 0) > 0)
        continue;
    close(fd);
    world_start(world);
    fd = subscribe(world);
    await_text(fd, "\"activeCallsCount\":0,");
    close(fd);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"tells what changes", test_tells_what_changes},
        {"a thousand readers", test_a_thousand_readers},
        {"ends and begins with the server", test_ends_and_begins_with_the_server},
    };
    return WORLD_RUN("stream", tests);
}
