/*
 * dispatch.h: the plugins of one worker, loaded, opened and called. Worker thread only. What a
 * plugin sees (contexts, services, the event's getters) is behind this door.
 */
#ifndef PBXHOOK_DISPATCH_H
#define PBXHOOK_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/event.h"
#include "common/metrics.h"
#include "store/store.h"

struct dispatch;

/*
 * Loads all plugins of plugin_dir, checks them and their options and calls their open(), each in a
 * store transaction of its own. On failure -1 and `error` names the file, what was found and what
 * was wanted.
 */
int dispatch_open(const struct config *config, struct store *store, struct metrics_worker *metrics,
                  struct dispatch **out, char *error, size_t error_size);
/* Calls the plugins' close(). Accepts NULL. */
void dispatch_close(struct dispatch *dispatch);

/* The event types and patterns that the plugins take, one a line, for CONTROL_READY. Borrowed. */
const char *dispatch_types(const struct dispatch *dispatch);

/*
 * Calls, in order, the plugins that take this stored event, each inside a savepoint of the store's
 * open transaction. One that does not answer PBXHOOK_OK is undone, logged, and written down with
 * store_retry_put(): RETRY with backoff, or dead. A call.waiting confirms the call's actions first.
 * Returns the number of plugins called (0: nobody takes this type) or STORE_E_FAILED: roll the
 * batch back and run it again.
 */
int dispatch_event(struct dispatch *dispatch, const struct event *event, int64_t event_id);

/*
 * The store refused this event's transaction for good, whatever a plugin made of it: no plugin is called, and
 * for each that takes it the handling is written down as dead, with the store's words. Returns as
 * dispatch_event().
 */
int dispatch_give_up(struct dispatch *dispatch, const struct event *event, int64_t event_id,
                     const char *error);
/* The same for a handling that was due again. */
int dispatch_give_up_retry(struct dispatch *dispatch, const struct store_retry *retry,
                           const char *error);

/* For the log, with the batch's commit: this event was handled before. */
void dispatch_note_repeated(struct dispatch *dispatch, const struct event *event);

/* The same for one plugin's failed handling that is due; settles its store_retry row. 0 when its
 * plugin is not loaded (any more): that counts as one more failure. */
int dispatch_retry(struct dispatch *dispatch, const struct store_retry *retry);

/* The batch's end: its numbers and log lines ("event handled", the warnings of failed handlings)
 * come true, or are forgotten. */
void dispatch_committed(struct dispatch *dispatch);
void dispatch_rolled_back(struct dispatch *dispatch);

#endif
