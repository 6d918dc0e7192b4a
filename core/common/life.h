/*
 * life.h: what a worker is doing at this moment, on a page that it shares with its receiver, so that it is
 * known when the worker is suddenly gone; and what the receiver found out about that end, for the next
 * worker on the same page. The receiver trusts nothing in it: see life_take_death().
 */
#ifndef PBXHOOK_LIFE_H
#define PBXHOOK_LIFE_H

#include <stdatomic.h>
#include <stdint.h>

#define LIFE_PLUGIN 64
#define LIFE_REASON 96

struct life {
    /* The worker's. */
    _Atomic int64_t
        since_us;            /* monotonic: when the plugin that runs now was called; 0: none runs */
    _Atomic uint32_t plugin; /* which one: its slot among the metrics, from 1; 0: it has none     */
    _Atomic int64_t event_seq; /* its event's place in the spool; 0: it is being opened */
    _Atomic int64_t
        event_id; /* the event's row in the store when it is handled again; else 0     */
    _Atomic int64_t
        batch_seq; /* the last new event of the batch under way; 0: none                */

    /* The receiver's, written while no worker runs; the next one forgets it as it deals with it. */
    int64_t
        suspect_until; /* events up to here were under way at the end, and nobody knows which it was */
    int64_t
        culprit_seq; /* the one event whose handler was running, when it ran for the first time; 0 */
    int64_t
        culprit_id; /* its row, when it was handled again; 0                                   */
    char culprit_plugin[LIFE_PLUGIN];
    char reason[LIFE_REASON]; /* "killed by SIGSEGV" */
};

/* A plugin is about to be called. */
static inline void life_enter(struct life *life, uint32_t plugin, int64_t event_seq,
                              int64_t event_id, int64_t now_us)
{
    atomic_store_explicit(&life->plugin, plugin, memory_order_relaxed);
    atomic_store_explicit(&life->event_seq, event_seq, memory_order_relaxed);
    atomic_store_explicit(&life->event_id, event_id, memory_order_relaxed);
    atomic_store_explicit(&life->since_us, now_us, memory_order_release);
}

/* It came back. */
static inline void life_leave(struct life *life)
{
    atomic_store_explicit(&life->since_us, 0, memory_order_release);
}

#endif
