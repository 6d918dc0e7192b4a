/* query.c: see query.h. libmicrohttpd leaves the escapes to us: it would cut a text at %00. */
#include "receiver/query.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/timestamp.h"
#include "receiver/request.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int is_utf8(const char *text)
{
    json_t *made = json_string(text); /* jansson takes nothing else */
    json_decref(made);
    return made != NULL;
}

int query_decode(const char *text, int plus, char *out, size_t size)
{
    size_t used = 0;

    for (; *text != '\0'; text++) {
        char c = *text;
        if (c == '%') {
            int high = hex_digit(text[1]);
            int low = high < 0 ? -1 : hex_digit(text[2]);
            if (low < 0)
                return -1;
            c = (char)(high << 4 | low);
            text += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (iscntrl((unsigned char)c) || used + 1 >= size)
            return -1;
        out[used++] = c;
    }
    out[used] = '\0';
    return is_utf8(out) ? 0 : -1;
}

int query_refuse(struct request *request, const char *name, const char *detail)
{
    request_refuse(request, &(struct problem){.status = MHD_HTTP_BAD_REQUEST,
                                              .reason = "bad_value",
                                              .member = name,
                                              .detail = detail});
    return -1;
}

/* The parameter as it was sent; NULL when it is absent or empty. */
static const char *find(struct request *request, const char *name)
{
    const char *value =
        MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

int query_text(struct request *request, const char *name, char *out, size_t size)
{
    const char *value = find(request, name);
    if (value == NULL)
        return 0;
    if (query_decode(value, 1, out, size) == 0)
        return 0;
    return query_refuse(request, name, "too long, or not percent-encoded UTF-8");
}

/* Digits with a sign at most, all of the text. */
static int parse_int(const char *text, int64_t *out)
{
    char *end;
    if (!isdigit((unsigned char)text[text[0] == '-']))
        return -1;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return -1;
    *out = number;
    return 0;
}

int query_int(struct request *request, const char *name, int64_t min, int64_t max, int64_t *out)
{
    const char *value = find(request, name);
    int64_t number;
    char detail[96];

    if (value == NULL)
        return 0;
    if (parse_int(value, &number) == 0 && number >= min && number <= max) {
        *out = number;
        return 0;
    }
    snprintf(detail, sizeof detail, "must be a whole number from %lld to %lld", (long long)min,
             (long long)max);
    return query_refuse(request, name, detail);
}

/* The + of a zone is seldom escaped, and libmicrohttpd has made a blank of it. */
static void mend_zone(char *text)
{
    static const char zone[] = "+02:00";
    size_t size = strlen(text);
    if (size >= sizeof zone && text[size - (sizeof zone - 1)] == ' ')
        text[size - (sizeof zone - 1)] = '+';
}

static int parse_time(char *text, int64_t *out_ms)
{
    if (parse_int(text, out_ms) == 0)
        return *out_ms < 0 ? -1 : 0;
    mend_zone(text);
    return timestamp_parse(text, out_ms);
}

int query_time(struct request *request, const char *name, int64_t *out_ms)
{
    const char *value = find(request, name);
    char text[64];

    if (value == NULL)
        return 0;
    if (query_decode(value, 0, text, sizeof text) == 0 && parse_time(text, out_ms) == 0)
        return 0;
    return query_refuse(request, name,
                        "must be a date-time as 2026-11-24T10:00:00Z, or milliseconds since 1970");
}
