/*
 * http_history_test.c: what the history's routes make of their parameters, right and wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"
#include "http_fakes.h"
#include "http_server.h"
#include "receiver/query.h"

static void get(struct http_server *server, const char *target, struct client_answer *out)
{
    char request[1024];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    assert_true(size > 0 && (size_t)size < sizeof request);
    client_exchange(server->address, request, out);
}

static void check(struct http_server *server, const char *target, int status, const char *text)
{
    struct client_answer answer;
    get(server, target, &answer);
    if (answer.status != status || strstr(answer.body, text) == NULL)
        fail_msg("%s: %d with %s wanted, got %d: %s", target, status, text, answer.status,
                 answer.body);
    client_answer_free(&answer);
}

static void asks_for_what_the_parameters_say(void **state)
{
    struct http_server *server = *state;
    struct fake_filter asked;

    check(server, "/api/calls", 200, "{\"data\":[],\"next\":null}");
    fakes_last_filter(&asked);
    assert_int_equal(asked.filter.states, 0);
    assert_int_equal(asked.filter.from_ms, 0);
    assert_true(asked.filter.before_ms == INT64_MAX);
    assert_int_equal(asked.filter.before_id, 0);
    assert_int_equal(asked.filter.limit, 50);
    assert_string_equal(asked.queue, "");
    assert_string_equal(asked.number, "");

    check(server,
          "/api/calls?status=waiting,call.ongoing&from=2018-02-15T20:07:32.562Z&to=1518725300000"
          "&queue=caf%C3%A9+2&number=%2B5511&limit=500",
          200, "[]");
    fakes_last_filter(&asked);
    assert_int_equal(asked.filter.states, 1 << LIFECYCLE_WAITING | 1 << LIFECYCLE_ONGOING);
    assert_true(asked.filter.from_ms == 1518725252562);
    assert_true(asked.filter.before_ms == 1518725300000);
    assert_string_equal(asked.queue, "caf\xc3\xa9 2");
    assert_string_equal(asked.number, "+5511");
    assert_int_equal(asked.filter.limit, 500);

    check(server, "/api/calls?status=active&from=2018-02-15T17:07:32-03:00&cursor=1518725252562.7",
          200, "[]");
    fakes_last_filter(&asked);
    assert_int_equal(asked.filter.states, 0x3f);
    assert_true(asked.filter.from_ms == 1518725252000);
    assert_true(asked.filter.before_ms == 1518725252562);
    assert_int_equal(asked.filter.before_id, 7);

    /* A zone's plus may be escaped or not. */
    check(server, "/api/calls?from=2018-02-15T22:07:32+02:00&to=2018-02-15T23:07:32.5%2B02:30", 200,
          "[]");
    fakes_last_filter(&asked);
    assert_true(asked.filter.from_ms == 1518725252000);
    assert_true(asked.filter.before_ms == 1518727052500);

    /* A cursor can't lead behind `to`. */
    check(server, "/api/calls?to=1000&cursor=1518725252562.7", 200, "[]");
    fakes_last_filter(&asked);
    assert_int_equal(asked.filter.before_ms, 1000);
    assert_int_equal(asked.filter.before_id, 0);
}

static void gives_the_next_page_a_cursor(void **state)
{
    static const struct store_call calls[] = {
        {"b", "", "in", "1", "2", "", "", LIFECYCLE_FINISHED, 2000, 9000, 12},
        {"a", "", "in", "1", "2", "", "", LIFECYCLE_FINISHED, 1000, 9000, 11},
    };
    struct http_server *server = *state;

    fakes_set_active_calls(calls, 2);
    check(server, "/api/calls?limit=2", 200, "],\"next\":\"1000.11\"}");
    check(server, "/api/calls?limit=3", 200, "],\"next\":null}");
    check(server, "/api/calls/b", 200,
          "{\"data\":{\"call\":{\"call_id\":\"b\",\"status\":\"call.finished\",");
    check(server, "/api/calls/%62", 200, "\"events\":[],\"actions\":[]}}");
    check(server, "/api/calls/c", 404, "nothing is stored under that name");
}

static void names_the_parameter_that_is_wrong(void **state)
{
    static const struct {
        const char *target, *member;
    } wrong[] = {
        {"/api/calls?status=ringing", "status"},
        {"/api/calls?status=new,,old", "status"},
        {"/api/calls?from=yesterday", "from"},
        {"/api/calls?from=-1", "from"},
        {"/api/calls?from=2018-02-15T22:07:32++02:00", "from"},
        {"/api/calls?from=2018-02-15T22:07:32+0200", "from"},
        {"/api/calls?to=2018-02-30T00:00:00Z", "to"},
        {"/api/calls?queue=%00", "queue"},
        {"/api/calls?queue=%0d%0a", "queue"},
        {"/api/calls?number=%ff", "number"},
        {"/api/calls?number=%4", "number"},
        {"/api/calls?limit=0", "limit"},
        {"/api/calls?limit=501", "limit"},
        {"/api/calls?limit=5x", "limit"},
        {"/api/calls?limit=99999999999999999999", "limit"},
        {"/api/calls?cursor=1", "cursor"},
        {"/api/calls?cursor=-1.2", "cursor"},
        {"/api/calls?cursor=1.2x", "cursor"},
        {"/api/calls/%zz", "call_id"},
        {"/api/calls/%01", "call_id"},
        {"/api/events?after=-1.0", "after"},
        {"/api/events?after=7", "after"},
        {"/api/events?after=x", "after"},
        {"/api/events?limit=1000", "limit"},
    };
    struct http_server *server = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char member[64];
        snprintf(member, sizeof member, "\"member\":\"%s\"", wrong[i].member);
        check(server, wrong[i].target, 400, member);
    }
}

static void feeds_events(void **state)
{
    struct http_server *server = *state;

    check(server, "/api/events?after=2.7&limit=3", 200, "\"type\":\"after 2.7 limit 3\"");
    check(server, "/api/events?after=0.0", 200, "\"type\":\"after 0.0 limit 50\"");
    check(server, "/api/events?after=2.7", 200, "],\"next\":\"2.8\"}");
    check(server, "/api/events?limit=10", 200,
          "\"type\":\"after 9.990 limit 10\""); /* the newest */
}

static void says_when_the_store_is_away(void **state)
{
    struct http_server *server = *state;
    fakes_set_store_works(0);
    check(server, "/api/calls", 503, "the store can't be read");
    check(server, "/api/calls/x", 503, "the store can't be read");
}

static void decodes(void **state)
{
    char out[8];
    (void)state;
    assert_int_equal(query_decode("a%20b+c", 1, out, sizeof out), 0);
    assert_string_equal(out, "a b c");
    assert_int_equal(query_decode("a+b", 0, out, sizeof out), 0);
    assert_string_equal(out, "a+b");
    assert_int_equal(query_decode("1234567", 0, out, sizeof out), 0);
    assert_int_equal(query_decode("12345678", 0, out, sizeof out), -1);
    assert_int_equal(query_decode("%", 0, out, sizeof out), -1);
    assert_int_equal(query_decode("%c3", 0, out, sizeof out), -1);
    assert_int_equal(query_decode("%7f", 0, out, sizeof out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_case(asks_for_what_the_parameters_say),  http_case(gives_the_next_page_a_cursor),
        http_case(names_the_parameter_that_is_wrong), http_case(feeds_events),
        http_case(says_when_the_store_is_away),       cmocka_unit_test(decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
