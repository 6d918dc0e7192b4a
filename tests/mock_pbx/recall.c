/*
 * recall.c: a hash table with chains over a ring of entries. It keeps 128 bits of hash instead of
 * the text: among the some hundred thousand texts it holds, two alike are not to be expected.
 */
#include "recall.h"

#include <stdlib.h>

#include "memory.h"

#define RECALL_NONE UINT32_MAX

struct recall_entry {
    uint64_t id[2];
    struct recall_value value;
    uint32_t next; /* in its chain */
};

struct recall {
    struct recall_entry *entries; /* a ring: cursor is the next to be (over)written */
    uint32_t *heads;              /* of the chains */
    uint32_t capacity;
    uint32_t mask; /* number of chains - 1, a power of two minus one */
    uint32_t cursor;
    uint32_t count;
};

static uint64_t recall_mix(const char *text, uint64_t hash)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 33);
}

uint64_t recall_hash(const char *text)
{
    return recall_mix(text, UINT64_C(0xcbf29ce484222325));
}

struct recall *recall_new(uint32_t capacity)
{
    struct recall *recall = memory_get(1, sizeof *recall);
    uint32_t chains = 1;

    while (chains < capacity)
        chains *= 2;
    recall->capacity = capacity;
    recall->mask = chains - 1;
    recall->entries = memory_get(capacity, sizeof *recall->entries);
    recall->heads = memory_get(chains, sizeof *recall->heads);
    for (uint32_t i = 0; i < chains; i++)
        recall->heads[i] = RECALL_NONE;
    return recall;
}

void recall_free(struct recall *recall)
{
    if (recall == NULL)
        return;
    free(recall->entries);
    free(recall->heads);
    free(recall);
}

static void recall_forget(struct recall *recall, uint32_t index)
{
    uint32_t *link = &recall->heads[recall->entries[index].id[0] & recall->mask];

    while (*link != index)
        link = &recall->entries[*link].next;
    *link = recall->entries[index].next;
}

struct recall_value *recall_put(struct recall *recall, const char *text)
{
    uint32_t index = recall->cursor;
    struct recall_entry *entry = &recall->entries[index];
    uint32_t *head;

    recall->cursor = (index + 1) % recall->capacity;
    if (recall->count == recall->capacity)
        recall_forget(recall, index);
    else
        recall->count++;
    entry->id[0] = recall_hash(text);
    entry->id[1] = recall_mix(text, entry->id[0] ^ UINT64_C(0x9e3779b97f4a7c15));
    entry->value = (struct recall_value){0};
    head = &recall->heads[entry->id[0] & recall->mask];
    entry->next = *head;
    *head = index;
    return &entry->value;
}

struct recall_value *recall_find(struct recall *recall, const char *text)
{
    uint64_t first = recall_hash(text);
    uint64_t second = recall_mix(text, first ^ UINT64_C(0x9e3779b97f4a7c15));

    for (uint32_t i = recall->heads[first & recall->mask]; i != RECALL_NONE;
         i = recall->entries[i].next) {
        struct recall_entry *entry = &recall->entries[i];

        if (entry->id[0] == first && entry->id[1] == second)
            return &entry->value;
    }
    return NULL;
}
