/*
 * address_counts.h: how many connections each address has open. IPv6 counts by its first 64 bits, for
 * that is what one customer of a provider has. HTTP loop only.
 */
#ifndef PBXHOOK_ADDRESS_COUNTS_H
#define PBXHOOK_ADDRESS_COUNTS_H

#include "common/address_list.h"

#define ADDRESS_COUNTS_BUCKETS 1024

struct address_count;

/* All zero is empty. */
struct address_counts {
    struct address_count *bucket[ADDRESS_COUNTS_BUCKETS];
};

/* One more: 0, or -1 when out of memory. */
int address_counts_add(struct address_counts *counts, const struct address *address);
/* One that was added is gone. */
void address_counts_remove(struct address_counts *counts, const struct address *address);
int address_counts_get(const struct address_counts *counts, const struct address *address);

#endif
