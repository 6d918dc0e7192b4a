/* plugin_crashes_test.c: when a plugin is parked, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "receiver/plugin_crashes.h"

#define SECOND ((int64_t)1000000)

static void test_one_event_parks_nobody(void **state)
{
    static struct plugin_crashes_list list;
    (void)state;
    for (int i = 1; i <= 10; i++)
        assert_int_equal(plugin_crashes_note(&list, "p", 7, i * SECOND), 0);
    assert_int_equal(plugin_crashes_deaths(&list, "p"), 10);
    assert_int_equal(plugin_crashes_deaths(&list, "q"), 0);
}

static void test_three_events_in_a_minute_do(void **state)
{
    static struct plugin_crashes_list list;
    (void)state;
    assert_int_equal(plugin_crashes_note(&list, "p", 1, 10 * SECOND), 0);
    assert_int_equal(plugin_crashes_note(&list, "other", 2, 11 * SECOND), 0);
    assert_int_equal(plugin_crashes_note(&list, "p", 2, 12 * SECOND), 0);
    assert_int_equal(plugin_crashes_note(&list, "p", 1, 13 * SECOND), 0);
    assert_int_equal(plugin_crashes_note(&list, "p", 3, 14 * SECOND), 30 * SECOND);
}

/* Each new worker would call open() again. */
static void test_one_death_in_open_does(void **state)
{
    static struct plugin_crashes_list list;
    (void)state;
    assert_int_equal(plugin_crashes_note(&list, "p", 0, 10 * SECOND), 30 * SECOND);
    assert_int_equal(plugin_crashes_note(&list, "p", 0, 41 * SECOND), 60 * SECOND);
    assert_int_equal(plugin_crashes_deaths(&list, "p"), 2);
}

static void test_events_far_apart_do_not(void **state)
{
    static struct plugin_crashes_list list;
    (void)state;
    for (int i = 1; i <= 10; i++)
        assert_int_equal(plugin_crashes_note(&list, "p", i, i * 31 * SECOND), 0);
}

/* Longer each time, up to ten minutes; after twenty good minutes it begins anew. */
static void test_probation(void **state)
{
    static struct plugin_crashes_list list;
    int64_t wanted_s = 30, now_us = SECOND;
    (void)state;
    plugin_crashes_note(&list, "p", 1, now_us);
    plugin_crashes_note(&list, "p", 2, now_us);
    for (int64_t event = 3; event < 12; event++) {
        int64_t park_us = plugin_crashes_note(&list, "p", event, now_us);
        assert_int_equal(park_us, wanted_s * SECOND);
        now_us += park_us + SECOND;
        wanted_s = wanted_s * 2 < 600 ? wanted_s * 2 : 600;
    }
    now_us += 1201 * SECOND;
    assert_int_equal(plugin_crashes_note(&list, "p", 99, now_us), 0);
}

static void test_the_list_has_an_end(void **state)
{
    static struct plugin_crashes_list list;
    char name[32];
    (void)state;
    for (int i = 0; i < 2 * METRICS_PLUGINS; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(plugin_crashes_note(&list, name, 1, SECOND), 0);
    }
    assert_int_equal(list.count, METRICS_PLUGINS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_event_parks_nobody),
        cmocka_unit_test(test_three_events_in_a_minute_do),
        cmocka_unit_test(test_one_death_in_open_does),
        cmocka_unit_test(test_events_far_apart_do_not),
        cmocka_unit_test(test_probation),
        cmocka_unit_test(test_the_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
