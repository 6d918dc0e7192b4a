/*
 * metrics_sum.h: the workers' pages as one, for whoever shows them. Any thread.
 */
#ifndef PBXHOOK_METRICS_SUM_H
#define PBXHOOK_METRICS_SUM_H

#include "common/metrics.h"

/* A histogram, or the sum of several, that nobody counts in any more. */
struct metrics_tally {
    uint64_t bucket[METRICS_BUCKETS];
    uint64_t sum_us;
};

struct metrics_plugin_tally {
    char name[METRICS_NAME];
    uint64_t handled, retried, rejected, dead, crashes;
    int parked;
    struct metrics_tally handle;
};

struct metrics_target_tally {
    char name[METRICS_NAME];
    uint64_t outcome[METRICS_DELIVERY_COUNT];
    uint64_t retries;
    struct metrics_tally latency;
    uint64_t open_posts, open_downloads, waiting;
    int64_t oldest_ms; /* age; 0: nothing waits */
};

/* The workers' pages as one. */
struct metrics_workers_tally {
    uint64_t events_handled, events_duplicate, events_unknown;
    uint64_t actions[METRICS_ACTION_COUNT];
    uint64_t action_retries;
    struct metrics_tally event_latency, action_latency, commit;
    uint32_t plugin_count;
    struct metrics_plugin_tally plugin[METRICS_PLUGINS];
    uint32_t target_count;
    struct metrics_target_tally target[METRICS_TARGETS];
};

/* Adds a histogram that others still count in. */
void metrics_tally_add(struct metrics_tally *sum, struct metrics_histogram *histogram);

/* Adds up all pages, those of one plugin or target under its name; a page may be NULL. */
void metrics_sum_workers(struct metrics_worker *const *workers, int count,
                         struct metrics_workers_tally *out);

#endif
