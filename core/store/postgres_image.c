/*
 * postgres_image.c: what a transaction knows: events, calls and users as they are within it, and what is still
 * to be written. A savepoint costs nothing here: what is changed within it is remembered as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

static uint32_t hash_of(const void *key, size_t size)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)key)[i]) * 16777619u;
    return hash ^ hash >> 15;
}

void *pg_image_find(const struct pg_table *table, const void *key, size_t key_size)
{
    uint32_t hash = hash_of(key, key_size);
    for (struct pg_entry *at = table->bucket[hash % PG_BUCKETS]; at != NULL; at = at->next) {
        if (at->hash == hash && at->key_size == key_size && !at->is_stale &&
            memcmp(at->key, key, key_size) == 0)
            return at;
    }
    return NULL;
}

void *pg_image_add(struct pg_image *image, struct pg_table *table, const void *key, size_t key_size,
                   size_t size)
{
    struct pg_entry *entry = pg_arena_alloc(&image->arena, size);
    const char *copy = pg_arena_bytes(&image->arena, key, key_size);
    if (entry == NULL || copy == NULL)
        return NULL;
    uint32_t hash = hash_of(key, key_size);
    *entry = (struct pg_entry){.next = table->bucket[hash % PG_BUCKETS],
                               .all = table->newest,
                               .key = copy,
                               .key_size = key_size,
                               .hash = hash,
                               .serial = image->serial};
    table->bucket[hash % PG_BUCKETS] = entry;
    table->newest = entry;
    return entry;
}

/* ---- Savepoints ------------------------------------------------------------------------------------ */

int pg_image_save(struct pg_image *image, void *entry, size_t size)
{
    if (!image->in_savepoint)
        return 0;
    struct pg_undo *undo = pg_vector_add(&image->undo, sizeof(*undo));
    void *copy = undo == NULL ? NULL : pg_arena_alloc(&image->arena, size);
    if (copy == NULL)
        return -1;
    *undo = (struct pg_undo){.entry = entry, .size = size, .copy = memcpy(copy, entry, size)};
    return 0;
}

void pg_image_open_savepoint(struct pg_image *image)
{
    image->in_savepoint = 1;
    image->has_real_savepoint = 0;
    image->undo.count = 0;
    image->marks = (struct pg_marks){.actions = image->actions.count,
                                     .confirmed = image->confirmed.count,
                                     .handlings = image->handlings.count};
}

/* All of it: its links, to older entries, are the same in both, for none is ever taken out. */
static void swap_entry(const struct pg_undo *undo)
{
    char *entry = undo->entry;
    char *copy = undo->copy;
    for (size_t i = 0; i < undo->size; i++) {
        char byte = entry[i];
        entry[i] = copy[i];
        copy[i] = byte;
    }
}

void pg_image_swap(struct pg_image *image, int backwards)
{
    const struct pg_undo *undo = image->undo.items;
    for (size_t i = 0; i < image->undo.count; i++)
        swap_entry(&undo[backwards ? image->undo.count - 1 - i : i]);
}

static void forget_since(struct pg_table *table, int serial)
{
    for (struct pg_entry *at = table->newest; at != NULL; at = at->all)
        at->is_stale |= at->serial >= serial;
}

void pg_image_undo(struct pg_image *image)
{
    pg_image_swap(image, 1);
    image->undo.count = 0;
    image->actions.count = image->marks.actions;
    image->confirmed.count = image->marks.confirmed;
    image->handlings.count = image->marks.handlings;
    image->in_savepoint = 0;
    if (!image->has_real_savepoint)
        return;
    /* What was read since was locked since: those locks are gone. */
    forget_since(&image->events, image->serial);
    forget_since(&image->calls, image->serial);
    forget_since(&image->users, image->serial);
    forget_since(&image->waiting, image->serial);
    image->has_real_savepoint = 0;
}

void pg_image_clear(struct pg_image *image)
{
    struct pg_table *const tables[] = {&image->events, &image->calls, &image->users,
                                       &image->waiting};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (tables[i]->newest != NULL)
            memset(tables[i], 0, sizeof(*tables[i]));
    }
    pg_arena_clear(&image->arena);
    image->unsettled = NULL;
    image->actions.count = image->confirmed.count = image->handlings.count = 0;
    image->undo.count = 0;
    image->in_savepoint = image->has_real_savepoint = 0;
    image->serial = 0;
    image->direct = 0;
    image->bodies_are_odd = image->is_single = image->knows_retry_due = 0;
}

void pg_image_free(struct pg_image *image)
{
    pg_image_clear(image);
    pg_arena_clear(&image->arena);
    free(image->arena.chunks);
    pg_vector_free(&image->actions);
    pg_vector_free(&image->confirmed);
    pg_vector_free(&image->handlings);
    pg_vector_free(&image->undo);
}
