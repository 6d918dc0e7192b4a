/*
 * outbox.h: the thread that delivers claimed actions to the PBX. It never touches the store: the
 * worker's own thread claims actions in its transactions, hands them over here, and writes down the
 * results that it takes back, because one connection alone may write the store.
 */
#ifndef PBXHOOK_OUTBOX_H
#define PBXHOOK_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "store/store.h"

struct outbox;

/* How a claimed action ended, for store_actions_settle(). */
struct outbox_result {
    struct store_action action; /* its strings belong to the result */
    enum store_action_state state;
    int64_t due_ms;
    int http_status;
    int64_t finished_ms; /* wall clock */
    int64_t took_us;     /* this attempt */
    char detail[160];
    struct outbox_result *next;
};

/* Starts the thread. On failure -1 and the text in `error`. */
int outbox_start(const struct config *config, struct outbox **out, char *error, size_t error_size);
/*
 * Waits up to drain_ms for what is on its way and ends the thread; what had no answer by then ends as one
 * of which nobody knows. The results may still be taken. outbox_free() after it. Both accept NULL.
 */
void outbox_stop(struct outbox *outbox, int drain_ms);
void outbox_free(struct outbox *outbox);

/* The rest is for the worker's thread. */

/* How many more actions it takes now. */
int outbox_free_slots(const struct outbox *outbox);
/* Hands over claimed actions, at most so many; takes their strings, not the array. */
void outbox_submit(struct outbox *outbox, struct store_action *actions, int count);
/* Readable when there are results. */
int outbox_event_fd(const struct outbox *outbox);
/* The results since the last time, oldest first; each to be freed with outbox_result_free(). */
struct outbox_result *outbox_take(struct outbox *outbox);
void outbox_result_free(struct outbox_result *result);

#endif
