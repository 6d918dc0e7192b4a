/*
 * restart_test.c: acknowledged means safe. Calls are posted while the server is stopped, killed, or
 * loses its worker again and again; in the end every acknowledged event is stored exactly once.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "load.h"
#include "truth.h"

#define CALLS   200
#define THREADS 4
#define EVENTS  (CALLS * EVENTS_OF_CALL)

/* An action that was on its way when a worker died may be unknown. */
static void check_all(struct world *world)
{
    truth_check(world, &(struct truth){.prefix = "call", .calls = CALLS, .may_be_unknown = 1});
}

static struct load *start_load(struct world *world)
{
    world_give_actions_time(world);
    world_start(world);
    return load_start(&world->server, "call", CALLS, THREADS);
}

static void test_stopped_and_started(struct world *world)
{
    struct load *load = start_load(world);
    await(load_acknowledged(load) >= EVENTS / 4);
    server_stop(&world->server);
    world_start(world);
    await(load_acknowledged(load) >= EVENTS / 2);
    server_stop(&world->server);
    world_start(world);
    load_finish(load);
    check_all(world);
}

static void test_killed_with_its_worker(struct world *world)
{
    struct load *load = start_load(world);
    for (int quarter = 1; quarter <= 3; quarter++) {
        await(load_acknowledged(load) >= quarter * EVENTS / 4);
        server_kill(&world->server, 1);
        world_start(world);
        if (quarter == 2)
            truth_catch_up(world, load);
    }
    load_finish(load);
    check_all(world);
}

/* The orphaned worker writes the store until it has noticed; the next one waits for it. */
static void test_killed_without_its_worker(struct world *world)
{
    struct load *load = start_load(world);
    await(load_acknowledged(load) >= EVENTS / 2);
    pid_t orphan = server_kill(&world->server, 0);
    world_start(world);
    await(waitpid(orphan, NULL, WNOHANG) == orphan);
    load_finish(load);
    check_all(world);
}

static void test_worker_killed_under_load(struct world *world)
{
    const int kills = 4;
    struct load *load = start_load(world);
    for (int i = 1; i <= kills; i++) {
        pid_t worker = server_worker_pid(&world->server);
        await(load_acknowledged(load) >= i * EVENTS / (kills + 1));
        assert_int_equal(kill(worker, SIGKILL), 0);
        await(server_worker_pid(&world->server) != worker);
        if (i % 2 == 0)
            truth_catch_up(world, load);
    }
    /* The PBX has not noticed anything. */
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    check_all(world);
    metric_check(world, "pbxhook_worker_restarts_total", kills);
    metric_check(world, "pbxhook_workers_ready", 1);
    assert_int_equal(server_log_count(&world->server, "msg=\"worker died\"", "signal=Killed"),
                     kills);
}

/* Acknowledged while nobody handles them, killed before anybody could: the spool has them. */
static void test_acknowledged_and_killed_at_once(struct world *world)
{
    world_start(world);
    assert_int_equal(kill(server_worker_pid(&world->server), SIGSTOP), 0);
    for (int i = 0; i < 20; i++) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "call-%d", i);
        world_post(world, &(struct event_text){.type = "call.new", .call_id = call_id});
    }
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 0);
    metric_check(world, "pbxhook_spool_events", 20);
    server_kill(&world->server, 1);
    world_start(world);
    store_await_events(world, 20);
    store_await_handled(world);
    dashboard_check(world, &(struct world_counts){.active = 20, .calls = {[0] = 20}});
    metric_await(world, "pbxhook_spool_events", 0);
}

/* What is in flight when SIGTERM comes is answered, and the rest is refused, not lost. */
static void test_stop_with_a_stopped_worker(struct world *world)
{
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    /* A worker that does not leave is killed after ten seconds: go on in time, so it leaves. */
    assert_int_equal(kill(world->server.pid, SIGTERM), 0);
    await(server_log_count(&world->server, "msg=stopping", NULL) == 1);
    assert_int_equal(kill(worker, SIGCONT), 0);
    int status = process_wait(world->server.pid, 20000);
    world->server.pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    world_start(world);
    store_await_events(world, 1);
}

static void test_a_second_server_is_refused(struct world *world)
{
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "serve", NULL};
    struct process_result result;
    char pid[32];
    world_start(world);
    environment_set(&world->server.environment, "PBXHOOK_LISTEN", "127.0.0.1:0");
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(result.exit_status, 1);
    snprintf(pid, sizeof pid, "pid %ld", (long)world->server.pid);
    if (strstr(result.errors, pid) == NULL)
        fail_msg("the refusal does not name %s: %s", pid, result.errors);
    process_forget(&result);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    store_await_events(world, 1);
}

/* A store that can't be written, and a stop meanwhile: what
 * was acknowledged is in the spool, and in the store after the next start. */
static void test_stopped_while_the_store_fails(struct world *world)
{
    char call_id[32];
    world_start(world);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "before"});
    store_await_events(world, 1);
    store_break(world);
    for (int i = 0; i < 40; i++) {
        snprintf(call_id, sizeof call_id, "call-%d", i);
        world_post(world, &(struct event_text){.type = "call.new", .call_id = call_id});
    }
    await(server_log_count(&world->server, "msg=\"store failed", NULL) > 0);
    server_stop(&world->server);
    store_mend(world);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
    world_start(world);
    store_await_events(world, 41);
    metric_await(world, "pbxhook_spool_events", 0);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"stopped and started", test_stopped_and_started},
        {"killed with its worker", test_killed_with_its_worker},
        {"killed without its worker", test_killed_without_its_worker},
        {"worker killed under load", test_worker_killed_under_load},
        {"acknowledged and killed at once", test_acknowledged_and_killed_at_once},
        {"stop with a stopped worker", test_stop_with_a_stopped_worker},
        {"a second server is refused", test_a_second_server_is_refused},
        {"stopped while the store fails", test_stopped_while_the_store_fails},
    };
    return WORLD_RUN("restart", tests);
}
