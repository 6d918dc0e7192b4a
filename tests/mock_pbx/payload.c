/*
 * payload.c: see payload.h. Members that only some events have (actor, number, queue) stand beside
 * call_id in either envelope; the seed's atendente repeats the actor.
 */
#include "payload.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

const char *payload_get_type(enum event_kind kind)
{
    static const char *const types[EVENT_KINDS] = {
        "call.new",     "call.standby", "call.waiting",  "actor.entered",
        "call.ongoing", "actor.left",   "call.finished",
    };

    return types[kind];
}

void payload_write_time(int64_t time_ms, char out[PAYLOAD_TIME_SIZE])
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    size_t size;

    if (gmtime_r(&seconds, &utc) == NULL)
        utc = (struct tm){.tm_year = 70, .tm_mday = 1};
    size = strftime(out, PAYLOAD_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + size, PAYLOAD_TIME_SIZE - size, ".%03dZ", (int)(time_ms % 1000));
}

/* The event's own members, a new object; NULL when one is not UTF-8. */
static json_t *payload_make_event(const struct payload *payload, const char *time)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*}", "type", payload->type,
                     "call_id", payload->call_id, "code", "", "direction", "inbound", "our_number",
                     payload->our_number, "their_number", payload->their_number, "timestamp", time,
                     "actor", payload->actor, "number", payload->number, "queue", payload->queue);
}

static json_t *payload_make_seed(const struct payload *payload, const char *time)
{
    return json_pack("{s:o, s:{s:s, s:s, s:s, s:s}, s:{s:s*, s:s*}, s:{}}", "chamada",
                     payload_make_event(payload, time), "dados", "call_id", payload->call_id,
                     "type", "call.cpf-provided", "cpf", "", "timestamp", time, "atendente",
                     "actor", payload->actor, "number", payload->number, "dialer");
}

char *payload_make(const struct payload *payload, enum envelope envelope)
{
    char time[PAYLOAD_TIME_SIZE];
    json_t *json;
    char *text;

    payload_write_time(payload->time_ms, time);
    if (envelope == ENVELOPE_FLAT)
        json = payload_make_event(payload, time);
    else
        json = payload_make_seed(payload, time);
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}
