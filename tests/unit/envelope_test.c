/* envelope_test.c: both envelopes, and each way in which a body is refused, as data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/event.h"

#define RECEIVED  INT64_C(1600000000000)
#define TIME_MS   INT64_C(1518725252562) /* 2018-02-15T20:07:32.562Z */
#define X16(text) text text text text text text text text text text text text text text text text

static const char seed_body[] = "{\n"
                                "    \"chamada\": {\n"
                                "        \"call_id\": \"0bc692b0-128a-11e8-807b-e3acc2b0c13d\",\n"
                                "        \"code\": \"\",\n"
                                "        \"type\": \"call.new\",\n"
                                "        \"direction\": \"inbound\",\n"
                                "        \"our_number\": \"0800111111\",\n"
                                "        \"their_number\": \"1199999999\",\n"
                                "        \"timestamp\": \"2018-02-15T20:07:32.562Z\"\n"
                                "    },\n"
                                "    \"dados\": {\n"
                                "        \"call_id\": \"0bc692b0-128a-11e8-807b-e3acc2b0c13d\",\n"
                                "        \"type\": \"call.cpf-provided\",\n"
                                "        \"cpf\": \"\",\n"
                                "        \"timestamp\": \"2018-02-15T20:07:32.562Z\"\n"
                                "    },\n"
                                "    \"atendente\": {},\n"
                                "    \"dialer\": {}\n"
                                "}";

static struct event *parse(const char *body)
{
    struct event_problem problem = {0};
    struct event *event = NULL;

    if (event_parse(body, strlen(body), RECEIVED, &event, &problem) != 0)
        fail_msg("refused: %s: %s\n%s", problem.reason, problem.detail, body);
    assert_int_equal(problem.status, 0);
    return event;
}

static void reads_the_seeds_envelope(void **state)
{
    struct event *event = parse(seed_body);

    (void)state;
    assert_string_equal(event->field[EVENT_TYPE], "call.new");
    assert_string_equal(event->field[EVENT_CALL_ID], "0bc692b0-128a-11e8-807b-e3acc2b0c13d");
    assert_string_equal(event->field[EVENT_CODE], "");
    assert_string_equal(event->field[EVENT_DIRECTION], "inbound");
    assert_string_equal(event->field[EVENT_OUR_NUMBER], "0800111111");
    assert_string_equal(event->field[EVENT_THEIR_NUMBER], "1199999999");
    assert_string_equal(event->field[EVENT_ACTOR], "");
    assert_string_equal(event->field[EVENT_NUMBER], "");
    assert_string_equal(event->field[EVENT_QUEUE], "");
    assert_int_equal(event->time_ms, TIME_MS);
    assert_int_equal(event->received_ms, RECEIVED);
    assert_int_equal(event->seq, 0);
    assert_int_equal(event->state, LIFECYCLE_NEW);
    assert_int_equal(event->body_size, sizeof seed_body - 1);
    assert_string_equal(event->body, seed_body);
    event_free(event);
}

static void reads_the_flat_envelope(void **state)
{
    struct event *event = parse("{\"type\":\"actor.entered\",\"call_id\":\"c1\",\"code\":\"9\","
                                "\"actor\":\"ana\",\"number\":\"2001\",\"queue\":\"900\","
                                "\"timestamp\":\"2018-02-15T20:07:32.562Z\","
                                "\"atendente\":{\"actor\":\"not read\"}}");

    (void)state;
    assert_string_equal(event->field[EVENT_CODE], "9");
    assert_string_equal(event->field[EVENT_ACTOR], "ana");
    assert_string_equal(event->field[EVENT_NUMBER], "2001");
    assert_string_equal(event->field[EVENT_QUEUE], "900");
    assert_int_equal(event->time_ms, TIME_MS);
    assert_int_equal(event->state, LIFECYCLE_ENTERED);
    event_free(event);
    event = parse("{\"type\":\"x\",\"call_id\":\"c\",\"atendente\":{\"actor\":\"not read\"}}");
    assert_string_equal(event->field[EVENT_ACTOR], "");
    event_free(event);
}

static void the_attendant_fills_in_what_the_call_lacks(void **state)
{
    struct event *event =
        parse("{\"chamada\":{\"type\":\"actor.entered\",\"call_id\":\"c1\",\"actor\":\"ana\","
              "\"number\":\"\",\"queue\":null},"
              "\"atendente\":{\"actor\":\"bia\",\"number\":2001,\"queue\":\"900\","
              "\"our_number\":\"not read\"}}");

    (void)state;
    assert_string_equal(event->field[EVENT_ACTOR], "ana");
    assert_string_equal(event->field[EVENT_NUMBER], "2001");
    assert_string_equal(event->field[EVENT_QUEUE], "900");
    assert_string_equal(event->field[EVENT_OUR_NUMBER], "");
    event_free(event);
    event = parse("{\"chamada\":{\"type\":\"x\",\"call_id\":\"c\"},\"atendente\":[]}");
    assert_non_null(event);
    event_free(event);
    event = parse("{\"chamada\":{\"type\":\"x\",\"call_id\":\"c\"},\"atendente\":null}");
    assert_string_equal(event->field[EVENT_ACTOR], "");
    event_free(event);
}

static void integers_become_their_digits(void **state)
{
    struct event *event =
        parse("{\"type\":\"x\",\"call_id\":\"c\",\"code\":-9223372036854775808,\"our_number\":0,"
              "\"their_number\":9223372036854775807,\"number\":2001,\"queue\":900}");

    (void)state;
    assert_string_equal(event->field[EVENT_CODE], "-9223372036854775808");
    assert_string_equal(event->field[EVENT_OUR_NUMBER], "0");
    assert_string_equal(event->field[EVENT_THEIR_NUMBER], "9223372036854775807");
    assert_string_equal(event->field[EVENT_NUMBER], "2001");
    assert_string_equal(event->field[EVENT_QUEUE], "900");
    event_free(event);
}

static void without_a_time_it_is_the_arrival(void **state)
{
    static const char *const bodies[] = {
        "{\"type\":\"x\",\"call_id\":\"c\"}",
        "{\"type\":\"x\",\"call_id\":\"c\",\"timestamp\":null}",
        "{\"type\":\"x\",\"call_id\":\"c\",\"timestamp\":\"\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct event *event = parse(bodies[i]);

        assert_int_equal(event->time_ms, RECEIVED);
        event_free(event);
    }
}

/* Bodies at the edge of what is taken. */
static void takes_what_is_just_allowed(void **state)
{
    static const char *const bodies[] = {
        " \r\n\t{\"type\":\"x\",\"call_id\":\"c\"}\r\n ",
        "{\"type\":\"aZ09._-\",\"call_id\":\"\xc3\xa7 / 'x' \\u20ac\"}",
        "{\"type\":\"x\",\"call_id\":\"c\",\"direction\":\"a\\nb\",\"other\":[1,2.5,true,null,{}]}",
        /* 255 bytes */
        "{\"type\":\"x\",\"call_id\":\"" X16("0123456789abcde") "0123456789abcde\"}",
        /* 64 levels: the object, and 63 arrays */
        "{\"type\":\"x\",\"call_id\":\"c\",\"d\":" X16("[[[") "[[[[[[[[[[[[[[[" X16(
            "]]]") "]]]]]]]]]]]]]]]}",
        /* brackets that are text, and as many that are no depth */
        "{\"type\":\"x\",\"call_id\":\"c\",\"d\":\"\\\"" X16("{{{{{") "\\\\\",\"e\":[" X16(
            "[],[],[],[],[],") "0]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        event_free(parse(bodies[i]));
}

#define CALL(members) "{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"c\"," members "}}"
#define FLAT(members) "{\"type\":\"call.new\",\"call_id\":\"c\"," members "}"

static const struct {
    const char *body;
    const char *reason;
    const char *member;
    const char *says; /* is in the detail */
} refused[] = {
    /* no JSON */
    {"", "not_json", "", "the body is empty"},
    {" \r\n\t", "not_json", "", "the body is empty"},
    {"{", "not_json", "", "the body is not JSON"},
    {"{\"type\":\"call.new\",\"call_id\":\"c\"", "not_json", "", "the body is not JSON"},
    {"{'type':'call.new'}", "not_json", "", "line 1, column"},
    {"type=call.new&call_id=c", "not_json", "", "the body is not JSON"},
    {"{\"type\":\"call.new\",\"call_id\":\"c\",}", "not_json", "", "the body is not JSON"},
    {"{\"type\":\"call.new\",\"call_id\":\"a\nb\"}", "not_json", "", "the body is not JSON"},
    {"{\x1b[31m}", "not_json", "", "the body is not JSON"},
    {"{}{}", "not_json", "", "goes on after its JSON object"},
    {FLAT("\"code\":\"\"") "x", "not_json", "", "goes on after its JSON object"},
    {"\xef\xbb\xbf" FLAT("\"code\":\"\""), "not_json", "", "byte order mark"},
    {"{\"type\":\"call.new\",\"call_id\":\"\xff\"}", "not_json", "", "not UTF-8"},
    {"{\"type\":\"call.new\",\"call_id\":\"\xed\xa0\x80\"}", "not_json", "", "at position"},
    {"{\"type\":\"call.new\",\"call_id\":\"\\ud800\"}", "not_json", "", "the body is not JSON"},
    /* JSON, but no object */
    {"[]", "wrong_type", "", "is an array"},
    {"null", "wrong_type", "", "is null"},
    {"42", "wrong_type", "", "is a number"},
    {"\"call.new\"", "wrong_type", "", "is a string"},
    {"true", "wrong_type", "", "is a boolean"},
    /* members that are missing */
    {"{}", "missing_member", "chamada", "chamada is missing: send {\"chamada\":{\"type\":..."},
    {"{\"dados\":{}}", "missing_member", "chamada", "chamada is missing"},
    {"{\"chamada\":{}}", "missing_member", "chamada.type", "chamada.type is missing: "},
    {"{\"chamada\":{\"type\":\"call.new\"}}", "missing_member", "chamada.call_id",
     "chamada.call_id is missing: every event needs the call's id"},
    {"{\"chamada\":{\"type\":null,\"call_id\":\"c\"}}", "missing_member", "chamada.type",
     "chamada.type is missing"},
    {"{\"chamada\":{\"call_id\":\"c\"},\"type\":\"call.new\"}", "missing_member", "chamada.type",
     "chamada.type is missing"},
    {"{\"type\":\"call.new\"}", "missing_member", "call_id", "call_id is missing"},
    {"{\"call_id\":\"c\"}", "missing_member", "type", "type is missing"},
    /* of another type */
    {"{\"chamada\":null}", "wrong_type", "chamada", "chamada must be an object, and is null"},
    {"{\"chamada\":[]}", "wrong_type", "chamada", "and is an array"},
    {"{\"chamada\":\"call.new\"}", "wrong_type", "chamada", "and is a string"},
    {"{\"chamada\":{\"type\":\"x\",\"call_id\":\"c\"},\"atendente\":[1]}", "wrong_type",
     "atendente", "atendente must be an object, and is an array"},
    {"{\"chamada\":{\"type\":1,\"call_id\":\"c\"}}", "wrong_type", "chamada.type",
     "chamada.type must be a string, and is a number"},
    {"{\"type\":\"x\",\"call_id\":7}", "wrong_type", "call_id", "and is a number"},
    {CALL("\"their_number\":{}"), "wrong_type", "chamada.their_number", "and is an object"},
    {CALL("\"our_number\":900.5"), "wrong_type", "chamada.our_number", "and is a number"},
    {CALL("\"direction\":1"), "wrong_type", "chamada.direction", "and is a number"},
    {CALL("\"queue\":false"), "wrong_type", "chamada.queue", "and is a boolean"},
    {FLAT("\"queue\":true"), "wrong_type", "queue", "queue must be a string"},
    {"{\"chamada\":{\"type\":\"x\",\"call_id\":\"c\"},\"atendente\":{\"actor\":1}}", "wrong_type",
     "atendente.actor", "atendente.actor must be a string, and is a number"},
    {CALL("\"timestamp\":1518725252562"), "wrong_type", "chamada.timestamp", "and is a number"},
    {CALL("\"timestamp\":\"15/02/2018 20:07\""), "bad_timestamp", "chamada.timestamp",
     "must look like 2018-02-15T20:07:32.562Z"},
    {FLAT("\"timestamp\":\" \""), "bad_timestamp", "timestamp", "timestamp must look like"},
    /* of another value */
    {"{\"type\":\"\",\"call_id\":\"c\"}", "bad_value", "type", "type is empty"},
    {"{\"type\":\"x\",\"call_id\":\"\"}", "bad_value", "call_id", "call_id is empty"},
    {"{\"type\":\"call new\",\"call_id\":\"c\"}", "bad_value", "type", "may only have"},
    {"{\"type\":\"call/../new\",\"call_id\":\"c\"}", "bad_value", "type", "may only have"},
    {"{\"type\":\"call.new\\n\",\"call_id\":\"c\"}", "bad_value", "type", "may only have"},
    {"{\"type\":\"liga\xc3\xa7\xc3\xa3o\",\"call_id\":\"c\"}", "bad_value", "type",
     "may only have"},
    {"{\"type\":\"x\",\"call_id\":\"a\\u001b[31m\"}", "bad_value", "call_id", "control character"},
    {"{\"type\":\"x\",\"call_id\":\"a\\u007f\"}", "bad_value", "call_id", "control character"},
    {"{\"type\":\"x\",\"call_id\":\"" X16("0123456789abcdef") "\"}", "bad_value", "call_id",
     "is longer than 255 bytes"},
    {CALL("\"their_number\":\"" X16("0123456789abcdef") "\""), "bad_value", "chamada.their_number",
     "chamada.their_number is longer than 255 bytes"},
    {CALL("\"queue\":9223372036854775808"), "bad_value", "", "out of range"},
    {CALL("\"x\":1e999"), "bad_value", "", "out of range"},
    /* the same member twice, at any depth */
    {"{\"type\":\"x\",\"call_id\":\"c\",\"type\":\"y\"}", "duplicate_member", "type",
     "has its member type twice (line 1, column 32)"},
    {CALL("\"dados\":{\"\xc3\xa7\\\"\":1,\"\xc3\xa7\\\"\":2}"), "duplicate_member", "\xc3\xa7\\\"",
     "twice"},
    {CALL("\"\":1,\"\":2"), "duplicate_member", "", "has its member at this place twice"},
    {CALL("\"" X16("long") "\":1,\"" X16("long") "\":2"), "duplicate_member", "", "at this place"},
    {CALL("\"" X16("lon") "g0123456789abcd\":1,\"" X16("lon") "g0123456789abcd\":2"),
     "duplicate_member", X16("lon") "g0123456789abcd", "twice"},
    /* NUL */
    {CALL("\"code\":\"a\\u0000b\""), "nul", "", "\\u0000"},
    {CALL("\"a\\u0000\":1"), "nul", "", "\\u0000"},
    /* depth: the object, and 64 arrays */
    {"{\"d\":" X16("[[[[") X16("]]]]") "}", "too_deep", "", "deeper than 64 levels"},
    {X16("[[[[[[[[") X16("[[[[[[[["), "too_deep", "", "deeper than 64 levels"},
    {X16("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"), "too_deep", "", "deeper than 64 levels"},
};

static void check_refused(size_t i)
{
    struct event *event = (struct event *)&refused; /* must stay */
    struct event_problem problem;
    /* On the heap and without a NUL, so that reading past its end is seen. */
    size_t size = strlen(refused[i].body);
    char *body = malloc(size + (size == 0));

    assert_non_null(body);
    memcpy(body, refused[i].body, size);
    memset(&problem, 'x', sizeof problem);
    int result = event_parse(body, size, RECEIVED, &event, &problem);
    free(body);
    if (result != -1)
        fail_msg("taken: %s", refused[i].body);
    if (strcmp(problem.reason, refused[i].reason) != 0 ||
        strcmp(problem.member, refused[i].member) != 0 ||
        strstr(problem.detail, refused[i].says) == NULL)
        fail_msg("%s\n%s, \"%s\": %s", refused[i].body, problem.reason, problem.member,
                 problem.detail);
    assert_int_equal(problem.status, 400);
    assert_ptr_equal(event, &refused);
    for (const char *at = problem.detail; *at != '\0'; at++)
        assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void refuses_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        check_refused(i);
}

static void refuses_nul_bytes(void **state)
{
    static const char body[] = "{\"type\":\"x\",\"call_id\":\"c\"\0}";
    struct event_problem problem = {0};
    struct event *event = NULL;

    (void)state;
    assert_int_equal(event_parse(body, sizeof body - 1, RECEIVED, &event, &problem), -1);
    assert_string_equal(problem.reason, "nul");
    assert_string_equal(problem.detail, "the body has a NUL byte, at position 25: send UTF-8");
    assert_int_equal(event_parse("\0", 1, RECEIVED, &event, &problem), -1);
    assert_string_equal(problem.reason, "nul");
    assert_null(event);
}

/* A cut body is never taken, and never read past its end. */
static void refuses_every_cut_of_a_body(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof seed_body - 1; size++) {
        struct event_problem problem = {0};
        struct event *event = NULL;
        char *body = malloc(size + (size == 0));

        assert_non_null(body);
        memcpy(body, seed_body, size);
        assert_int_equal(event_parse(body, size, RECEIVED, &event, &problem), -1);
        assert_string_equal(problem.reason, "not_json");
        free(body);
    }
}

static void *allocate_nothing(size_t size)
{
    (void)size;
    return NULL;
}

static void without_memory_it_may_be_tried_again(void **state)
{
    struct event_problem problem = {0};
    struct event *event = NULL;

    (void)state;
    json_set_alloc_funcs(allocate_nothing, free);
    int result = event_parse(seed_body, sizeof seed_body - 1, RECEIVED, &event, &problem);
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(result, -1);
    assert_int_equal(problem.status, 503);
    assert_non_null(strstr(problem.detail, "no memory"));
    assert_null(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_seeds_envelope),
        cmocka_unit_test(reads_the_flat_envelope),
        cmocka_unit_test(the_attendant_fills_in_what_the_call_lacks),
        cmocka_unit_test(integers_become_their_digits),
        cmocka_unit_test(without_a_time_it_is_the_arrival),
        cmocka_unit_test(takes_what_is_just_allowed),
        cmocka_unit_test(refuses_and_says_why),
        cmocka_unit_test(refuses_nul_bytes),
        cmocka_unit_test(refuses_every_cut_of_a_body),
        cmocka_unit_test(without_memory_it_may_be_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
