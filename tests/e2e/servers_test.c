/*
 * servers_test.c: three servers on one PostgreSQL, behind nothing but clients that take one after the other. Each
 * event of a call may come to another server than the last one, and servers come and go.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "truth.h"

#define SERVERS 3
#define CALLS   150
#define CALLERS 60
#define THREADS 6

/* All at once, on a database without a table. */
static void start_servers(struct world *world)
{
    world_set(world, "PBXHOOK_WORKERS", "2");
    world_give_actions_time(world);
    for (int i = 1; i < SERVERS; i++)
        world_add_server(world);
    server_launch(&world->server);
    for (int i = 0; i < world->others; i++)
        server_launch(&world->other[i]);
    for (int i = 0; i < world->others; i++)
        server_await_listening(&world->other[i]);
    server_await_listening(&world->server);
    world->client = client_open(world->server.port);
}

static struct load *start_load(struct world *world)
{
    return load_start_plan(
        &(struct load_plan){.server = {&world->server, &world->other[0], &world->other[1]},
                            .servers = SERVERS,
                            .prefix = "call",
                            .calls = CALLS,
                            .callers = CALLERS,
                            .threads = THREADS});
}

static void check_all(struct world *world, int may_be_unknown)
{
    const struct truth truth = {
        .prefix = "call", .calls = CALLS, .callers = CALLERS, .may_be_unknown = may_be_unknown};
    truth_check(world, &truth);
    for (int i = 0; i < world->others; i++)
        truth_check_server(world, &world->other[i], &truth);
}

static void test_three_servers(struct world *world)
{
    start_servers(world);
    struct load *load = start_load(world);
    assert_int_equal(load_failures(load), 0);
    load_finish(load);
    check_all(world, 0);
    assert_false(cluster_log_holds(world->cluster, "deadlock detected"));
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(
            server_log_count(i == 0 ? &world->server : &world->other[i - 1], "level=error", NULL),
            0);
}

/* Everybody's backlog is about the same calls and the same new callers, and all let go at once. */
static void test_the_same_calls_in_all_servers(struct world *world)
{
    enum { SHARED = 60 };
    start_servers(world);
    const struct server *const server[SERVERS] = {&world->server, &world->other[0],
                                                  &world->other[1]};
    for (int i = 0; i < SERVERS; i++)
        server_signal_workers(server[i], SIGSTOP);
    for (int k = 0; k < EVENTS_OF_CALL; k++) {
        for (int i = 0; i < SHARED; i++) {
            char call_id[32], number[32], time[EVENT_TIME_SIZE];
            int call = k % 2 == 0 ? i : SHARED - 1 - i;
            event_time(k, time);
            snprintf(call_id, sizeof call_id, "call-%d", call);
            snprintf(number, sizeof number, "11%08d", call % (SHARED / 3));
            world_look_at(world, server[(call + k) % SERVERS]);
            world_post(world, &(struct event_text){.type = event_types[k],
                                                   .call_id = call_id,
                                                   .timestamp = time,
                                                   .their_number = number});
        }
    }
    for (int i = 0; i < SERVERS; i++)
        server_signal_workers(server[i], SIGCONT);
    truth_check(world, &(struct truth){.prefix = "call", .calls = SHARED, .callers = SHARED / 3});
    assert_false(cluster_log_holds(world->cluster, "deadlock detected"));
}

static void test_servers_are_killed_under_load(struct world *world)
{
    start_servers(world);
    struct load *load = start_load(world);
    struct server *const killed[] = {&world->other[0], &world->other[1], &world->server};
    for (int i = 0; i < SERVERS; i++) {
        await(load_acknowledged(load) >= (i + 1) * CALLS * EVENTS_OF_CALL / (SERVERS + 1));
        server_kill(killed[i], 1);
        server_start(killed[i]);
    }
    load_finish(load);
    check_all(world, 1);
}

/* ---- The outbox of one that is gone --------------------------------------------------------------- */

static void post_standby_to(struct world *world, const struct server *server, const char *call_id)
{
    world_look_at(world, server);
    world_post(world, &(struct event_text){.type = "call.standby",
                                           .call_id = call_id,
                                           .timestamp = EVENT_TIME(1),
                                           .their_number = "1199999999"});
}

/* The PBX wants it later; its server is killed meanwhile and stays so. */
static void test_another_delivers_what_waits(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 503, .retry_after_s = 3});
    start_servers(world);
    post_standby_to(world, &world->other[0], "c");
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'pending' AND attempts = 1",
                    NULL) == 1);
    server_kill(&world->other[0], 1);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) == 1);
    assert_int_equal(store_int(world, "SELECT attempts FROM actions", NULL), 2);
    assert_int_equal(fake_pbx_count_of(world->pbx, "c"), 2);
}

/* Killed with its action on the way to a PBX that says nothing: nobody touches it while its lease runs. */
static void kill_while_sending(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.conduct = FAKE_PBX_IS_SILENT});
    start_servers(world);
    post_standby_to(world, &world->other[0], "c");
    await(fake_pbx_count_of(world->pbx, "c") == 1);
    server_kill(&world->other[0], 1);
    post_standby_to(world, &world->server, "later");
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) == 1);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM actions WHERE call_id = 'c' AND state = 'sending'",
                  NULL),
        1);
}

/* In place of waiting for it: more than the pbx.timeout and what is added to it. */
static void let_leases_run_out(struct world *world)
{
    database_execute(world->database,
                     "UPDATE actions SET lease_until = now() WHERE state = 'sending'");
}

static void test_another_gives_up_what_was_on_its_way(struct world *world)
{
    kill_while_sending(world);
    let_leases_run_out(world);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'unknown'", NULL) == 1);
    post_standby_to(world, &world->server, "last");
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) == 2);
    assert_int_equal(fake_pbx_count_of(world->pbx, "c"), 1);
}

static void test_another_repeats_it_to_an_idempotent_pbx(struct world *world)
{
    struct fake_pbx_action first, second;
    world_set(world, "PBXHOOK_PBX_IDEMPOTENT", "true");
    kill_while_sending(world);
    let_leases_run_out(world);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) == 2);
    assert_int_equal(fake_pbx_count_of(world->pbx, "c"), 2);
    fake_pbx_get(world->pbx, 0, &first);
    fake_pbx_get_of(world->pbx, "c", &second);
    assert_string_equal(first.key, second.key);
}

/* What two of them claim at the same time goes out once. */
static void test_nothing_is_delivered_twice(struct world *world)
{
    enum { WAITING = 200 };
    world_close_pbx(world);
    start_servers(world);
    for (int i = 0; i < WAITING; i++) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "call-%d", i);
        post_standby_to(world, i % 2 == 0 ? &world->server : &world->other[i % 4 / 2], call_id);
    }
    await(store_int(world, "SELECT count(*) FROM actions WHERE attempts >= 1", NULL) == WAITING);
    fake_pbx_open(world->pbx);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) ==
          WAITING);
    assert_int_equal(fake_pbx_count(world->pbx), WAITING);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"three servers", test_three_servers},
        {"the same calls in all servers", test_the_same_calls_in_all_servers},
        {"servers are killed under load", test_servers_are_killed_under_load},
        {"another delivers what waits", test_another_delivers_what_waits},
        {"another gives up what was on its way", test_another_gives_up_what_was_on_its_way},
        {"another repeats it to an idempotent PBX", test_another_repeats_it_to_an_idempotent_pbx},
        {"nothing is delivered twice", test_nothing_is_delivered_twice},
    };
    return WORLD_RUN_ON("servers", WORLD_POSTGRESQL, tests);
}
