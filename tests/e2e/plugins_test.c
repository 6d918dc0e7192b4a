/*
 * plugins_test.c: a plugin that fails, as an integrator's may: its own work for that event is undone,
 * the others' stands, and the webhook answers as ever.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void start_with_crasher(struct world *world)
{
    static const char *const names[] = {"crasher", "spy", NULL};
    char memory[SCRATCH_PATH];
    scratch_path(world->directory, "crashed", memory);
    world_add_plugins(world, names);
    world_set(world, "PBXHOOK_PLUGIN_CRASHER_MEMORY", memory);
    world_start(world);
}

static void post(struct world *world, const char *type, const char *call_id)
{
    world_post(world, &(struct event_text){.type = type, .call_id = call_id});
}

static void test_rejected(struct world *world)
{
    char text[256];
    start_with_crasher(world);
    post(world, "test.reject", "c");
    store_await_events(world, 1);
    assert_string_equal(store_text(world,
                                   "SELECT plugin || ' ' || state || ' ' || error FROM handlings",
                                   NULL, text, sizeof text),
                        "crasher dead rejected on purpose");
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), 0);
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"reject\"}", 1);
    post(world, "call.new", "c");
    store_await_events(world, 2);
    store_check_status(world, "c", "call.new");
}

static void test_retried(struct world *world)
{
    start_with_crasher(world);
    post(world, "test.retry", "c");
    await(store_int(world, "SELECT count(*) FROM handlings WHERE state = 'retry'", NULL) == 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), 0);
    /* Others do not wait for it. */
    post(world, "call.new", "c");
    store_await_events(world, 2);
    await(store_int(world, "SELECT count(*) FROM users WHERE number = $1", "c") == 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"ok\"}", 1);
    metric_check(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"retry\"}", 1);
}

/* Events that shared the batch with the one that crashes are handled, once, by the next worker. */
static void test_crashed(struct world *world)
{
    start_with_crasher(world);
    post(world, "call.new", "before");
    post(world, "test.crash", "c");
    post(world, "call.new", "after");
    store_await_events(world, 3);
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), 2);
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), 2);
    metric_check(world, "pbxhook_worker_restarts_total", 1);
    metric_await(world, "pbxhook_spool_events", 0);
    assert_int_equal(server_log_count(&world->server, "msg=\"worker died\"", NULL), 1);
}

/* A handler that never comes back: its worker is replaced, and the webhook answers all the while. */
static void test_hung(struct world *world)
{
    world_set_time(world, "PBXHOOK_HANDLER_TIMEOUT", 300);
    start_with_crasher(world);
    post(world, "test.hang", "c");
    post(world, "call.new", "after");
    store_await_events(world, 2);
    metric_check(world, "pbxhook_worker_restarts_total", 1);
    assert_int_equal(server_log_count(&world->server, "msg=\"a handler does not come back", NULL),
                     1);
    store_check_status(world, "after", "call.new");
}

#define SLOW 100 /* of 30 ms each */

/* A call, and slow events behind it, all of which the worker finds at once. */
static void post_slow_events(struct world *world)
{
    start_with_crasher(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    post(world, "call.standby", "first");
    for (int i = 0; i < SLOW; i++) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "slow-%d", i);
        post(world, "test.slow", call_id);
    }
    assert_int_equal(kill(worker, SIGCONT), 0);
    await(fake_pbx_count_of(world->pbx, "first") == 1);
    assert_in_range(store_int(world, "SELECT count(*) FROM events", NULL), 1, SLOW / 2);
}

/* Slow handlings hold up the calls behind them, but not the action of the call before them. */
static void test_slow(struct world *world)
{
    post_slow_events(world);
    store_await_events(world, SLOW + 1);
}

/* What the worker has read and not stored is still in the spool. Somebody's SIGKILL is no fault of the plugin. */
static void test_killed_among_slow_ones(struct world *world)
{
    post_slow_events(world);
    assert_int_equal(kill(server_worker_pid(&world->server), SIGKILL), 0);
    store_await_events(world, SLOW + 1);
    metric_await(world, "pbxhook_spool_events", 0);
    metric_check(world, "pbxhook_worker_restarts_total", 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    assert_int_equal(server_log_count(&world->server, "msg=\"worker died\"", "plugin=\"\""), 1);
}

static void test_refused_at_start(struct world *world)
{
    static const char *const names[] = {"bad_magic", NULL};
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "serve", NULL};
    struct process_result result;
    world_add_plugins(world, names);
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(result.exit_status, 1);
    if (strstr(result.errors, "bad_magic.so") == NULL || strstr(result.errors, "magic") == NULL)
        fail_msg("the refusal does not say what is wrong with bad_magic.so: %s", result.errors);
    assert_null(strstr(result.errors, "msg=listening"));
    process_forget(&result);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"rejected", test_rejected},
        {"retried", test_retried},
        {"crashed", test_crashed},
        {"hung", test_hung},
        {"slow", test_slow},
        {"killed among slow ones", test_killed_among_slow_ones},
        {"refused at start", test_refused_at_start},
    };
    return WORLD_RUN("plugins", tests);
}
