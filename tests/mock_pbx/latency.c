/*
 * latency.c: log-linear buckets: below 64 us each microsecond has its own, above it each doubling
 * is cut into 64 equal parts.
 */
#include "latency.h"

#define LATENCY_SUB_COUNT (UINT64_C(1) << LATENCY_SUB_BITS)

static uint32_t latency_get_bucket(uint64_t us)
{
    uint32_t top;

    if (us < LATENCY_SUB_COUNT)
        return (uint32_t)us;
    if (us >= UINT64_C(1) << LATENCY_TOP_BIT)
        return LATENCY_BUCKETS - 1;
    top = 63 - (uint32_t)__builtin_clzll(us);
    return ((top - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS) +
           (uint32_t)((us >> (top - LATENCY_SUB_BITS)) & (LATENCY_SUB_COUNT - 1));
}

/* The greatest value that falls into the bucket. */
static uint64_t latency_get_bound(uint32_t bucket)
{
    uint32_t doubling = bucket >> LATENCY_SUB_BITS;
    uint64_t part = bucket & (LATENCY_SUB_COUNT - 1);

    if (doubling == 0)
        return part;
    return ((LATENCY_SUB_COUNT + part + 1) << (doubling - 1)) - 1;
}

void latency_add(struct latency *latency, uint64_t us)
{
    latency->count++;
    latency->sum_us += us;
    if (us > latency->max_us)
        latency->max_us = us;
    latency->buckets[latency_get_bucket(us)]++;
}

uint64_t latency_get_percentile(const struct latency *latency, double percent)
{
    double wanted = (double)latency->count * percent / 100;
    uint64_t seen = 0;

    if (latency->count == 0)
        return 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS - 1; i++) {
        seen += latency->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t bound = latency_get_bound(i);

            return bound < latency->max_us ? bound : latency->max_us;
        }
    }
    return latency->max_us;
}

double latency_get_mean_us(const struct latency *latency)
{
    return latency->count > 0 ? (double)latency->sum_us / (double)latency->count : 0;
}
