/*
 * payload.h: the events as JSON, in either envelope, as the PBX words them. Pure.
 */
#ifndef MOCK_PBX_PAYLOAD_H
#define MOCK_PBX_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

/* The seven of a call's life, in its order. */
enum event_kind {
    EVENT_NEW,
    EVENT_STANDBY,
    EVENT_WAITING,
    EVENT_ENTERED,
    EVENT_ONGOING,
    EVENT_LEFT,
    EVENT_FINISHED,
    EVENT_KINDS
};

enum envelope {
    ENVELOPE_SEED, /* {"chamada":{},"dados":{},"atendente":{},"dialer":{}} */
    ENVELOPE_FLAT, /* {"type":...,"call_id":...,...}                       */
    ENVELOPE_MIXED /* for each event one of the two: only in the options   */
};

#define PAYLOAD_TIME_SIZE 32 /* "2018-02-15T20:07:32.562Z" and NUL, with room */

/* What an event says. Strings are borrowed; NULL for a member that is left out. */
struct payload {
    const char *type;
    const char *call_id;
    const char *our_number;
    const char *their_number;
    const char *actor;
    const char *number; /* the actor's extension */
    const char *queue;
    int64_t time_ms; /* since 1970, UTC */
};

/* "call.new", ... A constant. */
const char *payload_get_type(enum event_kind kind);

/* ISO 8601 with milliseconds and Z. */
void payload_write_time(int64_t time_ms, char out[PAYLOAD_TIME_SIZE]);

/* The JSON text, new: the caller frees it. NULL when a string is not valid UTF-8. */
char *payload_make(const struct payload *payload, enum envelope envelope);

#endif
