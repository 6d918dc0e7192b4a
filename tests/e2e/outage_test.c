/*
 * outage_test.c: PostgreSQL goes away: stopped, killed, cut off in the middle of a COMMIT, silent. Meanwhile every
 * webhook is acknowledged as ever; afterwards nothing is missing, nothing is there twice, and the log has said once
 * that it waits and once that it is back.
 *
 * PBXHOOK_E2E_OUTAGE_S sets how long the long outage is: a few seconds unless it says otherwise.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "proxy.h"
#include "truth.h"

#define THREADS      4
#define GAP_MS       20
#define OUTAGE_S     5
#define ACK_LIMIT_MS 1000
#define WORKERS      2

/* A server that says nothing for so long is taken as gone. */
#define SILENCE_LIMIT_MS 40000

/* What the spy sees of each call when its events are handled in order. */
#define IN_ORDER "call.new,call.standby,call.waiting,call.ongoing,call.finished"

#define WAITS    "msg=\"store failed"
#define IS_BACK  "msg=\"works again\""

static void start(struct world *world)
{
    static const char *const names[] = {"spy", NULL};
    char workers[16];
    snprintf(workers, sizeof workers, "%d", WORKERS);
    world_add_plugins(world, names);
    world_set(world, "PBXHOOK_WORKERS", workers);
    /* Actions wait for the database too, and are to be delivered all the same. */
    world_set(world, "PBXHOOK_PBX_DEADLINE", "600s");
    /* Not longer than need be: what a lost COMMIT had claimed is found when its lease ends. */
    world_set_time(world, "PBXHOOK_PBX_TIMEOUT", 5000);
    world_start(world);
    metric_await(world, "pbxhook_workers_ready", WORKERS);
}

/* Puts a proxy between the server and the cluster; for before start(). */
static struct proxy *add_proxy(struct world *world)
{
    char path[SCRATCH_PATH], url[128];
    scratch_path(world->cluster->directory, ".s.PGSQL." CLUSTER_PORT, path);
    struct proxy *proxy = proxy_new(path);
    snprintf(url, sizeof url, "postgresql://" CLUSTER_USER "@127.0.0.1:%d/%s", proxy_port(proxy),
             database_name(world->database));
    world_set(world, "PBXHOOK_STORE_URL", url);
    return proxy;
}

/* Calls on and on, a caller's second call among them. */
static struct load *start_load(struct world *world)
{
    return load_start_plan(&(struct load_plan){.server = {&world->server},
                                               .servers = 1,
                                               .prefix = "call",
                                               .callers = 50,
                                               .threads = THREADS,
                                               .gap_ms = GAP_MS});
}

/* So many more events are acknowledged from here on. */
static void await_acknowledged(struct load *load, int more)
{
    int before = load_acknowledged(load);
    await(load_acknowledged(load) >= before + more);
}

static void check_order(struct world *world, int calls)
{
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM (SELECT string_agg(type, ',' ORDER BY id) AS "
                               "types FROM spy GROUP BY call_id) AS calls WHERE types = $1",
                               IN_ORDER),
                     calls);
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), calls * 5);
}

/* No post failed or waited, and all is as if nothing had happened. */
static void finish(struct world *world, struct load *load, int deaths)
{
    load_end(load);
    int failures = load_failures(load);
    int slowest_ms = load_slowest_ms(load);
    int calls = load_finish(load);
    assert_int_equal(failures, 0);
    assert_in_range(slowest_ms, 0, wait_stretch(ACK_LIMIT_MS));
    truth_check(world,
                &(struct truth){
                    .prefix = "call", .calls = calls, .callers = 50, .may_be_unknown = deaths > 0});
    check_order(world, calls);
    if (deaths == 0)
        metric_check(world, "pbxhook_worker_restarts_total", 0);
}

/* ---- Stopped --------------------------------------------------------------------------------------- */

static int outage_ms(void)
{
    const char *seconds = getenv("PBXHOOK_E2E_OUTAGE_S");
    long value = seconds != NULL ? strtol(seconds, NULL, 10) : OUTAGE_S;
    return 1000 * (int)(value >= 1 && value <= 600 ? value : OUTAGE_S);
}

/* Each worker says it: once that it waits, once that it is back. */
static void check_log(struct world *world, int outages)
{
    assert_int_equal(server_log_count(&world->server, WAITS, NULL), outages * WORKERS);
    assert_int_equal(server_log_count(&world->server, IS_BACK, NULL), outages * WORKERS);
    assert_int_equal(server_log_count(&world->server, "level=error", NULL), outages * WORKERS);
}

/* The time is what is tested: meanwhile the server answers as ever. */
static void last_for_long(struct world *world, struct load *load)
{
    int64_t end_ms = wait_now_ms() + outage_ms();
    while (wait_now_ms() < end_ms) {
        await_acknowledged(load, 10);
        assert_int_equal(client_get(world->client, "/healthz"), 200);
    }
}

static void test_stopped_for_long(struct world *world)
{
    start(world);
    struct load *load = start_load(world);
    await_acknowledged(load, 500);
    cluster_stop(world->cluster);
    await(server_log_count(&world->server, WAITS, NULL) == WORKERS);
    last_for_long(world, load);
    cluster_start(world->cluster);
    await(server_log_count(&world->server, IS_BACK, NULL) == WORKERS);
    await_acknowledged(load, 200);
    finish(world, load, 0);
    check_log(world, 1);
}

static void test_killed_again_and_again(struct world *world)
{
    start(world);
    struct load *load = start_load(world);
    for (int kills = 1; kills <= 3; kills++) {
        await_acknowledged(load, 300);
        cluster_kill(world->cluster);
        await(server_log_count(&world->server, WAITS, NULL) == kills * WORKERS);
        cluster_start(world->cluster);
        await(server_log_count(&world->server, IS_BACK, NULL) == kills * WORKERS);
    }
    finish(world, load, 0);
    check_log(world, 3);
}

/* Gone and back before anybody has tried. */
static void test_restarted(struct world *world)
{
    start(world);
    struct load *load = start_load(world);
    for (int restarts = 0; restarts < 3; restarts++) {
        await_acknowledged(load, 300);
        cluster_stop(world->cluster);
        cluster_start(world->cluster);
    }
    await_acknowledged(load, 300);
    finish(world, load, 0);
}

/* A worker dies, and the one in its place finds no database: it waits as the other does, until it is back. */
static void test_worker_dies_meanwhile(struct world *world)
{
    start(world);
    struct load *load = start_load(world);
    await_acknowledged(load, 300);
    cluster_stop(world->cluster);
    await(server_log_count(&world->server, WAITS, NULL) == WORKERS);
    assert_int_equal(kill(server_worker_pid(&world->server), SIGKILL), 0);
    await(server_log_count(&world->server, WAITS, NULL) == WORKERS + 1);
    await_acknowledged(load, 300);
    cluster_start(world->cluster);
    metric_await(world, "pbxhook_workers_ready", WORKERS);
    metric_check(world, "pbxhook_worker_restarts_total", 1);
    assert_int_equal(server_log_count(&world->server, "can't start", NULL), 0);
    finish(world, load, 1);
}

/* A reload that can't be made is refused before a worker is touched: they wait, and go on when the time comes. */
static void test_reload_meanwhile(struct world *world)
{
    start(world);
    struct load *load = start_load(world);
    await_acknowledged(load, 300);
    cluster_stop(world->cluster);
    await(server_log_count(&world->server, WAITS, NULL) == WORKERS);
    world_reload_in_vain(world, "connection to server");
    metric_check(world, "pbxhook_workers_ready", WORKERS);
    await_acknowledged(load, 100);
    cluster_start(world->cluster);
    await(server_log_count(&world->server, IS_BACK, NULL) == WORKERS);
    world_reload(world);
    finish(world, load, 0);
}

/* Stopped and started again while the database is away, and not handled in between. */
static void test_stopped_meanwhile(struct world *world)
{
    start(world);
    struct load *load = start_load(world);
    await_acknowledged(load, 300);
    cluster_stop(world->cluster);
    await_acknowledged(load, 300);
    load_end(load);
    int calls = load_finish(load);
    server_stop(&world->server);
    cluster_start(world->cluster);
    world_start(world);
    truth_check(world, &(struct truth){
                           .prefix = "call", .calls = calls, .callers = 50, .may_be_unknown = 1});
    check_order(world, calls);
}

/* A start needs the database, says so, and says no password. */
static void test_no_start_without_it(struct world *world)
{
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "serve", NULL};
    struct process_result result;
    char url[2 * SCRATCH_PATH];
    snprintf(url, sizeof url, "postgresql://" CLUSTER_USER ":geheim@/%s?host=%s",
             database_name(world->database), world->cluster->directory);
    world_set(world, "PBXHOOK_STORE_URL", url);
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    cluster_stop(world->cluster);
    process_run(words, &world->server.environment, world->directory, &result);
    cluster_start(world->cluster);
    assert_int_equal(result.exit_status, 1);
    if (strstr(result.errors, "Connection refused") == NULL &&
        strstr(result.errors, "No such file or directory") == NULL)
        fail_msg("it does not say that the database is not there: %s", result.errors);
    assert_null(strstr(result.errors, "geheim"));
    assert_null(strstr(result.errors, "msg=listening"));
    process_forget(&result);
}

/* ---- Cut off ---------------------------------------------------------------------------------------- */

static void cut_commits(struct world *world, enum proxy_cut how)
{
    struct proxy *proxy = add_proxy(world);
    start(world);
    struct load *load = start_load(world);
    for (int cuts = 1; cuts <= 8; cuts++) {
        await_acknowledged(load, 100);
        proxy_cut_commits(proxy, how, 1);
        await(proxy_cuts(proxy) == cuts);
    }
    await_acknowledged(load, 100);
    finish(world, load, 0);
    assert_int_equal(proxy_cuts(proxy), 8);
    server_stop(&world->server);
    proxy_free(proxy);
}

static void test_cut_before_the_commit(struct world *world)
{
    cut_commits(world, PROXY_CUT_BEFORE_COMMIT);
}

static void test_cut_before_the_answer(struct world *world)
{
    cut_commits(world, PROXY_CUT_BEFORE_ANSWER);
}

/* As in a failover: the COMMIT may or may not have been done, and for a while nobody answers. */
static void test_failover(struct world *world)
{
    struct proxy *proxy = add_proxy(world);
    start(world);
    struct load *load = start_load(world);
    for (int i = 1; i <= 4; i++) {
        await_acknowledged(load, 200);
        proxy_refuse(proxy, 1);
        proxy_cut_commits(proxy, i % 2 == 0 ? PROXY_CUT_BEFORE_ANSWER : PROXY_CUT_BEFORE_COMMIT, 1);
        await(proxy_cuts(proxy) == i);
        proxy_cut_all(proxy);
        await(server_log_count(&world->server, WAITS, NULL) == i * WORKERS);
        cluster_kill(world->cluster);
        cluster_start(world->cluster);
        proxy_refuse(proxy, 0);
        await(server_log_count(&world->server, IS_BACK, NULL) == i * WORKERS);
    }
    finish(world, load, 0);
    check_log(world, 4);
    server_stop(&world->server);
    proxy_free(proxy);
}

/* Connections stay open and nothing comes. What is shorter than the time-outs is waited for; what is longer is an
 * outage as any other. */
static void test_silent(struct world *world)
{
    struct proxy *proxy = add_proxy(world);
    /* The spy waits for the database in its handler, and is not taken for one that hangs. */
    world_set(world, "PBXHOOK_HANDLER_TIMEOUT", "1s");
    start(world);
    struct load *load = start_load(world);
    for (int i = 0; i < 2; i++) {
        await_acknowledged(load, 200);
        proxy_stall(proxy, 1);
        await_acknowledged(load, 500);
        proxy_stall(proxy, 0);
    }
    proxy_stall(proxy, 1);
    last_for_long(world, load);
    proxy_stall(proxy, 0);
    await_acknowledged(load, 200);
    finish(world, load, 0);
    check_log(world, outage_ms() > SILENCE_LIMIT_MS);
    server_stop(&world->server);
    proxy_free(proxy);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"stopped for long", test_stopped_for_long},
        {"killed again and again", test_killed_again_and_again},
        {"restarted", test_restarted},
        {"worker dies meanwhile", test_worker_dies_meanwhile},
        {"reload meanwhile", test_reload_meanwhile},
        {"stopped meanwhile", test_stopped_meanwhile},
        {"no start without it", test_no_start_without_it},
        {"cut before the COMMIT", test_cut_before_the_commit},
        {"cut before the answer", test_cut_before_the_answer},
        {"failover", test_failover},
        {"silent", test_silent},
    };
    return WORLD_RUN_ON("outage", WORLD_POSTGRESQL, tests);
}
