/*
 * workers_test.c: several workers of one server on PostgreSQL: calls are shared out among them, the events of one
 * call stay in order, and the same new callers in all of them are no trouble.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "truth.h"

#define WORKERS 4
#define CALLS   150
#define THREADS 8

/* What the spy sees of a call, "call.*" alone, when its events are handled as they were posted. */
#define IN_ORDER "call.new,call.standby,call.waiting,call.ongoing,call.finished"

static void start_workers(struct world *world)
{
    char count[16];
    snprintf(count, sizeof count, "%d", WORKERS);
    world_set(world, "PBXHOOK_WORKERS", count);
    world_give_actions_time(world);
    world_start(world);
    metric_await(world, "pbxhook_workers_ready", WORKERS);
}

static void start_with_spy(struct world *world)
{
    static const char *const names[] = {"spy", NULL};
    world_add_plugins(world, names);
    start_workers(world);
}

/* Each call's events were handled once and in order. */
static void check_order(struct world *world)
{
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM (SELECT string_agg(type, ',' ORDER BY id) AS "
                               "types FROM spy GROUP BY call_id) AS calls WHERE types = $1",
                               IN_ORDER),
                     CALLS);
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), CALLS * 5);
}

static void test_calls_are_shared_out(struct world *world)
{
    start_with_spy(world);
    load_finish(load_start(&world->server, "call", CALLS, THREADS));
    truth_check(world, &(struct truth){.prefix = "call", .calls = CALLS});
    check_order(world);
    assert_int_equal(store_int(world, "SELECT count(DISTINCT worker) FROM spy", NULL), WORKERS);
    assert_int_equal(store_int(world,
                               "SELECT max(n) FROM (SELECT count(DISTINCT worker) AS n FROM spy "
                               "GROUP BY call_id) AS calls",
                               NULL),
                     1);
    /* No worker is left with next to nothing. */
    assert_true(store_int(world,
                          "SELECT min(n) FROM (SELECT count(DISTINCT call_id) AS n FROM spy GROUP "
                          "BY worker) AS workers",
                          NULL) >= CALLS / WORKERS / 3);
}

/* The one that takes a dead worker's place goes on where that one was, call by call. */
static void test_order_over_a_workers_death(struct world *world)
{
    pid_t worker[SERVER_WORKERS_MAX];
    start_with_spy(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    for (int i = 0; i < WORKERS; i++) {
        await(load_acknowledged(load) >= (i + 1) * CALLS * EVENTS_OF_CALL / (WORKERS + 1));
        assert_int_equal(server_workers(&world->server, worker), WORKERS);
        assert_int_equal(kill(worker[i], SIGKILL), 0);
        await((int64_t)metric_get(world, "pbxhook_worker_restarts_total") == i + 1);
    }
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    truth_check(world, &(struct truth){.prefix = "call", .calls = CALLS, .may_be_unknown = 1});
    check_order(world);
}

/* A backlog, so that each batch is long when the workers go on: same new callers in all of them. */
static void post_standbys(struct world *world, int numbers, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < numbers; i++) {
            char call_id[64], number[32];
            /* Up in even rounds, down in odd ones: whoever takes them one by one meets himself in a circle. */
            snprintf(number, sizeof number, "55%06d", round % 2 == 0 ? i : numbers - 1 - i);
            snprintf(call_id, sizeof call_id, "%s-%d", number, round);
            world_post(world, &(struct event_text){.type = "call.standby",
                                                   .call_id = call_id,
                                                   .timestamp = EVENT_TIME(1),
                                                   .their_number = number});
        }
    }
}

/* Of each number's calls one was told the queue of the new. */
static void check_newcomers(struct world *world, int numbers, int rounds)
{
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('delivered', 'confirmed')",
                    NULL) == numbers * rounds);
    assert_int_equal(fake_pbx_count(world->pbx), numbers * rounds);
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), numbers);
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM (SELECT their_number FROM actions JOIN calls "
                               "USING (call_id) WHERE actions.body LIKE '%\"901\"%' GROUP BY "
                               "their_number HAVING count(*) = 1) AS newcomers",
                               NULL),
                     numbers);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM actions WHERE body LIKE '%\"901\"%'", NULL),
        numbers);
}

enum { NUMBERS = 25, ROUNDS = 16 };

static void meet_new_callers(struct world *world)
{
    server_signal_workers(&world->server, SIGSTOP);
    post_standbys(world, NUMBERS, ROUNDS);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 0);
    server_signal_workers(&world->server, SIGCONT);
    check_newcomers(world, NUMBERS, ROUNDS);
    assert_int_equal(server_log_count(&world->server, "level=error", NULL), 0);
    metric_await(world, "pbxhook_spool_events", 0);
    dashboard_check(world, &(struct world_counts){.users = NUMBERS,
                                                  .active = NUMBERS * ROUNDS,
                                                  .calls = {[1] = NUMBERS * ROUNDS}});
}

static void test_the_same_new_callers_in_all_workers(struct world *world)
{
    start_workers(world);
    meet_new_callers(world);
    assert_false(cluster_log_holds(world->cluster, "deadlock detected"));
}

/* A plugin's own SQL needs its event's rows written before it, so rows are locked one by one and workers may meet
 * in a circle. PostgreSQL breaks it, the batch is run again, and nobody is told. */
static void test_new_callers_and_a_plugin_of_sql(struct world *world)
{
    start_with_spy(world);
    meet_new_callers(world);
    assert_int_equal(store_int(world, "SELECT count(*) FROM spy", NULL), NUMBERS * ROUNDS);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"the same new callers in all workers", test_the_same_new_callers_in_all_workers},
        {"calls are shared out", test_calls_are_shared_out},
        {"order over a worker's death", test_order_over_a_workers_death},
        {"new callers and a plugin of SQL", test_new_callers_and_a_plugin_of_sql},
    };
    return WORLD_RUN_ON("workers", WORLD_POSTGRESQL, tests);
}
