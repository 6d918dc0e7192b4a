/*
 * config_print.c: the configuration in force as a file. `pbxhook check` shows it to people, and a
 * worker is started with it, so that receiver and worker can't differ. Pure but for the writing.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

/* Where a value comes from. A file's name may hold anything, even the end of the line. */
static void print_origin(const char *origin, FILE *out)
{
    fputs(" # ", out);
    for (; *origin != '\0'; origin++)
        fputc(iscntrl((unsigned char)*origin) ? '?' : *origin, out);
}

/* What people are shown holds no password; a worker gets the URL as it is. */
static void print_masked(const char *url, FILE *out)
{
    char *masked = config_store_mask(url);
    config_print_text(masked != NULL ? masked : "", out);
    free(masked);
}

static void print_key(const struct config *config, const struct config_key *key, FILE *out,
                      int comments)
{
    const char *indent = key->section[0] == '\0' ? "" : "    ";

    if (comments)
        fprintf(out, "%s# %s\n", indent, key->help);
    fprintf(out, "%s%s = ", indent, key->name);
    if (comments && key->type == CONFIG_STORE)
        print_masked(*(char *const *)config_key_member(config, key), out);
    else
        config_value_print(key, config_key_member(config, key), out);
    if (comments)
        print_origin(config_origin(config, key), out);
    fputc('\n', out);
}

static void print_keys(const struct config *config, FILE *out, int comments)
{
    const char *open = "";

    for (size_t i = 0; i < config_key_count; i++) {
        const char *section = config_keys[i].section;
        if (strcmp(section, open) != 0) {
            fprintf(out, "%s%s {\n", open[0] == '\0' ? "" : "}\n", section);
            open = section;
        }
        print_key(config, &config_keys[i], out, comments);
    }
    if (open[0] != '\0')
        fputs("}\n", out);
}

static int is_first_of_plugin(const struct config *config, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(config->plugin_options[i].plugin, config->plugin_options[index].plugin) == 0)
            return 0;
    }
    return 1;
}

/* All options of one plugin, or of the environment, whose plugin is "". */
static void print_plugin(const struct config *config, const char *plugin, FILE *out, int comments)
{
    if (comments && plugin[0] == '\0')
        fputs("# Of variables: plugin and option in one name. A file says plugin \"NAME\" { }.\n",
              out);
    fputs("plugin ", out);
    config_print_text(plugin, out);
    fputs(" {\n", out);
    for (size_t i = 0; i < config->plugin_option_count; i++) {
        const struct config_plugin_option *option = &config->plugin_options[i];
        if (strcmp(option->plugin, plugin) != 0)
            continue;
        fprintf(out, "    %s = ", option->key);
        config_print_text(option->value, out);
        if (comments)
            print_origin(option->origin, out);
        fputc('\n', out);
    }
    fputs("}\n", out);
}

int config_print(const struct config *config, FILE *out, int comments)
{
    print_keys(config, out, comments);
    for (size_t i = 0; i < config->plugin_option_count; i++) {
        if (is_first_of_plugin(config, i))
            print_plugin(config, config->plugin_options[i].plugin, out, comments);
    }
    return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
