/*
 * try_events.c: see its header. Events go through the reader that the receiver has, so that what is
 * refused here is refused there.
 */
#include "sdk/try_events.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "sdk/try_expect.h"

struct reader {
    const char *path;
    int line;
    FILE *errors;
    struct try_events *events;
    size_t capacity;
};

static int __attribute__((format(printf, 2, 3)))
refuse(const struct reader *reader, const char *format, ...)
{
    va_list values;

    fprintf(reader->errors, "%s:%d: ", reader->path, reader->line);
    va_start(values, format);
    vfprintf(reader->errors, format, values);
    va_end(values);
    fputc('\n', reader->errors);
    return -1;
}

static struct try_event *append(struct reader *reader)
{
    struct try_events *events = reader->events;

    if (events->count == reader->capacity) {
        size_t capacity = reader->capacity == 0 ? 64 : reader->capacity * 2;
        struct try_event *items = realloc(events->items, capacity * sizeof items[0]);

        if (items == NULL)
            return NULL;
        events->items = items;
        reader->capacity = capacity;
    }
    events->items[events->count] = (struct try_event){.line = reader->line};
    return &events->items[events->count++];
}

/* Takes the body as the receiver would: 0, or -1 and a line. */
static int add_event(struct reader *reader, const char *body, size_t size, json_t *expect)
{
    struct event_problem problem;
    struct event *event = NULL;
    struct try_event *item;

    if (event_parse(body, size, clock_wall_ms(), &event, &problem) != 0)
        return refuse(reader, "the webhook would refuse this event: %s", problem.detail);
    item = append(reader);
    if (item == NULL || event_identify_by_content(event) != 0) {
        event_free(event);
        return refuse(reader, "out of memory");
    }
    event->seq = (int64_t)reader->events->count;
    item->event = event;
    item->expect = json_incref(expect);
    return 0;
}

static int add_expecting(struct reader *reader, const json_t *object)
{
    json_t *event = json_object_get(object, "event");
    json_t *expect = json_object_get(object, "expect");
    char wrong[256];
    char *body;
    int result;

    if (json_object_size(object) != (expect == NULL ? 1u : 2u))
        return refuse(reader, "found other members than \"event\" and \"expect\"");
    if (expect != NULL && try_expect_validate(expect, wrong, sizeof wrong) != 0)
        return refuse(reader, "%s", wrong);
    body = json_dumps(event, JSON_COMPACT);
    if (body == NULL)
        return refuse(reader, "out of memory");
    result = add_event(reader, body, strlen(body), expect);
    free(body);
    return result;
}

static int add_line(struct reader *reader, const char *text, size_t size)
{
    json_error_t error;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    int result;

    if (!json_is_object(object)) {
        json_decref(object);
        return refuse(reader,
                      "found no JSON object (%s), wanted an event or {\"event\": {...}, "
                      "\"expect\": {...}}",
                      object == NULL ? error.text : "it is another value");
    }
    if (json_is_object(json_object_get(object, "event")))
        result = add_expecting(reader, object);
    else
        result = add_event(reader, text, size, NULL);
    json_decref(object);
    return result;
}

/* Without its end and the space around it. */
static size_t trim(const char **text, size_t size)
{
    while (size > 0 && isspace((unsigned char)(*text)[size - 1]))
        size--;
    while (size > 0 && isspace((unsigned char)**text)) {
        (*text)++;
        size--;
    }
    return size;
}

static int read_lines(struct reader *reader, FILE *file)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t got;
    int result = 0;

    while ((got = getline(&line, &capacity, file)) >= 0) {
        const char *text = line;
        size_t size = trim(&text, (size_t)got);

        reader->line++;
        if (size > 0 && text[0] != '#' && add_line(reader, text, size) != 0)
            result = -1;
    }
    free(line);
    if (!ferror(file))
        return result;
    fprintf(reader->errors, "%s: can't be read: %s\n", reader->path, strerror(errno));
    return -1;
}

int try_events_read(const char *path, FILE *errors, struct try_events *out)
{
    struct try_events events = {.count = 0};
    struct reader reader = {.path = path, .errors = errors, .events = &events};
    FILE *file = fopen(path, "re");
    int result;

    if (file == NULL) {
        fprintf(errors, "%s: can't be opened: %s\n", path, strerror(errno));
        return -1;
    }
    result = read_lines(&reader, file);
    fclose(file);
    if (result == 0 && events.count == 0) {
        fprintf(errors, "%s: found no event, wanted one JSON object a line\n", path);
        result = -1;
    }
    if (result != 0)
        try_events_free(&events);
    else
        *out = events;
    return result;
}

void try_events_free(struct try_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        event_free(events->items[i].event);
        json_decref(events->items[i].expect);
    }
    free(events->items);
    *events = (struct try_events){.count = 0};
}
