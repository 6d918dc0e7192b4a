/* config_follow.c: what a reload may change. Compares values as they are printed; touches neither. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

/* The value as a file has it, new; NULL when out of memory. */
static char *value_text(const struct config *config, const struct config_key *key)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    config_value_print(key, config_key_member(config, key), out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* What can't be compared has not changed as far as anybody knows, and is left as it is. */
static int differs(const struct config *now, const struct config *next,
                   const struct config_key *key)
{
    char *old = value_text(now, key);
    char *new = value_text(next, key);
    int result = old == NULL || new == NULL ? -1 : strcmp(old, new) != 0;
    free(old);
    free(new);
    return result;
}

int config_can_follow(const struct config *now, const struct config *next, char *error,
                      size_t error_size)
{
    char name[CONFIG_NAME_SIZE];
    int found = 0;
    size_t used = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        int result = config_keys[i].live ? 0 : differs(now, next, &config_keys[i]);
        if (result < 0) {
            snprintf(error, error_size, "out of memory");
            return -1;
        }
        if (result == 0)
            continue;
        config_key_path(&config_keys[i], name);
        const char *before = found++ > 0 ? ", " : "";
        if (used < error_size)
            used += (size_t)snprintf(error + used, error_size - used, "%s%s", before, name);
    }
    if (found == 0)
        return 0;
    if (used < error_size)
        snprintf(error + used, error_size - used,
                 ": can't be changed while the server runs; restart it for that");
    return -1;
}
