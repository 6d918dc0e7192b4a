/*
 * config_env.c: the environment's part of the configuration, PBXHOOK_SECTION_KEY for every key and
 * PBXHOOK_PLUGIN_NAME_OPTION for the plugins'. Called by config.c after the files.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_internal.h"

#define PREFIX        "PBXHOOK_"
#define PLUGIN_PREFIX PREFIX "PLUGIN_"

/* Orchestrators set variables of their own (PBXHOOK_SERVICE_HOST, ...), so it is no error. */
static void warn_unknown(const char *variable)
{
    char advice[128];

    config_suggest_variable(variable, advice, sizeof advice);
    if (advice[0] == '\0')
        log_warning("unknown environment variable, not used", log_text("variable", variable));
    else
        log_warning("unknown environment variable, not used", log_text("variable", variable),
                    log_text("advice", advice));
}

/* Where the plugin's name ends and its option begins only the plugins know: both are kept as one. */
static void read_plugin_variable(struct config_load *load, const char *variable, const char *value)
{
    char *key = strdup(variable + strlen(PLUGIN_PREFIX));

    if (key == NULL) {
        config_report(load, variable, "out of memory");
        return;
    }
    for (char *c = key; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!config_check_name(key))
        warn_unknown(variable);
    else if (!config_check_utf8(value))
        config_report(load, variable, "found bytes, wanted UTF-8 text");
    else
        config_set_plugin_option(load, "", key, value, variable);
    free(key);
}

static void read_variable(struct config_load *load, const char *variable, const char *value,
                          const char *base)
{
    const struct config_key *key = config_key_find_variable(variable);

    if (key != NULL)
        config_set(load, key, value, base, variable);
    else if (strncmp(variable, PLUGIN_PREFIX, strlen(PLUGIN_PREFIX)) == 0)
        read_plugin_variable(load, variable, value);
    else if (strcmp(variable, PREFIX "CONFIG") != 0)
        warn_unknown(variable);
}

void config_read_environment(struct config_load *load)
{
    char *base = getcwd(NULL, 0);

    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals == NULL || strncmp(*entry, PREFIX, strlen(PREFIX)) != 0)
            continue;
        char *variable = strndup(*entry, (size_t)(equals - *entry));
        if (variable == NULL)
            config_report(load, "environment", "out of memory");
        else
            read_variable(load, variable, equals + 1, base != NULL ? base : "/");
        free(variable);
    }
    free(base);
}
