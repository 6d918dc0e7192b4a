/*
 * logs_test.c: the log: one call can be followed by its id, and nobody learns from it who called.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_ID "0bc692b0-128a-11e8-807b-e3acc2b0c13d"
#define CALLER  "1199999999"
#define CALLED  "0800111111"
#define PAYLOAD "12345678909" /* dados.cpf of every event */

static void live_a_call(struct world *world)
{
    for (int k = 0; k < EVENTS_OF_CALL; k++) {
        char time[EVENT_TIME_SIZE];
        event_time(k, time);
        world_post(world, &(struct event_text){.type = event_types[k],
                                               .call_id = CALL_ID,
                                               .timestamp = time,
                                               .our_number = CALLED,
                                               .their_number = CALLER,
                                               .actor = "Maria da Silva"});
    }
    store_await_events(world, EVENTS_OF_CALL);
    await(fake_pbx_count(world->pbx) == 1);
}

/* The value behind key= in a line, as a number; -1 when it is not there. */
static double value_in(const char *line, const char *key)
{
    char with_sign[64];
    snprintf(with_sign, sizeof with_sign, " %s=", key);
    const char *at = strstr(line, with_sign);
    return at != NULL ? strtod(at + strlen(with_sign), NULL) : -1;
}

static void test_a_call_can_be_followed(struct world *world)
{
    char event[64];
    world_start(world);
    live_a_call(world);
    for (int k = 0; k < EVENTS_OF_CALL; k++) {
        snprintf(event, sizeof event, " event=%s ", event_types[k]);
        await(server_log_count(&world->server, "call_id=" CALL_ID, event) == 1);
        char *line = server_log_line(&world->server, "call_id=" CALL_ID, event);
        assert_non_null(strstr(line, "level=info"));
        assert_non_null(strstr(line, "process=worker"));
        assert_non_null(strstr(line, "msg=\"event handled\""));
        assert_non_null(strstr(line, " outcome=ok "));
        assert_true(value_in(line, "took_ms") >= 0);
        assert_true(value_in(line, "since_event_ms") >= 0);
        char plugin[64];
        snprintf(plugin, sizeof plugin, " plugin=%s ", event_types[k]);
        *strchr(plugin, '.') = '_';
        assert_non_null(strstr(line, plugin));
        free(line);
    }
    await(server_log_count(&world->server, "call_id=" CALL_ID, "msg=action") == 1);
    char *line = server_log_line(&world->server, "call_id=" CALL_ID, "msg=action");
    assert_true(strstr(line, "outcome=delivered") != NULL ||
                strstr(line, "outcome=confirmed") != NULL);
    assert_true(value_in(line, "attempt") == 1);
    assert_true(value_in(line, "http_status") == 200);
    assert_true(value_in(line, "took_ms") >= 0);
    free(line);
    assert_int_equal(server_log_count(&world->server, "call_id=" CALL_ID, NULL),
                     EVENTS_OF_CALL + 1);
    assert_int_equal(server_log_count(&world->server, "level=error", NULL), 0);
}

static void test_no_personal_data(struct world *world)
{
    static const char *const secrets[] = {CALLER, CALLED, PAYLOAD, "Maria"};
    static const char *const bodies[] = {
        "{\"type\":\"call.new\",\"call_id\":\"c\",\"their_number\":\"" CALLER "\",}",
        "{\"type\":\"call.new\",\"their_number\":\"" CALLER "\"}",
        "{\"type\":\"call.new\",\"call_id\":\"c\",\"timestamp\":\"" CALLER "\"}",
    };
    world_start(world);
    live_a_call(world);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(client_post(world->client, ROUTE_FLAT, bodies[i]), 400);
    fake_pbx_answer_next(world->pbx, (struct fake_pbx_answer){.status = 400});
    world_post(world, &(struct event_text){
                          .type = "call.standby", .call_id = "bad", .their_number = CALLER});
    await(server_log_count(&world->server, "call_id=bad", "outcome=rejected") == 1);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        assert_int_equal(server_log_count(&world->server, secrets[i], NULL), 0);
}

static void test_levels(struct world *world)
{
    world_set(world, "PBXHOOK_LOG_LEVEL", "debug");
    world_start(world);
    assert_true(server_log_count(&world->server, "level=debug", NULL) > 0);
    server_stop(&world->server);
    assert_int_equal(server_log_count(&world->server, "msg=stopped", NULL), 1);
}

/* Texts of a sender can't make a line of their own, nor a field. */
static void test_forged_lines(struct world *world)
{
    world_start(world);
    world_post(world,
               &(struct event_text){.type = "call.new",
                                    .call_id = "x level=error msg=\"forged\" \xe2\x80\xa8y"});
    store_await_events(world, 1);
    await(server_log_count(&world->server, "event=call.new", NULL) == 1);
    char *line = server_log_line(&world->server, "event=call.new", NULL);
    assert_non_null(strstr(line, "call_id=\"x level=error msg=\\\"forged\\\" \\u2028y\""));
    free(line);
}

/* Each line of the log is logfmt with a time, a level and a process. */
static void test_every_line_is_logfmt(struct world *world)
{
    world_start(world);
    live_a_call(world);
    server_stop(&world->server);
    int lines = server_log_count(&world->server, NULL, NULL);
    assert_true(lines > EVENTS_OF_CALL);
    assert_int_equal(server_log_count(&world->server, "time=20", " level="), lines);
    assert_int_equal(server_log_count(&world->server, " process=", " msg="), lines);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"a call can be followed", test_a_call_can_be_followed},
        {"no personal data", test_no_personal_data},
        {"levels", test_levels},
        {"forged lines", test_forged_lines},
        {"every line is logfmt", test_every_line_is_logfmt},
    };
    return WORLD_RUN("logs", tests);
}
