/* reload_check.c: see reload_check.h. What it says is bounded, and read when it has ended. */
#include "receiver/reload_check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/rehearsal.h"

#define LIMIT_US ((int64_t)30 * 1000000)
#define SAFE_FD  10 /* above what the child gets, so that placing one never overwrites another */

extern char **environ;

static int make_file(const char *name)
{
    int made = memfd_create(name, MFD_CLOEXEC);
    if (made < 0)
        return -errno;
    int fd = fcntl(made, F_DUPFD_CLOEXEC, SAFE_FD);
    int code = fd < 0 ? -errno : fd;
    close(made);
    return code;
}

static void close_files(struct reload_check *check)
{
    if (check->config_fd >= 0)
        close(check->config_fd);
    if (check->errors_fd >= 0)
        close(check->errors_fd);
    *check = (struct reload_check){.config_fd = -1, .errors_fd = -1};
}

/* Signals are as in a fresh process. */
static int spawn(struct reload_check *check, const char *config_path)
{
    char *arguments[] = {(char *)"pbxhook", (char *)"rehearse",
                         (char *)(uintptr_t)config_path, /* NULL: the list ends before it */
                         NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int code = posix_spawn_file_actions_init(&files);
    if (code != 0)
        return -code;
    if ((code = posix_spawnattr_init(&attributes)) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return -code;
    }
    if ((code = posix_spawn_file_actions_adddup2(&files, check->errors_fd, STDERR_FILENO)) == 0 &&
        (code = posix_spawn_file_actions_adddup2(&files, check->config_fd, REHEARSAL_CONFIG_FD)) ==
            0 &&
        (code = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (code = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
        (code = posix_spawnattr_setflags(&attributes,
                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0)
        code = posix_spawn(&check->pid, "/proc/self/exe", &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -code;
}

int reload_check_start(struct reload_check *check, const char *config_path)
{
    *check = (struct reload_check){.config_fd = make_file("pbxhook-config"),
                                   .errors_fd = make_file("pbxhook-errors"),
                                   .until_us = clock_mono_us() + LIMIT_US};
    int code = check->config_fd < 0   ? check->config_fd
               : check->errors_fd < 0 ? check->errors_fd
                                      : 0;
    if (code == 0)
        code = spawn(check, config_path);
    if (code < 0)
        close_files(check);
    return code;
}

/* What it told on stderr; if it was silent, how it ended. */
static void read_errors(const struct reload_check *check, int status, char *error)
{
    ssize_t size = pread(check->errors_fd, error, RELOAD_ERROR_SIZE - 1, 0);
    error[size > 0 ? size : 0] = '\0';
    while (size > 0 && error[size - 1] == '\n')
        error[--size] = '\0';
    if (WIFSIGNALED(status))
        snprintf(error, RELOAD_ERROR_SIZE, "a process that loaded the plugins to check them %s%s",
                 WTERMSIG(status) == SIGKILL ? "did not come to its end in time" : "died of SIG",
                 WTERMSIG(status) == SIGKILL ? "" : sigabbrev_np(WTERMSIG(status)));
    else if (size <= 0)
        snprintf(error, RELOAD_ERROR_SIZE,
                 "a process that loaded the plugins to check them ended "
                 "with status %d and said nothing",
                 WEXITSTATUS(status));
}

static int read_config(const struct reload_check *check, struct config **out, char *error)
{
    struct stat answer;
    char path[32];
    if (fstat(check->config_fd, &answer) != 0 || answer.st_size == 0) {
        snprintf(error, RELOAD_ERROR_SIZE,
                 "a process that loaded the plugins to check them ended before it had done so");
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", check->config_fd);
    FILE *errors = fmemopen(error, RELOAD_ERROR_SIZE, "w");
    if (errors == NULL) {
        snprintf(error, RELOAD_ERROR_SIZE, "out of memory");
        return -1;
    }
    int code = config_load(path, 0, errors, out);
    fclose(errors);
    return code < 0 ? -1 : 1;
}

int reload_check_poll(struct reload_check *check, struct config **out, char *error)
{
    int status = 0;
    if (clock_mono_us() > check->until_us)
        kill(check->pid, SIGKILL);
    pid_t ended = waitpid(check->pid, &status, WNOHANG);
    if (ended == 0)
        return 0;
    int result = -1;
    if (ended < 0)
        snprintf(error, RELOAD_ERROR_SIZE, "the process that checked it is lost: %s",
                 strerror(errno));
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        result = read_config(check, out, error);
    else
        read_errors(check, status, error);
    close_files(check);
    return result;
}

void reload_check_cancel(struct reload_check *check)
{
    if (check->pid <= 0)
        return;
    kill(check->pid, SIGKILL);
    waitpid(check->pid, NULL, 0);
    close_files(check);
}
