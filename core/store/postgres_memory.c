/* postgres_memory.c: memory that lives as long as a transaction, and growing arrays. */
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

#define CHUNK_SIZE ((size_t)64 * 1024)
#define ALIGNMENT  ((size_t)16)

struct pg_chunk {
    struct pg_chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *pg_arena_alloc(struct pg_arena *arena, size_t size)
{
    struct pg_chunk *chunk = arena->chunks;
    size_t wanted = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (chunk == NULL || chunk->size - chunk->used < wanted) {
        size_t room = wanted > CHUNK_SIZE ? wanted : CHUNK_SIZE;
        chunk = malloc(sizeof(*chunk) + room);
        if (chunk == NULL)
            return NULL;
        *chunk = (struct pg_chunk){.next = arena->chunks, .size = room};
        arena->chunks = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += wanted;
    return memset(memory, 0, wanted);
}

char *pg_arena_bytes(struct pg_arena *arena, const char *bytes, size_t size)
{
    char *copy = pg_arena_alloc(arena, size + 1);
    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *pg_arena_text(struct pg_arena *arena, const char *text)
{
    return pg_arena_bytes(arena, text, strlen(text));
}

/* Keeps one chunk of the usual size for the next transaction. */
void pg_arena_clear(struct pg_arena *arena)
{
    struct pg_chunk *kept = NULL;
    while (arena->chunks != NULL) {
        struct pg_chunk *next = arena->chunks->next;
        if (kept == NULL && arena->chunks->size == CHUNK_SIZE) {
            kept = arena->chunks;
            kept->used = 0;
            kept->next = NULL;
        } else {
            free(arena->chunks);
        }
        arena->chunks = next;
    }
    arena->chunks = kept;
}

void *pg_vector_add(struct pg_vector *vector, size_t item_size)
{
    if (vector->count == vector->capacity) {
        size_t capacity = vector->capacity == 0 ? 16 : vector->capacity * 2;
        void *grown = reallocarray(vector->items, capacity, item_size);
        if (grown == NULL)
            return NULL;
        vector->items = grown;
        vector->capacity = capacity;
    }
    void *item = (char *)vector->items + vector->count++ * item_size;
    return memset(item, 0, item_size);
}

void pg_vector_drop(struct pg_vector *vector, size_t item_size, size_t count)
{
    if (count == 0)
        return;
    vector->count -= count;
    memmove(vector->items, (char *)vector->items + count * item_size, vector->count * item_size);
}

void pg_vector_free(struct pg_vector *vector)
{
    free(vector->items);
    *vector = (struct pg_vector){0};
}
