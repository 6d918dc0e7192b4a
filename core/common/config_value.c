/*
 * config_value.c: one value of the configuration: read from text, written as text, freed. Called for
 * the defaults, the files and the environment alike; it tells nobody what is wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* The greatest first: a value is written with the first that divides it. */
static const struct unit duration_units[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {NULL, 0}};

/* ---- Reading ------------------------------------------------------------------------------------ */

/* Decimal digits and then one of the units, or none, which counts as bare_factor. */
static int read_number(const struct config_key *key, const char *text, const struct unit *units,
                       int64_t bare_factor, int64_t *out)
{
    int64_t number = 0;
    int64_t factor = bare_factor;
    const char *c = text;

    for (; *c >= '0' && *c <= '9'; c++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *c - '0', &number))
            return CONFIG_E_VALUE;
    }
    if (c == text)
        return CONFIG_E_VALUE;
    if (*c != '\0') {
        while (units != NULL && units->name != NULL && strcmp(units->name, c) != 0)
            units++;
        if (units == NULL || units->name == NULL)
            return CONFIG_E_VALUE;
        factor = units->factor;
    }
    if (__builtin_mul_overflow(number, factor, &number) || number < key->min || number > key->max)
        return CONFIG_E_VALUE;
    *out = number;
    return 0;
}

static int read_boolean(const char *text, int *out)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"},
                                            {"true", "yes", "on", "1"}};

    for (int value = 0; value < 2; value++) {
        for (size_t i = 0; i < 4; i++) {
            if (strcmp(text, words[value][i]) == 0) {
                *out = value;
                return 0;
            }
        }
    }
    return CONFIG_E_VALUE;
}

static int read_word(const struct config_key *key, const char *text, int *out)
{
    for (int i = 0; key->words[i] != NULL; i++) {
        if (strcmp(text, key->words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return CONFIG_E_VALUE;
}

int config_value_check_element(const struct config_key *key, const char *text)
{
    int64_t size = (int64_t)strlen(text);
    return size >= key->min && size <= key->max && (key->check == NULL || key->check(text));
}

static int replace(char **member, char *text)
{
    if (text == NULL)
        return CONFIG_E_MEMORY;
    free(*member);
    *member = text;
    return 0;
}

static int read_path(const char *text, const char *base, char **out)
{
    return replace(out, text[0] == '\0' ? strdup("") : config_path_absolute(base, text));
}

static int read_store(const char *text, const char *base, char **out)
{
    char *url = NULL;
    int code = config_store_read(text, base, &url);
    return code < 0 ? code : replace(out, url);
}

void config_list_free(char **list)
{
    for (char **element = list; element != NULL && *element != NULL; element++)
        free(*element);
    free(list);
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == ',';
    return count;
}

static char *dup_trimmed(const char *start, size_t size)
{
    static const char blanks[] = " \t";
    size_t lead = strspn(start, blanks);

    if (lead >= size)
        return strdup("");
    while (strchr(blanks, start[size - 1]) != NULL)
        size--;
    return strndup(start + lead, size - lead);
}

static int read_list(const struct config_key *key, const char *text, char ***out)
{
    char **list = calloc(count_commas(text) + 2, sizeof *list);
    int code = list == NULL ? CONFIG_E_MEMORY : 0;

    for (size_t i = 0; code == 0 && *text != '\0'; i++) {
        size_t size = strcspn(text, ",");
        list[i] = dup_trimmed(text, size);
        if (list[i] == NULL)
            code = CONFIG_E_MEMORY;
        else if (!config_value_check_element(key, list[i]))
            code = CONFIG_E_VALUE;
        text += size;
        text += *text == ',';
    }
    if (code < 0) {
        config_list_free(list);
        return code;
    }
    config_list_free(*out);
    *out = list;
    return 0;
}

static int read_int(const struct config_key *key, const char *text, const struct unit *units,
                    int64_t bare_factor, int *out)
{
    int64_t number = 0;
    int code = read_number(key, text, units, bare_factor, &number);
    if (code == 0)
        *out = (int)number;
    return code;
}

int config_value_read(const struct config_key *key, const char *text, const char *base,
                      void *member)
{
    switch (key->type) {
    case CONFIG_INTEGER:
        return read_int(key, text, NULL, 1, member);
    case CONFIG_DURATION:
        return read_int(key, text, duration_units, 1000, member);
    case CONFIG_SIZE:
        return read_number(key, text, size_units, 1, member);
    case CONFIG_BOOLEAN:
        return read_boolean(text, member);
    case CONFIG_WORD:
        return read_word(key, text, member);
    case CONFIG_LIST:
        return read_list(key, text, member);
    default:
        break;
    }
    if (!config_value_check_element(key, text))
        return CONFIG_E_VALUE;
    if (key->type == CONFIG_PATH)
        return read_path(text, base, member);
    if (key->type == CONFIG_STORE)
        return read_store(text, base, member);
    return replace(member, strdup(text));
}

/* ---- Writing ------------------------------------------------------------------------------------ */

static void format_number(int64_t number, const struct unit *units, char *out, size_t size)
{
    while (units->name != NULL && (number == 0 || number % units->factor != 0))
        units++;
    if (units->name == NULL)
        snprintf(out, size, "%lld", (long long)number);
    else
        snprintf(out, size, "\"%lld%s\"", (long long)(number / units->factor), units->name);
}

static void format_words(const char *const *words, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && used < size; i++) {
        const char *between = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", between, words[i]);
    }
}

void config_value_wanted(const struct config_key *key, char *out, size_t size)
{
    char min[32], max[32];
    const struct unit *units = key->type == CONFIG_DURATION ? duration_units : size_units;

    format_number(key->min, units, min, sizeof min);
    format_number(key->max, units, max, sizeof max);
    switch (key->type) {
    case CONFIG_INTEGER:
        snprintf(out, size, "an integer from %lld to %lld", (long long)key->min,
                 (long long)key->max);
        break;
    case CONFIG_DURATION:
        snprintf(out, size, "a duration from %s to %s: an integer with ms, s, m or h", min, max);
        break;
    case CONFIG_SIZE:
        snprintf(out, size,
                 "a size from %s to %s: an integer of bytes, or one with KiB, MiB or GiB", min,
                 max);
        break;
    case CONFIG_BOOLEAN:
        snprintf(out, size, "true or false");
        break;
    case CONFIG_WORD:
        format_words(key->words, out, size);
        break;
    default:
        snprintf(out, size, "%s", key->wanted);
    }
}

void config_print_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c == '$') /* ${...} would be taken from the environment */
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c < ' ' || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_list(char *const *list, FILE *out)
{
    fputc('{', out);
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (i > 0)
            fputs(", ", out);
        config_print_text(list[i], out);
    }
    fputc('}', out);
}

void config_value_print(const struct config_key *key, const void *member, FILE *out)
{
    char number[32];

    switch (key->type) {
    case CONFIG_INTEGER:
        fprintf(out, "%d", *(const int *)member);
        break;
    case CONFIG_BOOLEAN:
        fputs(*(const int *)member ? "true" : "false", out);
        break;
    case CONFIG_WORD:
        config_print_text(key->words[*(const int *)member], out);
        break;
    case CONFIG_DURATION:
        format_number(*(const int *)member, duration_units, number, sizeof number);
        fputs(number, out);
        break;
    case CONFIG_SIZE:
        format_number(*(const int64_t *)member, size_units, number, sizeof number);
        fputs(number, out);
        break;
    case CONFIG_LIST:
        print_list(*(char *const *const *)member, out);
        break;
    default:
        config_print_text(*(char *const *)member, out);
    }
}

void config_value_free(const struct config_key *key, void *member)
{
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_STORE:
        free(*(char **)member);
        *(char **)member = NULL;
        break;
    case CONFIG_LIST:
        config_list_free(*(char ***)member);
        *(char ***)member = NULL;
        break;
    default:
        break;
    }
}
