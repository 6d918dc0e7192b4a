/*
 * config_directory.c: the files of conf.d beside the main file, in lexical order, each read by
 * config_file.c. Called by config.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

static int is_drop_in(const struct dirent *entry)
{
    static const char suffix[] = ".conf";
    size_t size = strlen(entry->d_name);
    size_t suffix_size = strlen(suffix);

    return entry->d_name[0] != '.' && size > suffix_size &&
           strcmp(entry->d_name + size - suffix_size, suffix) == 0;
}

/* Byte by byte: the order is the same in every locale. */
static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void read_entry(struct config_load *load, const char *directory, const char *name)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        config_report(load, directory, "out of memory");
        return;
    }
    config_read_file(load, path, 0);
    free(path);
}

void config_read_directory(struct config_load *load, const char *path)
{
    const char *slash = strrchr(path, '/');
    int parent_size = slash == NULL ? 0 : (int)(slash - path + 1);
    struct dirent **entries = NULL;
    char *directory = NULL;

    if (asprintf(&directory, "%.*sconf.d", parent_size, path) < 0) {
        config_report(load, path, "out of memory");
        return;
    }
    int count = scandir(directory, &entries, is_drop_in, compare_names);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        config_report(load, directory, "can't be read: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        read_entry(load, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    free(directory);
}
