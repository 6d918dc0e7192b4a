/*
 * plugin_print.c: plugin_host_print(), for `pbxhook plugins` and `pbxhook check`.
 */
#include <string.h>

#include "worker/plugin_host.h"
#include "worker/plugin_option.h"

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

        fprintf(out, "    %-9s %-*s = \"%s\"%*s  %-7s  %-*s  %s", i == 0 ? "options" : "",
                widths.name, option->name, setting->text, padding, "",
                plugin_option_type_name(option->type), widths.origin, setting->origin,
                option->help);
        if (option->default_value == NULL)
            fputs(" (no default)\n", out);
        else
            fprintf(out, " (default \"%s\")\n", option->default_value);
    }
}

int plugin_host_print(const struct plugin_host *host, FILE *out)
{
    if (plugin_host_count(host) == 0)
        fputs("no plugins\n", out);
    for (size_t i = 0; i < plugin_host_count(host); i++) {
        const struct plugin *plugin = plugin_host_get(host, i);
        const struct pbxhook_plugin *descriptor = &plugin->descriptor;

        fprintf(out, "%s%s %s: %s\n", i == 0 ? "" : "\n", descriptor->name, descriptor->version,
                descriptor->summary);
        fprintf(out, "    file      %s\n", plugin->path);
        fprintf(out, "    ABI       %u.%u\n", descriptor->abi_major, descriptor->needs_minor);
        print_events(descriptor, out);
        print_options(plugin, out);
    }
    return ferror(out) ? -1 : 0;
}
