/*
 * timer.c: a binary heap whose items know their own places, so that an action time-out, nearly
 * always disarmed before it fires, costs nothing afterwards.
 */
#include "timer.h"

#include <stdlib.h>

#include "memory.h"

static void timer_put(struct timer_heap *heap, size_t place, struct timer *timer)
{
    heap->items[place - 1] = timer;
    timer->place = place;
}

static void timer_move_up(struct timer_heap *heap, struct timer *timer)
{
    size_t place = timer->place;

    while (place > 1 && heap->items[place / 2 - 1]->due_ns > timer->due_ns) {
        timer_put(heap, place, heap->items[place / 2 - 1]);
        place /= 2;
    }
    timer_put(heap, place, timer);
}

static void timer_move_down(struct timer_heap *heap, struct timer *timer)
{
    size_t place = timer->place;

    while (place * 2 <= heap->count) {
        size_t child = place * 2;

        if (child < heap->count && heap->items[child]->due_ns < heap->items[child - 1]->due_ns)
            child++;
        if (heap->items[child - 1]->due_ns >= timer->due_ns)
            break;
        timer_put(heap, place, heap->items[child - 1]);
        place = child;
    }
    timer_put(heap, place, timer);
}

void timer_arm(struct timer_heap *heap, struct timer *timer, uint64_t due_ns)
{
    timer_disarm(heap, timer);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : 64;
        heap->items = memory_resize(heap->items, heap->capacity, sizeof *heap->items);
    }
    timer->due_ns = due_ns;
    heap->count++;
    timer_put(heap, heap->count, timer);
    timer_move_up(heap, timer);
}

void timer_disarm(struct timer_heap *heap, struct timer *timer)
{
    struct timer *last;
    size_t place = timer->place;

    if (place == 0)
        return;
    timer->place = 0;
    last = heap->items[heap->count - 1];
    heap->count--;
    if (last == timer)
        return;
    timer_put(heap, place, last);
    timer_move_up(heap, last);
    timer_move_down(heap, last);
}

bool timer_is_armed(const struct timer *timer)
{
    return timer->place != 0;
}

void timer_run(struct timer_heap *heap, uint64_t now_ns)
{
    while (heap->count > 0 && heap->items[0]->due_ns <= now_ns) {
        struct timer *timer = heap->items[0];

        timer_disarm(heap, timer);
        timer->fire(timer->context);
    }
}

uint64_t timer_get_next_ns(const struct timer_heap *heap)
{
    return heap->count > 0 ? heap->items[0]->due_ns : TIMER_NEVER;
}

void timer_heap_close(struct timer_heap *heap)
{
    free(heap->items);
    *heap = (struct timer_heap){0};
}
