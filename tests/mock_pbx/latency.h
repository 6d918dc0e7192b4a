/*
 * latency.h: a histogram of durations for percentiles: fixed memory for any number of values, at
 * most 1.6 % above the true value, the maximum exact. Pure; one histogram belongs to one thread.
 */
#ifndef MOCK_PBX_LATENCY_H
#define MOCK_PBX_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS 6  /* 64 buckets to each doubling: 1/64 = 1.6 % */
#define LATENCY_TOP_BIT  36 /* values are cut at 2^36 us, 19 hours */
#define LATENCY_BUCKETS  ((LATENCY_TOP_BIT - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS)

struct latency {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t us);

/* The smallest bucket bound that at least percent of the values do not exceed, in microseconds;
 * never above the maximum; 0 with no values. */
uint64_t latency_get_percentile(const struct latency *latency, double percent);

/* 0 with no values. */
double latency_get_mean_us(const struct latency *latency);

#endif
