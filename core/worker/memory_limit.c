/* memory_limit.c: see memory_limit.h. */
#include "worker/memory_limit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define PROBE_BYTES   (256 * 1024)
#define LOOK_EVERY_US 1000000

void memory_limit_set(struct memory_limit *limit, int64_t bytes)
{
    const struct rlimit resource = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};
    *limit = (struct memory_limit){.bytes = PBXHOOK_SANITIZED ? 0 : bytes};
    if (limit->bytes > 0 && setrlimit(RLIMIT_DATA, &resource) < 0)
        log_warning("can't limit the worker's memory", log_text("error", strerror(errno)));
}

/* The data that this process may write; 0 when that can't be read. */
static int64_t data_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %*s %*s %*s %*s %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

int memory_limit_is_near(struct memory_limit *limit)
{
    int64_t now_us = clock_mono_us();
    if (limit->bytes == 0 || now_us - limit->seen_us < LOOK_EVERY_US)
        return 0;
    limit->seen_us = now_us;
    int64_t used = data_bytes();
    if (used < limit->bytes / 8 * 7)
        return 0;
    log_warning("worker uses most of worker_memory and leaves for a new one: does a plugin leak?",
                log_int("used_bytes", used), log_int("worker_memory", limit->bytes));
    return 1;
}

void memory_limit_leave_if_gone(void)
{
    void *volatile probe = malloc(PROBE_BYTES); /* volatile, or the compiler leaves it out */
    int is_gone = probe == NULL;
    free(probe);
    if (!is_gone)
        return;
    log_error("out of memory, this worker ends for another to begin anew: does a plugin leak?");
    log_flush();
    _exit(EXIT_FAILURE);
}
