/* events.c: see events.h. Called by the fake PBX's threads too, so it never fails the test: it aborts. */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

const char *const event_types[EVENTS_OF_CALL] = {
    "call.new",     "call.standby", "call.waiting",  "actor.entered",
    "call.ongoing", "actor.left",   "call.finished",
};

void event_time(int k, char out[EVENT_TIME_SIZE])
{
    snprintf(out, EVENT_TIME_SIZE, "2026-11-01T10:00:0%u.000Z", (unsigned)k % 10);
}

static json_t *make_members(const struct event_text *event)
{
    return json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "call_id",
                     event->call_id, "code", event->code, "type", event->type, "direction",
                     event->direction, "our_number", event->our_number, "their_number",
                     event->their_number, "timestamp", event->timestamp, "actor", event->actor,
                     "number", event->number, "queue", event->queue);
}

static char *write_out(json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL)
        abort();
    return text;
}

char *event_seed(const struct event_text *event)
{
    return write_out(json_pack("{s:o, s:{s:s*, s:s, s:s}, s:{}, s:{}}", "chamada",
                               make_members(event), "dados", "call_id", event->call_id, "type",
                               "call.cpf-provided", "cpf", "12345678909", "atendente", "dialer"));
}

char *event_flat(const struct event_text *event)
{
    return write_out(make_members(event));
}
