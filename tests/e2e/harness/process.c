/* process.c: see process.h. */
#include "process.h"

#include "cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sanitizers.h"
#include "scratch.h"
#include "wait.h"

#define EXIT_NOT_STARTED 126

/* ---- Environment ------------------------------------------------------------------------------- */

void environment_init(struct environment *environment)
{
    static const char *const passed_on[] = {
        "PATH",          "TMPDIR",      "ASAN_OPTIONS",      "LSAN_OPTIONS",      "TSAN_OPTIONS",
        "UBSAN_OPTIONS", "GCOV_PREFIX", "LLVM_PROFILE_FILE", "GCOV_PREFIX_STRIP",
    };
    *environment = (struct environment){.count = 0};
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++) {
        const char *value = getenv(passed_on[i]);
        if (value != NULL)
            environment_set(environment, passed_on[i], value);
    }
}

void environment_set(struct environment *environment, const char *name, const char *value)
{
    size_t length = strlen(name);
    char *entry = NULL;
    assert_true(asprintf(&entry, "%s=%s", name, value) > 0);
    for (int i = 0; i < environment->count; i++) {
        if (strncmp(environment->entry[i], entry, length + 1) == 0) {
            free(environment->entry[i]);
            environment->entry[i] = entry;
            return;
        }
    }
    assert_true(environment->count + 1 < PROCESS_ENVIRONMENT);
    environment->entry[environment->count++] = entry;
}

void environment_clear(struct environment *environment)
{
    for (int i = 0; i < environment->count; i++)
        free(environment->entry[i]);
    *environment = (struct environment){.count = 0};
}

/* ---- Processes --------------------------------------------------------------------------------- */

static int open_output(const char *path, int flags)
{
    return open(path != NULL ? path : "/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
}

int process_find_user(struct process_user *out)
{
    const struct passwd *found = NULL;
    if (geteuid() != 0)
        return 0;
    found = getpwnam("postgres");
    if (found == NULL)
        found = getpwnam("nobody");
    assert_non_null(found);
    *out = (struct process_user){.uid = found->pw_uid, .gid = found->pw_gid};
    return 1;
}

/* Its parent's directory may be out of that user's reach. */
static int change_user(const struct process_user *user)
{
    return user == NULL || (chdir("/") == 0 && setgroups(0, NULL) == 0 && setgid(user->gid) == 0 &&
                            setuid(user->uid) == 0);
}

/* In the child, where only async-signal-safe functions may be called. A change of the user forgets the
 * signal of the parent's death, so it comes first. */
static void become(const struct process_user *user, const char *const *words,
                   const struct environment *environment, int output, int errors)
{
    sigset_t none;
    int input = open("/dev/null", O_RDONLY);
    sigemptyset(&none);
    if (change_user(user) && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
        dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(errors, STDERR_FILENO) >= 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        execve(words[0], (char *const *)words, environment->entry);
    _exit(EXIT_NOT_STARTED);
}

pid_t process_start_as(const struct process_user *user, const char *const *words,
                       const struct environment *environment, const char *output_path,
                       const char *error_path)
{
    int output = open_output(output_path, O_TRUNC);
    int errors = open_output(error_path, O_APPEND);
    if (output < 0 || errors < 0)
        fail_msg("can't open %s: %s", error_path, strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become(user, words, environment, output, errors);
    close(output);
    close(errors);
    if (pid < 0)
        fail_msg("can't fork: %s", strerror(errno));
    return pid;
}

pid_t process_start(const char *const *words, const struct environment *environment,
                    const char *output_path, const char *error_path)
{
    return process_start_as(NULL, words, environment, output_path, error_path);
}

int process_wait(pid_t pid, int limit_ms)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(limit_ms);
    int status = 0;
    pid_t got;
    while ((got = waitpid(pid, &status, WNOHANG)) == 0 && wait_now_ms() < until_ms)
        wait_nap();
    if (got == pid)
        return status;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    fail_msg("process %ld did not end within %d ms", (long)pid, wait_stretch(limit_ms));
    return -1;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    char *stat = scratch_read(path);
    const char *behind_name = strrchr(stat, ')');
    if (behind_name == NULL || sscanf(behind_name, ") %*c %d", &parent) != 1)
        parent = 0;
    free(stat);
    return (pid_t)parent;
}

int process_list_children(pid_t parent, pid_t *out, int max)
{
    DIR *processes = opendir("/proc");
    int count = 0;
    assert_non_null(processes);
    for (const struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && count < max && parent_of(pid) == parent)
            out[count++] = pid;
    }
    closedir(processes);
    return count;
}

int process_is_gone(pid_t pid)
{
    waitpid(pid, NULL, WNOHANG);
    return kill(pid, 0) < 0 && errno == ESRCH;
}

void process_run(const char *const *words, const struct environment *environment,
                 const char *directory, struct process_result *out)
{
    char output_path[SCRATCH_PATH], error_path[SCRATCH_PATH];
    scratch_path(directory, "output.txt", output_path);
    scratch_path(directory, "errors.txt", error_path);
    unlink(error_path);
    int status =
        process_wait(process_start(words, environment, output_path, error_path), WAIT_LIMIT_MS * 6);
    out->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    out->output = scratch_read(output_path);
    out->errors = scratch_read(error_path);
    sanitizers_check_text(out->errors);
}

void process_forget(struct process_result *result)
{
    free(result->output);
    free(result->errors);
    *result = (struct process_result){.exit_status = -1};
}
