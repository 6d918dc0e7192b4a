/*
 * plugin_crashes.h: plugins that take their worker down again and again, and for how long they are not
 * called then. One event alone does not count twice: it becomes a dead letter by itself. The main
 * thread's alone.
 */
#ifndef PBXHOOK_PLUGIN_CRASHES_H
#define PBXHOOK_PLUGIN_CRASHES_H

#include <stdint.h>

#include "common/metrics.h"

#define PLUGIN_CRASHES_PARK 3 /* so many different events within a minute */

struct plugin_crashes {
    char plugin[METRICS_NAME];
    uint64_t deaths;
    int64_t event[PLUGIN_CRASHES_PARK]; /* places in the spool, the last ones */
    int64_t at_us[PLUGIN_CRASHES_PARK];
    int next;
    int64_t last_us;
    int64_t park_us; /* how long it was parked last; 0: never, or long ago */
};

struct plugin_crashes_list {
    struct plugin_crashes of[METRICS_PLUGINS];
    int count;
};

/* Notes that a worker died in this plugin: for how long to park it, in microseconds; 0: not at all. event_seq 0:
 * in its open(), which each worker would call again: once is enough. */
int64_t plugin_crashes_note(struct plugin_crashes_list *list, const char *plugin, int64_t event_seq,
                            int64_t now_us);
/* Workers that it took down. */
uint64_t plugin_crashes_deaths(const struct plugin_crashes_list *list, const char *plugin);

#endif
