/* truth.c: see truth.h. */
#include "truth.h"

#include <stdio.h>
#include <string.h>

#define DRAIN_LIMIT_MS 60000

static int callers_of(const struct truth *truth)
{
    return truth->callers > 0 && truth->callers < truth->calls ? truth->callers : truth->calls;
}

static void check_count(const struct world *world, const char *sql, int64_t wanted)
{
    int64_t found = store_int(world, sql, NULL);
    if (found != wanted)
        fail_msg("%s: found %lld, wanted %lld", sql, (long long)found, (long long)wanted);
}

/* Each acknowledged event once, each call as its last event says, each caller once. */
static void check_store(const struct world *world, const struct truth *truth)
{
    int events = truth->calls * EVENTS_OF_CALL;
    check_count(world, "SELECT count(*) FROM events", events);
    check_count(world,
                "SELECT count(*) FROM (SELECT DISTINCT call_id, type FROM events) AS different",
                events);
    check_count(world, "SELECT count(*) FROM calls", truth->calls);
    check_count(world, "SELECT count(*) FROM calls WHERE status = 'call.finished'", truth->calls);
    check_count(world, "SELECT count(*) FROM payloads", truth->calls);
    check_count(world, "SELECT count(*) FROM users", callers_of(truth));
    check_count(world, "SELECT count(DISTINCT number) FROM users", callers_of(truth));
    check_count(world, "SELECT count(*) FROM actions", truth->calls);
    check_count(world, "SELECT count(DISTINCT call_id) FROM actions", truth->calls);
    check_count(world, "SELECT count(*) FROM handlings", 0);
    check_count(world, "SELECT coalesce(sum(n), 0) FROM counts WHERE name = 'users'",
                callers_of(truth));
    check_count(world, "SELECT coalesce(sum(n), 0) FROM counts WHERE name = 'call.finished'",
                truth->calls);
    check_count(world,
                "SELECT coalesce(sum(n), 0) FROM counts WHERE name NOT IN ('users', "
                "'call.finished')",
                0);
}

/* What the store says of a call's action, and what the PBX got. */
static void check_action(struct world *world, const struct truth *truth, int call)
{
    char call_id[96], state[32];
    snprintf(call_id, sizeof call_id, "%s-%d", truth->prefix, call);
    store_text(world, "SELECT state FROM actions WHERE call_id = $1", call_id, state, sizeof state);
    int received = fake_pbx_count_of(world->pbx, call_id);
    int is_delivered = strcmp(state, "delivered") == 0;
    int is_confirmed = strcmp(state, "confirmed") == 0;
    int is_unknown = strcmp(state, "unknown") == 0;
    if (truth->may_be_unknown
            ? (is_delivered && received == 1) || ((is_confirmed || is_unknown) && received <= 1)
            : (is_delivered || is_confirmed) && received == 1)
        return;
    fail_msg("%s: its action is %s, and the PBX got it %d times", call_id, state, received);
}

/* A caller's first call is told the queue of the new, once in all, and each other call the known one's. */
static void check_queues(struct world *world, const struct truth *truth)
{
    int newcomers = 0;
    check_count(world, "SELECT count(*) FROM actions WHERE body LIKE '%\"destination\":\"901\"%'",
                callers_of(truth));
    check_count(world, "SELECT count(*) FROM actions WHERE body LIKE '%\"destination\":\"900\"%'",
                truth->calls - callers_of(truth));
    int count = fake_pbx_count(world->pbx);
    for (int i = 0; i < count; i++) {
        struct fake_pbx_action action;
        fake_pbx_get(world->pbx, i, &action);
        newcomers += strcmp(action.destination, "901") == 0;
    }
    assert_in_range(newcomers, truth->may_be_unknown ? 0 : callers_of(truth), callers_of(truth));
}

void truth_check(struct world *world, const struct truth *truth)
{
    await_for(DRAIN_LIMIT_MS, store_int(world, "SELECT count(*) FROM events", NULL) >=
                                  truth->calls * EVENTS_OF_CALL);
    store_await_handled(world); /* stored is not handled: what was suspected is tried alone */
    await_for(DRAIN_LIMIT_MS, store_int(world,
                                        "SELECT count(*) FROM actions WHERE state IN "
                                        "('pending', 'sending')",
                                        NULL) == 0);
    /* One that its call's own event confirmed is still on its way to the PBX. */
    if (!truth->may_be_unknown)
        await_for(DRAIN_LIMIT_MS, fake_pbx_count(world->pbx) >= truth->calls);
    check_store(world, truth);
    for (int call = 0; call < truth->calls; call++)
        check_action(world, truth, call);
    check_queues(world, truth);
    truth_check_server(world, &world->server, truth);
}

void truth_catch_up(struct world *world, struct load *load)
{
    int acknowledged = load_acknowledged(load);
    await_for(DRAIN_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM events", NULL) >= acknowledged);
    store_await_handled(world);
}

void truth_check_server(struct world *world, const struct server *server, const struct truth *truth)
{
    world_look_at(world, server);
    metric_await(world, "pbxhook_spool_events", 0);
    dashboard_check(world, &(struct world_counts){.users = callers_of(truth),
                                                  .calls = {[EVENTS_OF_CALL - 1] = truth->calls}});
}
