/*
 * clock.h: the two clocks of mock-pbx. Wall time is only for the events' timestamps; every delay,
 * deadline and latency is measured on the monotonic clock.
 */
#ifndef MOCK_PBX_CLOCK_H
#define MOCK_PBX_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S  UINT64_C(1000000000)

static inline uint64_t clock_get_mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Milliseconds since 1970, UTC. */
static inline int64_t clock_get_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds to sleep until due_ns, rounded up so that a loop does not spin before it; at most
 * limit_ms. */
static inline int clock_get_wait_ms(uint64_t now_ns, uint64_t due_ns, int limit_ms)
{
    uint64_t wait_ms;

    if (due_ns <= now_ns)
        return 0;
    wait_ms = (due_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return wait_ms < (uint64_t)limit_ms ? (int)wait_ms : limit_ms;
}

#endif
