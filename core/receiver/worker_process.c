/*
 * worker_process.c: fork+exec of a worker and the rule for starting it again. Knows nothing of what
 * the worker says; that is the supervisor's.
 */
#include "receiver/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control.h"
#include "common/log.h"

/* A worker that lived shorter than this died early: it is started again with a growing delay. */
#define EARLY_DEATH_US   (10 * 1000000)
#define FIRST_DELAY_US   (100 * 1000)
#define LONGEST_DELAY_US (5 * 1000000)

/* Above the descriptors that a worker inherits, so that placing one never overwrites another. */
#define SAFE_FD 10

extern char **environ;

int worker_process_init(struct worker_process *worker, int index)
{
    *worker = (struct worker_process){.index = index, .control_fd = -1, .metrics_fd = -1};
    int fd = -1;
    int code = metrics_page_new(&fd, &worker->page);
    if (code < 0)
        return code;
    worker->metrics_fd = fcntl(fd, F_DUPFD_CLOEXEC, SAFE_FD);
    code = worker->metrics_fd < 0 ? -errno : 0;
    close(fd);
    return code;
}

void worker_process_clear(struct worker_process *worker)
{
    if (worker->page != NULL)
        munmap(worker->page, sizeof *worker->page);
    if (worker->metrics_fd >= 0)
        close(worker->metrics_fd);
    if (worker->control_fd >= 0)
        close(worker->control_fd);
    *worker = (struct worker_process){.control_fd = -1, .metrics_fd = -1};
}

/* The configuration in force, and the worker's number, as a file without a name. */
static int write_config(const struct config *config)
{
    int made = memfd_create("pbxhook-config", MFD_CLOEXEC);
    if (made < 0)
        return -errno;
    int fd = fcntl(made, F_DUPFD_CLOEXEC, SAFE_FD);
    int code = fd < 0 ? -errno : 0;
    FILE *file = fdopen(made, "w");
    if (file == NULL) {
        close(made);
        code = -ENOMEM;
    } else {
        int printed = config_print(config, file, 0);
        if (fclose(file) != 0 || printed < 0)
            code = -EIO;
    }
    if (code < 0 && fd >= 0)
        close(fd);
    return code < 0 ? code : fd;
}

static int make_control(int ends[2])
{
    int made[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, made) < 0)
        return -errno;
    ends[0] = fcntl(made[0], F_DUPFD_CLOEXEC, SAFE_FD);
    ends[1] = fcntl(made[1], F_DUPFD_CLOEXEC, SAFE_FD);
    int code = ends[0] < 0 || ends[1] < 0 ? -errno : 0;
    close(made[0]);
    close(made[1]);
    if (code < 0) {
        if (ends[0] >= 0)
            close(ends[0]);
        if (ends[1] >= 0)
            close(ends[1]);
    }
    return code;
}

/* The three descriptors go where control.h says; signals are as in a fresh process. */
static int spawn(struct worker_process *worker, int config_fd, int control_fd)
{
    char index[16];
    snprintf(index, sizeof index, "%d", worker->index);
    char *arguments[] = {(char *)"pbxhook", (char *)"worker", index, NULL};

    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int code = posix_spawn_file_actions_init(&files);
    if (code != 0)
        return -code;
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        posix_spawn_file_actions_destroy(&files);
        return -code;
    }
    if ((code = posix_spawn_file_actions_adddup2(&files, control_fd, CONTROL_FD)) == 0 &&
        (code = posix_spawn_file_actions_adddup2(&files, config_fd, CONTROL_CONFIG_FD)) == 0 &&
        (code = posix_spawn_file_actions_adddup2(&files, worker->metrics_fd, CONTROL_METRICS_FD)) ==
            0 &&
        (code = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (code = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
        (code = posix_spawnattr_setflags(&attributes,
                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0)
        code = posix_spawn(&worker->pid, "/proc/self/exe", &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -code;
}

int worker_process_start(struct worker_process *worker, const struct config *config)
{
    int ends[2] = {-1, -1};
    int config_fd = write_config(config);
    if (config_fd < 0)
        return config_fd;
    int code = make_control(ends);
    worker->started_us = clock_mono_us();
    if (code == 0)
        code = spawn(worker, config_fd, ends[1]);
    if (code < 0) {
        worker->pid = 0;
        if (ends[0] >= 0)
            close(ends[0]);
    } else {
        worker->control_fd = ends[0];
        worker->aborted = 0;
        log_debug("worker started", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid));
    }
    if (ends[1] >= 0)
        close(ends[1]);
    close(config_fd);
    return code;
}

int worker_process_check(struct worker_process *worker, int timeout_ms)
{
    int64_t since_us = atomic_load(&worker->page->handler_since_us);
    if (worker->pid == 0 || worker->aborted || since_us < worker->started_us ||
        clock_mono_us() - since_us < (int64_t)timeout_ms * 1000)
        return 0;
    log_error("a handler does not come back, aborting its worker", log_int("worker", worker->index),
              log_int("worker_pid", worker->pid), log_int("handler_timeout_ms", timeout_ms));
    worker->aborted = 1;
    kill(worker->pid, SIGABRT);
    return 1;
}

static void log_end(const struct worker_process *worker, int status)
{
    if (WIFSIGNALED(status))
        log_error("worker died", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid),
                  log_text("signal", strsignal(WTERMSIG(status))),
                  log_text("core_dumped", WCOREDUMP(status) ? "yes" : "no"));
    else if (WEXITSTATUS(status) != 0)
        log_error("worker ended", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid), log_int("exit_status", WEXITSTATUS(status)));
    else
        log_debug("worker left", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid));
}

void worker_process_ended(struct worker_process *worker, int status)
{
    log_end(worker, status);
    int64_t now_us = clock_mono_us();
    int64_t delay_us = 0;
    if (now_us - worker->started_us >= EARLY_DEATH_US) {
        worker->early_deaths = 0;
    } else if (worker->early_deaths++ > 0) {
        /* the first early death is forgiven: a kill is no reason to make calls wait */
        delay_us = FIRST_DELAY_US;
        for (int i = 2; i < worker->early_deaths && delay_us < LONGEST_DELAY_US; i++)
            delay_us *= 2;
        if (delay_us > LONGEST_DELAY_US)
            delay_us = LONGEST_DELAY_US;
    }
    worker->restart_us = now_us + delay_us;
    close(worker->control_fd);
    worker->control_fd = -1;
    worker->pid = 0;
    worker->ready = 0;
}
