/*
 * ticket_list.h: tickets in the order they came. What the spool thread and stored_wait.c keep them in;
 * private to these.
 */
#ifndef PBXHOOK_TICKET_LIST_H
#define PBXHOOK_TICKET_LIST_H

#include <stddef.h>

#include "receiver/spool_thread.h"

struct ticket_list {
    struct spool_ticket *first, **last;
    size_t count;
};

static inline void ticket_list_clear(struct ticket_list *list)
{
    *list = (struct ticket_list){.first = NULL, .last = &list->first, .count = 0};
}

static inline void ticket_list_append(struct ticket_list *list, struct spool_ticket *ticket)
{
    ticket->next = NULL;
    *list->last = ticket;
    list->last = &ticket->next;
    list->count++;
}

/* The first one, which is then in no list; NULL when there is none. */
static inline struct spool_ticket *ticket_list_take(struct ticket_list *list)
{
    struct spool_ticket *first = list->first;
    if (first == NULL)
        return NULL;
    list->first = first->next;
    list->count--;
    if (list->first == NULL)
        list->last = &list->first;
    return first;
}

/* Moves all of `from` behind `to`. */
static inline void ticket_list_join(struct ticket_list *to, struct ticket_list *from)
{
    if (from->first != NULL) {
        *to->last = from->first;
        to->last = from->last;
        to->count += from->count;
    }
    ticket_list_clear(from);
}

#endif
