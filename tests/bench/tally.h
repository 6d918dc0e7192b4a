/*
 * tally.h: what came of the requests: counts, latencies, and how to tell them to people and programs.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdint.h>

#include "histogram.h"
#include "options.h"

#define TALLY_STATUSES 600

struct tally {
    uint64_t sent;
    uint64_t ok;     /* answered with 2xx */
    uint64_t others; /* answered with another status */
    uint64_t lost;   /* the connection ended before the answer */
    uint64_t garbled;
    uint64_t timeouts;
    uint64_t not_connected; /* attempts to connect that failed */
    uint64_t reconnects;
    uint64_t calls_begun;
    uint64_t calls_finished; /* whose seventh event was answered with 2xx */
    uint64_t overdue;        /* open loop: events that were due and never sent */
    uint64_t by_status[TALLY_STATUSES];
    uint64_t first_ns;  /* monotonic: the first request's start  */
    uint64_t last_ns;   /* the last answer                       */
    int64_t started_ms; /* since 1970: the first request's start */
    double cpu_s;       /* of this program, after the connections stood */
    int last_errno;     /* of a connection, 0 when none failed  */
    struct histogram latency;
};

double tally_get_seconds(const struct tally *tally);

/* True when every request was answered with 2xx. */
int tally_is_clean(const struct tally *tally);

void tally_print(const struct tally *tally, const struct options *options);

/* Writes options->report as JSON; -1 with a message on stderr. */
int tally_write_report(const struct tally *tally, const struct options *options);

#endif
