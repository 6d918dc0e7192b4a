/*
 * case_process.c: one case in a process of its own, in which an allocation fails. Its crash is told with the calls
 * that led there, its hang is ended, and what it leaves behind goes: processes and directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dlfcn.h>

#include "fail_alloc.h"

#define OUTPUT_TAIL  1500
#define KNOWN_HANG_S 2.0
#define LAST_WORDS_S 2.0 /* for a hung process to say where it is */
#define GAP_S        1.0 /* nobody looked for so long: all of this was stopped, or the machine slept */

struct case_process {
    pid_t pid; /* 0: none */
    struct run *run;
    struct case_to_run what;
    int output;
    double started, looked, limit;
    int hung;
};

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
static struct run *own_run; /* in the new process */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- In the process ----------------------------------------------------------------------------------- */

static void report(const char *text)
{
    struct run *run = own_run;
    int added =
        snprintf(run->report + run->report_size, REPORT_SIZE - run->report_size, "%s\n", text);
    run->report_size += added < 0 ? 0 : (size_t)added;
    if (run->report_size >= REPORT_SIZE)
        run->report_size = REPORT_SIZE - 1;
}

static void on_crash(int number)
{
    struct run *run = own_run;
    struct chain chain;

    allocator_disarm();
    if (run == NULL)
        _exit(128 + number);
    chain_take(&chain);
    chain_begin_at_signal(&chain);
    run->crash_key = chain_key(&chain, KEY_OF_CRASH);
    run->is_known = findings_is_known(atomic_load(&run->is_late) ? "hang" : "crash", &chain,
                                      &run->failed_chain);
    report("  the allocation that failed:");
    chain_print(&run->failed_chain, run->report, &run->report_size, REPORT_SIZE);
    report("  where it ended:");
    chain_print(&chain, run->report, &run->report_size, REPORT_SIZE);
    atomic_store(&run->crash_signal, number);
    _exit(128 + number);
}

static void set_crash_handlers(void (*handler)(int))
{
    struct sigaction action = {.sa_flags = SA_ONSTACK};
    action.sa_handler = handler;
    for (size_t i = 0; i < sizeof crash_signals / sizeof crash_signals[0]; i++)
        sigaction(crash_signals[i], &action, NULL);
}

/* What a case forks is its own business: it may be meant to crash. */
static void forked(void)
{
    allocator_leave();
    own_run = NULL;
    set_crash_handlers(SIG_DFL);
}

/* cmocka makes a failed case of a crash. It is to be seen. */
PUBLIC void (*signal(int number, void (*handler)(int)))(int);
void (*signal(int number, void (*handler)(int)))(int)
{
    struct sigaction action = {.sa_flags = SA_RESTART}, former;

    for (size_t i = 0; own_run != NULL && i < sizeof crash_signals / sizeof crash_signals[0]; i++) {
        if (number == crash_signals[i])
            return SIG_DFL;
    }
    action.sa_handler = handler;
    return sigaction(number, &action, &former) < 0 ? SIG_ERR : former.sa_handler;
}

/* Remembered, so that the parent can remove what a crash leaves. */
PUBLIC char *mkdtemp(char *template);
char *mkdtemp(char *template)
{
    char *(*real)(char *) = (char *(*)(char *))(uintptr_t)dlsym(RTLD_NEXT, "mkdtemp");
    char *made = real == NULL ? NULL : real(template);

    if (made != NULL && own_run != NULL) {
        int index = atomic_fetch_add(&own_run->directories, 1);
        if (index < DIRECTORIES_MAX)
            snprintf(own_run->directory[index], DIRECTORY_SIZE, "%s", made);
    }
    return made;
}

static _Noreturn void be_the_case(struct case_process *process, const struct alloc_plan *plan)
{
    static char stack[1 << 16];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};

    setpgid(0, 0);
    if (dup2(process->output, 1) < 0 || dup2(process->output, 2) < 0 ||
        sigaltstack(&other, NULL) < 0)
        _exit(127);
    own_run = process->run;
    set_crash_handlers(on_crash);
    allocator_begin(plan, process->run, process->what.number);
    int failed = process->what.run(process->what.context);
    allocator_leave();
    fflush(NULL);
    _exit(failed == 0 ? CASE_PASSED : CASE_FAILED);
}

/* ---- In its parent ------------------------------------------------------------------------------------ */

struct case_process *case_process_new(void)
{
    static int registered;
    struct case_process *process = calloc(1, sizeof *process);
    void *memory =
        mmap(NULL, sizeof(struct run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (process == NULL || memory == MAP_FAILED)
        return NULL;
    process->run = memory;
    process->output = memfd_create("output", MFD_CLOEXEC);
    if (process->output < 0 || (!registered && pthread_atfork(NULL, NULL, forked) != 0))
        return NULL;
    registered = 1;
    return process;
}

int case_process_start(struct case_process *process, const struct case_to_run *what,
                       const struct alloc_plan *plan, double limit_s)
{
    memset(process->run, 0, sizeof *process->run);
    process->what = *what;
    process->hung = 0;
    if (ftruncate(process->output, 0) < 0 || lseek(process->output, 0, SEEK_SET) < 0)
        return -1;
    fflush(NULL);
    process->started = now_s();
    process->looked = process->started;
    process->limit = process->started + limit_s;
    process->pid = fork();
    if (process->pid == 0)
        be_the_case(process, plan);
    return process->pid < 0 ? -1 : 0;
}

int case_process_is_running(const struct case_process *process)
{
    return process->pid != 0;
}

double case_process_age_s(const struct case_process *process)
{
    return now_s() - process->started;
}

const struct run *case_process_run(const struct case_process *process)
{
    return process->run;
}

const struct case_to_run *case_process_case(const struct case_process *process)
{
    return &process->what;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void clean_up(struct case_process *process)
{
    kill(-process->pid, SIGKILL); /* what it forked and did not wait for */
    for (int i = 0; i < atomic_load(&process->run->directories) && i < DIRECTORIES_MAX; i++)
        nftw(process->run->directory[i], remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* What everybody was stopped for is not its time. */
static void leave_out_gap(struct case_process *process, double now)
{
    double gap = now - process->looked;
    process->looked = now;
    if (gap < GAP_S)
        return;
    process->started += gap;
    process->limit += gap;
}

/* First it is asked where it is. */
static void end_when_late(struct case_process *process)
{
    double now = now_s();
    leave_out_gap(process, now);
    int is_patient = process->hung || !atomic_load(&process->run->may_hang);
    if (now < process->limit && (is_patient || now < process->started + KNOWN_HANG_S))
        return;
    atomic_store(&process->run->is_late, 1);
    kill(process->pid, process->hung ? SIGKILL : SIGABRT);
    process->hung = 1;
    process->limit = now + LAST_WORDS_S;
}

int case_process_poll(struct case_process *process, struct case_end *end)
{
    struct rusage usage;
    int status;
    pid_t ended = wait4(process->pid, &status, WNOHANG, &usage);

    if (ended == 0 || (ended < 0 && errno == EINTR)) {
        end_when_late(process);
        return 0;
    }
    clean_up(process);
    process->pid = 0;
    *end = (struct case_end){
        .status = status,
        .hung = process->hung,
        .wall_s = now_s() - process->started,
        .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
    };
    return 1;
}

void case_process_print_output(const struct case_process *process, FILE *to)
{
    char text[OUTPUT_TAIL + 1];
    off_t size = lseek(process->output, 0, SEEK_END);
    off_t from = size > OUTPUT_TAIL ? size - OUTPUT_TAIL : 0;
    ssize_t got = pread(process->output, text, OUTPUT_TAIL, from);

    if (got <= 0)
        return;
    text[got] = '\0';
    fputs("  what it said last:\n", to);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line != '\0')
            fprintf(to, "    %s\n", line);
    }
}
