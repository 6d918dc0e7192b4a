/*
 * clock.h: the two clocks. The wall clock is for what is stored and shown; the monotonic one for
 * every duration, deadline and time-out.
 */
#ifndef PBXHOOK_CLOCK_H
#define PBXHOOK_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since 1970-01-01T00:00:00Z. */
static inline int64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Microseconds since an arbitrary point; never jumps; the same in all processes of the machine. */
static inline int64_t clock_mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
