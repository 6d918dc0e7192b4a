/*
 * inbox.c: see inbox.h. Two arrays change places at each take, so the lock is held for a copy at
 * most.
 */
#include "inbox.h"

#include <stdlib.h>

#include "memory.h"

void inbox_open(struct inbox *inbox, void (*wake)(void *context), void *context)
{
    *inbox = (struct inbox){.wake = wake, .context = context};
    pthread_mutex_init(&inbox->lock, NULL);
}

void inbox_close(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->count; i++)
        free(inbox->messages[i].order);
    free(inbox->messages);
    free(inbox->taken);
    pthread_mutex_destroy(&inbox->lock);
}

/* Under the lock. */
static void inbox_grow(struct inbox *inbox)
{
    if (inbox->count < inbox->capacity)
        return;
    inbox->capacity = inbox->capacity > 0 ? inbox->capacity * 2 : 64;
    inbox->messages = memory_resize(inbox->messages, inbox->capacity, sizeof *inbox->messages);
}

bool inbox_put(struct inbox *inbox, const struct inbox_message *message)
{
    bool first = false;
    bool room;

    pthread_mutex_lock(&inbox->lock);
    room = inbox->count < INBOX_CAPACITY;
    if (room) {
        inbox_grow(inbox);
        first = inbox->count == 0;
        inbox->messages[inbox->count++] = *message;
    } else {
        inbox->turned_away++;
    }
    pthread_mutex_unlock(&inbox->lock);
    /* Only the first wakes: the main thread takes all there are. */
    if (first)
        inbox->wake(inbox->context);
    return room;
}

const struct inbox_message *inbox_take(struct inbox *inbox, size_t *count, uint64_t *turned_away)
{
    struct inbox_message *messages;
    size_t capacity;

    pthread_mutex_lock(&inbox->lock);
    messages = inbox->messages;
    capacity = inbox->capacity;
    *count = inbox->count;
    *turned_away = inbox->turned_away;
    inbox->messages = inbox->taken;
    inbox->capacity = inbox->taken_capacity;
    inbox->count = 0;
    pthread_mutex_unlock(&inbox->lock);
    inbox->taken = messages;
    inbox->taken_capacity = capacity;
    return messages;
}
