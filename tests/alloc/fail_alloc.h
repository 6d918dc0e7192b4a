/*
 * fail_alloc.h: the parts of the library that is preloaded into a unit test and lets allocations fail.
 *
 *   group_runner.c  takes the place of cmocka's runner: a process for each case and each allocation
 *   case_process.c  such a process: what it is told, how it is watched, how it ended
 *   allocator.c     malloc and its family: counts, and lets one of them fail
 *   chain.c         the chain of calls that led to an allocation, or to a crash
 *   findings.c      what crashed or hung, told once for each place
 *
 * A process and the one that started it share a struct run. See run.sh for the whole.
 */
#ifndef PBXHOOK_TESTS_ALLOC_FAIL_ALLOC_H
#define PBXHOOK_TESTS_ALLOC_FAIL_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PUBLIC          __attribute__((visibility("default")))

#define CHAIN_MAX       64
#define DIRECTORIES_MAX 16
#define DIRECTORY_SIZE  64
#define REPORT_SIZE     16384
#define NAME_SIZE       96

struct chain {
    int depth;
    void *frames[CHAIN_MAX]; /* return addresses, the innermost first */
};

enum alloc_mode { ALLOC_COUNT, ALLOC_RECORD, ALLOC_FAIL_NUMBER, ALLOC_FAIL_CHAIN };

/* Which allocation of a case is to fail. */
struct alloc_plan {
    enum alloc_mode mode;
    long number;      /* ALLOC_FAIL_NUMBER: from 1 */
    uint64_t key;     /* ALLOC_FAIL_CHAIN: of the chain */
    uintptr_t caller; /* and its innermost frame, which is cheaper to compare */
};

/* One process, as it and its parent see it. */
struct run {
    _Atomic long allocations, setup_allocations;
    _Atomic int in_setup;
    _Atomic long failed; /* the number of the one that failed; 0: none */
    struct chain failed_chain;
    _Atomic int crash_signal; /* 0: none */
    uint64_t crash_key;       /* of the place where it ended */
    int is_known;             /* it is in known_crashes.txt */
    _Atomic int may_hang;     /* so says known_crashes.txt */
    _Atomic int is_late;      /* it is asked where it hangs */
    size_t report_size;
    char report[REPORT_SIZE];
    _Atomic int directories; /* that mkdtemp() made */
    char directory[DIRECTORIES_MAX][DIRECTORY_SIZE];
};

/* ---- chain.c ---- */

/* Loads what backtrace() needs, so that it does not allocate later. */
void chain_prepare(void);

/* The callers of the calling function, this library's own left out, up to the one that it called. */
void chain_take(struct chain *chain);

/* Of one taken in a signal's handler: without the frame through which it was called. What was interrupted is no
 * call, so its address is made one that looks like it. */
void chain_begin_at_signal(struct chain *chain);

/*
 * What makes two chains different: who asked libc, and our functions that led there, so many of them. Of the ways
 * within a library (SQLite, libcurl) to its allocations each end is one, not each way. The same in every process.
 */
#define KEY_OF_ALLOCATION 4
#define KEY_OF_CRASH      1
uint64_t chain_key(const struct chain *chain, int ours_max);

/* Whether this function of the module, or any (NULL), is in the chain before the first of ours. */
int chain_passes(const struct chain *chain, const char *module, const char *function);

/* Appends a line for each frame: "    at FILE+0xOFFSET (FUNCTION)". */
void chain_print(const struct chain *chain, char *text, size_t *used, size_t size);

/* The module that holds the address, as [begin, end). */
void chain_module_range(const void *address, uintptr_t *begin, uintptr_t *end);

/* The chains that were met in any case of the program; shared by all processes. */
struct chain_seen {
    uint64_t key;
    uintptr_t caller;
    int group_case;
    int in_setup; /* of the case, when it was met first */
};
int chain_table_make(void); /* 0 or -1 */
void chain_table_add(const struct chain_seen *seen);
long chain_table_count(void);
struct chain_seen chain_table_get(long index);

/* ---- allocator.c ---- */

/* In a new process, before the case: its plan, and whom it tells. */
void allocator_begin(const struct alloc_plan *plan, struct run *run, int group_case);

/* Allocations count between the two, on every thread; libcmocka's own never do. */
void allocator_arm(void);
void allocator_disarm(void);

/* What is allocated between the two belongs to the case's set-up. */
void allocator_setup_begins(void);
void allocator_setup_is_done(void);

/* Here and in what this process forks nothing counts or fails any more. */
void allocator_leave(void);

/* ---- case_process.c ---- */

struct case_to_run {
    const char *group, *name;
    int (*run)(void *context); /* the number of failed cases */
    void *context;
    int number; /* within the group */
};

/* What a case's process ends with that came to its end. */
#define CASE_PASSED 0
#define CASE_FAILED 1

struct case_end {
    int status; /* of waitpid(); a crash is in run->crash_signal */
    int hung;
    double wall_s, cpu_s;
};

struct case_process;

struct case_process *case_process_new(void);
int case_process_start(struct case_process *process, const struct case_to_run *what,
                       const struct alloc_plan *plan, double limit_s);
int case_process_is_running(const struct case_process *process);
double case_process_age_s(const struct case_process *process);
/* 1: it ended, and *end says how; 0: it runs. It is ended when its time is over. */
int case_process_poll(struct case_process *process, struct case_end *end);
const struct run *case_process_run(const struct case_process *process);
const struct case_to_run *case_process_case(const struct case_process *process);
/* The last lines it said, for the report. */
void case_process_print_output(const struct case_process *process, FILE *to);

/* ---- findings.c ---- */

/* The file with the crashes of other people's code that are known, or NULL. */
int findings_open(const char *known_path);
/* What: crash, hang or exit; where it ended (a crash's alone), and which allocation had failed. */
int findings_is_known(const char *what, const struct chain *end, const struct chain *failed);
void findings_add(const struct case_process *process, const struct case_end *end);
/* It ended its process itself. */
void findings_add_exit(const struct case_process *process);
void findings_add_text(const struct case_process *process, const char *text);
/* Those that are ours, and the known ones, as often as they came. */
long findings_count(void);
long findings_count_known(void);
/* All that was found, each place once. */
void findings_print(FILE *to);

#endif
