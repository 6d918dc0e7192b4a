/*
 * bad_input_test.c: bodies that are no event: each gets the problem that tells its integrator what to
 * mend, nothing of it is stored, and the next good event is taken as ever.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* A body with bytes that a C string can't have says its size. */
#define BODY(text) text, sizeof(text) - 1

struct bad_body {
    const char *name;
    const char *body;
    size_t size;
    const char *reason; /* of the problem and of the metric          */
    const char *member; /* the problem's; "" when none is to blame   */
};

static const struct bad_body bad_bodies[] = {
    {"empty", BODY(""), "not_json", ""},
    {"blank", BODY(" \r\n\t "), "not_json", ""},
    {"not JSON", BODY("call_id=1&type=call.new"), "not_json", ""},
    {"cut off", BODY("{\"type\":\"call.new\",\"call_id\":\"c\""), "not_json", ""},
    {"trailing comma", BODY("{\"type\":\"call.new\",\"call_id\":\"c\",}"), "not_json", ""},
    {"trailing garbage", BODY("{\"type\":\"call.new\",\"call_id\":\"c\"} x"), "not_json", ""},
    {"two documents", BODY("{\"type\":\"call.new\",\"call_id\":\"c\"}{}"), "not_json", ""},
    {"single quotes", BODY("{'type':'call.new','call_id':'c'}"), "not_json", ""},
    {"byte order mark", BODY("\xef\xbb\xbf{\"type\":\"call.new\",\"call_id\":\"c\"}"), "not_json",
     ""},
    {"UTF-16", BODY("\xff\xfe{\0\"\0t\0"), "nul", ""},
    {"invalid UTF-8", BODY("{\"type\":\"call.new\",\"call_id\":\"\xc3\x28\"}"), "not_json", ""},
    {"overlong UTF-8", BODY("{\"type\":\"call.new\",\"call_id\":\"\xc0\xaf\"}"), "not_json", ""},
    {"lone surrogate", BODY("{\"type\":\"call.new\",\"call_id\":\"\\ud800\"}"), "not_json", ""},
    {"NaN", BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"x\":NaN}"), "not_json", ""},

    {"an array", BODY("[{\"type\":\"call.new\",\"call_id\":\"c\"}]"), "wrong_type", ""},
    {"a string", BODY("\"call.new\""), "wrong_type", ""},
    {"a number", BODY("1"), "wrong_type", ""},
    {"null", BODY("null"), "wrong_type", ""},
    {"true", BODY("true"), "wrong_type", ""},

    {"a NUL in the text", BODY("{\"type\":\"call.new\",\"call_id\":\"c\0d\"}"), "nul", ""},
    {"a NUL after it", BODY("{\"type\":\"call.new\",\"call_id\":\"c\"}\0"), "nul", ""},
    {"an escaped NUL", BODY("{\"type\":\"call.new\",\"call_id\":\"c\\u0000d\"}"), "nul", ""},
    {"a NUL in a key", BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"a\\u0000\":1}"), "nul", ""},

    {"a member twice", BODY("{\"type\":\"call.new\",\"call_id\":\"a\",\"call_id\":\"b\"}"),
     "duplicate_member", "call_id"},
    {"a member twice inside",
     BODY("{\"chamada\":{\"type\":\"a\",\"type\":\"b\",\"call_id\":\"c\"}}"), "duplicate_member",
     "type"},
    {"a member of no interest twice",
     BODY("{\"type\":\"call.new\",\"call_id\":\"a\",\"x\":{\"y\":1,\"y\":1}}"), "duplicate_member",
     "y"},

    {"no event at all", BODY("{}"), "missing_member", "chamada"},
    {"another's JSON", BODY("{\"event\":\"push\",\"id\":7}"), "missing_member", "chamada"},
    {"flat without type", BODY("{\"call_id\":\"c\"}"), "missing_member", "type"},
    {"flat without call_id", BODY("{\"type\":\"call.new\"}"), "missing_member", "call_id"},
    {"flat with a null type", BODY("{\"type\":null,\"call_id\":\"c\"}"), "missing_member", "type"},
    {"empty chamada", BODY("{\"chamada\":{},\"dados\":{}}"), "missing_member", "chamada.type"},
    {"chamada without type", BODY("{\"chamada\":{\"call_id\":\"c\"}}"), "missing_member",
     "chamada.type"},
    {"chamada without call_id", BODY("{\"chamada\":{\"type\":\"call.new\"}}"), "missing_member",
     "chamada.call_id"},
    {"call_id beside chamada", BODY("{\"chamada\":{\"type\":\"call.new\"},\"call_id\":\"c\"}"),
     "missing_member", "chamada.call_id"},
    {"empty type", BODY("{\"type\":\"\",\"call_id\":\"c\"}"), "bad_value", "type"},
    {"empty call_id", BODY("{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"\"}}"), "bad_value",
     "chamada.call_id"},

    {"chamada is a string", BODY("{\"chamada\":\"call.new\"}"), "wrong_type", "chamada"},
    {"chamada is null", BODY("{\"chamada\":null}"), "wrong_type", "chamada"},
    {"chamada is an array", BODY("{\"chamada\":[{\"type\":\"call.new\",\"call_id\":\"c\"}]}"),
     "wrong_type", "chamada"},
    {"atendente is a string",
     BODY("{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"c\"},\"atendente\":\"a\"}"),
     "wrong_type", "atendente"},
    {"type is a number", BODY("{\"type\":1,\"call_id\":\"c\"}"), "wrong_type", "type"},
    {"call_id is a number", BODY("{\"chamada\":{\"type\":\"call.new\",\"call_id\":1}}"),
     "wrong_type", "chamada.call_id"},
    {"call_id is an object", BODY("{\"type\":\"call.new\",\"call_id\":{\"a\":1}}"), "wrong_type",
     "call_id"},
    {"their_number is an array",
     BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"their_number\":[\"1\"]}"), "wrong_type",
     "their_number"},
    {"their_number is a boolean",
     BODY("{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"c\",\"their_number\":true}}"),
     "wrong_type", "chamada.their_number"},
    {"timestamp is a number",
     BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"timestamp\":1518725252562}"), "wrong_type",
     "timestamp"},

    {"timestamp is a word", BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"timestamp\":\"now\"}"),
     "bad_timestamp", "timestamp"},
    {"timestamp has a 13th month",
     BODY("{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"c\","
          "\"timestamp\":\"2018-13-15T20:07:32.562Z\"}}"),
     "bad_timestamp", "chamada.timestamp"},
    {"timestamp has a 30th of February",
     BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"timestamp\":\"2018-02-30T20:07:32Z\"}"),
     "bad_timestamp", "timestamp"},
    {"timestamp goes on",
     BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"timestamp\":\"2018-02-15T20:07:32Zx\"}"),
     "bad_timestamp", "timestamp"},

    {"type with a line end", BODY("{\"type\":\"call.new\\nlevel=error\",\"call_id\":\"c\"}"),
     "bad_value", "type"},
    {"call_id with an escape", BODY("{\"type\":\"call.new\",\"call_id\":\"\\u001b[2J\"}"),
     "bad_value", "call_id"},
    {"a number out of range",
     BODY("{\"type\":\"call.new\",\"call_id\":\"c\",\"x\":123456789012345678901234567890}"),
     "bad_value", ""},
};

#define BAD_BODIES (sizeof bad_bodies / sizeof bad_bodies[0])

static const char *const good = "{\"type\":\"call.new\",\"call_id\":\"good\"}";

static const char *problem_text(const json_t *problem, const char *name)
{
    const char *text = json_string_value(json_object_get(problem, name));
    return text != NULL ? text : "";
}

/* Whether the last answer is this problem; says what it is if not. */
static int is_problem(const struct world *world, const char *name, const char *reason,
                      const char *member)
{
    const struct client *client = world->client;
    json_t *json = json_loads(client->body, 0, NULL);
    int right = client->status == 400 &&
                json_integer_value(json_object_get(json, "status")) == 400 &&
                strcmp(client_header(client, "Content-Type"), "application/problem+json") == 0 &&
                strcmp(problem_text(json, "type"), "about:blank") == 0 &&
                strcmp(problem_text(json, "title"), "Bad Request") == 0 &&
                strcmp(problem_text(json, "reason"), reason) == 0 &&
                strcmp(problem_text(json, "member"), member) == 0 &&
                strstr(problem_text(json, "detail"), member) != NULL &&
                problem_text(json, "detail")[0] != 0;
    if (!right)
        print_error("%s: wanted reason %s, member \"%s\"; got %d %s\n", name, reason, member,
                    client->status, client->body);
    json_decref(json);
    return right;
}

static int post_bad(struct world *world, const char *route, const struct bad_body *bad)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    client_send(world->client, "POST", route, bad->body, bad->size, headers);
    return is_problem(world, bad->name, bad->reason, bad->member);
}

static void check_nothing_stored(struct world *world, int good_events)
{
    store_await_events(world, good_events);
    metric_check(world, "pbxhook_events_received_total", good_events);
    metric_check(world, "pbxhook_spool_events", 0);
}

static void test_bad_bodies(struct world *world)
{
    int wrong = 0;
    world_start(world);
    for (size_t i = 0; i < BAD_BODIES; i++) {
        wrong += !post_bad(world, ROUTE_SEED, &bad_bodies[i]);
        wrong += !post_bad(world, ROUTE_FLAT, &bad_bodies[i]);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, good), 200);
    store_await_events(world, 1);
    metric_await(world, "pbxhook_spool_events", 0);
    check_nothing_stored(world, 1);
}

/* Each refusal is counted once, under its reason. */
static void test_refusals_are_counted(struct world *world)
{
    world_start(world);
    for (size_t i = 0; i < BAD_BODIES; i++) {
        char sample[128];
        snprintf(sample, sizeof sample, "pbxhook_events_rejected_total{reason=\"%s\"}",
                 bad_bodies[i].reason);
        int64_t before = (int64_t)metric_get(world, sample);
        post_bad(world, ROUTE_FLAT, &bad_bodies[i]);
        metric_check(world, sample, before + 1);
    }
}

/* {"type":"call.new","call_id":"c","x":[[[...]]]}, `depth` levels deep in all. */
static char *make_deep(int depth)
{
    size_t size = (size_t)depth * 2 + 64;
    char *body = malloc(size);
    assert_non_null(body);
    int used = snprintf(body, size, "{\"type\":\"call.new\",\"call_id\":\"deep\",\"x\":");
    memset(body + used, '[', (size_t)depth - 1);
    memset(body + used + depth - 1, ']', (size_t)depth - 1);
    snprintf(body + used + 2 * (depth - 1), 2, "}");
    return body;
}

static void test_depth(struct world *world)
{
    static const int depths[] = {65, 1000, 50000};
    world_start(world);
    char *body = make_deep(64);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, body), 200);
    free(body);
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        body = make_deep(depths[i]);
        client_post(world->client, ROUTE_FLAT, body);
        free(body);
        assert_true(is_problem(world, "depth", "too_deep", ""));
    }
    store_await_events(world, 1);
}

static void check_length(struct world *world, const char *name, size_t length, int good_length)
{
    char *value = malloc(length + 1);
    assert_non_null(value);
    memset(value, 'a', length);
    value[length] = '\0';
    char *body = event_flat(
        &(struct event_text){.type = strcmp(name, "type") == 0 ? value : "call.new",
                             .call_id = strcmp(name, "call_id") == 0 ? value : "long",
                             .their_number = strcmp(name, "their_number") == 0 ? value : NULL});
    client_post(world->client, ROUTE_FLAT, body);
    if (good_length)
        assert_int_equal(world->client->status, 200);
    else
        assert_true(is_problem(world, name, "bad_value", name));
    free(body);
    free(value);
}

static void test_long_members(struct world *world)
{
    static const char *const names[] = {"type", "call_id", "their_number"};
    world_start(world);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        check_length(world, names[i], 255, 1);
        check_length(world, names[i], 256, 0);
        check_length(world, names[i], 100000, 0);
    }
    store_await_events(world, 3);
}

/* Odd, but fine: nothing of it may be refused or changed. */
static void test_odd_good_bodies(struct world *world)
{
    static const char *const bodies[] = {
        " {\"type\":\"call.new\",\"call_id\":\"odd-1\"} \r\n",
        "{\"type\":\"call.new\",\"call_id\":\"odd-2\",\"their_number\":1199999999}",
        "{\"type\":\"call.new\",\"call_id\":\"odd-3\",\"timestamp\":null,\"code\":null}",
        "{\"type\":\"call.new\",\"call_id\":\"odd-4\",\"timestamp\":\"\"}",
        "{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"odd-5\"}}",
        "{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"odd-6\"},\"atendente\":null}",
        "{\"type\":\"call.new\",\"call_id\":\"odd-7 \\u00e7\\u00e3o \xc3\xa7 '; DROP TABLE--\"}",
        "{\"type\":\"Custom_Event-2.0\",\"call_id\":\"odd-8\"}",
    };
    const int count = sizeof bodies / sizeof bodies[0];
    char stored[256];
    world_start(world);
    for (int i = 0; i < count; i++) {
        assert_int_equal(client_post(world->client, ROUTE_FLAT, bodies[i]), 200);
        store_await_events(world, i + 1);
        assert_string_equal(store_text(world, "SELECT body FROM events ORDER BY id DESC LIMIT 1",
                                       NULL, stored, sizeof stored),
                            bodies[i]);
    }
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls WHERE call_id = $1",
                               "odd-7 \xc3\xa7\xc3\xa3o \xc3\xa7 '; DROP TABLE--"),
                     1);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM calls WHERE their_number = $1", "1199999999"), 1);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"bad bodies", test_bad_bodies},
        {"refusals are counted", test_refusals_are_counted},
        {"depth", test_depth},
        {"long members", test_long_members},
        {"odd good bodies", test_odd_good_bodies},
    };
    return WORLD_RUN("bad_input", tests);
}
