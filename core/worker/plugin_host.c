/*
 * plugin_host.c: the plugin directory to a list of loaded, checked plugins with their options.
 * Called at a worker's start and by `pbxhook check` and `pbxhook plugins`. What one file has to be
 * is in plugin_file.c, one descriptor in plugin_descriptor.c, the options in plugin_settings.c.
 */
#include "worker/plugin_host.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/life.h"
#include "worker/plugin_descriptor.h"
#include "worker/plugin_file.h"
#include "worker/plugin_settings.h"

struct plugin_host {
    struct plugin *plugins;
    size_t count;
};

/* Hidden files are left alone: half-made copies look like that. */
static int is_plugin_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0;
}

/* Byte order, in every locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The names of the plugin files in order: their number, or -1 and a line to `errors`. */
static int list_files(const char *dir, struct dirent ***names, FILE *errors)
{
    int count;

    if (dir == NULL || dir[0] != '/') {
        fprintf(errors,
                "plugin_dir: found \"%s\", wanted an absolute path: set plugin_dir or "
                "PBXHOOK_PLUGIN_DIR\n",
                dir == NULL ? "" : dir);
        return -1;
    }
    count = scandir(dir, names, is_plugin_file, compare_names);
    if (count < 0)
        fprintf(
            errors,
            "%s: found no directory to read (%s), wanted the plugins' directory: make it, or set "
            "plugin_dir or PBXHOOK_PLUGIN_DIR\n",
            dir, strerror(errno));
    else if (count == 0)
        fprintf(
            errors,
            "%s: warning: found no plugin file (*.so): events are kept, and nothing else is done "
            "with them\n",
            dir);
    return count;
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static const struct plugin *find_plugin(const struct plugin_host *host, const char *name)
{
    for (size_t i = 0; i < host->count; i++) {
        if (strcmp(host->plugins[i].descriptor.name, name) == 0)
            return &host->plugins[i];
    }
    return NULL;
}

/* Appends the plugin that was found in a file, NULL for none, taking `path`: 0, or -1 and a line to
 * `errors`. */
static int add_found(struct plugin_host *host, char *path, const struct pbxhook_plugin *found,
                     FILE *errors)
{
    struct plugin *plugin = &host->plugins[host->count];
    const struct plugin *other;

    if (found == NULL || plugin_descriptor_copy(path, found, &plugin->descriptor, errors) != 0)
        goto refused;
    other = find_plugin(host, plugin->descriptor.name);
    if (other != NULL) {
        fprintf(
            errors,
            "%s: found the name \"%s\", which %s has, wanted one plugin of a name: remove one\n",
            path, other->descriptor.name, other->path);
        goto refused;
    }
    plugin->path = path;
    host->count++;
    return 0;

refused:
    free(path);
    return -1;
}

/* One that ends who loads it is named, before or afterwards: NULL and a line to `errors` as plugin_file_load(). */
static const struct pbxhook_plugin *load_file(const char *path, char *loading, FILE *errors)
{
    if (loading == NULL)
        return plugin_file_load(path, 1, errors);
    snprintf(loading, LIFE_PATH, "%s", path);
    const struct pbxhook_plugin *found = plugin_file_load(path, 0, errors);
    loading[0] = '\0';
    return found;
}

static int add_files(struct plugin_host *host, const char *dir, struct dirent *const *names,
                     int count, char *loading, FILE *errors)
{
    const char *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";
    int result = 0;

    for (int i = 0; i < count; i++) {
        char *path;

        if (asprintf(&path, "%s%s%s", dir, slash, names[i]->d_name) < 0) {
            fprintf(errors, "%s/%s: out of memory\n", dir, names[i]->d_name);
            return -1;
        }
        if (add_found(host, path, load_file(path, loading, errors), errors) != 0)
            result = -1;
    }
    return result;
}

/* The options of what was loaded. A section of a plugin that was refused is not unknown, so the
 * unknown ones are looked for only when everything was loaded. */
static int settle_options(struct plugin_host *host, const struct config *config, int all_loaded,
                          FILE *errors)
{
    int result = 0;

    for (size_t i = 0; i < host->count; i++) {
        if (plugin_settings_resolve(&host->plugins[i], config, errors) != 0)
            result = -1;
    }
    if (all_loaded &&
        plugin_settings_check_unknown(host->plugins, host->count, config, errors) != 0)
        result = -1;
    return result;
}

int plugin_host_load(const struct config *config, FILE *errors, struct plugin_host **out)
{
    return plugin_host_load_noting(config, NULL, errors, out);
}

int plugin_host_load_noting(const struct config *config, char *loading, FILE *errors,
                            struct plugin_host **out)
{
    struct plugin_host *host = calloc(1, sizeof *host);
    struct dirent **names = NULL;
    int count = -1;
    int result = -1;

    if (host == NULL)
        goto no_memory;
    count = list_files(config->plugin_dir, &names, errors);
    /* Once for all the files in it: an unsafe directory would be told as often as it has files. */
    if (count < 0 || plugin_file_check_place(config->plugin_dir, errors) != 0)
        goto done;
    host->plugins = calloc((size_t)count + 1, sizeof host->plugins[0]);
    if (host->plugins == NULL)
        goto no_memory;
    result = add_files(host, config->plugin_dir, names, count, loading, errors);
    if (settle_options(host, config, result == 0, errors) != 0)
        result = -1;

done:
    free_names(names, count);
    *out = host;
    return result;

no_memory:
    fputs("plugins: out of memory\n", errors);
    free_names(names, count);
    free(host);
    return -1;
}

int plugin_host_load_one(const char *path, const struct config *config, FILE *errors,
                         struct plugin_host **out)
{
    struct plugin_host *host = calloc(1, sizeof *host);
    char *copy = strdup(path);
    int result = -1;

    if (host != NULL)
        host->plugins = calloc(1, sizeof host->plugins[0]);
    if (host == NULL || host->plugins == NULL || copy == NULL) {
        fprintf(errors, "%s: out of memory\n", path);
        goto failed;
    }
    result = add_found(host, copy, plugin_file_load_anywhere(path, errors), errors);
    copy = NULL;
    if (result == 0)
        result = settle_options(host, config, 1, errors);
    if (result != 0)
        goto failed;
    *out = host;
    return 0;

failed:
    free(copy);
    plugin_host_free(host);
    return -1;
}

void plugin_host_free(struct plugin_host *host)
{
    if (host == NULL)
        return;
    for (size_t i = 0; i < host->count; i++) {
        free(host->plugins[i].settings);
        free(host->plugins[i].path);
    }
    free(host->plugins);
    free(host);
}

size_t plugin_host_count(const struct plugin_host *host)
{
    return host->count;
}

const struct plugin *plugin_host_get(const struct plugin_host *host, size_t index)
{
    return &host->plugins[index];
}
