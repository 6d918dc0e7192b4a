/*
 * kill_test.c: SIGKILL for the receiver, for the worker, for both, at random moments under load with callers
 * that come again. In the end every acknowledged event is stored exactly once, every call has one action
 * with an honest end, every count is right. PBXHOOK_E2E_KILLS says how often; the seed is printed.
 */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "load.h"
#include "truth.h"

#define KILLS_IN_CI 12
#define CALLERS     40
#define THREADS     4

static int number_from(const char *name, int standard)
{
    const char *text = getenv(name);
    return text != NULL ? (int)strtol(text, NULL, 10) : standard;
}

/* Lets the load get on by a random part of a few hundred events, so that the kill comes at any moment. */
static void let_it_run(struct load *load)
{
    int until = load_acknowledged(load) + rand() % 200;
    await_for(2 * WAIT_LIMIT_MS, load_acknowledged(load) >= until);
}

static void kill_worker(struct world *world)
{
    pid_t worker = server_worker_pid(&world->server);
    /* It may be dead already, and the next one not ready. */
    if (kill(worker, SIGKILL) == 0)
        await(server_worker_pid(&world->server) != worker);
}

struct tally {
    int receiver, worker, both;
};

static void kill_one(struct world *world, struct tally *tally)
{
    switch (rand() % 3) {
    case 0:
        kill_worker(world);
        tally->worker++;
        break;
    case 1: /* its worker leaves by itself, and is waited for by the next */
        server_kill(&world->server, 0);
        world_start(world);
        tally->receiver++;
        break;
    default:
        server_kill(&world->server, 1);
        world_start(world);
        tally->both++;
        break;
    }
}

static int64_t actions_as(struct world *world, const char *state)
{
    return store_int(world, "SELECT count(*) FROM actions WHERE state = ?1", state);
}

/* What the PBX got against what is written down. */
static void check_actions(struct world *world, int calls)
{
    await_for(2 * WAIT_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM actions WHERE state IN ('pending', 'sending')",
                        NULL) == 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM actions", NULL), calls);
    assert_int_equal(store_int(world, "SELECT count(DISTINCT call_id) FROM actions", NULL), calls);
    int64_t delivered = actions_as(world, "delivered"), confirmed = actions_as(world, "confirmed");
    int64_t unknown = actions_as(world, "unknown"), expired = actions_as(world, "expired");
    print_message("actions: %lld delivered, %lld confirmed, %lld unknown, %lld expired\n",
                  (long long)delivered, (long long)confirmed, (long long)unknown,
                  (long long)expired);
    assert_int_equal(delivered + confirmed + unknown + expired, calls);
    for (int i = 0; i < calls; i++) {
        char call_id[64], state[32];
        snprintf(call_id, sizeof call_id, "call-%d", i);
        store_text(world, "SELECT state FROM actions WHERE call_id = ?1", call_id, state,
                   sizeof state);
        int received = fake_pbx_count_of(world->pbx, call_id);
        assert_in_range(received, strcmp(state, "delivered") == 0, strcmp(state, "expired") != 0);
    }
}

/* One of the calls of each caller was a new one's, the others went to the known callers' queue. */
static void check_callers(struct world *world)
{
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), CALLERS);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM actions WHERE body LIKE '%\"901\"%'", NULL),
        CALLERS);
}

static void check_events(struct world *world, int calls)
{
    store_await_events(world, (int64_t)calls * EVENTS_OF_CALL);
    store_await_handled(world);
    metric_await(world, "pbxhook_spool_events", 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), calls * EVENTS_OF_CALL);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM (SELECT DISTINCT call_id, type FROM events)", NULL),
        calls * EVENTS_OF_CALL);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), calls);
    dashboard_check(
        world, &(struct world_counts){.users = CALLERS, .calls = {[EVENTS_OF_CALL - 1] = calls}});
}

static void test_kills(struct world *world)
{
    int kills = number_from("PBXHOOK_E2E_KILLS", KILLS_IN_CI);
    unsigned seed = (unsigned)number_from("PBXHOOK_E2E_SEED", (int)time(NULL));
    struct tally tally = {0};
    print_message("seed %u, %d kills\n", seed, kills);
    srand(seed);
    world_start(world);
    struct load *load = load_start_plan(&(struct load_plan){.server = {&world->server},
                                                            .servers = 1,
                                                            .prefix = "call",
                                                            .threads = THREADS,
                                                            .callers = CALLERS,
                                                            .gap_ms = 15});
    for (int i = 0; i < kills; i++) {
        let_it_run(load);
        kill_one(world, &tally);
        if (i % 2 == 1)
            truth_catch_up(world, load);
    }
    let_it_run(load);
    load_end(load);
    int failures = load_failures(load);
    int calls = load_finish(load);
    print_message("killed: receiver %d, worker %d, both %d; %d calls, %d posts not acknowledged\n",
                  tally.receiver, tally.worker, tally.both, calls, failures);
    assert_true(calls > CALLERS);
    check_events(world, calls);
    check_callers(world);
    check_actions(world, calls);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"kills at random moments", test_kills},
    };
    return WORLD_RUN("kill", tests);
}
