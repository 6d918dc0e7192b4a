/*
 * reload_test.c: `pbxhook reload` and SIGHUP: a new configuration and new plugins while events come; what is
 * wrong with them is said and changes nothing.
 */
#include "world.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    world_reload_in_vain(world,
                         "spool.max_bytes, store.url: can't be changed while the server runs");
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

#define POSTERS 4
#define RELOADS 5
#define SLOW_MS 100

struct posters {
    int port;
    _Atomic int next, acknowledged, failed, slow, stop;
};

static void *post_on(void *arg)
{
    struct posters *posters = arg;
    struct client *client = client_open(posters->port);
    while (!posters->stop) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "load-%d", posters->next++);
        char *body = event_seed(&(struct event_text){.type = "call.new", .call_id = call_id});
        int64_t began_ms = wait_now_ms();
        int status = client_post(client, ROUTE_SEED, body);
        posters->slow += wait_now_ms() - began_ms > wait_stretch(SLOW_MS);
        posters->acknowledged += status == 204;
        posters->failed += status != 204;
        free(body);
    }
    client_close(client);
    return NULL;
}

/* Reloads again and again while events are posted as fast as they are answered; how many were slow. */
static int reload_under_load(struct world *world, struct posters *posters)
{
    pthread_t thread[POSTERS];
    int before = posters->acknowledged;
    posters->stop = posters->slow = 0;
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, post_on, posters), 0);
    int64_t began_ms = wait_now_ms();
    for (int i = 1; i <= RELOADS; i++) {
        await(posters->acknowledged - before >= i * 300);
        world_reload(world);
    }
    posters->stop = 1;
    int64_t took_ms = wait_now_ms() - began_ms;
    for (int i = 0; i < POSTERS; i++)
        pthread_join(thread[i], NULL);
    print_message("%d reloads, %d events in %lld ms, %d failed, %d slow\n", RELOADS,
                  posters->acknowledged - before, (long long)took_ms, posters->failed,
                  posters->slow);
    return posters->slow;
}

/* None is ever refused. That none is slow must be seen once in a few rounds: others use this machine too. */
static void test_under_load(struct world *world)
{
    world_start(world);
    struct posters posters = {.port = world->server.port};
    int rounds = 0;
    while (reload_under_load(world, &posters) > 0)
        assert_in_range(++rounds, 1, 4);
    assert_int_equal(posters.failed, 0);
    await_for(2 * WAIT_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM events", NULL) == posters.acknowledged);
    store_await_handled(world);
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), posters.acknowledged);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"new configuration", test_new_configuration},
        {"SIGHUP", test_sighup},
        {"new plugin", test_new_plugin},
        {"what is wrong changes nothing", test_what_is_wrong_changes_nothing},
        {"plugin that refuses to open", test_plugin_that_refuses_to_open},
        {"no server", test_no_server},
        {"under load", test_under_load},
    };
    return WORLD_RUN("reload", tests);
}
