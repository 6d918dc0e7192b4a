/*
 * spool_cap_test.c: a worker that does not get on: the spool takes events up to its cap, then the PBX
 * is told to come again. Nothing that was acknowledged is lost, and all works again when it does.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define POSTS_MAX 2000

static int post_new(struct world *world, int i)
{
    char call_id[32];
    snprintf(call_id, sizeof call_id, "capped-%d", i);
    char *body = event_seed(
        &(struct event_text){.type = "call.new", .call_id = call_id, .their_number = "1199999999"});
    int status = client_post(world->client, ROUTE_SEED, body);
    free(body);
    return status;
}

/* Posts until the cap is met: the number of events acknowledged. */
static int fill_spool(struct world *world)
{
    int acknowledged = 0;
    while (acknowledged < POSTS_MAX && post_new(world, acknowledged) == 204)
        acknowledged++;
    assert_in_range(acknowledged, 1, POSTS_MAX - 1);
    assert_int_equal(world->client->status, 503);
    assert_string_equal(client_header(world->client, "Content-Type"), "application/problem+json");
    assert_true(strtol(client_header(world->client, "Retry-After"), NULL, 10) > 0);
    return acknowledged;
}

static void test_the_cap(struct world *world)
{
    world_set(world, "PBXHOOK_SPOOL_MAX_BYTES", "65536");
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    int acknowledged = fill_spool(world);
    metric_check(world, "pbxhook_spool_events", acknowledged);
    assert_true(metric_get(world, "pbxhook_spool_bytes") <= 65536);
    metric_check(world, "pbxhook_events_received_total", acknowledged);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"spool_full\"}", 1);
    assert_int_equal(client_get(world->client, "/healthz"), 200);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 0);

    assert_int_equal(kill(worker, SIGCONT), 0);
    store_await_events(world, acknowledged);
    await(post_new(world, acknowledged) == 204);
    store_await_events(world, acknowledged + 1);
    metric_await(world, "pbxhook_spool_events", 0);
    metric_check(world, "pbxhook_spool_bytes", 0);
}

/* The cap holds over a restart too: it counts what an earlier run left. */
static void test_the_cap_after_a_restart(struct world *world)
{
    world_set(world, "PBXHOOK_SPOOL_MAX_BYTES", "65536");
    world_start(world);
    assert_int_equal(kill(server_worker_pid(&world->server), SIGSTOP), 0);
    int acknowledged = fill_spool(world);
    server_kill(&world->server, 1);
    world_start(world);
    store_await_events(world, acknowledged);
    await(post_new(world, acknowledged) == 204);
    store_await_events(world, acknowledged + 1);
}

/* Many senders run into the cap at the same time and come again until they are heard. */
static void test_the_cap_under_load(struct world *world)
{
    world_set(world, "PBXHOOK_SPOOL_MAX_BYTES", "65536");
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    struct load *load = load_start(&world->server, "call", 60, 8);
    await(load_failures(load) > 0);
    assert_int_equal(kill(worker, SIGCONT), 0);
    load_finish(load);
    store_await_events(world, 60 * EVENTS_OF_CALL);
    dashboard_check(world,
                    &(struct world_counts){.users = 60, .calls = {[EVENTS_OF_CALL - 1] = 60}});
}

/* The least that the configuration allows still lets one event through at a time. */
static void test_the_smallest_cap(struct world *world)
{
    world_set(world, "PBXHOOK_SPOOL_MAX_BYTES", "1KiB");
    world_start(world);
    for (int i = 0; i < 3; i++) {
        await(post_new(world, i) == 204);
        store_await_events(world, i + 1);
    }
}

int main(void)
{
    static const struct world_test tests[] = {
        {"the cap", test_the_cap},
        {"the cap after a restart", test_the_cap_after_a_restart},
        {"the cap under load", test_the_cap_under_load},
        {"the smallest cap", test_the_smallest_cap},
    };
    return WORLD_RUN("spool_cap", tests);
}
