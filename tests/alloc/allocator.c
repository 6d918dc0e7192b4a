/*
 * allocator.c: malloc and its family in place of libc's own, which does the work. Counts what a case allocates, on
 * all of its threads, and lets one allocation fail. What libc allocates (strdup, asprintf, getline,
 * open_memstream, fopen) comes through here too. Data is not forced to a disk meanwhile: no test of this kind
 * loses power, and the runs are many.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail_alloc.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

PUBLIC void *malloc(size_t size);
PUBLIC void *calloc(size_t count, size_t size);
PUBLIC void *realloc(void *block, size_t size);
PUBLIC void *memalign(size_t alignment, size_t size);
PUBLIC void *aligned_alloc(size_t alignment, size_t size);
PUBLIC int posix_memalign(void **block, size_t alignment, size_t size);
PUBLIC int fsync(int fd);
PUBLIC int fdatasync(int fd);

static _Atomic int armed;
static struct run *run; /* NULL: this process only watches others */
static struct alloc_plan plan;
static int this_case;
static uintptr_t cmocka_begin, cmocka_end;

/* Set while this thread looks at its own calls. Must not allocate itself: no lazily made thread storage. */
static __thread int looking __attribute__((tls_model("initial-exec")));

void allocator_arm(void)
{
    atomic_store(&armed, run != NULL);
}

void allocator_disarm(void)
{
    atomic_store(&armed, 0);
}

void allocator_setup_begins(void)
{
    atomic_store(&run->in_setup, 1);
}

void allocator_setup_is_done(void)
{
    atomic_store(&run->in_setup, 0);
    atomic_store(&run->setup_allocations, atomic_load(&run->allocations));
}

void allocator_leave(void)
{
    allocator_disarm();
    run = NULL;
}

void allocator_begin(const struct alloc_plan *new_plan, struct run *new_run, int group_case)
{
    chain_module_range(dlsym(RTLD_NEXT, "_cmocka_run_group_tests"), &cmocka_begin, &cmocka_end);
    plan = *new_plan;
    this_case = group_case;
    run = new_run;
}

/* The first to meet the allocation lets it fail. */
static int fail_here(long number, const struct chain *chain)
{
    long none = 0;
    if (!atomic_compare_exchange_strong(&run->failed, &none, number))
        return 0;
    run->failed_chain = *chain;
    run->may_hang = findings_is_known("hang", chain, chain);
    return 1;
}

/* Whether the allocation with this number is the one, where it matters who asked for it. */
static int look_at(long number, uintptr_t caller)
{
    struct chain chain;
    int fail = 0;

    looking = 1;
    chain_take(&chain);
    if (plan.mode == ALLOC_RECORD)
        chain_table_add(&(struct chain_seen){.key = chain_key(&chain, KEY_OF_ALLOCATION),
                                             .caller = caller,
                                             .group_case = this_case,
                                             .in_setup = atomic_load(&run->in_setup)});
    else if (plan.mode == ALLOC_FAIL_NUMBER || chain_key(&chain, KEY_OF_ALLOCATION) == plan.key)
        fail = fail_here(number, &chain);
    looking = 0;
    return fail;
}

static int is_wanted(long number, uintptr_t caller)
{
    switch (plan.mode) {
    case ALLOC_COUNT:
        return 0;
    case ALLOC_RECORD:
        return look_at(number, caller);
    case ALLOC_FAIL_NUMBER:
        return number == plan.number && look_at(number, caller);
    case ALLOC_FAIL_CHAIN:
        return caller == plan.caller && atomic_load(&run->failed) == 0 && look_at(number, caller);
    }
    return 0;
}

static int fails(const void *from)
{
    uintptr_t caller = (uintptr_t)from;

    if (!atomic_load_explicit(&armed, memory_order_relaxed) || looking ||
        (caller >= cmocka_begin && caller < cmocka_end))
        return 0;
    if (!is_wanted(atomic_fetch_add(&run->allocations, 1) + 1, caller))
        return 0;
    errno = ENOMEM;
    return 1;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
    return fails(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(CALLER) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails(CALLER) ? NULL : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
        return EINVAL;
    void *made = fails(CALLER) ? NULL : __libc_memalign(alignment, size);
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}

int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}
