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
#include "common/utf8.h"

/* A worker that lived shorter than this died early: it is started again with a growing delay. */
#define EARLY_DEATH_US   (10 * 1000000)
#define FIRST_DELAY_US   (100 * 1000)
#define LONGEST_DELAY_US (5 * 1000000)

#define LEAVE_LIMIT_US   (10 * (int64_t)1000000) /* to finish a batch */
#define OPEN_LIMIT_US    (60 * (int64_t)1000000) /* for a plugin's open() */

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

/* The configuration in force, as a file without a name. */
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
        worker->aborted_us = 0;
        worker->killed = 0;
        log_debug("worker started", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid));
    }
    if (ends[1] >= 0)
        close(ends[1]);
    close(config_fd);
    return code;
}

void worker_process_dismiss(struct worker_process *worker)
{
    if (worker->pid == 0)
        return;
    worker->dropped = !worker->ready;
    if (worker->dropped)
        kill(worker->pid, SIGKILL); /* it holds nothing yet, and may wait long for the store */
    else if (control_send(worker->control_fd, CONTROL_STOP, 0, NULL) == -EAGAIN)
        kill(worker->pid, SIGTERM); /* its socket is full of wake-ups; it means the same */
    worker->leaving = 1;
    worker->leave_by_us = clock_mono_us() + LEAVE_LIMIT_US;
}

/* One that is to leave and does not. */
static void check_leaving(struct worker_process *worker, int64_t now_us)
{
    if (worker->pid == 0 || !worker->leaving || worker->killed || now_us <= worker->leave_by_us)
        return;
    log_error("worker does not stop, killing it; its events stay in the spool",
              log_int("worker", worker->index), log_int("worker_pid", worker->pid));
    worker->killed = 1;
    kill(worker->pid, SIGKILL);
}

static int is_opening(const struct worker_process *worker)
{
    return atomic_load(&worker->page->life.event_seq) == 0;
}

void worker_process_check(struct worker_process *worker, int timeout_ms)
{
    int64_t now_us = clock_mono_us();
    check_leaving(worker, now_us);
    int64_t since_us = atomic_load(&worker->page->life.since_us);
    int64_t limit_us = (int64_t)timeout_ms * 1000;
    int opening = is_opening(worker);
    /* What open() does, a table's new index, may take its time. */
    if (opening && limit_us < OPEN_LIMIT_US)
        limit_us = OPEN_LIMIT_US;
    if (worker->pid == 0 || since_us < worker->started_us || now_us - since_us < limit_us)
        return;
    if (worker->aborted_us == 0) {
        log_error(opening ? "a plugin's open() does not come back, aborting its worker"
                          : "a handler does not come back, aborting its worker",
                  log_int("worker", worker->index), log_int("worker_pid", worker->pid),
                  log_int(opening ? "limit_ms" : "handler_timeout_ms", limit_us / 1000));
        worker->aborted_us = now_us;
        worker->limit_us = limit_us;
        kill(worker->pid, SIGABRT);
    } else if (!worker->killed && now_us - worker->aborted_us >= limit_us) {
        log_error("the worker does not heed it, killing it", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid));
        worker->killed = 1;
        kill(worker->pid, SIGKILL);
    }
}

/* ---- Its end -------------------------------------------------------------------------------------- */

static void describe(const struct worker_process *worker, int status, char out[LIFE_REASON])
{
    const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
    if (worker->aborted_us != 0)
        snprintf(out, LIFE_REASON, "did not come back within %d ms",
                 (int)(worker->limit_us / 1000));
    else if (name != NULL)
        snprintf(out, LIFE_REASON, "killed by SIG%s", name);
    else if (WIFSIGNALED(status))
        snprintf(out, LIFE_REASON, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(out, LIFE_REASON, "the worker exited with status %d", WEXITSTATUS(status));
}

/* A SIGKILL comes from outside, an operator's or the kernel's for want of memory: no plugin is to blame for one. */
static int is_stranger(const struct worker_process *worker, int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && worker->aborted_us == 0;
}

/* What it was doing, for the log and for its successor. */
static void read_life(struct worker_process *worker, int status, struct worker_end *end)
{
    struct life *life = &worker->page->life;
    int64_t batch_seq = atomic_load(&life->batch_seq);
    struct metrics_plugin *slot = metrics_plugin_numbered(worker->page, atomic_load(&life->plugin));
    end->in_plugin =
        atomic_load(&life->since_us) >= worker->started_us && !is_stranger(worker, status);
    if (end->in_plugin) {
        end->event_seq = atomic_load(&life->event_seq);
        if (slot == NULL || metrics_slot_name(slot->name, end->plugin) < 0)
            end->plugin[0] = '\0';
    }
    if (end->in_plugin && end->event_seq != 0) {
        int64_t again_id = atomic_load(&life->event_id);
        life->culprit_id = again_id;
        life->culprit_seq = again_id == 0 ? end->event_seq : 0;
        memcpy(life->culprit_plugin, end->plugin, sizeof life->culprit_plugin);
        memcpy(life->reason, end->reason, sizeof life->reason);
    } else if (batch_seq != 0) {
        /* Twice in a row, before what was under way the first time was through: that is no chance. */
        if (life->doubt_until != 0)
            life->suspect_until = batch_seq;
        life->doubt_until = batch_seq;
    }
    life_leave(life);
    atomic_store(&life->batch_seq, 0);
    memcpy(end->loading, life->loading, sizeof end->loading);
    end->loading[sizeof end->loading - 1] = '\0';
    life->loading[0] = '\0';
    utf8_repair(end->loading);
}

static void log_end(const struct worker_process *worker, int status, const struct worker_end *end)
{
    int is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && worker->leaving;
    /* One that was not waited for any more, or that has said itself why it can't start: nothing has died. */
    if (worker->dropped || (WIFEXITED(status) && WEXITSTATUS(status) == CONTROL_EXIT_REFUSED &&
                            !worker->ready && !end->in_plugin))
        log_debug("worker left before it was ready", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid));
    else if (is_good && !end->in_plugin)
        log_debug("worker left", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid));
    else if (WIFSIGNALED(status))
        log_error("worker died", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid),
                  log_text("signal", strsignal(WTERMSIG(status))),
                  log_text("core_dumped", WCOREDUMP(status) ? "yes" : "no"),
                  log_text("plugin", end->plugin), log_text("reason", end->reason),
                  log_text("loading", end->loading));
    else
        log_error("worker ended", log_int("worker", worker->index),
                  log_int("worker_pid", worker->pid), log_int("exit_status", WEXITSTATUS(status)),
                  log_text("plugin", end->plugin), log_text("loading", end->loading));
}

/* When to start it again. */
static int64_t restart_delay_us(struct worker_process *worker, int64_t now_us)
{
    if (now_us - worker->started_us >= EARLY_DEATH_US) {
        worker->early_deaths = 0;
        return 0;
    }
    if (worker->early_deaths++ == 0)
        return 0; /* the first is forgiven: a kill is no reason to make calls wait */
    int64_t delay_us = FIRST_DELAY_US;
    for (int i = 2; i < worker->early_deaths && delay_us < LONGEST_DELAY_US; i++)
        delay_us *= 2;
    return delay_us > LONGEST_DELAY_US ? LONGEST_DELAY_US : delay_us;
}

void worker_process_ended(struct worker_process *worker, int status, struct worker_end *out)
{
    int64_t now_us = clock_mono_us();
    *out = (struct worker_end){.in_plugin = 0};
    describe(worker, status, out->reason);
    read_life(worker, status, out);
    log_end(worker, status, out);
    worker->restart_us = now_us + (worker->leaving ? 0 : restart_delay_us(worker, now_us));
    close(worker->control_fd);
    worker->control_fd = -1;
    worker->pid = 0;
    worker->ready = 0;
    worker->leaving = 0;
    worker->dropped = 0;
}
