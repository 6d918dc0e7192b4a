/*
 * sqlite_call_cache.c: the calls that were looked up lately, so that the next event of a call costs one
 * UPDATE by row number and no search in an index that, with millions of calls, is not in memory.
 * Called by sqlite_calls.c. Nothing but this store's one writer changes calls, and what is undone
 * clears it, so it is never behind the database.
 */
#include "store/sqlite_internal.h"

#include <string.h>

/* FNV-1a. */
uint32_t sqlite_hash(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static uint32_t slot_of(const char *call_id)
{
    return sqlite_hash(call_id) & (SQLITE_CALL_CACHE_SLOTS - 1);
}

int sqlite_call_cache_find(const struct sqlite_call_cache *cache, const char *call_id,
                           struct sqlite_known_call *out)
{
    uint32_t slot = slot_of(call_id);
    if (cache->slot[slot].generation != cache->generation ||
        strcmp(cache->slot[slot].call_id, call_id) != 0)
        return 0;
    *out = cache->slot[slot].call;
    return 1;
}

void sqlite_call_cache_put(struct sqlite_call_cache *cache, const char *call_id,
                           const struct sqlite_known_call *call)
{
    size_t size = strlen(call_id) + 1;
    if (size > SQLITE_CALL_CACHE_ID_SIZE)
        return;
    uint32_t slot = slot_of(call_id);
    cache->slot[slot].generation = cache->generation;
    memcpy(cache->slot[slot].call_id, call_id, size);
    cache->slot[slot].call = *call;
}

void sqlite_call_cache_clear(struct sqlite_call_cache *cache)
{
    cache->generation++;
}
