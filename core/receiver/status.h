/*
 * status.h: what the receiver tells its operator about itself. Main thread only.
 */
#ifndef PBXHOOK_STATUS_H
#define PBXHOOK_STATUS_H

#include <stdint.h>

#include <jansson.h>

#include "common/config.h"
#include "common/metrics.h"
#include "receiver/spool_thread.h"
#include "receiver/supervisor.h"

/* Where it is read from; borrowed. */
struct status_sources {
    const struct config *config;
    int64_t started_us; /* monotonic */
    const char *address;
    struct metrics_receiver *metrics;
    struct supervisor *supervisor;
    struct spool_thread *spool;
};

/*
 * {"version":"...","pid":1,"uptime_s":1,"address":"127.0.0.1:3000","state_dir":"/...",
 *  "workers":[{"worker":0,"pid":2,"ready":true,"restarts":0}],
 *  "spool":{"events":0,"bytes":0,"oldest_ms":0,"failing":false},
 *  "events":{"received":0,"handled":0,"duplicate":0,"unknown":0,"rejected":0},
 *  "actions":{"delivered":0,...,"retries":0},
 *  "plugins":[{"name":"call_new","handled":0,"retried":0,"rejected":0}],
 *  "targets":[{"name":"crm","waiting":0,"oldest_ms":0,"open":0,"delivered":0,...,"retries":0}]}
 * A new reference; NULL when out of memory. A worker's pid is 0 when it does not run.
 */
json_t *status_make(const struct status_sources *sources);

#endif
