/*
 * courier.h: delivers what plugins asked of targets: takes it from the store, posts and downloads in a
 * thread of its own, writes down how it went, and hands each download's end to its plugin as an event.
 * It has nothing to do with the PBX's actions and holds none of them up: other transactions, another
 * thread, its own limits for each target. Worker's thread, but for that one.
 */
#ifndef PBXHOOK_COURIER_H
#define PBXHOOK_COURIER_H

#include <stddef.h>

#include "common/config.h"
#include "common/metrics.h"
#include "store/store.h"
#include "worker/dispatch.h"

struct courier;

/* All but the owner's name must outlive it. */
struct courier_options {
    const struct config *config;
    struct store *store;
    struct metrics_worker *metrics;
    const char *owner;
    int worker; /* its number */
};

/*
 * Makes the table and takes up what the owner had under way in his former life. *out is NULL when no target
 * is configured; all functions accept that. On failure -1 and `error`.
 */
int courier_open(const struct courier_options *options, struct courier **out, char *error,
                 size_t error_size);

/* A plugin may have asked for something: look soon. */
void courier_nudge(struct courier *courier);

/*
 * In a transaction of its own: writes down what has ended and takes up what is due, when it is time for
 * that: 1. 0 when it is not time; or a STORE_E_... of a transaction that was rolled back: call it again. What
 * the store refuses is written down one by one, in a transaction each.
 */
int courier_work(struct courier *courier, struct dispatch *dispatch);

/* Milliseconds until courier_work() has something to do, at most `most`. */
int courier_wait_ms(const struct courier *courier, int most);
/* Readable when something has ended; -1 for no courier. */
int courier_event_fd(const struct courier *courier);

/* Waits up to drain_ms for what is under way; courier_work() after it writes that down. */
void courier_stop(struct courier *courier, int drain_ms);
void courier_free(struct courier *courier);

#endif
