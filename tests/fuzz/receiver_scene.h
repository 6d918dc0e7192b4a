/*
 * receiver_scene.h: the receiver's HTTP side without threads, for fuzz targets: the real libmicrohttpd and the
 * real handlers, on a socket pair; a spool that keeps what it is given, and a store's reader that writes down
 * what it is asked.
 */
#ifndef PBXHOOK_FUZZ_RECEIVER_SCENE_H
#define PBXHOOK_FUZZ_RECEIVER_SCENE_H

#include <stddef.h>

#include "receiver/reader_thread.h"

#define SCENE_EVENTS_MAX  16
#define SCENE_ANSWERS_MAX 65536
#define SCENE_MAX_BODY    2048 /* webhook.max_body */

struct scene {
    /* The bodies of the events that went to the spool. */
    int event_count;
    char *event[SCENE_EVENTS_MAX];
    size_t event_size[SCENE_EVENTS_MAX];
    /* All that was answered, and a NUL. */
    char answers[SCENE_ANSWERS_MAX + 1];
    size_t answers_size;
};

/* Sends the bytes on a connection of their own, which ends with them; *out is borrowed until the next call. */
void scene_send(const void *bytes, size_t size, const struct scene **out);

/* Called with each question that is asked of the store while the bytes are served; NULL: nobody. */
void scene_watch_questions(void (*asked)(reader_write_fn write, const void *question));

#endif
