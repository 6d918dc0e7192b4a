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
#define LIFE_PATH   256

struct life {
    /* The worker's. since_us: monotonic, when the plugin that runs now was called, 0: none runs. plugin: which
     * one, by the number of its metrics, 0: it has none. event_seq: its event's place in the spool, 0: it is
     * being opened. event_id: the event's row in the store when it is handled again, else 0. batch_seq: the
     * last new event of the batch under way, 0: none. */
    _Atomic int64_t since_us;
    _Atomic uint32_t plugin;
    _Atomic int64_t event_seq;
    _Atomic int64_t event_id;
    _Atomic int64_t batch_seq;
    char loading
        [LIFE_PATH]; /* the file of a plugin, "": none; it has only one thread that could write it */

    /* The receiver's, written while no worker runs; the next worker forgets it as it deals with it. Up to
     * doubt_until events were under way at an end, which may have been chance; up to suspect_until they were
     * so twice in a row: it is one of them. Or the culprit is known: culprit_seq when its event ran for the
     * first time, culprit_id, its row, when it was handled again. */
    int64_t doubt_until;
    int64_t suspect_until;
    int64_t culprit_seq;
    int64_t culprit_id;
    char culprit_plugin[LIFE_PLUGIN];
    char reason[LIFE_REASON]; /* "killed by SIGSEGV" */
    /* The receiver's too: the server serves already, so a worker that is started now does not give up: it waits
     * for a store that is away, and a plugin that does not open is parked. */
    int is_lenient;
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
