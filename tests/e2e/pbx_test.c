/*
 * pbx_test.c: a PBX that is slow, failing, silent, away or early. What it surely did not get is sent
 * again; what it may have got never is.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void post_standby(struct world *world, const char *call_id)
{
    world_post(world, &(struct event_text){.type = "call.standby",
                                           .call_id = call_id,
                                           .timestamp = EVENT_TIME(1),
                                           .their_number = "1199999999"});
}

/* Waits for the action's end and looks at all that is known of it. */
static void check_end(struct world *world, const char *call_id, const char *state, int attempts,
                      int http_status)
{
    char found[64], wanted[64];
    snprintf(wanted, sizeof wanted, "%s %d %d", state, attempts, http_status);
    await(store_int(world,
                    "SELECT state NOT IN ('pending', 'sending') FROM actions WHERE call_id = $1",
                    call_id) == 1);
    assert_string_equal(store_text(world,
                                   "SELECT state || ' ' || attempts || ' ' || "
                                   "coalesce(http_status, 0) FROM actions WHERE call_id = $1",
                                   call_id, found, sizeof found),
                        wanted);
}

/* All outcomes, in the order of the arguments. */
static void check_outcomes(struct world *world, int delivered, int confirmed, int rejected,
                           int expired, int unknown)
{
    metric_await(world, "pbxhook_actions_total{outcome=\"delivered\"}", delivered);
    metric_await(world, "pbxhook_actions_total{outcome=\"confirmed\"}", confirmed);
    metric_await(world, "pbxhook_actions_total{outcome=\"rejected\"}", rejected);
    metric_await(world, "pbxhook_actions_total{outcome=\"expired\"}", expired);
    metric_await(world, "pbxhook_actions_total{outcome=\"unknown\"}", unknown);
}

/* An action that comes later has gone its way, and the first one was sent no more often than this. */
static void check_not_sent_again(struct world *world, const char *call_id, int count)
{
    post_standby(world, "later");
    check_end(world, "later", "delivered", 1, 200);
    assert_int_equal(fake_pbx_count_of(world->pbx, call_id), count);
}

static void test_delivered(struct world *world)
{
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "delivered", 1, 200);
    check_outcomes(world, 1, 0, 0, 0, 0);
    metric_check(world, "pbxhook_action_retries_total", 0);
    check_not_sent_again(world, "c", 1);
}

/* Callers' data goes to the PBX, whatever proxy the environment names. */
static void test_proxy_of_the_environment(struct world *world)
{
    world_set(world, "http_proxy", "http://127.0.0.1:1"); /* where nobody is */
    world_set(world, "all_proxy", "http://127.0.0.1:1");
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "delivered", 1, 200);
}

static void test_slow(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.delay_ms = 700});
    world_start(world);
    int64_t started_ms = wait_now_ms();
    post_standby(world, "c");
    store_await_events(world, 1);
    /* Nothing waits for the PBX: other calls go on before it has answered. */
    for (int i = 0; i < 10; i++) {
        char call_id[16];
        snprintf(call_id, sizeof call_id, "other-%d", i);
        post_standby(world, call_id);
        check_end(world, call_id, "delivered", 1, 200);
    }
    check_end(world, "c", "delivered", 1, 200);
    assert_true(wait_now_ms() - started_ms >= 700);
    assert_int_equal(fake_pbx_count_of(world->pbx, "c"), 1);
}

static void test_unavailable_for_a_while(struct world *world)
{
    struct fake_pbx_action first, last;
    for (int i = 0; i < 3; i++)
        fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 503});
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "delivered", 4, 200);
    assert_int_equal(fake_pbx_count(world->pbx), 4);
    /* The PBX can tell that it is the same action each time. */
    fake_pbx_get(world->pbx, 0, &first);
    fake_pbx_get(world->pbx, 3, &last);
    assert_string_equal(first.key, last.key);
    assert_string_equal(first.body, last.body);
    check_outcomes(world, 1, 0, 0, 0, 0);
    metric_check(world, "pbxhook_action_retries_total", 3);
}

static void test_too_many_requests(struct world *world)
{
    struct fake_pbx_action first, second;
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 429, .retry_after_s = 1});
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "delivered", 2, 200);
    fake_pbx_get(world->pbx, 0, &first);
    fake_pbx_get(world->pbx, 1, &second);
    assert_true(second.arrived_ms - first.arrived_ms >= 1000);
}

static void test_rejected(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 400});
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "rejected", 1, 400);
    check_outcomes(world, 0, 0, 1, 0, 0);
    check_not_sent_again(world, "c", 1);
}

/* A 500 may have come after the PBX did it. */
static void test_broken(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 500});
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "unknown", 1, 500);
    check_outcomes(world, 0, 0, 0, 0, 1);
    check_not_sent_again(world, "c", 1);
}

static void test_silent_then_confirmed(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.conduct = FAKE_PBX_IS_SILENT});
    world_set(world, "PBXHOOK_PBX_TIMEOUT", "500ms");
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "unknown", 1, 0);
    check_outcomes(world, 0, 0, 0, 0, 1);
    check_not_sent_again(world, "c", 1);
    world_post(world, &(struct event_text){.type = "call.waiting", .call_id = "c"});
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'confirmed'", NULL) == 1);
    check_end(world, "c", "confirmed", 1, 0);
    check_outcomes(world, 1, 1, 0, 0, 1);
}

static void test_hung_up(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.conduct = FAKE_PBX_HANGS_UP});
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "unknown", 1, 0);
    check_outcomes(world, 0, 0, 0, 0, 1);
    check_not_sent_again(world, "c", 1);
}

/* It knows one Idempotency-Key once, so the unknown may be sent again. */
static void test_hung_up_on_an_idempotent_pbx(struct world *world)
{
    struct fake_pbx_action first, second;
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.conduct = FAKE_PBX_HANGS_UP});
    world_set(world, "PBXHOOK_PBX_IDEMPOTENT", "true");
    world_start(world);
    post_standby(world, "c");
    check_end(world, "c", "delivered", 2, 200);
    fake_pbx_get(world->pbx, 0, &first);
    fake_pbx_get(world->pbx, 1, &second);
    assert_string_equal(first.key, second.key);
}

static void test_away_and_back_in_time(struct world *world)
{
    world_close_pbx(world);
    world_start(world);
    post_standby(world, "c");
    await(metric_get(world, "pbxhook_action_retries_total") >= 1);
    fake_pbx_open(world->pbx);
    await(fake_pbx_count(world->pbx) == 1);
    metric_await(world, "pbxhook_actions_total{outcome=\"delivered\"}", 1);
    check_outcomes(world, 1, 0, 0, 0, 0);
    assert_true(store_int(world, "SELECT attempts FROM actions", NULL) >= 2);
    check_not_sent_again(world, "c", 1);
}

/* The PBX gives the call up after its time, so a late action is worse than none. */
static void test_away_for_too_long(struct world *world)
{
    world_set(world, "PBXHOOK_PBX_DEADLINE", "2s");
    world_close_pbx(world);
    world_start(world);
    post_standby(world, "c");
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'expired'", NULL) == 1);
    check_outcomes(world, 0, 0, 0, 1, 0);
    assert_int_equal(
        store_int(
            world,
            store_sql(world, "SELECT expires_ms - received_ms FROM actions",
                      "SELECT 1000 * extract(epoch FROM expires_at - received_at) FROM actions"),
            NULL),
        2000);
    assert_true(
        store_int(world,
                  store_sql(world, "SELECT state_ms <= expires_ms + 2000 FROM actions",
                            "SELECT state_at <= expires_at + interval '2 seconds' FROM actions"),
                  NULL) == 1);
    fake_pbx_open(world->pbx);
    check_not_sent_again(world, "c", 0);
}

/* Out of sight of the PBX for longer than its deadline: the restarted server must not send it late. */
static void test_expired_while_the_server_was_down(struct world *world)
{
    world_set(world, "PBXHOOK_PBX_DEADLINE", "1s");
    world_close_pbx(world);
    world_start(world);
    post_standby(world, "c");
    store_await_events(world, 1);
    server_kill(&world->server, 1);
    int64_t down_ms = wait_now_ms();
    await(wait_now_ms() - down_ms >= 1000);
    fake_pbx_open(world->pbx);
    world_start(world);
    check_not_sent_again(world, "c", 0);
    await(store_int(world,
                    "SELECT count(*) FROM actions WHERE call_id = $1 AND "
                    "state IN ('expired', 'unknown')",
                    "c") == 1);
}

static void test_waiting_before_the_answer(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.waiting_first = 1, .delay_ms = 300});
    world_start(world);
    post_standby(world, "c");
    await(fake_pbx_waiting_posted(world->pbx) == 1);
    store_await_events(world, 2);
    store_check_status(world, "c", "call.waiting");
    /* Confirmed by the event; the answer that comes later is written down and changes nothing. */
    await(store_int(world, "SELECT count(*) FROM actions WHERE http_status = 200", NULL) == 1);
    check_end(world, "c", "confirmed", 1, 200);
    check_outcomes(world, 0, 1, 0, 0, 0);
    check_not_sent_again(world, "c", 1);
}

/* The PBX takes one action at a time, and slowly; all get there. */
static void test_one_connection(struct world *world)
{
    world_set(world, "PBXHOOK_PBX_CONNECTIONS", "1");
    world_give_actions_time(world);
    for (int i = 0; i < 5; i++)
        fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.delay_ms = 50});
    world_start(world);
    for (int i = 0; i < 20; i++) {
        char call_id[16];
        snprintf(call_id, sizeof call_id, "call-%d", i);
        post_standby(world, call_id);
    }
    metric_await(world, "pbxhook_actions_total{outcome=\"delivered\"}", 20);
    assert_int_equal(fake_pbx_count(world->pbx), 20);
}

/* The worker is killed while the PBX is silent: the call's own lines tell how its action ended. */
static void test_worker_ends_before_the_answer(struct world *world)
{
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.conduct = FAKE_PBX_IS_SILENT});
    world_give_actions_time(world);
    world_start(world);
    post_standby(world, "left");
    await(fake_pbx_count_of(world->pbx, "left") == 1);
    assert_int_equal(kill(server_worker_pid(&world->server), SIGKILL), 0);
    await(server_log_count(&world->server, "msg=action call_id=left",
                           "outcome=unknown attempt=1") == 1);
    assert_int_equal(fake_pbx_count_of(world->pbx, "left"), 1);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"delivered", test_delivered},
        {"proxy of the environment", test_proxy_of_the_environment},
        {"slow", test_slow},
        {"unavailable for a while", test_unavailable_for_a_while},
        {"too many requests", test_too_many_requests},
        {"rejected", test_rejected},
        {"broken", test_broken},
        {"silent, then confirmed", test_silent_then_confirmed},
        {"hung up", test_hung_up},
        {"hung up on an idempotent PBX", test_hung_up_on_an_idempotent_pbx},
        {"away and back in time", test_away_and_back_in_time},
        {"away for too long", test_away_for_too_long},
        {"expired while the server was down", test_expired_while_the_server_was_down},
        {"call.waiting before the answer", test_waiting_before_the_answer},
        {"one connection", test_one_connection},
        {"worker ends before the answer", test_worker_ends_before_the_answer},
    };
    return WORLD_RUN("pbx", tests);
}
