/*
 * histogram.h: latencies in fixed memory for any number of values: log-linear buckets at most 0.8 %
 * above the true value, the maximum exact. Pure.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7  /* 128 buckets to each doubling: 1/128 = 0.8 % */
#define HISTOGRAM_TOP_BIT  36 /* longer than 2^36 us (19 hours) counts as that */
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_TOP_BIT - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t max_us;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t us);

/* The smallest bucket bound that `percent` of the values do not exceed, in microseconds; never above
 * the maximum; 0 without values. */
uint64_t histogram_get_percentile(const struct histogram *histogram, double percent);

#endif
