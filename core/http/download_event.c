/* download_event.c: see download_event.h. */
#include "http/download_event.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/clock.h"

static char *make_body(const char *download_dir, const struct delivery *delivery, const char *type)
{
    json_t *body = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:o,s:I,s:i,s:s}", "type", type, "call_id", delivery->call_id,
        "target", delivery->target, "path", delivery->path, "name", delivery->file, "file",
        json_sprintf("%s/%s", download_dir, delivery->file), "size", (json_int_t)delivery->size,
        "http_status", delivery->http_status, "error", delivery->detail);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);
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
