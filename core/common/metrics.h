/*
 * metrics.h: the numbers of /metrics. Each process counts in a page of its own; a worker's page is a
 * memfd that the receiver made and also maps, so that a count survives the worker and reading it
 * costs the worker nothing. The receiver trusts nothing in it but numbers: names are bounded and
 * checked when they are rendered. Counting: any thread, lock-free.
 */
#ifndef PBXHOOK_METRICS_H
#define PBXHOOK_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "common/life.h"

/* Upper bounds in microseconds; one more bucket has no bound. */
#define METRICS_BUCKETS 16
extern const int64_t metrics_bucket_us[METRICS_BUCKETS - 1];

struct metrics_histogram {
    _Atomic uint64_t bucket[METRICS_BUCKETS]; /* not cumulative */
    _Atomic uint64_t sum_us;
};

void metrics_observe(struct metrics_histogram *histogram, int64_t us);

static inline void metrics_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline uint64_t metrics_get(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Why the receiver refused a request: the label `reason`. */
enum metrics_reject {
    METRICS_REJECT_NOT_JSON,
    METRICS_REJECT_MISSING_MEMBER,
    METRICS_REJECT_WRONG_TYPE,
    METRICS_REJECT_DUPLICATE_MEMBER,
    METRICS_REJECT_NUL,
    METRICS_REJECT_TOO_DEEP,
    METRICS_REJECT_BAD_TIMESTAMP,
    METRICS_REJECT_BAD_VALUE,
    METRICS_REJECT_TOO_LARGE,
    METRICS_REJECT_MEDIA_TYPE,
    METRICS_REJECT_FRAMING,
    METRICS_REJECT_UNAUTHORIZED,
    METRICS_REJECT_FORBIDDEN,
    METRICS_REJECT_UNKNOWN_EVENT,
    METRICS_REJECT_SPOOL_FULL,
    METRICS_REJECT_SPOOL_ERROR,
    METRICS_REJECT_NO_MEMORY,
    METRICS_REJECT_NOT_STORED, /* acknowledge = "stored": not in time; the event is kept */
    METRICS_REJECT_COUNT
};

/* "not_json", ...; a constant. */
const char *metrics_reject_name(enum metrics_reject reason);
/* The other way; METRICS_REJECT_BAD_VALUE for a word that is none. */
enum metrics_reject metrics_reject_from_name(const char *name);

struct metrics_receiver {
    _Atomic uint64_t events_received; /* acknowledged: safe in the spool */
    _Atomic uint64_t rejected[METRICS_REJECT_COUNT];
    _Atomic uint64_t connections_refused; /* of an address that has too many */
    _Atomic uint64_t connections_evicted; /* for others, when there were too many in all */
    _Atomic uint64_t worker_restarts;
    _Atomic uint64_t spool_commits;
    struct metrics_histogram ack; /* from the request's last byte to its answer */
};

enum metrics_action {
    METRICS_ACTION_DELIVERED, /* the PBX said yes                                  */
    METRICS_ACTION_CONFIRMED, /* its answer is unknown, but call.waiting came      */
    METRICS_ACTION_REJECTED,  /* the PBX said no, for good                         */
    METRICS_ACTION_EXPIRED,   /* surely not received before the deadline           */
    METRICS_ACTION_UNKNOWN,   /* sent, never answered: for call.waiting or a person */
    METRICS_ACTION_COUNT
};
const char *metrics_action_name(enum metrics_action outcome);

/* The same of what plugins have posted to and downloaded from other servers. */
enum metrics_delivery {
    METRICS_DELIVERY_DELIVERED,
    METRICS_DELIVERY_REJECTED, /* the target said no, for good             */
    METRICS_DELIVERY_EXPIRED,  /* surely not received before the deadline  */
    METRICS_DELIVERY_UNKNOWN,  /* sent, never answered: for a person       */
    METRICS_DELIVERY_COUNT
};
const char *metrics_delivery_name(enum metrics_delivery outcome);

#define METRICS_PLUGINS 64
#define METRICS_TARGETS 64
#define METRICS_NAME    LIFE_PLUGIN

struct metrics_plugin {
    char name[METRICS_NAME];
    _Atomic uint64_t handled, retried, rejected;
    _Atomic uint64_t dead; /* given up, whatever it was: dead letters */
    struct metrics_histogram handle;
    /* The receiver's. */
    _Atomic uint64_t crashes;        /* it took its worker down      */
    _Atomic int64_t parked_until_us; /* monotonic: it is not called before; 0: it may be */
};

struct metrics_target {
    char name[METRICS_NAME];
    _Atomic uint64_t outcome[METRICS_DELIVERY_COUNT];
    _Atomic uint64_t retries;
    struct metrics_histogram latency; /* of those delivered, from when the plugin asked */
    _Atomic int64_t open_posts, open_downloads;
    /* Of the whole store, so one worker measures them: what waits to be sent, for the first time or again, and
     * when the oldest of it was asked for (wall clock; 0: nothing waits). */
    _Atomic int64_t waiting, oldest_ms;
};

struct metrics_worker {
    _Atomic uint64_t events_handled, events_duplicate, events_unknown;
    _Atomic uint64_t actions[METRICS_ACTION_COUNT];
    _Atomic uint64_t action_retries;
    struct metrics_histogram event_latency;  /* from the spool's arrival to the store's commit */
    struct metrics_histogram action_latency; /* from the event's arrival to the PBX's answer  */
    struct metrics_histogram commit;         /* one store transaction                          */
    struct life life;
    _Atomic uint32_t plugin_count;
    struct metrics_plugin plugin[METRICS_PLUGINS];
    _Atomic uint32_t target_count;
    struct metrics_target target[METRICS_TARGETS];
};

/* A page for a worker: a new memfd (close-on-exec), mapped. 0, or a negative errno. */
int metrics_page_new(int *fd, struct metrics_worker **out);
/* Maps an inherited one. 0, or a negative errno. */
int metrics_page_map(int fd, struct metrics_worker **out);

/* The plugin's slot, made at the first call; NULL when the page is full. Worker thread only. */
struct metrics_plugin *metrics_plugin_slot(struct metrics_worker *page, const char *name);
/* Its number from 1, for struct life; 0 for NULL. */
uint32_t metrics_plugin_number(const struct metrics_worker *page,
                               const struct metrics_plugin *slot);

/* The same for a target. */
struct metrics_target *metrics_target_slot(struct metrics_worker *page, const char *name);
/* A new life of the worker: nothing is open, and what waits is not measured yet. */
void metrics_targets_begin(struct metrics_worker *page);

/* The receiver's look at a worker's page: the slot of that number or name, NULL when there is none. A name
 * that no plugin can have is none. */
struct metrics_plugin *metrics_plugin_numbered(struct metrics_worker *page, uint32_t number);
struct metrics_plugin *metrics_plugin_named(struct metrics_worker *page, const char *name);
/* Copies a slot's name: 0, or -1 when it can't be one. */
int metrics_slot_name(const char name[METRICS_NAME], char out[METRICS_NAME]);

/* Numbers only the receiver knows at the moment of asking. */
struct metrics_gauges {
    int64_t spool_events;
    int64_t spool_bytes;
    int64_t spool_oldest_ms; /* age of the oldest event waiting, 0 when none */
    int connections;
    int stream_readers;
    int workers_ready;
};

/* Prometheus text format 0.0.4. All workers' pages are added up. */
int metrics_render(FILE *out, struct metrics_receiver *receiver,
                   struct metrics_worker *const *workers, int worker_count,
                   const struct metrics_gauges *gauges);

#endif
