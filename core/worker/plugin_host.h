/*
 * plugin_host.h: finds, checks and loads plugin files by the rules of DESIGN.md, section 3, and
 * holds their options. It calls nothing of a plugin (that is dispatch.h), so `pbxhook check` and
 * `pbxhook plugins` use it too. Loaded files are never unloaded.
 */
#ifndef PBXHOOK_PLUGIN_HOST_H
#define PBXHOOK_PLUGIN_HOST_H

#include <stddef.h>
#include <stdio.h>

#include <pbxhook/plugin.h>

#include "common/config.h"

struct plugin_setting {
    const struct pbxhook_option *option;
    const char *text;   /* in force                                   */
    const char *origin; /* "default", "FILE:LINE", the variable's name */
    int64_t integer;    /* parsed, for INTEGER and BOOLEAN            */
    double number;      /* parsed, for NUMBER                         */
};

struct plugin {
    char *path;                       /* absolute                                      */
    struct pbxhook_plugin descriptor; /* the host's own copy, zero behind the plugin's size */
    struct plugin_setting *settings;
    size_t setting_count;
};

struct plugin_host;

/*
 * Loads the .so files of plugin_dir in lexical order and matches the configuration's plugin
 * sections against them. Each refusal is one line to `errors` (file, what was found, what was
 * wanted) and the rest is still looked at. 0, or -1 when anything was refused; *out is set in both
 * cases (for a listing) unless memory ran out. An empty directory is no refusal: 0, with one line
 * of warning in `errors`. The host borrows texts of `config`, which must outlive it.
 */
int plugin_host_load(const struct config *config, FILE *errors, struct plugin_host **out);
/*
 * The same with one file, by its absolute path, whoever may write there: `pbxhook plugin try`. On
 * failure -1 and *out is untouched.
 */
int plugin_host_load_one(const char *path, const struct config *config, FILE *errors,
                         struct plugin_host **out);
/*
 * As plugin_host_load(), in a process that nobody would miss: a worker, whose receiver reads in `loading` (LIFE_PATH
 * bytes) which file it was that ended it. plugin_host_load() has a child process load each file first instead.
 */
int plugin_host_load_noting(const struct config *config, char *loading, FILE *errors,
                            struct plugin_host **out);
void plugin_host_free(struct plugin_host *host); /* does not unload; accepts NULL */

size_t plugin_host_count(const struct plugin_host *host);
const struct plugin *plugin_host_get(const struct plugin_host *host, size_t index);

/* For people: file, name, version, ABI, events, options with type, default and value in force. */
int plugin_host_print(const struct plugin_host *host, FILE *out);

/* The same for programs: {"plugins": [...], "refused": [...]}, the latter the lines of `errors`. */
int plugin_host_print_json(const struct plugin_host *host, const char *errors, FILE *out);

#endif
