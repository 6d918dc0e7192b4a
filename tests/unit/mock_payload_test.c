/*
 * mock_payload_test.c: the events mock-pbx posts, in both envelopes, as the seed and the vendor
 * word them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "payload.h"

static const struct payload new_call = {
    .type = "call.new",
    .call_id = "0bc692b0-128a-11e8-807b-e3acc2b0c13d",
    .our_number = "0800111111",
    .their_number = "1199999999",
    .time_ms = 1518725252562,
};

static json_t *make_and_parse(const struct payload *payload, enum envelope envelope)
{
    char *text = payload_make(payload, envelope);
    json_t *json;

    assert_non_null(text);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static void assert_member(const json_t *json, const char *name, const char *value)
{
    const json_t *member = json_object_get(json, name);

    assert_true(json_is_string(member));
    assert_string_equal(json_string_value(member), value);
}

static void assert_event(const json_t *event)
{
    assert_member(event, "type", "call.new");
    assert_member(event, "call_id", "0bc692b0-128a-11e8-807b-e3acc2b0c13d");
    assert_member(event, "code", "");
    assert_member(event, "direction", "inbound");
    assert_member(event, "our_number", "0800111111");
    assert_member(event, "their_number", "1199999999");
    assert_member(event, "timestamp", "2018-02-15T20:07:32.562Z");
    assert_int_equal(json_object_size(event), 7);
}

static void test_seed_envelope(void **state)
{
    json_t *json = make_and_parse(&new_call, ENVELOPE_SEED);
    const json_t *data = json_object_get(json, "dados");

    (void)state;
    assert_int_equal(json_object_size(json), 4);
    assert_event(json_object_get(json, "chamada"));
    assert_member(data, "call_id", "0bc692b0-128a-11e8-807b-e3acc2b0c13d");
    assert_member(data, "type", "call.cpf-provided");
    assert_member(data, "cpf", "");
    assert_member(data, "timestamp", "2018-02-15T20:07:32.562Z");
    assert_int_equal(json_object_size(json_object_get(json, "atendente")), 0);
    assert_true(json_is_object(json_object_get(json, "dialer")));
    json_decref(json);
}

static void test_flat_envelope(void **state)
{
    json_t *json = make_and_parse(&new_call, ENVELOPE_FLAT);

    (void)state;
    assert_event(json);
    json_decref(json);
}

static void test_optional_members(void **state)
{
    struct payload entered = new_call;
    json_t *seed, *flat;

    (void)state;
    entered.actor = "agent-07";
    entered.number = "2007";
    entered.queue = "900";
    seed = make_and_parse(&entered, ENVELOPE_SEED);
    flat = make_and_parse(&entered, ENVELOPE_FLAT);
    assert_true(json_equal(json_object_get(seed, "chamada"), flat));
    assert_member(flat, "actor", "agent-07");
    assert_member(flat, "number", "2007");
    assert_member(flat, "queue", "900");
    assert_member(json_object_get(seed, "atendente"), "actor", "agent-07");
    json_decref(seed);
    json_decref(flat);
}

static void test_text_is_escaped(void **state)
{
    struct payload odd = new_call;
    json_t *json;

    (void)state;
    odd.their_number = "\"}, \\ \n \x01 \xc3\xa7";
    json = make_and_parse(&odd, ENVELOPE_FLAT);
    assert_member(json, "their_number", odd.their_number);
    json_decref(json);
}

static void test_not_utf8_is_refused(void **state)
{
    struct payload odd = new_call;

    (void)state;
    odd.their_number = "\xff";
    assert_null(payload_make(&odd, ENVELOPE_FLAT));
    assert_null(payload_make(&odd, ENVELOPE_SEED));
}

static void test_times(void **state)
{
    static const struct {
        int64_t time_ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {951782400007, "2000-02-29T00:00:00.007Z"},
        {4102444799999, "2099-12-31T23:59:59.999Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[PAYLOAD_TIME_SIZE];

        payload_write_time(cases[i].time_ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_types_in_order_of_life(void **state)
{
    (void)state;
    assert_string_equal(payload_get_type(EVENT_NEW), "call.new");
    assert_string_equal(payload_get_type(EVENT_STANDBY), "call.standby");
    assert_string_equal(payload_get_type(EVENT_WAITING), "call.waiting");
    assert_string_equal(payload_get_type(EVENT_ENTERED), "actor.entered");
    assert_string_equal(payload_get_type(EVENT_ONGOING), "call.ongoing");
    assert_string_equal(payload_get_type(EVENT_LEFT), "actor.left");
    assert_string_equal(payload_get_type(EVENT_FINISHED), "call.finished");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_envelope),          cmocka_unit_test(test_flat_envelope),
        cmocka_unit_test(test_optional_members),       cmocka_unit_test(test_text_is_escaped),
        cmocka_unit_test(test_not_utf8_is_refused),    cmocka_unit_test(test_times),
        cmocka_unit_test(test_types_in_order_of_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
