/*
 * dispatch_private.h: what dispatch.c (opening, and calling the plugins of an event) and dispatch_retry.c
 * (what was not handled) share with nobody else.
 */
#ifndef PBXHOOK_DISPATCH_PRIVATE_H
#define PBXHOOK_DISPATCH_PRIVATE_H

#include <sys/types.h>

#include "worker/dispatch.h"
#include "worker/dispatch_ledger.h"
#include "worker/plugin_host.h"
#include "worker/services.h"

/* One plugin at work. */
struct runner {
    const struct plugin *plugin;
    struct plugin_context *context;
    struct metrics_plugin *metric;
    uint32_t number; /* of its metric; 0: it has none */
    void *state;
    int opened;
    int open_failed; /* it was told */
};

struct dispatch {
    pid_t pid; /* of the process that the plugins are in */
    struct store *store;
    struct metrics_worker *metrics;
    struct plugin_host *host;
    struct services *services;
    struct dispatch_routes *routes;
    struct ledger *ledger;
    struct runner *runners; /* in the host's order */
    size_t count;
    int64_t watched_us, wait_us; /* while the store waits: life.since_us, and since when */
    int64_t claim_ms;            /* how long a claimed handling may take at most */
};

/* What a plugin is called for. */
struct dispatch_job {
    const struct event *event;
    int64_t event_id;
    int attempt;  /* from 1 */
    int is_again; /* it was written down as not handled before */
};

/* Calls the plugin: 1 handled, 0 not handled and put back, or STORE_E_FAILED. */
int dispatch_run(struct dispatch *dispatch, struct runner *runner, const struct dispatch_job *job);

/* ---- dispatch_retry.c -------------------------------------------------------------------------------- */

/* Writes down what was not handled: 0 or STORE_E_FAILED. */
int dispatch_put_back(struct dispatch *dispatch, int64_t event_id, int may_retry,
                      struct ledger_call *call);
/* How long this plugin is not to be called yet; 0: it may be. */
int64_t dispatch_parked_ms(const struct runner *runner);
/* Has the event wait for the plugin's return: 0 or STORE_E_FAILED. */
int dispatch_park(struct dispatch *dispatch, const struct runner *runner, const struct event *event,
                  int64_t event_id);

/* Puts aside what its worker may not survive, to be tried alone: 0 or STORE_E_FAILED. */
int dispatch_suspect(struct dispatch *dispatch, const struct runner *runner,
                     const struct dispatch_job *job, const struct dispatch_blame *blame);

#endif
