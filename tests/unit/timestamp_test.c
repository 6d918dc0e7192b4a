/* timestamp_test.c: what is a time, what is none, and every day of the years 1970 to 9999. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "common/timestamp.h"

#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"2018-02-15T20:07:32.562Z", 1518725252562},
    {"2018-02-15T20:07:32.562", 1518725252562}, /* without a zone it is UTC */
    {"2018-02-15T20:07:32Z", 1518725252000},
    {"2018-02-15t20:07:32z", 1518725252000},
    {"2018-02-15 20:07:32", 1518725252000},
    {"2018-02-15T17:07:32.562-03:00", 1518725252562},
    {"2018-02-16T01:37:32.562+05:30", 1518725252562},
    {"2018-02-15T20:07:32.562-00:00", 1518725252562},
    {"2018-02-15T20:07:32.5Z", 1518725252500},
    {"2018-02-15T20:07:32.56Z", 1518725252560},
    {"2018-02-15T20:07:32.562999Z", 1518725252562}, /* cut, not rounded */
    {"2018-02-15T20:07:32.5629999999999999999999999Z", 1518725252562},
    {"2018-02-15T20:07:32.0009Z", 1518725252000},
    {"2000-02-29T00:00:00Z", 951782400000},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"2016-12-31T23:59:60Z", 1483228799000},
    {"2016-12-31T23:59:60.5Z", 1483228799500},
    {"2017-01-01T05:29:60+05:30", 1483228799000},
    {"2016-12-31T20:59:60-03:00", 1483228799000},
    {"9999-12-31T23:59:59.999Z", LAST_MS},
};

static void reads_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = -1;
        int result = timestamp_parse(good[i].text, &ms);

        if (result != 0 || ms != good[i].ms)
            fail_msg("%s: %d, %lld", good[i].text, result, (long long)ms);
    }
}

static const char *const bad[] = {
    "",
    "2018",
    "2018-02-15",
    "2018-02-15T20:07",
    "2018-02-15T20:07Z",
    "2018-02-15T20:07:32.Z",
    "2018-02-15T20:07:32.",
    "2018-02-15T20:07:32,562Z",
    "2018-02-15T20:07:32.562ZZ",
    "2018-02-15T20:07:32.562Z ",
    " 2018-02-15T20:07:32.562Z",
    "2018-02-15T20:07:32.562 Z",
    "2018-02-15_20:07:32Z",
    "2018-2-15T20:07:32Z",
    "2018-02-15T2:07:32Z",
    "+018-02-15T20:07:32Z",
    "02018-02-15T20:07:32Z",
    "20180215T200732Z",
    "2018-00-15T20:07:32Z",
    "2018-13-15T20:07:32Z",
    "2018-02-00T20:07:32Z",
    "2018-02-29T20:07:32Z",
    "2100-02-29T20:07:32Z",
    "2018-04-31T20:07:32Z",
    "2018-02-15T24:00:00Z",
    "2018-02-15T20:60:00Z",
    "2018-02-15T20:07:61Z",
    "2018-02-15T20:07:60Z", /* no leap second there */
    "2018-02-15T23:59:60+01:00",
    "2018-02-15T20:07:32+0300",
    "2018-02-15T20:07:32+03",
    "2018-02-15T20:07:32+24:00",
    "2018-02-15T20:07:32+03:60",
    "2018-02-15T20:07:32+",
    "2018-02-15T20:07:-1Z",
    "1969-12-31T23:59:59Z",
    "1969-12-31T23:00:00-01:00", /* years are those written */
    "1970-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01T00:00:00Z",
    "1518725252562",
    "yesterday",
};

static void refuses_what_is_no_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 42;

        if (timestamp_parse(bad[i], &ms) != -1 || ms != 42)
            fail_msg("\"%s\" was taken for %lld", bad[i], (long long)ms);
    }
}

/* The C library's calendar is the judge. */
static void agrees_with_the_library_on_every_day(void **state)
{
    (void)state;
    for (int64_t day = 0; day <= LAST_MS / 86400000; day++) {
        int64_t ms = day * 86400000 + day * 7919 % 86400000;
        time_t seconds = (time_t)(ms / 1000);
        struct tm utc;
        char expected[64];
        char text[TIMESTAMP_SIZE];
        int64_t again = -1;

        assert_non_null(gmtime_r(&seconds, &utc));
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                 utc.tm_sec, (int)(ms % 1000));
        timestamp_format(ms, text);
        assert_string_equal(text, expected);
        assert_int_equal(timestamp_parse(text, &again), 0);
        assert_int_equal(again, ms);
    }
}

static void clamps_what_it_cannot_write(void **state)
{
    char text[TIMESTAMP_SIZE];

    (void)state;
    timestamp_format(-1, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    timestamp_format(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    timestamp_format(LAST_MS + 1, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    timestamp_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(agrees_with_the_library_on_every_day),
        cmocka_unit_test(clamps_what_it_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
