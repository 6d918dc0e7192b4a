/*
 * mock_latency_test.c: the percentiles of mock-pbx's histogram: exact below 64 us, never below the
 * true value nor more than 1/64 above it, never above the maximum.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "latency.h"

static void test_empty_is_zero(void **state)
{
    static struct latency latency;

    (void)state;
    assert_int_equal(latency_get_percentile(&latency, 50), 0);
    assert_int_equal(latency_get_percentile(&latency, 100), 0);
    assert_true(latency_get_mean_us(&latency) == 0);
}

static void test_one_value_is_every_percentile(void **state)
{
    static struct latency latency;

    (void)state;
    latency_add(&latency, 1234567);
    assert_int_equal(latency_get_percentile(&latency, 0), 1234567);
    assert_int_equal(latency_get_percentile(&latency, 50), 1234567);
    assert_int_equal(latency_get_percentile(&latency, 99.9), 1234567);
    assert_int_equal(latency.max_us, 1234567);
}

static void test_small_values_are_exact(void **state)
{
    static struct latency latency;

    (void)state;
    for (uint64_t us = 1; us <= 60; us++)
        latency_add(&latency, us);
    assert_int_equal(latency_get_percentile(&latency, 50), 30);
    assert_int_equal(latency_get_percentile(&latency, 90), 54);
    assert_int_equal(latency_get_percentile(&latency, 100), 60);
    assert_true(latency_get_mean_us(&latency) == 30.5);
}

static void test_large_values_are_near(void **state)
{
    static struct latency latency;
    const double percents[] = {1, 10, 50, 90, 99, 99.9};

    (void)state;
    for (uint64_t us = 1; us <= 1000000; us++)
        latency_add(&latency, us);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t truth = (uint64_t)(percents[i] * 10000);
        uint64_t told = latency_get_percentile(&latency, percents[i]);

        assert_in_range(told, truth, truth + truth / 64 + 1);
    }
    assert_int_equal(latency_get_percentile(&latency, 100), 1000000);
}

static void test_rare_slow_ones_show_late(void **state)
{
    static struct latency latency;

    (void)state;
    for (int i = 0; i < 999; i++)
        latency_add(&latency, 10);
    latency_add(&latency, 5000000);
    assert_int_equal(latency_get_percentile(&latency, 99), 10);
    assert_int_equal(latency_get_percentile(&latency, 99.9), 10);
    assert_int_equal(latency_get_percentile(&latency, 99.95), 5000000);
}

/* At each doubling a value lies within its bucket: told is never below it. */
static void test_bucket_edges(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < LATENCY_TOP_BIT; bit++) {
        for (uint64_t us = (UINT64_C(1) << bit) - 1; us <= (UINT64_C(1) << bit) + 1; us++) {
            struct latency *latency = test_calloc(1, sizeof *latency);

            latency_add(latency, us);
            latency_add(latency, UINT64_C(1) << 40);
            assert_in_range(latency_get_percentile(latency, 50), us, us + us / 64 + 1);
            test_free(latency);
        }
    }
}

static void test_beyond_the_top_is_kept_as_maximum(void **state)
{
    static struct latency latency;

    (void)state;
    latency_add(&latency, UINT64_MAX / 2);
    assert_int_equal(latency_get_percentile(&latency, 50), UINT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_is_zero),
        cmocka_unit_test(test_one_value_is_every_percentile),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_large_values_are_near),
        cmocka_unit_test(test_rare_slow_ones_show_late),
        cmocka_unit_test(test_bucket_edges),
        cmocka_unit_test(test_beyond_the_top_is_kept_as_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
