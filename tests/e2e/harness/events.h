/*
 * events.h: the bodies that a PBX posts. Texts are new, freed by the caller.
 */
#ifndef E2E_EVENTS_H
#define E2E_EVENTS_H

#include <stddef.h>

#define ROUTE_SEED     "/api/client/webhook"
#define ROUTE_FLAT     "/webhook"

#define EVENTS_OF_CALL 7

/* The k-th second, one digit, of the minute that the tests' calls are in. */
#define EVENT_TIME(k)   "2026-11-01T10:00:0" #k ".000Z"
#define EVENT_TIME_SIZE sizeof EVENT_TIME(0)

/* The seven, in the order of a call's life. */
extern const char *const event_types[EVENTS_OF_CALL];

/* What an event says; NULL leaves the member out. */
struct event_text {
    const char *type;
    const char *call_id;
    const char *timestamp;
    const char *their_number;
    const char *our_number;
    const char *direction;
    const char *code;
    const char *actor;
    const char *number;
    const char *queue;
};

/* {"chamada":{...},"dados":{},"atendente":{},"dialer":{}} */
char *event_seed(const struct event_text *event);
/* {"type":...} */
char *event_flat(const struct event_text *event);

/* EVENT_TIME of a number from 0 to 9. */
void event_time(int k, char out[EVENT_TIME_SIZE]);

#endif
