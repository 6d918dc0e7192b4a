/* download_event.c: see download_event.h. */
#include "http/download_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/utf8.h"

static char *make_body(const char *download_dir, const struct delivery *delivery, const char *type)
{
    char *path = NULL, *text = NULL;
    json_t *body;

    if (asprintf(&path, "%s/%s", download_dir, delivery->file) < 0)
        return NULL;
    utf8_repair(path); /* a directory may have any name, and JSON not */
    body = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:i,s:s}", "type", type, "call_id",
                     delivery->call_id, "target", delivery->target, "path", delivery->path, "name",
                     delivery->file, "file", path, "size", (json_int_t)delivery->size,
                     "http_status", delivery->http_status, "error", delivery->detail);
    if (body != NULL)
        text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    free(path);
    return text;
}

struct event *download_event_new(const char *download_dir, const struct delivery *delivery)
{
    const char *type = delivery->state == STORE_ACTION_DELIVERED ? "pbxhook.download.finished"
                                                                 : "pbxhook.download.failed";
    const char *field[EVENT_FIELD_COUNT] = {
        [EVENT_TYPE] = type,
        [EVENT_CALL_ID] = delivery->call_id,
    };
    char *body = make_body(download_dir, delivery, type);
    struct event *event = body == NULL ? NULL : event_new(field, body, strlen(body));

    free(body);
    if (event == NULL)
        return NULL;
    event->received_ms = event->time_ms = clock_wall_ms();
    event->spooled_us = clock_mono_us();
    if (event_identify_uniquely(event) == 0)
        return event;
    event_free(event);
    return NULL;
}
