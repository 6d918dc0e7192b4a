/*
 * plugin_descriptor.c: reads a stranger's descriptor by the ABI's rules: the first four members
 * tell whether and how far the rest may be read. Called by plugin_host.c for each file; calls no
 * hook.
 */
#include "worker/plugin_descriptor.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "common/event.h"
#include "common/metrics.h"
#include "worker/plugin_option.h"

/* Version 1.0 ends with close. Never sizeof: that grows with the header. */
#define SIZE_1_0 (offsetof(struct pbxhook_plugin, close) + sizeof(void (*)(void *)))

#define MAX_NAME (METRICS_NAME - 1)

/* A line about one plugin file; -1. */
static int __attribute__((format(printf, 3, 4)))
refuse(FILE *errors, const char *path, const char *format, ...)
{
    va_list values;

    fprintf(errors, "%s: ", path);
    va_start(values, format);
    vfprintf(errors, format, values);
    va_end(values);
    fputc('\n', errors);
    return -1;
}

static int check_head(const char *path, const struct pbxhook_plugin *found, FILE *errors)
{
    if (found->magic != PBXHOOK_PLUGIN_MAGIC)
        return refuse(errors, path, "found magic 0x%08x, wanted 0x%08x: this is no pbxhook plugin",
                      found->magic, PBXHOOK_PLUGIN_MAGIC);
    if (found->abi_major != PBXHOOK_ABI_MAJOR)
        return refuse(errors, path,
                      "found a plugin of ABI %u, wanted ABI %d: build it with the plugin.h of this "
                      "pbxhook",
                      found->abi_major, PBXHOOK_ABI_MAJOR);
    if (found->needs_minor > PBXHOOK_ABI_MINOR)
        return refuse(errors, path,
                      "found a plugin that needs ABI %d.%u, wanted at most %d.%d: it takes a newer "
                      "pbxhook",
                      PBXHOOK_ABI_MAJOR, found->needs_minor, PBXHOOK_ABI_MAJOR, PBXHOOK_ABI_MINOR);
    if (found->struct_size < SIZE_1_0)
        return refuse(errors, path, "found a descriptor of %u bytes, wanted at least %zu",
                      found->struct_size, SIZE_1_0);
    if (found->flags != 0)
        return refuse(errors, path, "found unknown flags 0x%x, wanted 0", found->flags);
    return 0;
}

/* [a-z][a-z0-9_]* and not too long. Spelt out, for the locale has no say in it. */
static int is_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return name[0] >= 'a' && name[0] <= 'z' && name[length] == '\0' && length <= MAX_NAME;
}

static int check_texts(const char *path, const struct pbxhook_plugin *plugin, FILE *errors)
{
    int result = 0;

    if (plugin->name == NULL)
        result = refuse(errors, path, "found no name, wanted [a-z][a-z0-9_]*");
    else if (!is_name(plugin->name))
        result = refuse(errors, path,
                        "found the name \"%s\", wanted [a-z][a-z0-9_]*, at most %d characters",
                        plugin->name, MAX_NAME);
    if (plugin->version == NULL)
        result = refuse(errors, path, "found no version, wanted a text, as in \"1.0.0\"");
    if (plugin->summary == NULL)
        result = refuse(errors, path, "found no summary, wanted one line");
    if (plugin->handle == NULL)
        result = refuse(errors, path, "found no handle(), wanted a function");
    return result;
}

/* A star stands for all ("*") or for the rest after a dot ("call.*"). */
static int star_is_placed(const char *pattern, size_t at)
{
    return pattern[at + 1] == '\0' && (at == 0 || (at > 1 && pattern[at - 1] == '.'));
}

/* Blanks and control characters are in no type: the types are listed one a line. */
static int is_pattern(const char *pattern)
{
    size_t length = strlen(pattern);

    if (length == 0 || length > EVENT_MAX_FIELD)
        return 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)pattern[i];

        if (byte <= ' ' || byte == 0x7f || (byte == '*' && !star_is_placed(pattern, i)))
            return 0;
    }
    return 1;
}

static int check_events(const char *path, const struct pbxhook_plugin *plugin, FILE *errors)
{
    int result = 0;

    if (plugin->events == NULL || plugin->events[0] == NULL)
        return refuse(errors, path,
                      "found no events, wanted at least one: \"call.new\", \"call.*\" or \"*\"");
    for (const char *const *pattern = plugin->events; *pattern != NULL; pattern++) {
        if (!is_pattern(*pattern))
            result = refuse(errors, path,
                            "found the event pattern \"%s\", wanted one like \"call.new\", "
                            "\"call.*\" or \"*\"",
                            *pattern);
    }
    return result;
}

static int check_option(const char *path, const struct pbxhook_option *option, FILE *errors)
{
    const char *name = option->name;
    int64_t integer;
    double number;

    if (!is_name(name))
        return refuse(errors, path,
                      "found an option named \"%s\", wanted [a-z][a-z0-9_]*, at most %d characters",
                      name, MAX_NAME);
    if (plugin_option_type_name(option->type) == NULL)
        return refuse(errors, path,
                      "found option \"%s\" of the unknown type %u, wanted one of "
                      "PBXHOOK_OPTION_...",
                      name, option->type);
    if (option->flags != 0)
        return refuse(errors, path, "found option \"%s\" with unknown flags 0x%x, wanted 0", name,
                      option->flags);
    if (option->reserved[0] != NULL || option->reserved[1] != NULL)
        return refuse(errors, path, "found option \"%s\" with reserved members set, wanted NULL",
                      name);
    if (option->help == NULL)
        return refuse(errors, path, "found option \"%s\" without help, wanted one line", name);
    if (option->default_value != NULL &&
        plugin_option_parse(option->type, option->default_value, &integer, &number) != 0)
        return refuse(errors, path, "found option \"%s\" with the default \"%s\", wanted %s", name,
                      option->default_value, plugin_option_wanted(option->type));
    return 0;
}

static int check_options(const char *path, const struct pbxhook_plugin *plugin, FILE *errors)
{
    const struct pbxhook_option *option = plugin->options;
    int result = 0;

    for (; option != NULL && option->name != NULL; option++) {
        if (check_option(path, option, errors) != 0)
            result = -1;
        for (const struct pbxhook_option *other = plugin->options; other != option; other++) {
            if (strcmp(other->name, option->name) == 0)
                result =
                    refuse(errors, path, "found option \"%s\" twice, wanted it once", option->name);
        }
    }
    return result;
}

int plugin_descriptor_copy(const char *path, const struct pbxhook_plugin *found,
                           struct pbxhook_plugin *out, FILE *errors)
{
    struct pbxhook_plugin copy = {0};
    size_t size = sizeof copy;
    int result = 0;

    if (check_head(path, found, errors) != 0)
        return -1;
    if (found->struct_size < size)
        size = found->struct_size;
    memcpy(&copy, found, size);
    if (check_texts(path, &copy, errors) != 0)
        result = -1;
    if (check_events(path, &copy, errors) != 0)
        result = -1;
    if (check_options(path, &copy, errors) != 0)
        result = -1;
    if (result == 0)
        *out = copy;
    return result;
}
