/* histogram.c: below 128 us each microsecond has its own bucket; above, each doubling is cut in 128. */
#include "histogram.h"

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)

static uint32_t histogram_find_bucket(uint64_t us)
{
    uint32_t top;

    if (us < SUB_COUNT)
        return (uint32_t)us;
    if (us >= UINT64_C(1) << HISTOGRAM_TOP_BIT)
        return HISTOGRAM_BUCKETS - 1;
    top = 63 - (uint32_t)__builtin_clzll(us);
    return ((top - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS) +
           (uint32_t)((us >> (top - HISTOGRAM_SUB_BITS)) & (SUB_COUNT - 1));
}

/* The greatest value that falls into the bucket. */
static uint64_t histogram_get_bound(uint32_t bucket)
{
    uint32_t doubling = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t part = bucket & (SUB_COUNT - 1);

    if (doubling == 0)
        return part;
    return ((SUB_COUNT + part + 1) << (doubling - 1)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    histogram->count++;
    if (us > histogram->max_us)
        histogram->max_us = us;
    histogram->buckets[histogram_find_bucket(us)]++;
}

uint64_t histogram_get_percentile(const struct histogram *histogram, double percent)
{
    double wanted = (double)histogram->count * percent / 100;
    uint64_t seen = 0;

    if (histogram->count == 0)
        return 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t bound = histogram_get_bound(i);

            return bound < histogram->max_us ? bound : histogram->max_us;
        }
    }
    return histogram->max_us;
}
