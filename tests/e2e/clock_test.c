/*
 * clock_test.c: the wall clock jumps, forward and back, under load; and events whose times are a long way
 * off. The server's own waiting goes by another clock, so nothing is held up and nothing is lost.
 */
#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"

#define HOUR    3600
#define CALLS   150
#define THREADS 4

/* The file that the preloaded library looks at. */
struct shift {
    char path[SCRATCH_PATH];
    volatile int64_t *seconds;
};

static void shift_prepare(struct world *world, struct shift *shift)
{
    int64_t none = 0;
    scratch_path(world->directory, "shift", shift->path);
    int fd = open(shift->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &none, sizeof none), sizeof none);
    void *page = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    shift->seconds = page;
    close(fd);
    world_set(world, "SHIFTED_CLOCK", shift->path);
    world_set(world, "LD_PRELOAD", PBXHOOK_BUILD_DIR "/tests/e2e/preload/shifted_clock.so");
    if (PBXHOOK_SANITIZED) /* it wants to be the first library */
        world_set(world, "ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0");
}

static void shift_end(struct shift *shift)
{
    munmap((void *)(uintptr_t)shift->seconds, sizeof *shift->seconds);
}

static void test_jumps_under_load(struct world *world)
{
    static const int64_t jumps[] = {2 * HOUR, -3 * HOUR, 0, 400 * 24 * HOUR, 0};
    const int count = sizeof jumps / sizeof jumps[0];
    struct shift shift;
    shift_prepare(world, &shift);
    world_start(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    for (int i = 0; i < count; i++) {
        await(load_acknowledged(load) >= (i + 1) * CALLS * EVENTS_OF_CALL / (count + 1));
        *shift.seconds = jumps[i];
    }
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    store_await_events(world, CALLS * EVENTS_OF_CALL);
    store_await_handled(world);
    dashboard_check(
        world, &(struct world_counts){.users = CALLS, .calls = {[EVENTS_OF_CALL - 1] = CALLS}});
    /* An action whose event came just before a jump forward is past its deadline then: given up, not late. */
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('pending', 'sending')",
                    NULL) == 0);
    int64_t expired =
        store_int(world, "SELECT count(*) FROM actions WHERE state = 'expired'", NULL);
    assert_in_range(expired, 0, CALLS / 2);
    int64_t delivered =
        store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL);
    assert_in_range(fake_pbx_count(world->pbx), delivered, CALLS - expired);
    assert_true(delivered >= CALLS / 2);
    metric_await(world, "pbxhook_spool_events", 0);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
    shift_end(&shift);
}

/* What was to be tried again in a second is not tried again in an hour. */
static void test_back_while_a_retry_waits(struct world *world)
{
    static const char *const names[] = {"crasher", NULL};
    struct shift shift;
    shift_prepare(world, &shift);
    *shift.seconds = 2 * HOUR;
    world_add_plugins(world, names);
    world_start(world);
    world_post(world, &(struct event_text){.type = "test.retry", .call_id = "c"});
    await(store_int(world, "SELECT count(*) FROM handlings WHERE state = 'retry'", NULL) == 1);
    *shift.seconds = 0;
    store_await_handled(world);
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"ok\"}", 1);
    shift_end(&shift);
}

static const struct {
    const char *call_id, *timestamp;
    int64_t ms;
} times[] = {
    {"epoch", "1970-01-01T00:00:00Z", 0},
    {"far", "2100-12-31T23:59:59.999Z", INT64_C(4133980799999)},
    {"east", "2018-02-16T01:37:32.562+05:30", INT64_C(1518725252562)},
    {"west", "2018-02-15T17:07:32.562-03:00", INT64_C(1518725252562)},
    {"none", "2018-02-15T20:07:32.562", INT64_C(1518725252562)},
    {"nano", "2018-02-15T20:07:32.562999999Z", INT64_C(1518725252562)},
    {"leap", "2016-12-31T23:59:60Z", INT64_C(1483228799000)},
};

static void test_odd_times(struct world *world)
{
    const size_t count = sizeof times / sizeof times[0];
    world_start(world);
    for (size_t i = 0; i < count; i++)
        world_post(world, &(struct event_text){.type = "call.new",
                                               .call_id = times[i].call_id,
                                               .timestamp = times[i].timestamp});
    store_await_events(world, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            store_int(world, "SELECT status_ms FROM calls WHERE call_id = ?1", times[i].call_id),
            times[i].ms);
    /* An event of 1970 does not take a call of 2018 back, one of 2100 takes it on. */
    world_post(world, &(struct event_text){.type = "call.ongoing", .call_id = "east"});
    world_post(world, &(struct event_text){.type = "call.waiting",
                                           .call_id = "east",
                                           .timestamp = "1970-01-01T00:00:01Z"});
    world_post(world, &(struct event_text){.type = "call.standby",
                                           .call_id = "west",
                                           .timestamp = "2100-01-01T00:00:00Z",
                                           .their_number = "1"});
    store_await_events(world, (int64_t)count + 3);
    store_check_status(world, "east", "call.ongoing");
    store_check_status(world, "west", "call.standby");
    /* Its deadline is counted from its arrival, whatever it says. */
    await(fake_pbx_count_of(world->pbx, "west") == 1);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"jumps under load", test_jumps_under_load},
        {"back while a retry waits", test_back_while_a_retry_waits},
        {"odd times", test_odd_times},
    };
    return WORLD_RUN("clock", tests);
}
