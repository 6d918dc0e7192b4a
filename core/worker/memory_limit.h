/*
 * memory_limit.h: what a worker may allocate. A plugin that leaks ends its worker, not the machine; and the
 * worker sees it coming, most of the time, and leaves in good order. Worker thread only.
 */
#ifndef PBXHOOK_MEMORY_LIMIT_H
#define PBXHOOK_MEMORY_LIMIT_H

#include <stdint.h>

struct memory_limit {
    int64_t bytes; /* 0: none */
    int64_t seen_us;
};

/* 0 bytes: no limit. Built with a sanitizer, which reserves terabytes itself, there is none either. */
void memory_limit_set(struct memory_limit *limit, int64_t bytes);

/* 1 when most of it is used, which is logged: leave before allocations fail, as what a plugin does then is
 * anybody's guess. Looks once a second. */
int memory_limit_is_near(struct memory_limit *limit);

/* Ends the process when nothing can be allocated any more, at a moment when no event is to blame. */
void memory_limit_leave_if_gone(void);

#endif
