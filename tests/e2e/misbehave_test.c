/*
 * misbehave_test.c: plugins that crash, hang, leak or lie, under load. The webhook answers every request;
 * the event that does it becomes a dead letter with plugin, reason and attempts; every other event is
 * handled exactly once.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "load.h"

#define CALLS   60
#define THREADS 4
#define HANG_MS 300

static void start_with_wrecker(struct world *world)
{
    static const char *const names[] = {"wrecker", "spy", NULL};
    world_add_plugins(world, names);
    world_start(world);
}

static void post(struct world *world, const char *type, const char *call_id)
{
    world_post(world, &(struct event_text){.type = type, .call_id = call_id});
}

/* All calls of the load are whole, and each of their events was handled once. */
static void check_load(struct world *world)
{
    const int events = CALLS * (EVENTS_OF_CALL - 2); /* those that the spy takes: "call.*" */
    await(store_int(world, "SELECT count(*) FROM spy WHERE call_id LIKE 'call-%'", NULL) >= events);
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy WHERE call_id LIKE 'call-%'", NULL),
                     events);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM calls WHERE status = 'call.finished'", NULL), CALLS);
    assert_int_equal(store_int(world, "SELECT count(*) FROM actions", NULL), CALLS);
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), CALLS);
}

static void check_dead(struct world *world, const char *wanted)
{
    char text[256];
    await_for(2 * WAIT_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL) == 1);
    assert_string_equal(
        store_text(world, "SELECT plugin || ' ' || attempts || ' ' || error FROM handlings", NULL,
                   text, sizeof text),
        wanted);
}

/* One event that the worker does not survive, in the middle of a load. */
static void wreck_within(struct world *world, int timeout_ms, const char *type, const char *reason)
{
    char wanted[256];
    world_set_time(world, "PBXHOOK_HANDLER_TIMEOUT", timeout_ms);
    start_with_wrecker(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    await(load_acknowledged(load) >= CALLS);
    post(world, type, "bad");
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    snprintf(wanted, sizeof wanted, "wrecker 3 %s; its worker did not survive it 3 times", reason);
    check_dead(world, wanted);
    check_load(world);
    /* The other plugin's work on the same event stands. */
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy WHERE call_id = 'bad'", NULL), 1);
    metric_check(world, "pbxhook_plugin_crashes_total{plugin=\"wrecker\"}", 3);
    metric_check(world, "pbxhook_plugin_parked{plugin=\"wrecker\"}", 0);
    metric_await(world, "pbxhook_dead_letters_total{plugin=\"wrecker\"}", 1);
    metric_check(world, "pbxhook_worker_restarts_total", 3);
    metric_await(world, "pbxhook_spool_events", 0);
    metric_await(world, "pbxhook_workers_ready", 1);
}

/* Only who hangs has to be found out soon: under a sanitizer an exit takes its time. */
static void hang(struct world *world, const char *type)
{
    char reason[64];
    snprintf(reason, sizeof reason, "did not come back within %d ms", wait_stretch(HANG_MS));
    wreck_within(world, HANG_MS, type, reason);
}

static void wreck(struct world *world, const char *type, const char *reason)
{
    wreck_within(world, WAIT_LIMIT_MS, type, reason);
}

static void test_segv(struct world *world)
{
    wreck(world, "call.bad.segv", "killed by SIGSEGV");
}

static void test_abort(struct world *world)
{
    wreck(world, "call.bad.abort", "killed by SIGABRT");
}

static void test_exit(struct world *world)
{
    wreck(world, "call.bad.exit", "the worker exited with status 0");
}

static void test_stack(struct world *world)
{
    wreck(world, "call.bad.stack", "killed by SIGSEGV");
}

static void test_sleep(struct world *world)
{
    hang(world, "call.bad.sleep");
}

static void test_spin(struct world *world)
{
    hang(world, "call.bad.spin");
}

static void test_lock(struct world *world)
{
    hang(world, "call.bad.lock");
}

/* It ignores SIGABRT. */
static void test_deaf(struct world *world)
{
    hang(world, "call.bad.deaf");
    assert_int_equal(
        server_log_count(&world->server, "msg=\"the worker does not heed it, killing it\"", NULL),
        3);
}

/* The first answer is RETRY, so the crash comes out of the store and not out of the spool. */
static void test_crash_in_a_retry(struct world *world)
{
    start_with_wrecker(world);
    post(world, "call.bad.later", "bad");
    check_dead(world, "wrecker 4 killed by SIGSEGV; its worker did not survive it 3 times");
    post(world, "call.new", "after");
    store_await_events(world, 2);
    store_check_status(world, "after", "call.new");
}

/* The whole server dies of it, as when memory runs out for all. Nobody is left who could say why. */
static void test_the_whole_server_dies(struct world *world)
{
    start_with_wrecker(world);
    post(world, "call.new", "before");
    store_await_events(world, 1);
    char *body = event_seed(&(struct event_text){.type = "call.bad.all", .call_id = "bad"});
    client_post(world->client, ROUTE_SEED, body);
    free(body);
    for (int deaths = 1; deaths <= 3; deaths++) {
        int status = process_wait(world->server.pid, WAIT_LIMIT_MS);
        world->server.pid = 0;
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        /* The start before it may be seen, or be over by then. */
        if (deaths < 3)
            server_launch(&world->server);
    }
    world_start(world);
    check_dead(world,
               "wrecker 1 was under way when the worker or the whole server ended, twice in a "
               "row; its worker did not survive it 3 times");
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), 2);
    post(world, "call.new", "after");
    store_await_events(world, 3);
}

/* It crashes with each event that it gets: it is reported and parked, and the others' events get on. */
static void test_parked(struct world *world)
{
    enum { BAD = 20 };
    char call_id[32];
    start_with_wrecker(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    for (int i = 0; i < BAD; i++) {
        snprintf(call_id, sizeof call_id, "bad-%d", i);
        post(world, "call.bad.segv", call_id);
    }
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    await_for(2 * WAIT_LIMIT_MS,
              server_log_count(&world->server, "msg=\"plugin takes its workers down again",
                               "plugin=wrecker") == 1);
    metric_check(world, "pbxhook_plugin_parked{plugin=\"wrecker\"}", 1);
    store_await_events(world, CALLS * EVENTS_OF_CALL + BAD);
    check_load(world);
    metric_await(world, "pbxhook_spool_events", 0);
    await(store_int(world, "SELECT count(*) FROM spy WHERE call_id LIKE 'bad-%'", NULL) == BAD);
    /* Three events are needed for the judgement, each was tried at most three times; the rest wait. */
    assert_in_range(
        (uintmax_t)metric_get(world, "pbxhook_plugin_crashes_total{plugin=\"wrecker\"}"), 3, 9);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), BAD);
    assert_true(store_int(world, "SELECT count(*) FROM handlings WHERE state = 'retry'", NULL) >=
                BAD - 3);
}

/* Three events bring a plugin to that, the third at its first crash; after a reload it begins anew. */
static void test_reload_ends_parking(struct world *world)
{
    start_with_wrecker(world);
    post(world, "call.bad.segv", "bad-1");
    await_for(2 * WAIT_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL) == 1);
    post(world, "call.bad.segv", "bad-2");
    await_for(2 * WAIT_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL) == 2);
    metric_check(world, "pbxhook_plugin_parked{plugin=\"wrecker\"}", 0);
    post(world, "call.bad.segv", "bad-3");
    metric_await(world, "pbxhook_plugin_parked{plugin=\"wrecker\"}", 1);
    world_reload(world);
    metric_check(world, "pbxhook_plugin_parked{plugin=\"wrecker\"}", 0);
}

/* Its worker is replaced at its limit, and the next one begins with none used. */
static void test_leak(struct world *world)
{
    enum { LEAKS = 16 }; /* of 8 MiB */
    char call_id[32];
    world_set(world, "PBXHOOK_WORKER_MEMORY", "100MiB");
    if (PBXHOOK_SANITIZED) /* it would find what is leaked on purpose */
        world_set(world, "ASAN_OPTIONS", "detect_leaks=0");
    start_with_wrecker(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    for (int i = 0; i < LEAKS; i++) {
        snprintf(call_id, sizeof call_id, "bad-%d", i);
        post(world, "call.bad.leak", call_id);
    }
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    store_await_events(world, CALLS * EVENTS_OF_CALL + LEAKS);
    store_await_handled(world);
    check_load(world);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    await(store_int(world, "SELECT count(*) FROM spy WHERE call_id LIKE 'bad-%'", NULL) == LEAKS);
    /* It looks once a second, and may run out of it before; with a sanitizer its memory is not limited. */
    if (!PBXHOOK_SANITIZED)
        assert_int_equal(server_log_count(&world->server, "msg=\"worker uses most of", NULL) +
                             server_log_count(&world->server, "this worker ends for another", NULL),
                         1);
}

static void test_transaction_thrown_away(struct world *world)
{
    start_with_wrecker(world);
    post(world, "call.new", "before");
    post(world, "call.bad.rollback", "bad");
    post(world, "call.new", "after");
    store_await_events(world, 3);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), 3);
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), 2);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
}

/* What comes back twice is one worker all the same: each call has its one action, and all arrive. */
static void test_fork(struct world *world)
{
    enum { FORKS = 20 };
    char call_id[16];
    world_give_actions_time(world);
    start_with_wrecker(world);
    for (int i = 0; i < FORKS; i++) {
        snprintf(call_id, sizeof call_id, "call-%d", i);
        post(world, "call.bad.fork", call_id);
        world_post(world, &(struct event_text){
                              .type = "call.standby", .call_id = call_id, .their_number = call_id});
    }
    store_await_events(world, 2 * FORKS);
    for (int i = 0; i < FORKS; i++) {
        snprintf(call_id, sizeof call_id, "call-%d", i);
        await(fake_pbx_count_of(world->pbx, call_id) == 1);
    }
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) ==
          FORKS);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    await(server_log_count(&world->server, "a child that the plugin forked", "plugin=wrecker") ==
          FORKS);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
}

/* The next worker does not wait for it. */
static void test_child_that_stays(struct world *world)
{
    start_with_wrecker(world);
    post(world, "call.bad.orphan", "bad");
    await((int)metric_get(world, "pbxhook_worker_restarts_total") >= 1);
    post(world, "call.new", "after");
    await(store_int(world, "SELECT count(*) FROM spy WHERE call_id = 'after'", NULL) == 1);
}

static void test_nonsense(struct world *world)
{
    start_with_wrecker(world);
    post(world, "call.bad.nonsense", "bad");
    check_dead(world, "wrecker 1 handle() answered an unknown value (4711) and gave no reason");
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), 1);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"segv", test_segv},
        {"abort", test_abort},
        {"exit", test_exit},
        {"stack", test_stack},
        {"sleep", test_sleep},
        {"spin", test_spin},
        {"lock", test_lock},
        {"deaf", test_deaf},
        {"crash in a retry", test_crash_in_a_retry},
        {"the whole server dies", test_the_whole_server_dies},
        {"parked", test_parked},
        {"reload ends parking", test_reload_ends_parking},
        {"leak", test_leak},
        {"transaction thrown away", test_transaction_thrown_away},
        {"nonsense", test_nonsense},
        {"fork", test_fork},
        {"child that stays", test_child_that_stays},
    };
    return WORLD_RUN("misbehave", tests);
}
