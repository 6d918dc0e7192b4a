/*
 * config_suggest.c: the known name that someone may have meant by an unknown one, for messages. Pure.
 */
#include <string.h>

#include "common/config_internal.h"

/* So many slips of the pen still look like the same word. */
#define MAX_DISTANCE 2

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* How many letters have to be changed, added or left out to make one name of the other (Levenshtein);
 * a great number for one that is no name for its length. */
static size_t distance(const char *from, const char *to)
{
    size_t row[CONFIG_NAME_SIZE];
    size_t width = strlen(to);

    if (strlen(from) >= CONFIG_NAME_SIZE || width >= CONFIG_NAME_SIZE)
        return CONFIG_NAME_SIZE;
    for (size_t x = 0; x <= width; x++)
        row[x] = x;
    for (size_t y = 1; from[y - 1] != '\0'; y++) {
        size_t diagonal = row[0];
        row[0] = y;
        for (size_t x = 1; x <= width; x++) {
            size_t above = row[x];
            row[x] = least(above + 1, row[x - 1] + 1, diagonal + (from[y - 1] != to[x - 1]));
            diagonal = above;
        }
    }
    return row[width];
}

/* A short name is all slips when half of it is wrong. */
static int is_near(size_t slips, const char *name)
{
    return slips <= MAX_DISTANCE && slips * 2 < strlen(name);
}

struct suggestion {
    size_t slips; /* of the best so far; from elsewhere counts as one more */
    const struct config_key *key;
    const char *section;
};

static void offer(struct suggestion *best, const char *name, const char *known, size_t elsewhere,
                  const struct config_key *key, const char *section)
{
    size_t slips = distance(name, known);

    if (is_near(slips, name) && slips + elsewhere < best->slips)
        *best = (struct suggestion){slips + elsewhere, key, section};
}

void config_suggest_key(const char *section, const char *name, char *out, size_t size)
{
    struct suggestion best = {.slips = MAX_DISTANCE + 1};

    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        offer(&best, name, key->name, strcmp(key->section, section) != 0, key, key->section);
        if (section[0] == '\0' && key->section[0] != '\0')
            offer(&best, name, key->section, 0, NULL, key->section);
    }
    if (section[0] == '\0')
        offer(&best, name, "plugin", 0, NULL, "plugin \"NAME\"");

    if (best.section == NULL)
        out[0] = '\0';
    else if (best.key == NULL)
        snprintf(out, size, "; did you mean %s { }?", best.section);
    else if (strcmp(best.section, section) == 0)
        snprintf(out, size, "; did you mean %s?", best.key->name);
    else if (best.section[0] == '\0')
        snprintf(out, size, "; did you mean %s, outside of any section?", best.key->name);
    else
        snprintf(out, size, "; did you mean %s { %s }?", best.section, best.key->name);
}

void config_suggest_variable(const char *variable, char *out, size_t size)
{
    size_t best = MAX_DISTANCE + 1;

    out[0] = '\0';
    for (size_t i = 0; i < config_key_count; i++) {
        char known[CONFIG_NAME_SIZE];
        config_key_variable(&config_keys[i], known);
        size_t slips = distance(variable, known);
        if (slips < best) {
            best = slips;
            snprintf(out, size, "did you mean %s?", known);
        }
    }
}
