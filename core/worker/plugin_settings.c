/*
 * plugin_settings.c: see its header. Called by plugin_host.c when the plugins are loaded. Every
 * message begins with where the value was written.
 */
#include "worker/plugin_settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "worker/plugin_option.h"

static size_t count_options(const struct pbxhook_option *options)
{
    size_t count = 0;

    while (options != NULL && options[count].name != NULL)
        count++;
    return count;
}

static void print_upper(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        fputc(toupper((unsigned char)*text), out);
}

static int refuse_missing(const struct plugin *plugin, const char *option, FILE *errors)
{
    const char *name = plugin->descriptor.name;

    fprintf(
        errors,
        "%s: found no value for the option %s, wanted one: set plugin \"%s\" { %s = \"...\" } or "
        "PBXHOOK_PLUGIN_",
        plugin->path, option, name, option);
    print_upper(errors, name);
    fputc('_', errors);
    print_upper(errors, option);
    fputs(" in the environment\n", errors);
    return -1;
}

static int resolve_one(const struct plugin *plugin, const struct pbxhook_option *option,
                       const struct config *config, struct plugin_setting *setting, FILE *errors)
{
    const char *name = plugin->descriptor.name;
    const char *origin = "default";
    const char *text = config_plugin_option(config, name, option->name, &origin);

    setting->option = option;
    setting->text = "";
    setting->origin = origin;
    if (text == NULL)
        text = option->default_value;
    if (text == NULL)
        return refuse_missing(plugin, option->name, errors);
    if (plugin_option_parse(option->type, text, &setting->integer, &setting->number) != 0) {
        fprintf(errors, "%s: plugin \"%s\": %s: found \"%s\", wanted %s\n", origin, name,
                option->name, text, plugin_option_wanted(option->type));
        return -1;
    }
    setting->text = text;
    return 0;
}

int plugin_settings_resolve(struct plugin *plugin, const struct config *config, FILE *errors)
{
    const struct pbxhook_option *options = plugin->descriptor.options;
    size_t count = count_options(options);
    int result = 0;

    if (count == 0)
        return 0;
    plugin->settings = calloc(count, sizeof plugin->settings[0]);
    if (plugin->settings == NULL) {
        fprintf(errors, "%s: out of memory\n", plugin->path);
        return -1;
    }
    plugin->setting_count = count;
    for (size_t i = 0; i < count; i++) {
        if (resolve_one(plugin, &options[i], config, &plugin->settings[i], errors) != 0)
            result = -1;
    }
    return result;
}

/* A variable names plugin and option in one: PBXHOOK_PLUGIN_CALL_STANDBY_KNOWN_QUEUE comes with no
 * plugin and the key call_standby_known_queue, since only the plugins know where to part it. */
static int variable_is_declared(const struct plugin *plugin, const char *key)
{
    size_t length = strlen(plugin->descriptor.name);

    if (strncmp(key, plugin->descriptor.name, length) != 0 || key[length] != '_')
        return 0;
    for (size_t i = 0; i < plugin->setting_count; i++) {
        if (strcmp(key + length + 1, plugin->settings[i].option->name) == 0)
            return 1;
    }
    return 0;
}

static int check_variable(const struct plugin *plugins, size_t count,
                          const struct config_plugin_option *set, FILE *errors)
{
    for (size_t i = 0; i < count; i++) {
        if (variable_is_declared(&plugins[i], set->key))
            return 0;
    }
    fprintf(
        errors,
        "%s: found no plugin with such an option, wanted PBXHOOK_PLUGIN_NAME_OPTION of a loaded "
        "plugin (see: pbxhook plugins)\n",
        set->origin);
    return -1;
}

static void print_options(FILE *out, const struct plugin *plugin)
{
    if (plugin->setting_count == 0)
        fputs("none: it has no options", out);
    for (size_t i = 0; i < plugin->setting_count; i++)
        fprintf(out, "%s%s", i == 0 ? "" : " or ", plugin->settings[i].option->name);
}

static int check_key(const struct plugin *plugin, const struct config_plugin_option *set,
                     FILE *errors)
{
    for (size_t i = 0; i < plugin->setting_count; i++) {
        if (strcmp(set->key, plugin->settings[i].option->name) == 0)
            return 0;
    }
    fprintf(errors, "%s: plugin \"%s\": found the option \"%s\", wanted ", set->origin, set->plugin,
            set->key);
    print_options(errors, plugin);
    fputc('\n', errors);
    return -1;
}

static int check_section(const struct plugin *plugins, size_t count,
                         const struct config_plugin_option *set, FILE *errors)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(plugins[i].descriptor.name, set->plugin) == 0)
            return check_key(&plugins[i], set, errors);
    }
    fprintf(errors, "%s: found options for the plugin \"%s\", wanted a plugin that is loaded",
            set->origin, set->plugin);
    for (size_t i = 0; i < count; i++)
        fprintf(errors, "%s%s", i == 0 ? ": " : ", ", plugins[i].descriptor.name);
    fputs(count == 0 ? ", and there is none\n" : "\n", errors);
    return -1;
}

int plugin_settings_check_unknown(const struct plugin *plugins, size_t count,
                                  const struct config *config, FILE *errors)
{
    int result = 0;

    for (size_t i = 0; i < config->plugin_option_count; i++) {
        const struct config_plugin_option *set = &config->plugin_options[i];
        int checked = set->plugin[0] == '\0' ? check_variable(plugins, count, set, errors)
                                             : check_section(plugins, count, set, errors);

        if (checked != 0)
            result = -1;
    }
    return result;
}
