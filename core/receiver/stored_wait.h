/*
 * stored_wait.h: events that are safe in the spool and whose sender is to hear only when they are in the
 * store (acknowledge = "stored"): each waits until the worker of its call has reported past it, or its
 * time is up. The spool thread's, under its lock. Never blocks; decides nothing else.
 */
#ifndef PBXHOOK_STORED_WAIT_H
#define PBXHOOK_STORED_WAIT_H

#include <stdint.h>

#include "receiver/ticket_list.h"

struct stored_wait {
    int workers;
    int64_t timeout_us;
    /* By worker: how far it has reported. A report can come before its tickets do: the worker reads an
     * event as soon as it is committed, which is before the spool thread has the lock again. */
    int64_t stored[SPOOL_MAX_WORKERS];
    struct ticket_list waiting[SPOOL_MAX_WORKERS]; /* by worker; seq and time go up */
    int given_up;
};

void stored_wait_init(struct stored_wait *wait, int workers, int timeout_ms);

/* Takes tickets that are safe in the spool; what the store has already goes to `decided` at once. */
void stored_wait_add(struct stored_wait *wait, struct ticket_list *group, int64_t now_us,
                     struct ticket_list *decided);
/* The worker has all its events up to seq in the store. */
void stored_wait_done(struct stored_wait *wait, int worker, int64_t seq,
                      struct ticket_list *decided);
/* Those whose time is up are decided as SPOOL_UNSTORED. */
void stored_wait_expire(struct stored_wait *wait, int64_t now_us, struct ticket_list *decided);
/* When the next one's time is up; INT64_MAX: none waits. */
int64_t stored_wait_next_us(const struct stored_wait *wait);
/* All of them, now and whoever comes later: SPOOL_UNSTORED, unless the store has it already. */
void stored_wait_give_up(struct stored_wait *wait, struct ticket_list *decided);

#endif
