/*
 * plugin_file.c: the checks before dlopen(), and dlopen(). What runs a plugin's code runs it with
 * the server's rights, so a file counts as trusted only when root or the running user alone could
 * have written it, its directory, or any directory above. A sticky directory above will do: nobody
 * can replace there what is another's. As the plugin directory itself it won't: anybody can add to
 * it.
 */
#include "worker/plugin_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)

#define SURVIVED           93 /* an exit status that no constructor gives by chance */
#define TRY_LIMIT_S        20

/* One step of the way, the first or one above; `path` is what the user named, for the message. */
static int check_step(const char *path, const char *step, int first, const struct stat *status,
                      FILE *errors)
{
    uid_t user = geteuid();
    int sticky = S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX);

    if (status->st_uid != 0 && status->st_uid != user) {
        fprintf(errors,
                "%s: found %s owned by user %u, wanted it owned by root or the running user %u\n",
                path, step, (unsigned)status->st_uid, (unsigned)user);
        return -1;
    }
    if ((status->st_mode & WRITABLE_BY_OTHERS) == 0 || (sticky && !first))
        return 0;
    fprintf(errors, "%s: found %s writable by others than its owner (mode %04o), wanted ", path,
            step, (unsigned)status->st_mode & 07777);
    if (sticky)
        fputs("plugins in a place that only their owner can write to: move them\n", errors);
    else
        fprintf(errors, "write access for its owner only: chmod go-w %s\n", step);
    return -1;
}

/* Cuts the last component off; 0 when there was nothing above. */
static int go_up(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == path && path[1] == '\0')
        return 0;
    if (slash == path)
        slash++;
    *slash = '\0';
    return 1;
}

/* `step` is the absolute path without links; it is eaten on the way up. */
static int check_way(const char *path, char *step, FILE *errors)
{
    int first = 1;

    do {
        struct stat status;

        if (lstat(step, &status) != 0) {
            fprintf(errors, "%s: found %s unreadable (%s), wanted to see who owns it\n", path, step,
                    strerror(errno));
            return -1;
        }
        if (check_step(path, step, first, &status, errors) != 0)
            return -1;
        first = 0;
    } while (go_up(step));
    return 0;
}

/* What the path's links lead to, to be freed; NULL and a line when there is no such thing. */
static char *resolve(const char *path, FILE *errors)
{
    char *real = realpath(path, NULL);

    if (real == NULL)
        fprintf(errors, "%s: found nothing to open (%s), wanted an existing path\n", path,
                strerror(errno));
    return real;
}

int plugin_file_check_place(const char *path, FILE *errors)
{
    char *step = resolve(path, errors);
    int result = step == NULL ? -1 : check_way(path, step, errors);

    free(step);
    return result;
}

static int check_regular(const char *path, const char *real, FILE *errors)
{
    struct stat status;

    if (stat(real, &status) != 0) {
        fprintf(errors, "%s: found nothing to open (%s), wanted an existing path\n", path,
                strerror(errno));
        return -1;
    }
    if (S_ISREG(status.st_mode))
        return 0;
    fprintf(errors, "%s: found a %s, wanted a regular file\n", path,
            S_ISDIR(status.st_mode) ? "directory" : "special file");
    return -1;
}

/* dlerror() begins with the file's name, which the message has already. */
static const char *loader_error(const char *real)
{
    const char *text = dlerror();
    size_t length = strlen(real);

    if (text == NULL)
        return "the loader gave no reason";
    if (strncmp(text, real, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        return text + length + 2;
    return text;
}

static const struct pbxhook_plugin *load(const char *path, const char *real, FILE *errors)
{
    void *file = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    const struct pbxhook_plugin *plugin;

    if (file == NULL) {
        fprintf(errors, "%s: found a file that does not load (%s), wanted a shared object\n", path,
                loader_error(real));
        return NULL;
    }
    plugin = (const struct pbxhook_plugin *)dlsym(file, PBXHOOK_PLUGIN_SYMBOL);
    if (plugin == NULL)
        fprintf(errors,
                "%s: found no symbol " PBXHOOK_PLUGIN_SYMBOL
                ", wanted a descriptor: PBXHOOK_PLUGIN = {...}\n",
                path);
    return plugin;
}

/* ---- In a child first ------------------------------------------------------------------------------ */

/* It came through, whether or not the file is any good: that is told by who loads it then. */
static void load_and_leave(const char *path)
{
    signal(SIGALRM, SIG_DFL);
    alarm(TRY_LIMIT_S); /* one that does not come back is no orphan for ever */
    dlopen(path, RTLD_NOW | RTLD_LOCAL);
    _exit(SURVIVED);
}

static void tell_end(const char *path, int status, FILE *errors)
{
    if (WIFEXITED(status))
        fprintf(errors,
                "%s: found a file that ends the process which loads it (exit status %d), wanted a "
                "shared object\n",
                path, WEXITSTATUS(status));
    else
        fprintf(errors,
                "%s: found a file that kills the process which loads it (SIG%s), wanted a shared "
                "object: is it half a copy?\n",
                path, sigabbrev_np(WTERMSIG(status)));
}

static int survives(const char *path, const char *real, FILE *errors)
{
    int status = 0;
    fflush(NULL); /* what the child would write a second time */
    pid_t pid = fork();
    if (pid == 0)
        load_and_leave(real);
    if (pid < 0) {
        fprintf(errors, "%s: can't start a process that tries to load it (%s)\n", path,
                strerror(errno));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SURVIVED)
        return 0;
    tell_end(path, status, errors);
    return -1;
}

/* ---- For good -------------------------------------------------------------------------------------- */

static const struct pbxhook_plugin *load_checked(const char *path, int check_place, int try_first,
                                                 FILE *errors)
{
    const struct pbxhook_plugin *plugin = NULL;
    char *real = resolve(path, errors);

    /* The resolved path is what was checked, so it is what is opened. */
    if (real != NULL && check_regular(path, real, errors) == 0 &&
        (!check_place || plugin_file_check_place(path, errors) == 0) &&
        (!try_first || survives(path, real, errors) == 0))
        plugin = load(path, real, errors);
    free(real);
    return plugin;
}

const struct pbxhook_plugin *plugin_file_load(const char *path, int try_first, FILE *errors)
{
    return load_checked(path, 1, try_first, errors);
}

const struct pbxhook_plugin *plugin_file_load_anywhere(const char *path, FILE *errors)
{
    return load_checked(path, 0, 0, errors);
}
