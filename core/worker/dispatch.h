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
#include "worker/plugin_host.h"

struct dispatch;

/*
 * Loads all plugins of plugin_dir, checks them and their options and calls their open(), each in a
 * store transaction of its own. On failure -1 and `error` names the file, what was found and what
 * was wanted; where one may be parked (see below) its open() is no failure, unless the store is away.
 */
int dispatch_open(const struct config *config, struct store *store, struct metrics_worker *metrics,
                  struct dispatch **out, char *error, size_t error_size);
/* The same with plugins that were loaded before. Takes the host, on failure too. */
int dispatch_open_loaded(const struct config *config, struct plugin_host *host, struct store *store,
                         struct metrics_worker *metrics, struct dispatch **out, char *error,
                         size_t error_size);
/*
 * Calls open() of those that are not open and whose time has come; outside of a transaction. There are such only
 * in a worker that was started while the server serves (life.is_lenient): there a plugin whose open() fails is
 * parked, and one that is parked already is not opened before its time. Its events wait in the store.
 */
void dispatch_open_parked(struct dispatch *dispatch);
/* Calls the plugins' close(). Accepts NULL. */
void dispatch_close(struct dispatch *dispatch);

/* The event types and patterns that the plugins take, one a line, for CONTROL_READY. Borrowed. */
const char *dispatch_types(const struct dispatch *dispatch);

/* Whom to suspect when a worker's former life ended: see suspects.h. Texts are borrowed. */
struct dispatch_blame {
    const char *plugin; /* NULL: every plugin that takes the event */
    const char *reason;
    int strikes; /* ends that it may have been the reason of */
};

/*
 * Calls, in order, the plugins that take this stored event, each inside a savepoint of the store's
 * open transaction. One that does not answer PBXHOOK_OK is undone, logged, and written down with
 * store_retry_put(): RETRY with backoff, or dead. A call.waiting confirms the call's actions first.
 * What `blame` (NULL: nobody) names is not called but written down, to be tried alone; nor is a plugin
 * that is parked. Returns the number of plugins that take it (0: nobody does) or STORE_E_FAILED: roll the
 * batch back and run it again.
 */
int dispatch_event(struct dispatch *dispatch, const struct event *event, int64_t event_id,
                   const struct dispatch_blame *blame);

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

/*
 * An event of the server's own that is for one plugin: written down as due for it at once, if it takes the
 * type, so that it is handled as a retry is, with all that guards a worker against its plugins.
 */
int dispatch_event_to(struct dispatch *dispatch, const struct event *event, int64_t event_id,
                      const char *plugin);

/* For the log, with the batch's commit: this event was handled before. */
void dispatch_note_repeated(struct dispatch *dispatch, const struct event *event);

/*
 * A failed handling that is due: 1 claimed, with its new attempt and strike in *retry, to be run once this
 * transaction is committed; 0 it is not to be run now: its plugin is parked, or it has struck three times
 * and is a dead letter from here on; or a negative STORE_E_....
 */
int dispatch_claim(struct dispatch *dispatch, struct store_retry *retry);
/* For how long, at most. */
int64_t dispatch_claim_ms(const struct dispatch *dispatch);
/* Runs one that was claimed, and settles it. 0 when its plugin is not loaded (any more): that counts as one
 * more failure. */
int dispatch_retry(struct dispatch *dispatch, const struct store_retry *retry);
/* The former life ended while this plugin handled this event again: writes the reason down, to be tried
 * later, or no more. 0 or a negative STORE_E_.... */
int dispatch_strike(struct dispatch *dispatch, int64_t event_id, const char *plugin,
                    const char *reason);

/* The batch's end: its numbers and log lines ("event handled", the warnings of failed handlings)
 * come true, or are forgotten. */
void dispatch_committed(struct dispatch *dispatch);
void dispatch_rolled_back(struct dispatch *dispatch);

#endif
