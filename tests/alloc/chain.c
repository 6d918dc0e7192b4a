/*
 * chain.c: the chain of calls that led to an allocation or a crash. Taken on any thread, in a signal's handler
 * too; allocates nothing once chain_prepare() was called.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fail_alloc.h"

#define KEY_INNERMOST 1 /* frames that always tell one chain from another */

#define TABLE_SIZE    (1u << 20) /* a power of two, far more than any program has */

struct chain_table {
    _Atomic uint64_t keys[TABLE_SIZE];
    _Atomic long count;
    struct chain_seen seen[TABLE_SIZE / 2];
};

static struct chain_table *table;
static uintptr_t own_begin, own_end;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static const char *program_path(void)
{
    static char path[256];
    if (path[0] == '\0' && readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        strcpy(path, "?");
    return path;
}

/* The module that holds the address, without the loader's lock; 0, or -1. */
static int find_module(const void *address, const char **path, uintptr_t *begin, uintptr_t *end)
{
    struct dl_find_object found;

    if (_dl_find_object((void *)(uintptr_t)address, &found) != 0)
        return -1;
    *begin = (uintptr_t)found.dlfo_map_start;
    *end = (uintptr_t)found.dlfo_map_end;
    *path = found.dlfo_link_map->l_name;
    if (**path == '\0')
        *path = program_path();
    return 0;
}

void chain_module_range(const void *address, uintptr_t *begin, uintptr_t *end)
{
    const char *path;
    if (find_module(address, &path, begin, end) < 0)
        *begin = *end = 0;
}

void chain_prepare(void)
{
    void *frames[2];

    chain_module_range((const void *)&own_begin, &own_begin, &own_end);
    backtrace(frames, 2); /* loads libgcc_s */
    program_path();
}

static int is_own(const void *frame)
{
    return (uintptr_t)frame >= own_begin && (uintptr_t)frame < own_end;
}

void chain_take(struct chain *chain)
{
    void *frames[CHAIN_MAX + 8];
    int count = backtrace(frames, CHAIN_MAX + 8), at = 0;

    while (at < count && is_own(frames[at]))
        at++;
    for (chain->depth = 0; at < count && chain->depth < CHAIN_MAX && !is_own(frames[at]); at++)
        chain->frames[chain->depth++] = frames[at];
}

void chain_begin_at_signal(struct chain *chain)
{
    if (chain->depth < 2)
        return;
    chain->depth--;
    memmove(chain->frames, chain->frames + 1, (size_t)chain->depth * sizeof chain->frames[0]);
    chain->frames[0] = (char *)chain->frames[0] + 1;
}

/* Of the program under test, its plugins included, and not of the system's libraries. */
static int is_ours(const char *path)
{
    return strncmp(path, "/lib", 4) != 0 && strncmp(path, "/usr/", 5) != 0;
}

/* FNV-1a, of the same calls the same in every process, wherever modules were loaded. */
static uint64_t add_frame(uint64_t key, const void *frame, uintptr_t module)
{
    key = (key ^ ((uintptr_t)frame - module)) * 1099511628211u;
    return key ^ key >> 29;
}

uint64_t chain_key(const struct chain *chain, int ours_max)
{
    uint64_t key = 14695981039346656037u;
    const char *path;
    uintptr_t begin, end;
    int ours = 0;

    for (int i = 0; i < chain->depth && ours < ours_max; i++) {
        if (find_module(chain->frames[i], &path, &begin, &end) < 0 ||
            (i >= KEY_INNERMOST && !is_ours(path)))
            continue;
        key = add_frame(key, chain->frames[i], begin);
        ours += is_ours(path);
    }
    return key == 0 ? 1 : key;
}

static void name_frame(const void *frame, char function[NAME_SIZE])
{
    Dl_info info;
    int known = dladdr(frame, &info) != 0 && info.dli_sname != NULL;
    snprintf(function, NAME_SIZE, "%s", known ? info.dli_sname : "?");
}

int chain_passes(const struct chain *chain, const char *module, const char *function)
{
    for (int i = 0; i < chain->depth; i++) {
        const char *path;
        uintptr_t begin, end;
        char name[NAME_SIZE];
        if (find_module(chain->frames[i], &path, &begin, &end) < 0)
            continue;
        if (is_ours(path))
            return 0;
        name_frame((const char *)chain->frames[i] - 1, name);
        if (strcmp(base_name(path), module) == 0 &&
            (function == NULL || strcmp(name, function) == 0))
            return 1;
    }
    return 0;
}

void chain_print(const struct chain *chain, char *text, size_t *used, size_t size)
{
    for (int i = 0; i < chain->depth && *used < size; i++) {
        const char *path = "?";
        uintptr_t begin = 0, end = 0;
        char function[NAME_SIZE];
        find_module(chain->frames[i], &path, &begin, &end);
        const char *call = (const char *)chain->frames[i] - 1; /* the call, not what follows it */
        name_frame(call, function);
        int added = snprintf(text + *used, size - *used, "    at %s+0x%lx (%s)\n", path,
                             (unsigned long)((uintptr_t)call - begin), function);
        *used += added < 0 ? 0 : (size_t)added;
    }
    if (*used >= size)
        *used = size - 1;
}

/* ---- The table ---------------------------------------------------------------------------------------- */

int chain_table_make(void)
{
    if (table != NULL)
        return 0;
    void *memory = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    table = memory;
    return 0;
}

void chain_table_add(const struct chain_seen *seen)
{
    for (uint64_t place = seen->key, tries = 0; tries < TABLE_SIZE; place++, tries++) {
        uint64_t found = 0;
        if (!atomic_compare_exchange_strong(&table->keys[place % TABLE_SIZE], &found, seen->key)) {
            if (found == seen->key)
                return;
            continue;
        }
        long index = atomic_fetch_add(&table->count, 1);
        if (index < (long)(TABLE_SIZE / 2))
            table->seen[index] = *seen;
        return;
    }
}

long chain_table_count(void)
{
    long count = atomic_load(&table->count);
    return count < (long)(TABLE_SIZE / 2) ? count : (long)(TABLE_SIZE / 2);
}

struct chain_seen chain_table_get(long index)
{
    return table->seen[index];
}
