/*
 * event.h: one event of a call, from the bytes that the PBX posted to the record that the spool, the
 * worker and the store pass on. An event is plain data in one allocation: all its strings live in
 * `text`, so that it is copied, queued and freed as one thing. Pure: no I/O, no threads of its own.
 */
#ifndef PBXHOOK_EVENT_H
#define PBXHOOK_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/lifecycle.h"

#define EVENT_IDENTITY_SIZE 16 /* bytes */

/* Depth of JSON nesting that is still read: an event of the PBX has 3. */
#define EVENT_MAX_DEPTH 64

/* Longest type, call_id and other member that is read into a field of its own, in bytes. */
#define EVENT_MAX_FIELD 255

/* The fields that the spool and the store keep in columns; all others stay in the body. */
enum event_field {
    EVENT_TYPE,
    EVENT_CALL_ID,
    EVENT_CODE,
    EVENT_DIRECTION,
    EVENT_OUR_NUMBER,
    EVENT_THEIR_NUMBER,
    EVENT_ACTOR,
    EVENT_NUMBER,
    EVENT_QUEUE,
    EVENT_FIELD_COUNT
};

struct event {
    int64_t seq;         /* its place in the spool; 0 before it has one          */
    int64_t time_ms;     /* chamada.timestamp, or received_ms when there is none */
    int64_t received_ms; /* wall clock                                           */
    int enveloped;       /* 1: it came in the seed's envelope (as read, not kept in the spool) */
    int has_time;        /* 1: time_ms is the PBX's own word (as read, not kept in the spool) */
    int64_t spooled_us;  /* monotonic clock when it was received, for latencies within one boot */
    enum lifecycle state;
    uint8_t identity[EVENT_IDENTITY_SIZE];
    const char *field[EVENT_FIELD_COUNT]; /* never NULL, "" when absent */
    const char *body;                     /* body[body_size] is 0       */
    size_t body_size;
};

/* Why a body was refused: an HTTP status and what RFC 9457 calls detail, naming the member. */
struct event_problem {
    int status;         /* 400 */
    const char *reason; /* for the metric's label: "not_json", "missing_member", "wrong_type",
                           "duplicate_member", "nul", "too_deep", "bad_timestamp", "bad_value" */
    char member[64];    /* "chamada.call_id"; "" when no single one is to blame */
    char detail[256];   /* one sentence for the integrator reading the answer   */
};

/*
 * Reads a body of either envelope: the seed's {"chamada":{...},...} or the vendor's flat one. Checks
 * depth, JSON (duplicate keys, NUL), the members' types and the timestamp. On success 0 and *out, a
 * new event that the caller frees with event_free(); on refusal -1 and *problem; on lack of memory
 * -1 with problem->status 503. The body is copied. received_ms is the caller's clock.
 * The identity is not set: see event_identify_*().
 */
int event_parse(const char *body, size_t body_size, int64_t received_ms, struct event **out,
                struct event_problem *problem);

/*
 * Makes a new event of fields that were read before (by the spool, say): copies everything. NULL
 * fields become "". NULL when out of memory. seq, time_ms, ... are zero, state is set by the type.
 */
struct event *event_new(const char *const field[EVENT_FIELD_COUNT], const char *body,
                        size_t body_size);

void event_free(struct event *event); /* accepts NULL */

/*
 * Identity by the sender's own id (webhook-id, Idempotency-Key). Every identity begins with six bytes of
 * time, so that a store can part its events by it: here the event's own, zeros if it has none. So an id
 * is good for events of one time: a sender that repeats an event repeats its time.
 */
int event_identify_by_key(struct event *event, const char *key);

/*
 * Identity by content: the body, which holds call_id, type and timestamp. Because it begins with the event's
 * own time (zeros if it has none), a store's index of identities grows at its end instead of everywhere: on
 * a table of a million events that halves the cost of storing one.
 */
int event_identify_by_content(struct event *event);

/* A random identity, behind received_ms: this event equals no other (deduplicate = false). */
int event_identify_uniquely(struct event *event);

/* The identity as 32 hexadecimal digits and NUL. */
void event_identity_hex(const struct event *event, char out[EVENT_IDENTITY_SIZE * 2 + 1]);

/* A stable hash of a call id; worker k of N takes the calls with event_call_hash(id) % N == k. Not
 * negative. Stored in spools, so it never changes. */
int64_t event_call_hash(const char *call_id);

#endif
