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
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "targets.h"

#define HOUR           3600
#define JUMPS          5
#define EVENTS_BETWEEN 150
#define THREADS        4

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
    world_preload(world, "shifted_clock");
}

static void shift_end(struct shift *shift)
{
    munmap((void *)(uintptr_t)shift->seconds, sizeof *shift->seconds);
}

/* By the server's clock the call's event came so many seconds off; half an hour is for a slow machine. */
static void check_shift(const struct world *world, const char *call_id, int64_t shift_s)
{
    int64_t received_ms =
        store_int(world, "SELECT received_ms FROM events WHERE call_id = $1", call_id);
    int64_t off_s = received_ms / 1000 - time(NULL) - shift_s;
    if (off_s < -HOUR / 2 || off_s > HOUR / 2)
        fail_msg("%s: the server's clock is not shifted as it was told", call_id);
}

/* A call of the test's own after jump k: nothing that comes later puts it off or gives it up. */
static void probe(struct world *world, int k, int64_t shift_s)
{
    char call_id[32], number[32];
    snprintf(call_id, sizeof call_id, "probe-%d", k);
    snprintf(number, sizeof number, "99%d", k);
    world_post(world, &(struct event_text){
                          .type = "call.standby", .call_id = call_id, .their_number = number});
    await(fake_pbx_count_of(world->pbx, call_id) == 1);
    check_shift(world, call_id, shift_s);
}

/* The load gets on, with the clock as it is now. */
static void let_it_run(struct load *load)
{
    int until = load_acknowledged(load) + EVENTS_BETWEEN;
    await(load_acknowledged(load) >= until);
}

/* An action that waited when the clock jumped forward is past its deadline then: given up, not late. One that
 * was under way when the call's own call.waiting came is confirmed by it, sent or not. How many of which depends on
 * the moment; what the PBX got agrees with it in any case. */
static void check_action(struct world *world, const char *call_id)
{
    char state[32];
    store_text(world, "SELECT state FROM actions WHERE call_id = $1", call_id, state, sizeof state);
    int received = fake_pbx_count_of(world->pbx, call_id);
    if (strcmp(state, "delivered") == 0 ? received == 1
                                        : (strcmp(state, "confirmed") == 0 && received <= 1) ||
                                              (strcmp(state, "expired") == 0 && received == 0))
        return;
    fail_msg("%s: its action is %s, and the PBX got it %d times", call_id, state, received);
}

static void check_actions(struct world *world, int calls)
{
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('pending', 'sending')",
                    NULL) == 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM actions", NULL), calls + JUMPS);
    for (int i = 0; i < calls; i++) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "call-%d", i);
        check_action(world, call_id);
    }
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM actions WHERE state = 'delivered' AND call_id "
                               "LIKE 'probe-%'",
                               NULL),
                     JUMPS);
}

static void test_jumps_under_load(struct world *world)
{
    static const int64_t jumps[JUMPS] = {2 * HOUR, -3 * HOUR, 0, 400 * 24 * HOUR, 0};
    struct shift shift;
    shift_prepare(world, &shift);
    world_give_actions_time(world); /* so that it is the jumps that one is given up for */
    world_start(world);
    struct load *load = load_start_plan(&(struct load_plan){
        .server = {&world->server}, .servers = 1, .prefix = "call", .threads = THREADS});
    for (int i = 0; i < JUMPS; i++) {
        let_it_run(load);
        *shift.seconds = jumps[i];
        probe(world, i, jumps[i]);
    }
    let_it_run(load);
    load_end(load);
    int failures = load_failures(load);
    int calls = load_finish(load);
    assert_int_equal(failures, 0);
    store_await_events(world, calls * EVENTS_OF_CALL + JUMPS);
    store_await_handled(world);
    dashboard_check(world,
                    &(struct world_counts){.users = calls + JUMPS,
                                           .active = JUMPS,
                                           .calls = {[1] = JUMPS, [EVENTS_OF_CALL - 1] = calls}});
    check_actions(world, calls);
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
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"retry\"}", 1);
    check_shift(world, "c", 2 * HOUR);
    *shift.seconds = 0;
    store_await_handled(world);
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"ok\"}", 1);
    shift_end(&shift);
}

/* What waits for a connection when the clock is put back is sent when there is one, and not in two hours. */
static void test_back_while_a_post_waits(struct world *world)
{
    struct targets targets;
    struct shift shift;
    shift_prepare(world, &shift);
    *shift.seconds = 2 * HOUR;
    targets_open(world, "connections = 1", NULL, &targets);
    world_start(world);
    fake_target_answer_next(targets.crm, (struct fake_target_answer){.waits = 1});
    targets_finish_call(world, "a");
    await(fake_target_count(targets.crm) == 1);
    targets_finish_call(world, "b");
    await(targets_count(world, "pending") == 1);
    *shift.seconds = 0;
    fake_target_release(targets.crm);
    await(targets_count(world, "delivered") == 2);
    targets_close(&targets);
    shift_end(&shift);
}

/* By half an hour, which is less than another worker's lease may be: the caller does not wait for that long. */
static void test_back_while_an_action_waits(struct world *world)
{
    struct shift shift;
    shift_prepare(world, &shift);
    *shift.seconds = HOUR / 2;
    world_give_actions_time(world);
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 503, .retry_after_s = 599});
    world_start(world);
    world_post(world,
               &(struct event_text){.type = "call.standby", .call_id = "c", .their_number = "1"});
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'pending' AND attempts = 1",
                    NULL) == 1);
    *shift.seconds = 0;
    await(fake_pbx_count_of(world->pbx, "c") == 2);
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
        {"back while a post waits", test_back_while_a_post_waits},
        {"back while an action waits", test_back_while_an_action_waits},
        {"odd times", test_odd_times},
    };
    static const struct world_test on_postgresql[] = {
        {"back while an action waits", test_back_while_an_action_waits},
    };
    return WORLD_RUN("clock", tests) +
           WORLD_RUN_ON("clock on PostgreSQL", WORLD_POSTGRESQL, on_postgresql);
}
