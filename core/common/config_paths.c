/*
 * config_paths.c: relative paths made absolute, and the directories that are used when none is
 * configured. Called while a configuration is loaded; makes no directory.
 */
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_internal.h"

static char *join(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name) < 0 ? NULL
                                                                                            : path;
}

char *config_path_absolute(const char *base, const char *path)
{
    return path[0] == '/' ? strdup(path) : join(base, path);
}

char *config_path_directory(const char *path)
{
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *full = path[0] == '/' ? strdup(path) : here == NULL ? NULL : join(here, path);

    free(here);
    if (full == NULL)
        return NULL;
    char *slash = strrchr(full, '/');
    slash[slash == full] = '\0'; /* the root keeps its slash */
    return full;
}

/* A directory of the environment's, if it is absolute as it should be. */
static const char *absolute_variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

static const char *home_directory(void)
{
    const char *home = absolute_variable("HOME");
    if (home != NULL)
        return home;
    const struct passwd *user = getpwuid(geteuid());
    return user != NULL && user->pw_dir != NULL && user->pw_dir[0] == '/' ? user->pw_dir : NULL;
}

char *config_default_state_dir(int environment, const char **origin)
{
    *origin = "default";
    if (environment) {
        /* systemd's StateDirectory=; with several names they are parted by colons. */
        const char *given = absolute_variable("STATE_DIRECTORY");
        if (given != NULL) {
            *origin = "STATE_DIRECTORY";
            return strndup(given, strcspn(given, ":"));
        }
    }
    if (!environment || geteuid() == 0)
        return strdup("/var/lib/pbxhook");
    const char *state = absolute_variable("XDG_STATE_HOME");
    if (state != NULL)
        return join(state, "pbxhook");
    const char *home = home_directory();
    return home != NULL ? join(home, ".local/state/pbxhook") : NULL;
}

char *config_default_plugin_dir(void)
{
    char program[PATH_MAX];
    struct stat info;
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);

    /* Beside the program there are plugins in a build tree only. */
    if (size > 0 && (size_t)size < sizeof program - 1) {
        program[size] = '\0';
        char *directory = config_path_directory(program);
        char *plugins = directory != NULL ? join(directory, "plugins") : NULL;
        free(directory);
        if (plugins == NULL)
            return NULL;
        if (stat(plugins, &info) == 0 && S_ISDIR(info.st_mode))
            return plugins;
        free(plugins);
    }
    return strdup(PBXHOOK_PLUGINDIR);
}
