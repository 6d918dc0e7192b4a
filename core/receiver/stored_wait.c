/* stored_wait.c: see stored_wait.h. */
#include "receiver/stored_wait.h"

void stored_wait_init(struct stored_wait *wait, int workers, int timeout_ms)
{
    *wait = (struct stored_wait){.workers = workers, .timeout_us = (int64_t)timeout_ms * 1000};
    for (int i = 0; i < SPOOL_MAX_WORKERS; i++)
        ticket_list_clear(&wait->waiting[i]);
}

static void decide(struct spool_ticket *ticket, enum spool_result result,
                   struct ticket_list *decided)
{
    ticket->result = result;
    ticket_list_append(decided, ticket);
}

void stored_wait_add(struct stored_wait *wait, struct ticket_list *group, int64_t now_us,
                     struct ticket_list *decided)
{
    struct spool_ticket *ticket;
    while ((ticket = ticket_list_take(group)) != NULL) {
        int64_t hash = event_call_hash(ticket->event->field[EVENT_CALL_ID]);
        int worker = (int)(hash % wait->workers);
        ticket->until_us = now_us + wait->timeout_us;
        if (ticket->event->seq <= wait->stored[worker])
            decide(ticket, SPOOL_SAFE, decided);
        else if (wait->given_up)
            decide(ticket, SPOOL_UNSTORED, decided);
        else
            ticket_list_append(&wait->waiting[worker], ticket);
    }
}

void stored_wait_done(struct stored_wait *wait, int worker, int64_t seq,
                      struct ticket_list *decided)
{
    struct ticket_list *waiting = &wait->waiting[worker];
    if (seq <= wait->stored[worker])
        return;
    wait->stored[worker] = seq;
    while (waiting->first != NULL && waiting->first->event->seq <= seq)
        decide(ticket_list_take(waiting), SPOOL_SAFE, decided);
}

void stored_wait_expire(struct stored_wait *wait, int64_t now_us, struct ticket_list *decided)
{
    for (int i = 0; i < wait->workers; i++) {
        struct ticket_list *waiting = &wait->waiting[i];
        while (waiting->first != NULL && waiting->first->until_us <= now_us)
            decide(ticket_list_take(waiting), SPOOL_UNSTORED, decided);
    }
}

int64_t stored_wait_next_us(const struct stored_wait *wait)
{
    int64_t next_us = INT64_MAX;
    for (int i = 0; i < wait->workers; i++) {
        const struct spool_ticket *first = wait->waiting[i].first;
        if (first != NULL && first->until_us < next_us)
            next_us = first->until_us;
    }
    return next_us;
}

void stored_wait_give_up(struct stored_wait *wait, struct ticket_list *decided)
{
    wait->given_up = 1;
    stored_wait_expire(wait, INT64_MAX, decided);
}
