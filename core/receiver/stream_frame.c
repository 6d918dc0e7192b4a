/* stream_frame.c: the text/event-stream format of the HTML standard. Called by the stream's thread. */
#include "receiver/stream_frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)
#define ID_DIGITS  16
#define AWAY_ID    UINT64_C(1) /* no digest: see digest() */
#define AWAY_TEXT  "event: store\ndata: {\"available\":false}\n\n"

/* FNV-1a. 0 and AWAY_ID mean something else, so they are not given out. */
static uint64_t digest(const char *bytes, size_t size)
{
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * FNV_PRIME;
    return hash <= AWAY_ID ? FNV_OFFSET : hash;
}

/* text is taken. */
static int replace(struct stream_frame *frame, uint64_t id, char *text, int size)
{
    if (text == NULL || size < 0)
        return -1;
    free(frame->text);
    *frame = (struct stream_frame){.id = id, .size = (size_t)size, .text = text};
    return 0;
}

int stream_frame_counts(struct stream_frame *frame, const char *json, size_t size)
{
    uint64_t id = digest(json, size);
    char *text = NULL;
    int length = asprintf(&text, "id: %0*" PRIx64 "\nevent: counts\ndata: %.*s\n\n", ID_DIGITS, id,
                          (int)size, json);
    return replace(frame, id, length < 0 ? NULL : text, length);
}

int stream_frame_away(struct stream_frame *frame)
{
    return replace(frame, AWAY_ID, strdup(AWAY_TEXT), (int)strlen(AWAY_TEXT));
}

void stream_frame_clear(struct stream_frame *frame)
{
    free(frame->text);
    *frame = (struct stream_frame){.id = 0};
}

uint64_t stream_frame_parse_id(const char *text)
{
    if (text == NULL || strlen(text) != ID_DIGITS || strspn(text, "0123456789abcdef") != ID_DIGITS)
        return 0;
    uint64_t id = strtoull(text, NULL, 16);
    return id == AWAY_ID ? 0 : id;
}
