/*
 * config_places.c: whether the directories that a server keeps its things in can be there. Looks only. Who may
 * write there is left to the server: `pbxhook check` may be run by somebody else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/config_internal.h"

#define SQLITE_SCHEME "sqlite:"

/* 0: a directory; or a positive errno. */
static int look(const char *path)
{
    struct stat info;

    if (stat(path, &info) < 0)
        return errno;
    return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

/* The same of the directory that the path is in. The server makes its state directory when it starts. */
static int look_above(const struct config *config, const char *path)
{
    char *above = strdup(path);
    char *slash = above == NULL ? NULL : strrchr(above, '/');
    int code = above == NULL ? ENOMEM : 0;

    if (slash != NULL)
        slash[slash == above ? 1 : 0] = '\0';
    if (slash != NULL && strcmp(above, config->state_dir) != 0)
        code = look(above);
    free(above);
    return code;
}

/* What can't be looked at is the server's to find out. */
static int is_wrong(int code)
{
    return code == ENOENT || code == ENOTDIR;
}

static void report(struct config_load *load, const char *section, const char *name,
                   const char *text, const char *wanted)
{
    const struct config_key *key = config_key_find(section, name);
    config_report_value(load, key, config_origin(load->config, key), text, wanted);
}

static void check_state_dir(struct config_load *load)
{
    if (look(load->config->state_dir) == ENOTDIR)
        report(load, "", "state_dir", load->config->state_dir,
               "a directory, or a path where one can be made");
}

static void check_download_dir(struct config_load *load)
{
    const struct config *config = load->config;
    int code = look(config->download_dir);

    if (code == ENOENT)
        code = look_above(config, config->download_dir);
    if (is_wrong(code))
        report(load, "", "download_dir", config->download_dir,
               "a directory, or a path in a directory that is there");
}

static void check_store(struct config_load *load)
{
    const struct config *config = load->config;
    const char *path = config->store.url + strlen(SQLITE_SCHEME);

    if (config_store_is_sqlite(config->store.url) &&
        (look(path) == 0 || is_wrong(look_above(config, path))))
        report(load, "store", "url", config->store.url, "a file in a directory that is there");
}

int config_check_places(const struct config *config, FILE *errors)
{
    struct config_load load = {.config = (struct config *)(uintptr_t)config, .errors = errors};

    check_state_dir(&load);
    if (load.failed) /* the others may be in it */
        return -1;
    check_download_dir(&load);
    check_store(&load);
    return load.failed ? -1 : 0;
}
