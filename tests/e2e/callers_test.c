/*
 * callers_test.c: call.standby: who is known and who is new, which queue the PBX is told, and in which
 * words.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 50

static void post_standby(struct world *world, const char *call_id, const char *number)
{
    world_post(world, &(struct event_text){.type = "call.standby",
                                           .call_id = call_id,
                                           .timestamp = EVENT_TIME(1),
                                           .their_number = number});
}

/* Waits for the call's one action and looks at its queue. */
static void check_queue(struct world *world, const char *call_id, const char *queue)
{
    struct fake_pbx_action action;
    await(fake_pbx_count_of(world->pbx, call_id) == 1);
    fake_pbx_get_of(world->pbx, call_id, &action);
    assert_string_equal(action.destination, queue);
}

static void test_new_then_known(struct world *world)
{
    world_start(world);
    post_standby(world, "first", "1199999999");
    check_queue(world, "first", "901");
    assert_int_equal(store_int(world, "SELECT count(*) FROM users WHERE number = $1", "1199999999"),
                     1);
    post_standby(world, "second", "1199999999");
    check_queue(world, "second", "900");
    post_standby(world, "third", "1188888888");
    check_queue(world, "third", "901");
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), 2);
}

static void test_without_a_number(struct world *world)
{
    world_start(world);
    post_standby(world, "hidden", NULL);
    post_standby(world, "empty", "");
    check_queue(world, "hidden", "901");
    check_queue(world, "empty", "901");
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), 0);
    dashboard_check(world, &(struct world_counts){.active = 2, .calls = {[1] = 2}});
}

static void test_the_action_in_full(struct world *world)
{
    struct fake_pbx_action action, other;
    char stored[512];
    world_start(world);
    post_standby(world, "eba893c0-11d5-11e8-bcfa-7f3bb08150aa", "1199999999");
    post_standby(world, "another", "1199999999");
    await(fake_pbx_count(world->pbx) == 2);
    fake_pbx_get_of(world->pbx, "eba893c0-11d5-11e8-bcfa-7f3bb08150aa", &action);
    fake_pbx_get_of(world->pbx, "another", &other);
    assert_string_equal(action.body,
                        "{\"type\":\"call.waiting\",\"call_id\":"
                        "\"eba893c0-11d5-11e8-bcfa-7f3bb08150aa\",\"destination\":\"901\"}");
    assert_string_equal(action.content_type, "application/json");
    assert_string_not_equal(action.key, "");
    assert_string_not_equal(action.key, other.key);
    assert_string_equal(store_text(world, "SELECT key FROM actions WHERE call_id = $1", "another",
                                   stored, sizeof stored),
                        other.key);
}

static void test_queues_and_action_type_are_options(struct world *world)
{
    struct fake_pbx_action action;
    world_set(world, "PBXHOOK_PLUGIN_CALL_STANDBY_KNOWN_QUEUE", "700");
    world_set(world, "PBXHOOK_PLUGIN_CALL_STANDBY_NEW_QUEUE", "701");
    world_set(world, "PBXHOOK_PBX_ACTION_TYPE", "delegate");
    world_start(world);
    post_standby(world, "first", "1199999999");
    check_queue(world, "first", "701");
    post_standby(world, "second", "1199999999");
    check_queue(world, "second", "700");
    fake_pbx_get_of(world->pbx, "second", &action);
    assert_string_equal(action.type, "delegate");
}

/* ---- Two first calls at a time ------------------------------------------------------------------- */

static char *make_first_call(int round, char side)
{
    char call_id[64], number[32];
    snprintf(call_id, sizeof call_id, "round-%d-%c", round, side);
    snprintf(number, sizeof number, "55%06d", round);
    char *body = event_seed(&(struct event_text){.type = "call.standby",
                                                 .call_id = call_id,
                                                 .timestamp = EVENT_TIME(1),
                                                 .their_number = number});
    char *post = socket_make_post(ROUTE_SEED, body);
    free(body);
    return post;
}

/* Both posts are with the server before either is answered. */
static void post_both(int first_fd, int second_fd, int round)
{
    char answer[1024];
    char *first = make_first_call(round, 'a');
    char *second = make_first_call(round, 'b');
    socket_write_text(first_fd, first);
    socket_write_text(second_fd, second);
    assert_int_equal(socket_read_answer(first_fd, answer, sizeof answer), 204);
    assert_int_equal(socket_read_answer(second_fd, answer, sizeof answer), 204);
    free(first);
    free(second);
}

static void check_round(struct world *world, int round)
{
    struct fake_pbx_action first, second;
    char call_id[64];
    snprintf(call_id, sizeof call_id, "round-%d-a", round);
    assert_int_equal(fake_pbx_count_of(world->pbx, call_id), 1);
    fake_pbx_get_of(world->pbx, call_id, &first);
    snprintf(call_id, sizeof call_id, "round-%d-b", round);
    assert_int_equal(fake_pbx_count_of(world->pbx, call_id), 1);
    fake_pbx_get_of(world->pbx, call_id, &second);
    const char *known =
        strcmp(first.destination, "901") == 0 ? second.destination : first.destination;
    const char *new = known == first.destination ? second.destination : first.destination;
    assert_string_equal(new, "901");
    assert_string_equal(known, "900");
}

static void test_one_new_number_twice_at_once(struct world *world)
{
    world_start(world);
    int first_fd = socket_connect(world->server.port);
    int second_fd = socket_connect(world->server.port);
    for (int round = 0; round < ROUNDS; round++)
        post_both(first_fd, second_fd, round);
    close(first_fd);
    close(second_fd);
    await(fake_pbx_count(world->pbx) == 2 * ROUNDS);
    for (int round = 0; round < ROUNDS; round++)
        check_round(world, round);
    assert_int_equal(store_int(world, "SELECT count(*) FROM users", NULL), ROUNDS);
    metric_await(world, "pbxhook_actions_total{outcome=\"delivered\"}", 2 * ROUNDS);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"new, then known", test_new_then_known},
        {"without a number", test_without_a_number},
        {"the action in full", test_the_action_in_full},
        {"queues and action_type are options", test_queues_and_action_type_are_options},
        {"one new number twice at once", test_one_new_number_twice_at_once},
    };
    return WORLD_RUN("callers", tests);
}
