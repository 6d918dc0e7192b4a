/*
 * lockstep_test.c: many connections that all post at the same moment and wait for each other: where an
 * event loop that serves a fixed number of ready connections stalls (libmicrohttpd's own does, at 128).
 */
#include "world.h"

#include <stdio.h>

#include <jansson.h>

#define SLOWEST_ANSWER_MS 2000

static json_int_t number(const json_t *report, const char *name)
{
    return json_integer_value(json_object_get(report, name));
}

static double slowest_ms(const json_t *report)
{
    return json_number_value(json_object_get(json_object_get(report, "latency_ms"), "max"));
}

static void run_lockstep(struct world *world, int connections, int rounds)
{
    char url[64], count[16], turns[16], report_path[SCRATCH_PATH];
    const char *const words[] = {PBXHOOK_BUILD_DIR "/tests/bench/pbxhook-load",
                                 "--lockstep",
                                 "--seed",
                                 "1",
                                 "--url",
                                 url,
                                 "--connections",
                                 count,
                                 "--rounds",
                                 turns,
                                 "--report",
                                 report_path,
                                 NULL};
    struct process_result result;

    world_start(world);
    snprintf(url, sizeof url, "http://127.0.0.1:%d" ROUTE_SEED, world->server.port);
    snprintf(count, sizeof count, "%d", connections);
    snprintf(turns, sizeof turns, "%d", rounds);
    scratch_path(world->directory, "report.json", report_path);
    process_run(words, &world->server.environment, world->directory, &result);
    json_t *report = json_load_file(report_path, 0, NULL);
    if (result.exit_status != 0 || report == NULL)
        fail_msg("pbxhook-load ended with %d: %s", result.exit_status, result.errors);

    int64_t posted = number(report, "requests");
    assert_int_equal(posted, (int64_t)connections * rounds);
    assert_int_equal(number(report, "ok"), posted);
    assert_int_equal(number(report, "lost") + number(report, "timeouts"), 0);
    if (slowest_ms(report) >= wait_stretch(SLOWEST_ANSWER_MS))
        fail_msg("an answer took %.0f ms", slowest_ms(report));
    json_decref(report);
    process_forget(&result);
    await_for(30000, store_int(world, "SELECT count(*) FROM events", NULL) == posted);
    metric_check(world, "pbxhook_events_received_total", posted);
}

static void test_127(struct world *world)
{
    run_lockstep(world, 127, 20);
}

static void test_128(struct world *world)
{
    run_lockstep(world, 128, 50);
}

static void test_256(struct world *world)
{
    run_lockstep(world, 256, 30);
}

static void test_1000(struct world *world)
{
    run_lockstep(world, 1000, 10);
}

/* Each answer waits for the store as well. */
static void test_128_stored(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_ACKNOWLEDGE", "stored");
    run_lockstep(world, 128, 50);
}

static void test_256_stored(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_ACKNOWLEDGE", "stored");
    run_lockstep(world, 256, 30);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"127 connections", test_127},
        {"128 connections", test_128},
        {"256 connections", test_256},
        {"1000 connections", test_1000},
        {"128 connections, stored", test_128_stored},
        {"256 connections, stored", test_256_stored},
    };
    return WORLD_RUN("lockstep", tests);
}
