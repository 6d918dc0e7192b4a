/* services_event_test.c: the event as a plugin sees it, and its getters by path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services_scene.h"

/* ---- The event ------------------------------------------------------------------------------- */

static void test_event_members(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_event *event = scene->shown;

    assert_int_equal(event->struct_size, sizeof *event);
    assert_int_equal(event->attempt, 3);
    assert_int_equal(event->time, TIME_MS);
    assert_int_equal(event->received, RECEIVED_MS);
    assert_string_equal(event->type, "call.standby");
    assert_string_equal(event->call_id, "c1");
    assert_string_equal(event->code, "");
    assert_string_equal(event->direction, "inbound");
    assert_string_equal(event->our_number, "0800");
    assert_string_equal(event->their_number, "1199");
    assert_string_equal(event->body, BODY);
    assert_int_equal(event->body_size, sizeof BODY - 1);
    assert_int_equal(strspn(event->id, "0123456789abcdef"), 32);
    assert_int_equal(event->id[32], 0);
}

static void test_get_string(void **state)
{
    const struct pbxhook_event *event = ((struct scene *)*state)->shown;

    assert_string_equal(event->get_string(event, "dados.cpf"), "123");
    assert_string_equal(event->get_string(event, "dados.tags.0"), "a");
    assert_string_equal(event->get_string(event, "dados.caf\xc3\xa9"), "\xc3\xa7");
    assert_string_equal(event->get_string(event, "dados."), "blank");
    assert_null(event->get_string(event, "dados.age"));
    assert_null(event->get_string(event, "dados.none"));
    assert_null(event->get_string(event, "dados.cpf.0"));
    assert_null(event->get_string(event, "dados.nothing.at.all"));
    assert_null(event->get_string(event, "dados.tags.2"));
    assert_null(event->get_string(event, "dados.tags."));
    assert_null(event->get_string(event, "dados.tags.-1"));
    assert_null(event->get_string(event, "dados.tags.18446744073709551616")); /* 2^64 */
    assert_null(event->get_string(event, "dados.cp"));
    assert_null(event->get_string(event, ""));
    assert_null(event->get_string(event, NULL));
}

static void test_get_numbers(void **state)
{
    const struct pbxhook_event *event = ((struct scene *)*state)->shown;
    int64_t integer = -1;
    double number = -1;
    int32_t boolean = -1;

    assert_int_equal(event->get_int64(event, "dados.age", &integer), 0);
    assert_int_equal(integer, 42);
    assert_int_equal(event->get_int64(event, "dados.big", &integer), 0);
    assert_int_equal(integer, INT64_MAX);
    assert_int_equal(event->get_int64(event, "dados.tags.1.b.1", &integer), 0);
    assert_int_equal(integer, 2);
    assert_int_equal(event->get_int64(event, "dados.ratio", &integer), PBXHOOK_E_TYPE);
    assert_int_equal(event->get_int64(event, "dados.cpf", &integer), PBXHOOK_E_TYPE);
    assert_int_equal(event->get_int64(event, "dados.nothing", &integer), PBXHOOK_E_NOT_FOUND);
    assert_int_equal(event->get_int64(event, "dados.age", NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(integer, 2);

    assert_int_equal(event->get_double(event, "dados.ratio", &number), 0);
    assert_true(number == 0.5);
    assert_int_equal(event->get_double(event, "dados.age", &number), 0);
    assert_true(number == 42.0);
    assert_int_equal(event->get_double(event, "dados.vip", &number), PBXHOOK_E_TYPE);

    assert_int_equal(event->get_bool(event, "dados.vip", &boolean), 0);
    assert_int_equal(boolean, 1);
    assert_int_equal(event->get_bool(event, "dados.age", &boolean), PBXHOOK_E_TYPE);
    assert_int_equal(event->get_bool(event, "dados.nothing", &boolean), PBXHOOK_E_NOT_FOUND);
}

static void test_get_json(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_event *event = scene->shown;
    const char *tags = event->get_json(event, "dados.tags");
    const char *cpf = event->get_json(event, "dados.cpf");

    /* Both live on side by side. */
    assert_string_equal(tags, "[\"a\",{\"b\":[1,2]}]");
    assert_string_equal(cpf, "\"123\"");
    assert_string_equal(event->get_json(event, "dados.none"), "null");
    assert_string_equal(event->get_json(event, "chamada"),
                        "{\"type\":\"call.standby\",\"call_id\":\"c1\"}");
    const char *whole = event->get_json(event, "");
    assert_non_null(whole);
    assert_true(strncmp(whole, "{\"chamada\":", 11) == 0);
    assert_null(event->get_json(event, "dados.nothing"));
    for (int i = 0; i < 100; i++)
        assert_non_null(event->get_json(event, "dados"));
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, services_set_up, services_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_event_members),
        TEST(test_get_string),
        TEST(test_get_numbers),
        TEST(test_get_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
