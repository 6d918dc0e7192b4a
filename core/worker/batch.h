/*
 * batch.h: one store transaction of a worker: results of actions, handlings that are tried again, the
 * spool's next events, and the claims: of handlings for the next batch, of actions to send. Worker thread
 * only.
 */
#ifndef PBXHOOK_BATCH_H
#define PBXHOOK_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/event.h"
#include "common/metrics.h"
#include "pbx/outbox.h"
#include "store/store.h"
#include "worker/dispatch.h"
#include "worker/suspects.h"

#define BATCH_MAX_EVENTS  512
#define BATCH_MAX_BYTES   (4 * 1024 * 1024)
#define BATCH_MAX_RETRIES 64

/* What a batch works with; all borrowed. */
struct batch_parts {
    struct store *store;
    struct dispatch *dispatch;
    struct outbox *outbox;
    struct metrics_worker *metrics;
    struct suspects *suspects;
};

/* What is to be done. It stays as it is until a transaction with it has been committed. */
struct batch {
    struct event *event[BATCH_MAX_EVENTS]; /* owned */
    int event_count;
    struct outbox_result *results; /* owned */
    int64_t stored_seq;            /* the last event that was committed; all before it are too */
    struct store_retry *retry; /* owned: claimed by the last transaction, to be run by this one */
    int retry_count;
    int retry_alone;  /* the one there is may take the worker along: nothing is run beside it */
    int retry_unsure; /* they were run, and the commit failed: it may have happened all the same */
    /* What is put off for longer is due now: see worker.c; 0: nothing is. */
    int64_t longest_retry_ms;
    int64_t longest_lease_ms; /* the same for actions; others' leases on them are no longer */
    int has_lost;             /* a failed commit may have claimed handlings all the same */
    int is_last; /* claim nothing: nobody would run it                                   */
    int reach;   /* at most so many events a transaction; 0: BATCH_MAX_EVENTS */
    int apart; /* so many of the first events are run one by one: the store refuses one of them, or of what
                  was to be done before them */
};

/*
 * Runs it as one transaction, or its first events when the plugins take their time: what they asked the
 * PBX for must not wait for the rest. 0: committed, the claimed actions are with the outbox, the numbers
 * are counted; the events that are left stand at the front. Negative, a STORE_E_...: nothing of it happened
 * (store_error() says why); run the same batch again. STORE_E_REFUSED: at once, for then each piece is a
 * transaction of its own, and the one that is refused is written down as dead handlings; STORE_E_AGAIN: soon;
 * the others: when the store may work again.
 */
int batch_run(struct batch *batch, const struct batch_parts *parts);

/*
 * The last one: claims nothing, and runs again what collides. Of one that is refused the first piece is run
 * alone, the results: nobody but this process knows them, while all else waits for the next worker in
 * spool and store. As batch_run().
 */
int batch_run_last(struct batch *batch, const struct batch_parts *parts);

/* Whether there is anything to run. */
int batch_has_work(const struct batch *batch);

void batch_clear(struct batch *batch);

#endif
