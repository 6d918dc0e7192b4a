/*
 * stream_frame.h: one event of the live stream as it goes over the wire. Pure.
 */
#ifndef PBXHOOK_STREAM_FRAME_H
#define PBXHOOK_STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct stream_frame {
    uint64_t id; /* a digest of what it says; 0: there is no frame yet */
    size_t size;
    char *text;
};

/* The dashboard's numbers, one line of JSON: "id: ...", "event: counts", "data: ...". */
int stream_frame_counts(struct stream_frame *frame, const char *json, size_t size);
/* The store can't be read: "event: store", without an id, so that no reader takes it for the last numbers. */
int stream_frame_away(struct stream_frame *frame);
/* Both replace what the frame was: 0, or -1 when out of memory (it is as it was). */

void stream_frame_clear(struct stream_frame *frame);

/* The id of a Last-Event-ID; 0 when it is NULL or none of ours. */
uint64_t stream_frame_parse_id(const char *text);

#endif
