/*
 * plugin_print.c: plugin_host_print() and plugin_host_print_json(), for `pbxhook plugins` and `pbxhook check`.
 */
#include <string.h>

#include <jansson.h>

#include "worker/plugin_host.h"
#include "worker/plugin_option.h"

/* What a plugin says of itself, on one line: a terminal is not to obey it. */
static void print_line(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < ' ' || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
}

/* The widest of a column of options, so that they line up. */
struct widths {
    int name;
    int text;
    int origin;
};

static int widen(int width, const char *text)
{
    int length = (int)strlen(text);

    return length > width ? length : width;
}

static struct widths measure(const struct plugin *plugin)
{
    struct widths widths = {0, 0, 0};

    for (size_t i = 0; i < plugin->setting_count; i++) {
        const struct plugin_setting *setting = &plugin->settings[i];

        widths.name = widen(widths.name, setting->option->name);
        widths.text = widen(widths.text, setting->text);
        widths.origin = widen(widths.origin, setting->origin);
    }
    return widths;
}

static void print_events(const struct pbxhook_plugin *descriptor, FILE *out)
{
    fputs("    events   ", out);
    for (const char *const *event = descriptor->events; *event != NULL; event++)
        fprintf(out, " %s", *event);
    fputc('\n', out);
}

/* known_queue = "900"   string   default   help [default "900"] */
static void print_options(const struct plugin *plugin, FILE *out)
{
    struct widths widths = measure(plugin);

    for (size_t i = 0; i < plugin->setting_count; i++) {
        const struct plugin_setting *setting = &plugin->settings[i];
        const struct pbxhook_option *option = setting->option;
        int padding = widths.text - (int)strlen(setting->text);

        fprintf(out, "    %-9s %-*s = \"", i == 0 ? "options" : "", widths.name, option->name);
        print_line(setting->text, out);
        fprintf(out, "\"%*s  %-7s  %-*s  ", padding, "", plugin_option_type_name(option->type),
                widths.origin, setting->origin);
        print_line(option->help, out);
        fputs(option->default_value == NULL ? " (no default" : " (default \"", out);
        print_line(option->default_value == NULL ? "" : option->default_value, out);
        fputs(option->default_value == NULL ? ")\n" : "\")\n", out);
    }
}

int plugin_host_print(const struct plugin_host *host, FILE *out)
{
    if (plugin_host_count(host) == 0)
        fputs("no plugins\n", out);
    for (size_t i = 0; i < plugin_host_count(host); i++) {
        const struct plugin *plugin = plugin_host_get(host, i);
        const struct pbxhook_plugin *descriptor = &plugin->descriptor;

        fprintf(out, "%s%s ", i == 0 ? "" : "\n", descriptor->name);
        print_line(descriptor->version, out);
        fputs(": ", out);
        print_line(descriptor->summary, out);
        fputc('\n', out);
        fprintf(out, "    file      %s\n", plugin->path);
        fprintf(out, "    ABI       %u.%u\n", descriptor->abi_major, descriptor->needs_minor);
        print_events(descriptor, out);
        print_options(plugin, out);
    }
    return ferror(out) ? -1 : 0;
}

/* ---- For programs ---------------------------------------------------------------------------- */

static json_t *make_events(const struct pbxhook_plugin *descriptor)
{
    json_t *events = json_array();

    for (const char *const *event = descriptor->events; *event != NULL; event++)
        json_array_append_new(events, json_string(*event));
    return events;
}

static json_t *make_options(const struct plugin *plugin)
{
    json_t *options = json_array();

    for (size_t i = 0; i < plugin->setting_count; i++) {
        const struct plugin_setting *setting = &plugin->settings[i];
        const struct pbxhook_option *option = setting->option;

        json_array_append_new(options,
                              json_pack("{s:s,s:s,s:s?,s:s,s:s,s:s}", "name", option->name, "type",
                                        plugin_option_type_name(option->type), "default",
                                        option->default_value, "value", setting->text, "origin",
                                        setting->origin, "help", option->help));
    }
    return options;
}

static json_t *make_plugin(const struct plugin *plugin)
{
    const struct pbxhook_plugin *descriptor = &plugin->descriptor;

    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "name", descriptor->name, "version",
                     descriptor->version, "summary", descriptor->summary, "file", plugin->path,
                     "abi", json_sprintf("%u.%u", descriptor->abi_major, descriptor->needs_minor),
                     "events", make_events(descriptor), "options", make_options(plugin));
}

static json_t *make_lines(const char *text)
{
    json_t *lines = json_array();

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        json_array_append_new(lines, json_stringn(text, length));
        text += length + (text[length] == '\n');
    }
    return lines;
}

int plugin_host_print_json(const struct plugin_host *host, const char *errors, FILE *out)
{
    json_t *plugins = json_array();
    json_t *all;
    int result;

    for (size_t i = 0; i < plugin_host_count(host); i++)
        json_array_append_new(plugins, make_plugin(plugin_host_get(host, i)));
    /* What a plugin says of itself need not be UTF-8: then it is missing, and so is the whole. */
    if (json_array_size(plugins) != plugin_host_count(host)) {
        json_decref(plugins);
        return -1;
    }
    all = json_pack("{s:o,s:o}", "plugins", plugins, "refused", make_lines(errors));
    result = json_dumpf(all, out, JSON_INDENT(2));
    json_decref(all);
    return result < 0 || fputc('\n', out) == EOF ? -1 : 0;
}
