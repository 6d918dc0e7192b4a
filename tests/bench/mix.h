/*
 * mix.h: the requests that pbxhook-load sends: calls with seven events each, in the order of a call's
 * life. All fields that change are of one width, so that a request is a copy of a template and a few
 * patches: some tens of nanoseconds. One mix belongs to one thread.
 */
#ifndef BENCH_MIX_H
#define BENCH_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIX_EVENTS       7
#define MIX_REQUEST_SIZE 4096 /* bytes; no request is longer */
#define MIX_CALL_ID_SIZE 37   /* a UUID and NUL */

struct mix;

struct mix_call {
    char call_id[MIX_CALL_ID_SIZE];
    uint64_t caller; /* the serial number of the caller's number */
    int64_t last_ms; /* the newest timestamp given               */
    unsigned next;   /* 0..6: the event that comes next          */
};

/* A mix for the server with that Host header and path. returning: per cent of the callers. body not
 * NULL: each request carries that text and calls mean nothing. NULL with a message on stderr. */
struct mix *mix_new(const char *host, const char *path, double returning, uint64_t seed,
                    const char *body);
void mix_free(struct mix *mix); /* accepts NULL */

void mix_begin_call(struct mix *mix, struct mix_call *call);

/* Writes the request of the call's next event; its size. Steps the call on. */
size_t mix_write_request(struct mix *mix, struct mix_call *call, char out[MIX_REQUEST_SIZE]);

/* The event that was written last was acknowledged: after call.standby its caller is a known one. */
void mix_note_acknowledged(struct mix *mix, const struct mix_call *call);

/* "call.new", ... of the event that was written last. A constant. */
const char *mix_get_last_type(const struct mix_call *call);

/* True when the call has no further event. */
bool mix_is_over(const struct mix_call *call);

#endif
