/* timestamp_fuzz.c: dates and times, and the periods that the operator's commands take. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/config.h"
#include "common/timestamp.h"
#include "fuzz.h"

/* libc's calendar, so that ours is not its own judge. */
static void check_calendar(int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    char expected[64], text[TIMESTAMP_SIZE], date[32];
    struct tm parts;

    fuzz_require(gmtime_r(&seconds, &parts) != NULL);
    fuzz_require(strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts) == 19);
    snprintf(expected, sizeof expected, "%s.%03dZ", date, (int)(time_ms % 1000));
    timestamp_format(time_ms, text);
    fuzz_require(strcmp(text, expected) == 0);
}

/* The date as it was written can't be further from it than a zone is. */
static void check_near(const char *text, int64_t time_ms)
{
    struct tm parts = {.tm_isdst = 0};

    fuzz_require(sscanf(text, "%4d-%2d-%2d%*c%2d:%2d:%2d", &parts.tm_year, &parts.tm_mon,
                        &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec) == 6);
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    int64_t written_ms = (int64_t)timegm(&parts) * 1000;
    fuzz_require(llabs((long long)(written_ms - time_ms)) <= 24 * 3600000LL);
}

static void check_period(const char *text)
{
    int64_t ms = -1, again = -1;
    char plain[32];

    if (config_read_period(text, &ms) < 0)
        return;
    fuzz_require(ms >= CONFIG_PERIOD_MIN_MS && ms <= CONFIG_PERIOD_MAX_MS);
    snprintf(plain, sizeof plain, "%" PRId64 "ms", ms);
    fuzz_require(config_read_period(plain, &again) == 0 && again == ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};
    char *text = fuzz_take_text(&input);
    char formatted[TIMESTAMP_SIZE];
    int64_t time_ms = -1, again = -1;

    if (timestamp_parse(text, &time_ms) == 0) {
        check_calendar(time_ms);
        check_near(text, time_ms);
        timestamp_format(time_ms, formatted);
        fuzz_require(timestamp_parse(formatted, &again) == 0 && again == time_ms);
    } else {
        fuzz_require(time_ms == -1);
    }
    if (size >=
        sizeof time_ms) { /* any number, for the way back: outside the years it is clamped */
        memcpy(&time_ms, data, sizeof time_ms);
        timestamp_format(time_ms, formatted);
        fuzz_require(timestamp_parse(formatted, &again) == 0);
        fuzz_require(again == time_ms || time_ms < 0 || again == INT64_C(253402300799999));
    }
    check_period(text);
    free(text);
    return 0;
}
