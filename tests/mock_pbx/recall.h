/*
 * recall.h: remembers the last so many texts (call ids, idempotency keys) with a value each, in
 * bounded memory: when it is full the oldest is forgotten. One recall belongs to one thread.
 */
#ifndef MOCK_PBX_RECALL_H
#define MOCK_PBX_RECALL_H

#include <stddef.h>
#include <stdint.h>

struct recall_value {
    void *thing;   /* borrowed */
    uint64_t note; /* the owner's own meaning */
};

struct recall;

struct recall *recall_new(uint32_t capacity);
void recall_free(struct recall *recall); /* accepts NULL; not the things */

/* Remembers the text, which must not be in it yet. The value is zeroed; borrowed until it is
 * forgotten. */
struct recall_value *recall_put(struct recall *recall, const char *text);

/* The value, borrowed, to read or change; NULL when the text is not (or no longer) known. */
struct recall_value *recall_find(struct recall *recall, const char *text);

/* A hash of the text, 64 bits: equal texts, equal hashes, in this process. */
uint64_t recall_hash(const char *text);

#endif
