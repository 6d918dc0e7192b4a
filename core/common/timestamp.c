/*
 * timestamp.c: ISO 8601 date-times by civil-date arithmetic of its own, because every event has one
 * and strptime() and timegm() know neither fractions nor zones. Called by the envelope reader, the
 * log and the dashboard. Never looks at the environment: no locale, no TZ.
 */
#include "common/timestamp.h"

#define MS_PER_DAY      INT64_C(86400000)
#define MINUTES_PER_DAY 1440
#define LAST_MS         INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* The arithmetic below counts from the first of March of year 0, so many days before 1970-01-01:
 * with February last, the leap day ends a year and the months' lengths are regular. */
#define DAYS_TO_1970   719468
#define DAYS_PER_400_Y 146097
#define DAYS_PER_100_Y 36524
#define DAYS_PER_4_Y   1460

struct civil {
    int year, month, day;
};

static int is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01 of a valid date. */
static int64_t days_from_civil(struct civil date)
{
    int year = date.month > 2 ? date.year : date.year - 1;
    int month = (date.month + 9) % 12; /* March is 0 */

    return INT64_C(365) * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 +
           date.day - 1 - DAYS_TO_1970;
}

static struct civil civil_from_days(int64_t days)
{
    int count = (int)(days + DAYS_TO_1970);
    int era = count / DAYS_PER_400_Y;
    int in_era = count % DAYS_PER_400_Y;
    int year_of_era =
        (in_era - in_era / DAYS_PER_4_Y + in_era / DAYS_PER_100_Y - in_era / (DAYS_PER_400_Y - 1)) /
        365;
    int in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * in_year + 2) / 153; /* March is 0 */
    struct civil date = {
        .year = era * 400 + year_of_era + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = in_year - (153 * month + 2) / 5 + 1,
    };

    return date;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads exactly `count` digits and moves on; -1 when they are not there. */
static int take_number(const char **at, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*at)++) {
        if (!is_digit(**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static int take_char(const char **at, char wanted)
{
    if (**at != wanted)
        return -1;
    (*at)++;
    return 0;
}

static int take_date(const char **at, struct civil *out)
{
    int year = take_number(at, 4);

    if (year < 1970 || take_char(at, '-') != 0)
        return -1;
    int month = take_number(at, 2);
    if (month < 1 || month > 12 || take_char(at, '-') != 0)
        return -1;
    int day = take_number(at, 2);
    if (day < 1 || day > days_in_month(year, month))
        return -1;
    *out = (struct civil){.year = year, .month = month, .day = day};
    return 0;
}

/* hh:mm as minutes, or -1. */
static int take_minutes(const char **at)
{
    int hour = take_number(at, 2);

    if (hour < 0 || hour > 23 || take_char(at, ':') != 0)
        return -1;
    int minute = take_number(at, 2);
    return minute < 0 || minute > 59 ? -1 : hour * 60 + minute;
}

/* Digits after the point as milliseconds, 0 when there is no point; -1 for a point with none. */
static int take_fraction(const char **at)
{
    int ms = 0;
    int weight = 100;

    if (**at != '.')
        return 0;
    (*at)++;
    if (!is_digit(**at))
        return -1;
    for (; is_digit(**at); (*at)++, weight /= 10)
        ms += weight * (**at - '0');
    return ms;
}

/* The zone as minutes east of UTC. */
static int take_zone(const char **at, int *out)
{
    char sign = **at;
    int minutes = 0;

    if (sign == 'Z' || sign == 'z') {
        (*at)++;
    } else if (sign == '+' || sign == '-') {
        (*at)++;
        minutes = take_minutes(at);
        if (minutes < 0)
            return -1;
    }
    *out = sign == '-' ? -minutes : minutes;
    return 0;
}

int timestamp_parse(const char *text, int64_t *out_ms)
{
    const char *at = text;
    struct civil date;
    int zone;

    if (take_date(&at, &date) != 0 || (*at != 'T' && *at != 't' && *at != ' '))
        return -1;
    at++;
    int minutes = take_minutes(&at);
    if (minutes < 0 || take_char(&at, ':') != 0)
        return -1;
    int second = take_number(&at, 2);
    int ms = take_fraction(&at);
    if (second < 0 || second > 60 || ms < 0 || take_zone(&at, &zone) != 0 || *at != '\0')
        return -1;
    minutes -= zone;
    if (second == 60) {
        /* A leap second is only ever the last one of a day of UTC. */
        if ((minutes + MINUTES_PER_DAY) % MINUTES_PER_DAY != MINUTES_PER_DAY - 1)
            return -1;
        second = 59;
    }
    int64_t time_ms =
        days_from_civil(date) * MS_PER_DAY + (INT64_C(60) * minutes + second) * 1000 + ms;
    if (time_ms < 0 || time_ms > LAST_MS)
        return -1;
    *out_ms = time_ms;
    return 0;
}

static char *put_number(char *at, int value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + width;
}

static char *put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

void timestamp_format(int64_t time_ms, char out[TIMESTAMP_SIZE])
{
    if (time_ms < 0)
        time_ms = 0;
    if (time_ms > LAST_MS)
        time_ms = LAST_MS;

    struct civil date = civil_from_days(time_ms / MS_PER_DAY);
    int in_day = (int)(time_ms % MS_PER_DAY);
    char *at = put_number(out, date.year, 4);
    at = put_number(put_char(at, '-'), date.month, 2);
    at = put_number(put_char(at, '-'), date.day, 2);
    at = put_number(put_char(at, 'T'), in_day / 3600000, 2);
    at = put_number(put_char(at, ':'), in_day / 60000 % 60, 2);
    at = put_number(put_char(at, ':'), in_day / 1000 % 60, 2);
    at = put_number(put_char(at, '.'), in_day % 1000, 3);
    at = put_char(at, 'Z');
    *at = '\0';
}
