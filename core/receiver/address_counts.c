/* address_counts.c: a table of chains. Only addresses with a connection are in it. */
#include "receiver/address_counts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct address_count {
    struct address network;
    int count;
    struct address_count *next;
};

/* What is counted as one. */
static struct address network_of(const struct address *address)
{
    static const unsigned char ipv4[12] = {[10] = 0xff, [11] = 0xff};
    struct address network = *address;
    if (memcmp(network.bytes, ipv4, sizeof ipv4) != 0)
        memset(network.bytes + 8, 0, 8);
    return network;
}

/* FNV-1a. Nobody gains by a long chain: there are no more entries than connections. */
static unsigned bucket_of(const struct address *network)
{
    uint32_t hash = 2166136261u;
    for (int i = 0; i < ADDRESS_BYTES; i++)
        hash = (hash ^ network->bytes[i]) * 16777619u;
    return hash % ADDRESS_COUNTS_BUCKETS;
}

/* Where the pointer to the entry is, or where it would be. */
static struct address_count **find(struct address_counts *counts, const struct address *network)
{
    struct address_count **at = &counts->bucket[bucket_of(network)];
    while (*at != NULL && !address_equals(&(*at)->network, network))
        at = &(*at)->next;
    return at;
}

int address_counts_add(struct address_counts *counts, const struct address *address)
{
    struct address network = network_of(address);
    struct address_count **at = find(counts, &network);

    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        if (*at == NULL)
            return -1;
        (*at)->network = network;
    }
    (*at)->count++;
    return 0;
}

void address_counts_remove(struct address_counts *counts, const struct address *address)
{
    struct address network = network_of(address);
    struct address_count **at = find(counts, &network);
    struct address_count *entry = *at;

    if (entry == NULL || --entry->count > 0)
        return;
    *at = entry->next;
    free(entry);
}

int address_counts_get(const struct address_counts *counts, const struct address *address)
{
    struct address network = network_of(address);
    const struct address_count *entry = counts->bucket[bucket_of(&network)];

    while (entry != NULL && !address_equals(&entry->network, &network))
        entry = entry->next;
    return entry == NULL ? 0 : entry->count;
}
