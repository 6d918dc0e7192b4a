/*
 * timer.h: things to do at a time. A timer lives inside the thing it belongs to, so that arming and
 * disarming allocates nothing but the heap's growth. One heap belongs to one thread.
 */
#ifndef MOCK_PBX_TIMER_H
#define MOCK_PBX_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

struct timer {
    uint64_t due_ns;
    size_t place;                /* in the heap, from 1; 0 = not armed */
    void (*fire)(void *context); /* called by timer_run(), disarmed then; may arm any timer again */
    void *context;
};

struct timer_heap {
    struct timer **items;
    size_t count;
    size_t capacity;
};

/* Arms the timer, or moves it when it was armed. */
void timer_arm(struct timer_heap *heap, struct timer *timer, uint64_t due_ns);

/* Does nothing to a timer that is not armed. */
void timer_disarm(struct timer_heap *heap, struct timer *timer);

bool timer_is_armed(const struct timer *timer);

/* Fires what is due. */
void timer_run(struct timer_heap *heap, uint64_t now_ns);

/* When the next one is due, or TIMER_NEVER. */
uint64_t timer_get_next_ns(const struct timer_heap *heap);

/* Frees the heap, not the timers. */
void timer_heap_close(struct timer_heap *heap);

#endif
