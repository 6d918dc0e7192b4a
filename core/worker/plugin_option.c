/*
 * plugin_option.c: reads the values of plugin options: all of the text or nothing, no blanks
 * around. Used by plugin_descriptor.c (defaults), plugin_settings.c (values) and plugin_print.c
 * (names).
 */
#include "worker/plugin_option.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pbxhook/plugin.h>

static const struct {
    const char *name;
    const char *wanted;
} types[] = {
    [PBXHOOK_OPTION_STRING] = {"string", "a text"},
    [PBXHOOK_OPTION_INTEGER] = {"integer", "an integer of 64 bits"},
    [PBXHOOK_OPTION_BOOLEAN] = {"boolean", "true, false, yes, no, 1 or 0"},
    [PBXHOOK_OPTION_NUMBER] = {"number", "a finite number, with a point if need be"},
};

const char *plugin_option_type_name(uint32_t type)
{
    return type < sizeof types / sizeof types[0] ? types[type].name : NULL;
}

const char *plugin_option_wanted(uint32_t type)
{
    return type < sizeof types / sizeof types[0] ? types[type].wanted : NULL;
}

static int parse_integer(const char *text, int64_t *out)
{
    char *end;
    long long value;

    if (text[0] == '\0' || isspace((unsigned char)text[0]))
        return -1;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return -1;
    *out = value;
    return 0;
}

static int parse_boolean(const char *text, int64_t *out)
{
    static const struct {
        const char *word;
        int value;
    } words[] = {
        {"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"1", 1}, {"0", 0},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return 0;
        }
    }
    return -1;
}

static int parse_number(const char *text, double *out)
{
    char *end;
    double value;

    if (text[0] == '\0' || isspace((unsigned char)text[0]))
        return -1;
    value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value))
        return -1;
    *out = value;
    return 0;
}

int plugin_option_parse(uint32_t type, const char *text, int64_t *integer, double *number)
{
    switch (type) {
    case PBXHOOK_OPTION_STRING:
        return 0;
    case PBXHOOK_OPTION_INTEGER:
        return parse_integer(text, integer);
    case PBXHOOK_OPTION_BOOLEAN:
        return parse_boolean(text, integer);
    case PBXHOOK_OPTION_NUMBER:
        return parse_number(text, number);
    default:
        return -1;
    }
}
