/*
 * http_lockstep_test.c: many connections that all send at once, each when all were answered. With an
 * epoll loop that gets this wrong, exactly 128 ready connections stall until a time-out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "http_client.h"
#include "http_fakes.h"
#include "http_server.h"
#include "loop_length.h"

#define REQUEST                                                                                    \
    "POST /api/client/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 78\r\n\r\n"                   \
    "{\"type\":\"call.new\",\"call_id\":\"c-1\",\"timestamp\":\"2018-02-15T20:07:32.562Z\"}    "
#define ROUNDS     loop_length(8, 2)
#define STALLED_US 900000 /* the loop looks around once a second by itself */

static void run_round(const int *fds, int count)
{
    struct client_answer answer;

    for (int i = 0; i < count; i++)
        client_send_text(fds[i], REQUEST);
    for (int i = 0; i < count; i++) {
        client_read(fds[i], 0, &answer);
        assert_int_equal(answer.status, 204);
        client_answer_free(&answer);
    }
}

static void run_lockstep(int count)
{
    struct http_server server;
    struct rlimit limit;
    int stalled = 0;
    int *fds = calloc((size_t)count, sizeof *fds);

    assert_non_null(fds);
    http_server_prepare(&server);
    http_server_start(&server);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0); /* http_open() has raised it */
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
    if (limit.rlim_max < (rlim_t)(2 * count + 100)) {
        print_message("not run: no more than %lu open files\n", (unsigned long)limit.rlim_max);
        http_server_stop(&server);
        free(fds);
        skip();
    }
    for (int i = 0; i < count; i++)
        fds[i] = client_connect(server.address);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start_us = clock_mono_us();
        run_round(fds, count);
        stalled += clock_mono_us() - start_us > STALLED_US;
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    http_server_stop(&server);
    free(fds);
    assert_int_equal(metrics_get(&server.metrics.events_received), ROUNDS * count);
    if (stalled > ROUNDS / 2)
        fail_msg("%d of %d rounds of %d connections stalled", stalled, ROUNDS, count);
}

static void answers_127_at_once(void **state)
{
    (void)state;
    run_lockstep(loop_length(127, 7));
}

static void answers_128_at_once(void **state)
{
    (void)state;
    run_lockstep(loop_length(128, 8));
}

static void answers_256_at_once(void **state)
{
    (void)state;
    run_lockstep(loop_length(256, 12));
}

static void answers_1000_at_once(void **state)
{
    (void)state;
    run_lockstep(loop_length(1000, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_127_at_once),
        cmocka_unit_test(answers_128_at_once),
        cmocka_unit_test(answers_256_at_once),
        cmocka_unit_test(answers_1000_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
