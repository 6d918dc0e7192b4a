/*
 * reload_test.c: `pbxhook reload` and SIGHUP: a new configuration and new plugins while events come; what is
 * wrong with them is said and changes nothing.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <jansson.h>

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"

static void reload(struct world *world, struct process_result *out)
{
    static const char *const words[] = {PBXHOOK, "reload", NULL};
    process_run(words, &world->server.environment, world->directory, out);
}

static void call(struct world *world, const char *call_id, const char *queue)
{
    struct fake_pbx_action action;
    world_post(world, &(struct event_text){
                          .type = "call.standby", .call_id = call_id, .their_number = call_id});
    await(fake_pbx_count_of(world->pbx, call_id) == 1);
    fake_pbx_get_of(world->pbx, call_id, &action);
    assert_string_equal(action.destination, queue);
}

static int post_unknown(struct world *world)
{
    char *body = event_seed(&(struct event_text){.type = "odd.type", .call_id = "odd"});
    int status = client_post(world->client, ROUTE_SEED, body);
    free(body);
    return status;
}

static void test_new_configuration(struct world *world)
{
    world_configure(world, "plugin \"call_standby\" { new_queue = \"911\" }\n");
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    call(world, "1", "911");
    assert_int_equal(post_unknown(world), 204);
    world_configure(world, "webhook { unknown_events = \"reject\" }\n"
                           "plugin \"call_standby\" { new_queue = \"922\" }\n");
    world_reload(world);
    assert_int_not_equal(server_worker_pid(&world->server), worker);
    call(world, "2", "922");
    assert_int_equal(post_unknown(world), 422);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
    store_check_status(world, "1", "call.standby");
}

static void test_sighup(struct world *world)
{
    world_start(world);
    world_configure(world, "plugin \"call_standby\" { new_queue = \"922\" }\n");
    assert_int_equal(kill(world->server.pid, SIGHUP), 0);
    await(server_log_count(&world->server, "msg=reloaded", NULL) == 1);
    call(world, "1", "922");
    world_configure(world, "nonsense = 1\n");
    assert_int_equal(kill(world->server.pid, SIGHUP), 0);
    await(server_log_count(&world->server, "msg=\"reload failed", "nonsense") == 1);
    call(world, "2", "922");
}

static void test_new_plugin(struct world *world)
{
    static const char *const none[] = {NULL}, *const spy[] = {"spy", NULL};
    world_add_plugins(world, none);
    world_start(world);
    call(world, "1", "901");
    world_add_plugins(world, spy);
    world_reload(world);
    call(world, "2", "901");
    await(store_int(world, "SELECT count(*) FROM spy", NULL) == 1);
    world_remove_plugin(world, "spy");
    world_reload(world);
    call(world, "3", "901");
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), 1);
}

static void test_what_is_wrong_changes_nothing(struct world *world)
{
    static const char *const bad[] = {"bad_magic", NULL};
    world_configure(world, "plugin \"call_standby\" { new_queue = \"911\" }\n");
    world_add_plugins(world, bad + 1);
    world_start(world);
    world_configure(world, "plugin \"call_standby\" { new_queue = }\n");
    world_reload_in_vain(world, "pbxhook.conf:1");
    world_configure(world, "plugin \"call_standby\" { new_kew = \"1\" }\n");
    world_reload_in_vain(world, "new_kew");
    world_configure(world, "spool { max_bytes = \"1GiB\" }\nstore { url = \"sqlite:/x\" }\n");
    /* PostgreSQL's comes from the environment, which the file does not change. */
    world_reload_in_vain(
        world,
        store_sql(world, "spool.max_bytes, store.url: can't be changed while the server runs",
                  "spool.max_bytes: can't be changed while the server runs"));
    world_configure(world, "plugin \"call_standby\" { new_queue = \"922\" }\n");
    world_add_plugins(world, bad);
    world_reload_in_vain(world, "bad_magic.so");
    call(world, "1", "911");
    world_remove_plugin(world, "bad_magic");
    world_reload(world);
    call(world, "2", "922");
}

/* The check can't see it, since it calls no plugin: the worker is refused, and the former one comes back. */
static void test_plugin_that_refuses_to_open(struct world *world)
{
    static const char *const names[] = {"crasher", NULL};
    struct process_result result;
    world_add_plugins(world, names);
    world_configure(world, "plugin \"call_standby\" { new_queue = \"911\" }\n");
    world_start(world);
    world_configure(world, "plugin \"crasher\" { refuse = true }\n");
    reload(world, &result);
    assert_int_equal(result.exit_status, 1);
    if (strstr(result.errors, "refused on purpose") == NULL)
        fail_msg("the reason is missing: %s", result.errors);
    process_forget(&result);
    call(world, "1", "911");
    metric_await(world, "pbxhook_workers_ready", 1);
}

/* ---- The file of a plugin is another, and does not open ---------------------------------------------- */

static const char *shut_door(struct world *world, const char *how, char path[SCRATCH_PATH])
{
    scratch_path(world->directory, "door", path);
    scratch_write(path, how);
    return path;
}

static void start_with_door(struct world *world)
{
    static const char *const names[] = {"crasher", NULL};
    char path[SCRATCH_PATH], text[SCRATCH_PATH + 64];
    scratch_path(world->directory, "door", path);
    snprintf(text, sizeof text, "plugin \"crasher\" { door = \"%s\" }\n", path);
    world_add_plugins(world, names);
    world_configure(world, text);
    world_start(world);
}

static void reload_and_fail(struct world *world, const char *reason)
{
    struct process_result result;
    reload(world, &result);
    assert_int_equal(result.exit_status, 1);
    if (strstr(result.errors, reason) == NULL || strstr(result.errors, "is parked") == NULL)
        fail_msg("\"%s\" is missing, or what runs now: %s", reason, result.errors);
    process_forget(&result);
}

static void post_to_crasher(struct world *world, const char *call_id)
{
    world_post(world, &(struct event_text){.type = "test.ok", .call_id = call_id});
}

static int64_t waiting(struct world *world)
{
    return store_int(world, "SELECT count(*) FROM handlings WHERE plugin = 'crasher'", NULL);
}

static int64_t made_by_crasher(struct world *world, const char *call_id)
{
    return store_int(world, "SELECT count(*) FROM users WHERE number = $1", call_id);
}

/* The others go on. Its own events wait, and are handled once when it opens, without another reload. */
static void others_go_on(struct world *world, const char *how, const char *reason)
{
    char path[SCRATCH_PATH];
    start_with_door(world);
    post_to_crasher(world, "5501");
    await(made_by_crasher(world, "5501") == 1);
    shut_door(world, how, path);
    reload_and_fail(world, reason);
    call(world, "1", "901");
    post_to_crasher(world, "5502");
    await(waiting(world) == 1);
    metric_await(world, "pbxhook_workers_ready", 1);
    /* The next worker finds it so too. */
    assert_int_equal(kill(server_worker_pid(&world->server), SIGKILL), 0);
    call(world, "2", "901");
    assert_int_equal(made_by_crasher(world, "5502"), 0);
    assert_int_equal(remove(path), 0);
    await_for(60000, made_by_crasher(world, "5502") == 1);
    store_await_handled(world);
    assert_int_equal(waiting(world), 0);
}

static void test_plugin_file_refuses_to_open(struct world *world)
{
    others_go_on(world, "refuse", "refused on purpose");
    assert_true(server_log_count(&world->server, "plugin does not open", "refused on purpose") >=
                1);
}

static void test_plugin_file_dies_in_open(struct world *world)
{
    others_go_on(world, "abort", "the plugin \"crasher\" in its open(): killed by SIGABRT");
}

/* A reload with a mended file takes it at once. */
static void test_mended_plugin_file(struct world *world)
{
    char path[SCRATCH_PATH];
    start_with_door(world);
    shut_door(world, "abort", path);
    reload_and_fail(world, "killed by SIGABRT");
    call(world, "1", "901");
    assert_int_equal(remove(path), 0);
    world_reload(world);
    post_to_crasher(world, "5501");
    await(made_by_crasher(world, "5501") == 1);
}

static void test_no_server(struct world *world)
{
    struct process_result result;
    world_start(world);
    server_stop(&world->server);
    reload(world, &result);
    assert_int_equal(result.exit_status, 3);
    assert_non_null(strstr(result.errors, "no server is running"));
    process_forget(&result);
}

/* ---- Under load ------------------------------------------------------------------------------------ */

#define RATE 2000 /* events/s, each due at its own time, whatever became of those before it */
#define SLOW_MS                                                                                    \
    100 /* since it was due. A sanitizer's build gets a part of the rate and more time */
#define ROUNDS         8
#define EVENTS_BETWEEN (RATE / 4)
#define DRAIN_LIMIT_MS 60000

/* What the load generator has seen. */
struct answers {
    int64_t sent, acknowledged;
    double slowest_ms;
};

static pid_t begin_load(struct world *world, char report[SCRATCH_PATH])
{
    char url[128], rate[32], errors[SCRATCH_PATH];
    snprintf(url, sizeof url, "http://127.0.0.1:%d" ROUTE_SEED, world->server.port);
    snprintf(rate, sizeof rate, "%d", RATE / wait_stretch(1));
    scratch_path(world->directory, "load.json", report);
    scratch_path(world->directory, "load.log", errors);
    /* It is told when to end; the seconds are for a test that fails before. */
    const char *const words[] = {PBXHOOK_BUILD_DIR "/tests/bench/pbxhook-load",
                                 "--url",
                                 url,
                                 "--rate",
                                 rate,
                                 "--seconds",
                                 "300",
                                 "--report",
                                 report,
                                 NULL};
    return process_start(words, &world->server.environment, NULL, errors);
}

/* All events were acknowledged, and the report says so. */
static struct answers end_load(pid_t load, const char *report)
{
    assert_int_equal(kill(load, SIGTERM), 0);
    int status = process_wait(load, WAIT_LIMIT_MS);
    char *text = scratch_read(report);
    json_t *json = json_loads(text, 0, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || json == NULL)
        fail_msg("not each event was acknowledged, or none was posted: %s", text);
    struct answers answers = {
        .sent = json_integer_value(json_object_get(json, "requests")),
        .acknowledged = json_integer_value(json_object_get(json, "ok")),
        .slowest_ms =
            json_number_value(json_object_get(json_object_get(json, "latency_ms"), "max")),
    };
    json_decref(json);
    free(text);
    assert_int_equal(answers.acknowledged, answers.sent);
    return answers;
}

static void let_it_run(struct world *world)
{
    double until = metric_get(world, "pbxhook_events_received_total") + EVENTS_BETWEEN;
    await(metric_get(world, "pbxhook_events_received_total") >= until);
}

/* A new configuration, a broken one, a new plugin, a broken one, and one plugin less. After each of them a call
 * goes where the last good configuration says. */
#define RELOADS 5
static void reload_in_each_way(struct world *world, int round)
{
    static const char *const spy[] = {"spy", NULL}, *const bad[] = {"bad_magic", NULL};
    char queue[32], good[128], call_id[32];
    snprintf(queue, sizeof queue, "91%d", round);
    snprintf(good, sizeof good, "plugin \"call_standby\" { new_queue = \"%s\" }\n", queue);
    for (int way = 0; way < RELOADS; way++) {
        let_it_run(world);
        world_configure(world, way == 1 ? "nonsense = 1\n" : good);
        if (way == 2)
            world_add_plugins(world, spy);
        if (way == 3)
            world_add_plugins(world, bad);
        if (way == 4)
            world_remove_plugin(world, "spy");
        if (way == 1 || way == 3)
            world_reload_in_vain(world, way == 1 ? "nonsense" : "bad_magic.so");
        else
            world_reload(world);
        if (way == 3)
            world_remove_plugin(world, "bad_magic");
        snprintf(call_id, sizeof call_id, "call-%d-%d", round, way);
        call(world, call_id, queue);
    }
    let_it_run(world);
}

/* No event is ever refused. That none is slow must be seen once in a few rounds: others use this machine too. */
static void test_under_load(struct world *world)
{
    static const char *const none[] = {NULL};
    char report[SCRATCH_PATH];
    struct answers answers;
    int64_t events = 0;
    int rounds = 0;
    world_give_actions_time(world);
    world_add_plugins(world, none);
    world_start(world);
    do {
        assert_in_range(++rounds, 1, ROUNDS);
        pid_t load = begin_load(world, report);
        reload_in_each_way(world, rounds);
        answers = end_load(load, report);
        events += answers.acknowledged + RELOADS;
        print_message("round %d: %d reloads, %lld events, the slowest answer after %.1f ms\n",
                      rounds, RELOADS, (long long)answers.acknowledged, answers.slowest_ms);
    } while (answers.slowest_ms > wait_stretch(SLOW_MS));
    await_for(DRAIN_LIMIT_MS, store_int(world, "SELECT count(*) FROM events", NULL) == events);
    store_await_handled(world);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM actions", NULL),
        store_int(world, "SELECT count(*) FROM events WHERE type = 'call.standby'", NULL));
    metric_check(world, "pbxhook_worker_restarts_total", 0);
    metric_await(world, "pbxhook_spool_events", 0);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"new configuration", test_new_configuration},
        {"SIGHUP", test_sighup},
        {"new plugin", test_new_plugin},
        {"what is wrong changes nothing", test_what_is_wrong_changes_nothing},
        {"plugin that refuses to open", test_plugin_that_refuses_to_open},
        {"plugin file refuses to open", test_plugin_file_refuses_to_open},
        {"plugin file dies in open()", test_plugin_file_dies_in_open},
        {"mended plugin file", test_mended_plugin_file},
        {"no server", test_no_server},
        {"under load", test_under_load},
    };
    return WORLD_RUN("reload", tests);
}
