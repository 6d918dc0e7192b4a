/*
 * group_runner.c: takes the place of cmocka's runner of a group in a unit test that runs under run.sh. Each case runs
 * once to learn what it allocates, and then once for each allocation that is to fail: for the first of every
 * different chain of calls in the program, or for all. What came of it goes to the file that run.sh names.
 *
 *   FAIL_ALLOC_RESULT   that file: a line "- PROGRAM GROUP CASE ALLOCATIONS SECONDS" for each case, the findings,
 *                       and a line "= PROGRAM ..." of figures are appended
 *   FAIL_ALLOC_KNOWN    known_crashes.txt
 *   FAIL_ALLOC_EVERY    set: all allocations; "count": none fails, they are only counted
 *   FAIL_ALLOC_SETUP    "other": what a case's set-up allocates fails in another program, and not here
 *   FAIL_ALLOC_COLD     set: what libcrypto does once in a process's life is part of the case, and fails too
 *   FAIL_ALLOC_LIMIT_S  a run may take this many seconds more than ten times what the case takes undisturbed
 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fail_alloc.h"

#define JOBS_MAX        24
#define WAITING_MAX     6 /* so many more than have work: on a busy machine all seem to wait */
#define PROGRESS_S      10
#define CASES_MAX       256
#define DEFAULT_LIMIT_S 20.0

typedef int (*group_runner)(const char *, const struct CMUnitTest *, size_t, CMFixtureFunction,
                            CMFixtureFunction);

struct group {
    group_runner real;
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
    CMFixtureFunction setup, teardown;
};

struct case_facts {
    long allocations, first; /* the first that is its own, from 1 */
    double wall_s, cpu_s;
};

static struct case_process *processes[JOBS_MAX];
static int jobs;
static double limit_s = DEFAULT_LIMIT_S;
static int every, only_count, skips_setup;
static struct case_facts facts[CASES_MAX];

static struct totals {
    long allocations, runs, missed;
    double started, told, every_s;
} totals;

/* ---- One case, in its process ------------------------------------------------------------------------- */

static struct group *group_in_hand;
static const struct CMUnitTest *case_in_hand;

#define ARMED(function)                                                                            \
    allocator_arm();                                                                               \
    int result = function(state);                                                                  \
    allocator_disarm();                                                                            \
    return result

static int armed_group_setup(void **state)
{
    ARMED(group_in_hand->setup);
}

static int armed_group_teardown(void **state)
{
    ARMED(group_in_hand->teardown);
}

static int armed_setup(void **state)
{
    allocator_setup_begins();
    allocator_arm();
    int result = case_in_hand->setup_func(state);
    allocator_disarm();
    allocator_setup_is_done();
    return result;
}

static int armed_teardown(void **state)
{
    ARMED(case_in_hand->teardown_func);
}

static void armed_test(void **state)
{
    allocator_arm();
    case_in_hand->test_func(state);
    allocator_disarm();
}

/* Only the test's own functions are armed: cmocka does not check its allocations. */
static int run_case(void *context)
{
    const struct CMUnitTest *original = context;
    struct CMUnitTest one = *original;
    struct group *group = group_in_hand;

    case_in_hand = original;
    one.test_func = armed_test;
    one.setup_func = original->setup_func == NULL ? NULL : armed_setup;
    one.teardown_func = original->teardown_func == NULL ? NULL : armed_teardown;
    return group->real(group->name, &one, 1, group->setup == NULL ? NULL : armed_group_setup,
                       group->teardown == NULL ? NULL : armed_group_teardown);
}

/* ---- Many of them ------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(125);
}

static void judge(struct case_process *process, const struct case_end *end)
{
    const struct run *run = case_process_run(process);

    totals.runs++;
    totals.missed += atomic_load(&run->failed) == 0;
    /* One that came to its end while it was about to be asked where it hangs did not hang. */
    if (atomic_load(&run->crash_signal) != 0 || !WIFEXITED(end->status))
        findings_add(process, end);
    else if (WEXITSTATUS(end->status) > CASE_FAILED)
        findings_add_exit(process);
}

static void tell_progress(const char *what, long done, long all)
{
    double now = now_s();
    if (now - totals.told < PROGRESS_S)
        return;
    totals.told = now;
    fprintf(stderr, "%s: %s: %ld of %ld, %.0f s, %ld findings\n", program_invocation_short_name,
            what, done, all, now - totals.started, findings_count());
}

static void pause_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 300000};
    nanosleep(&moment, NULL);
}

/* One that takes much longer than usual waits for something, and leaves the processor to another. */
static int needs_processor(const struct case_process *process)
{
    double usual_s = facts[case_process_case(process)->number].wall_s;
    return case_process_is_running(process) && case_process_age_s(process) < 1 + 3 * usual_s;
}

/* Until fewer than `limit` are at work; runs that ended are judged. */
static struct case_process *wait_for_place(int limit)
{
    for (;;) {
        struct case_process *free_one = NULL;
        struct case_end end;
        int busy = 0, running = 0;
        for (int i = 0; i < JOBS_MAX; i++) {
            if (case_process_is_running(processes[i]) && case_process_poll(processes[i], &end))
                judge(processes[i], &end);
            if (!case_process_is_running(processes[i]))
                free_one = processes[i];
            busy += needs_processor(processes[i]);
            running += case_process_is_running(processes[i]);
        }
        if (free_one != NULL && busy < limit && running < limit + WAITING_MAX)
            return free_one;
        pause_a_moment();
    }
}

static void wait_for_all(void)
{
    struct case_end end;
    for (int i = 0; i < JOBS_MAX; i++) {
        while (case_process_is_running(processes[i])) {
            if (case_process_poll(processes[i], &end))
                judge(processes[i], &end);
            else
                pause_a_moment();
        }
    }
}

static struct case_to_run describe(const struct group *group, int number)
{
    return (struct case_to_run){.group = group->name,
                                .name = group->tests[number].name,
                                .run = run_case,
                                .context = (void *)(uintptr_t)&group->tests[number],
                                .number = number};
}

/* A case that waits leaves the processors to others. */
static int jobs_for(const struct case_facts *one)
{
    double share = one->cpu_s > 0.001 ? one->wall_s / one->cpu_s : one->wall_s > 0.01 ? 8 : 1;
    int many = (int)((double)jobs * (share < 1 ? 1 : share));
    return many > JOBS_MAX ? JOBS_MAX : many;
}

static void start_failing(const struct group *group, int number, const struct alloc_plan *plan)
{
    struct case_to_run what = describe(group, number);
    struct case_process *process = wait_for_place(jobs_for(&facts[number]));

    if (case_process_start(process, &what, plan, limit_s + 10 * facts[number].wall_s) < 0)
        give_up("fork");
}

/* Another case before it has the same set-up, which allocates the same: once is enough. */
static int is_set_up_before(const struct group *group, int number)
{
    const struct CMUnitTest *this_one = &group->tests[number];
    for (int i = 0; i < number; i++) {
        if (group->tests[i].setup_func == this_one->setup_func &&
            group->tests[i].initial_state == this_one->initial_state)
            return 1;
    }
    return 0;
}

/* Undisturbed: what it allocates, and how long it takes. */
static void learn(const struct group *group, int number, enum alloc_mode mode)
{
    const struct alloc_plan plan = {.mode = mode};
    struct case_to_run what = describe(group, number);
    struct case_process *process = processes[0];
    struct case_end end;

    if (case_process_start(process, &what, &plan, 10 * limit_s) < 0)
        give_up("fork");
    while (!case_process_poll(process, &end))
        pause_a_moment();
    if (end.status != CASE_PASSED)
        findings_add_text(process, "fails though no allocation does");
    const struct run *run = case_process_run(process);
    facts[number] = (struct case_facts){
        .allocations = atomic_load(&run->allocations),
        .first = 1 + (skips_setup || is_set_up_before(group, number)
                          ? atomic_load(&run->setup_allocations)
                          : 0),
        .wall_s = end.wall_s,
        .cpu_s = end.cpu_s,
    };
}

static void fail_each_chain(const struct group *group, long first)
{
    for (long i = first; i < chain_table_count(); i++) {
        struct chain_seen seen = chain_table_get(i);
        if (seen.in_setup && skips_setup)
            continue;
        const struct alloc_plan plan = {
            .mode = ALLOC_FAIL_CHAIN, .key = seen.key, .caller = seen.caller};
        start_failing(group, seen.group_case, &plan);
        tell_progress("chain", i - first, chain_table_count() - first);
    }
    wait_for_all();
}

static void fail_each_number(const struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        for (long number = facts[i].first; number <= facts[i].allocations; number++) {
            const struct alloc_plan plan = {.mode = ALLOC_FAIL_NUMBER, .number = number};
            start_failing(group, (int)i, &plan);
            tell_progress(group->tests[i].name, number, facts[i].allocations);
        }
    }
    wait_for_all();
}

static FILE *open_result(void)
{
    const char *path = getenv("FAIL_ALLOC_RESULT");
    FILE *file = path == NULL ? NULL : fopen(path, "ae");

    if (file == NULL)
        give_up("FAIL_ALLOC_RESULT");
    return file;
}

static void close_result(FILE *file)
{
    if (fclose(file) != 0)
        give_up("FAIL_ALLOC_RESULT");
}

static void list_cases(const struct group *group)
{
    FILE *file = open_result();
    for (size_t i = 0; i < group->count; i++)
        fprintf(file, "- %s %s %s %ld %.3f\n", program_invocation_short_name, group->name,
                group->tests[i].name, facts[i].allocations, facts[i].wall_s);
    close_result(file);
}

static void run_group(struct group *group)
{
    long first = chain_table_count();

    group_in_hand = group;
    for (size_t i = 0; i < group->count; i++) {
        learn(group, (int)i, ALLOC_RECORD);
        if (every)
            learn(group, (int)i, ALLOC_COUNT);
        totals.allocations += facts[i].allocations;
        totals.every_s += (double)(facts[i].allocations - facts[i].first + 1) * facts[i].wall_s /
                          jobs_for(&facts[i]);
        tell_progress("learning", (long)i, (long)group->count);
    }
    list_cases(group);
    if (only_count)
        return;
    if (every)
        fail_each_number(group);
    else
        fail_each_chain(group, first);
}

/* ---- The program -------------------------------------------------------------------------------------- */

static pid_t owner; /* what a test forks may exit() too */

static void write_result(void)
{
    if (getpid() != owner)
        return;
    FILE *file = open_result();
    findings_print(file);
    fprintf(file, "= %s %ld %ld %ld %ld %ld %ld %.1f %.0f\n", program_invocation_short_name,
            totals.allocations, chain_table_count(), totals.runs, totals.missed, findings_count(),
            findings_count_known(), now_s() - totals.started, totals.every_s);
    close_result(file);
}

/* Thousands of allocations that are no test's subject but one's, and in all that compute a digest. */
static void warm_up(void)
{
    typedef void *(*fetcher)(void *, const char *, const char *);
    fetcher fetch = (fetcher)(uintptr_t)dlsym(RTLD_DEFAULT, "EVP_MD_fetch");

    if (fetch != NULL && getenv("FAIL_ALLOC_COLD") == NULL && fetch(NULL, "SHA256", NULL) == NULL)
        give_up("EVP_MD_fetch");
}

static void begin_once(void)
{
    const char *wish = getenv("FAIL_ALLOC_EVERY"), *limit = getenv("FAIL_ALLOC_LIMIT_S");
    const char *setup = getenv("FAIL_ALLOC_SETUP");

    if (jobs > 0)
        return;
    chain_prepare();
    warm_up();
    if (chain_table_make() < 0 || findings_open(getenv("FAIL_ALLOC_KNOWN")) < 0)
        give_up("fail_alloc");
    for (int i = 0; i < JOBS_MAX; i++) {
        processes[i] = case_process_new();
        if (processes[i] == NULL)
            give_up("fail_alloc");
    }
    every = wish != NULL;
    only_count = wish != NULL && strcmp(wish, "count") == 0;
    skips_setup = setup != NULL && strcmp(setup, "other") == 0;
    if (limit != NULL)
        limit_s = strtod(limit, NULL);
    unsetenv("LD_PRELOAD"); /* what a test starts is left alone */
    unsetenv("GLIBC_TUNABLES");
    owner = getpid();
    jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    totals.started = totals.told = now_s();
    if (atexit(write_result) != 0)
        give_up("atexit");
}

/* cmocka compares what is NULL, too, and crashes. For whoever compares a text that he did not get it is a failure. */
PUBLIC void _assert_string_equal(const char *one, const char *other, const char *file, int line)
{
    typedef void (*comparer)(const char *, const char *, const char *, int);
    comparer real = (comparer)(uintptr_t)dlsym(RTLD_NEXT, "_assert_string_equal");
    void (*fail_case)(const char *, int) =
        (void (*)(const char *, int))(uintptr_t)dlsym(RTLD_NEXT, "_fail");

    if (one == NULL || other == NULL)
        fail_case(file, line);
    else
        real(one, other, file, line);
}

PUBLIC int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
    struct group group = {
        .real = (group_runner)(uintptr_t)dlsym(RTLD_NEXT, "_cmocka_run_group_tests"),
        .name = name,
        .tests = tests,
        .count = count,
        .setup = setup,
        .teardown = teardown,
    };

    begin_once();
    if (group.real == NULL || count > CASES_MAX)
        give_up(name);
    run_group(&group);
    return 0;
}
