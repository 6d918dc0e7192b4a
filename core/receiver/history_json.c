/*
 * history_json.c: asks the store and writes while it answers, so that an answer needs no memory but its own
 * text. A body is JSON already: it is passed on as it came.
 */
#include "receiver/history_json.h"

#include <inttypes.h>

#include <jansson.h>

#include "common/timestamp.h"
#include "receiver/dashboard_json.h"

/* Of one call; more than that is no call. */
#define TIMELINE_MAX 1000

struct writer {
    FILE *out;
    int count;
    int failed;
    struct {
        int64_t ms, id;
    } last; /* the place of the last call */
    struct store_place last_event;
};

/* Writes a comma before each but the first. */
static void begin_row(struct writer *writer)
{
    if (writer->count++ > 0)
        fputc(',', writer->out);
}

static void put_text(struct writer *writer, const char *text)
{
    json_t *string = json_string(text);
    if (string == NULL || json_dumpf(string, writer->out, JSON_ENCODE_ANY) < 0)
        writer->failed = 1;
    json_decref(string);
}

static void put_time(struct writer *writer, const char *name, int64_t time_ms)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(time_ms, text);
    fprintf(writer->out, ",\"%s\":\"%s\"", name, text);
}

/* What was stored as JSON. */
static void put_body(struct writer *writer, const char *body)
{
    fprintf(writer->out, ",\"body\":%s}", body[0] == '\0' ? "null" : body);
}

/* 0, or what went wrong. */
static int finish(const struct writer *writer, int result)
{
    if (writer->failed || ferror(writer->out))
        return STORE_E_MEMORY;
    return result < 0 ? result : 0;
}

/* ---- Calls ---------------------------------------------------------------------------------------- */

static int write_call(void *arg, const struct store_call *call)
{
    struct writer *writer = arg;
    begin_row(writer);
    writer->last.ms = call->created_ms;
    writer->last.id = call->id;
    writer->failed = dashboard_json_call(call, writer->out) < 0;
    return writer->failed;
}

int history_json_calls(struct store *store, const void *question, FILE *out)
{
    const struct history_calls *asked = question;
    int first_page = asked->cursor_id == 0;
    const struct store_call_filter filter = {
        .states = asked->states,
        .from_ms = asked->from_ms,
        .before_ms =
            first_page || asked->cursor_ms > asked->to_ms ? asked->to_ms : asked->cursor_ms,
        .before_id = first_page || asked->cursor_ms > asked->to_ms ? 0 : asked->cursor_id,
        .queue = asked->queue,
        .number = asked->number,
        .limit = asked->limit,
    };
    struct writer writer = {.out = out};

    fputs("{\"data\":[", out);
    int result = store_calls(store, &filter, write_call, &writer);
    /* A full page may be followed by an empty one: to know better would cost another row each time. */
    if (writer.count == asked->limit)
        fprintf(out, "],\"next\":\"%" PRId64 ".%" PRId64 "\"}", writer.last.ms, writer.last.id);
    else
        fputs("],\"next\":null}", out);
    return finish(&writer, result);
}

/* ---- One call ------------------------------------------------------------------------------------- */

static int write_event(void *arg, const struct store_event *event)
{
    struct writer *writer = arg;
    begin_row(writer);
    writer->last_event = event->place;
    fprintf(writer->out, "{\"id\":%" PRId64 ",\"type\":", event->place.id);
    put_text(writer, event->type);
    fputs(",\"call_id\":", writer->out);
    put_text(writer, event->call_id);
    put_time(writer, "time", event->time_ms);
    put_time(writer, "received", event->received_ms);
    put_body(writer, event->body);
    return writer->failed;
}

static int write_action(void *arg, const struct store_past_action *action)
{
    struct writer *writer = arg;
    begin_row(writer);
    fprintf(writer->out,
            "{\"id\":%" PRId64 ",\"event\":%" PRId64 ",\"state\":\"%s\",\"attempts\":%d,"
            "\"http_status\":",
            action->id, action->event_id, action->state, action->attempts);
    if (action->http_status > 0)
        fprintf(writer->out, "%d", action->http_status);
    else
        fputs("null", writer->out);
    fputs(",\"detail\":", writer->out);
    put_text(writer, action->detail);
    put_time(writer, "asked", action->received_ms);
    put_time(writer, "state_time", action->state_ms);
    put_body(writer, action->body);
    return writer->failed;
}

int history_json_call(struct store *store, const void *question, FILE *out)
{
    const struct history_call *asked = question;
    const struct store_call *call = NULL;
    struct writer events = {.out = out}, actions = {.out = out};

    int result = store_call_find(store, asked->call_id, &call);
    if (result < 0)
        return result;
    fputs("{\"data\":{\"call\":", out);
    if (result == 0)
        fputs("null", out); /* its events may all be outside what makes a call */
    else if (dashboard_json_call(call, out) < 0)
        return STORE_E_MEMORY;
    fputs(",\"events\":[", out);
    int found = result;
    result = store_call_events(store, asked->call_id, TIMELINE_MAX, write_event, &events);
    if (result == 0) {
        fputs("],\"actions\":[", out);
        result = store_call_actions(store, asked->call_id, TIMELINE_MAX, write_action, &actions);
    }
    fputs("]}}", out);
    if (events.failed || actions.failed)
        return STORE_E_MEMORY;
    if (result == 0 && found == 0 && events.count == 0)
        return 1;
    return finish(&events, result);
}

/* ---- Events --------------------------------------------------------------------------------------- */

int history_json_events(struct store *store, const void *question, FILE *out)
{
    const struct history_events *asked = question;
    struct writer writer = {.out = out, .last_event = asked->after};
    int result = 0;

    if (asked->newest)
        result = store_events_newest(store, asked->limit, &writer.last_event);
    if (result < 0)
        return result;
    const struct store_place after = writer.last_event;
    fputs("{\"data\":[", out);
    result = store_events_after(store, &after, asked->limit, write_event, &writer);
    fprintf(out, "],\"next\":\"%" PRId64 ".%" PRId64 "\"}", writer.last_event.tx,
            writer.last_event.id);
    return finish(&writer, result);
}
