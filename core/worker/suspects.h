/*
 * suspects.h: which events to be careful with after a worker's sudden end. Known, from the page that the
 * former life left (common/life.h), is either the one plugin and event, or the batch that was under way;
 * and after the whole server's end only that it was among the first in the spool. Of those two nobody is
 * suspected before it has happened twice in a row: a kill is no plugin's fault. What is suspected is not
 * called at once: it is written down as not handled and tried alone, so that the next end tells more.
 * Worker thread only.
 */
#ifndef PBXHOOK_SUSPECTS_H
#define PBXHOOK_SUSPECTS_H

#include "common/event.h"
#include "common/life.h"
#include "worker/dispatch.h"

struct suspects {
    struct life *life; /* where they stand, so that yet another end forgets none */
    int left;          /* of those that can have been under way                  */
    int used;          /* by the transaction that is open                        */
    struct dispatch_blame blame;
};

/* limit: how many events can have been under way at once. */
void suspects_init(struct suspects *suspects, struct life *life, int limit);

/* How many of these events, at least one, to take into a batch: the culprit is the last, so that what comes
 * behind it in its call stays behind it. */
int suspects_limit(const struct suspects *suspects, struct event *const *events, int count);

/* Whom to blame with this event, which is new in the store; NULL: nobody. Borrowed until the next call. */
const struct dispatch_blame *suspects_judge(struct suspects *suspects, const struct event *event);

/* The transaction has ended. seq: all events up to there are in the store. */
void suspects_committed(struct suspects *suspects, int64_t seq);
void suspects_rolled_back(struct suspects *suspects);

#endif
