/*
 * envelope.c: event_parse(), from the bytes that a PBX posted to an event, or to the one sentence that
 * tells its integrator what to mend. Called by the webhook route for every request, so it parses once
 * and copies once. Reads nothing but the members that become fields; the rest stays in the body.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "common/event.h"
#include "common/timestamp.h"
#include "common/utf8.h"

#define INT64_TEXT_SIZE 21 /* "-9223372036854775808" and NUL */

/* Flags of a member. */
#define TAKES_INTEGER   1 /* some PBXs send numbers and codes as JSON integers         */
#define IS_OF_ATTENDANT 2 /* in the seed's envelope it may stand in "atendente" as well */

/* The members that fields are read from. */
static const struct member {
    const char *name;
    const char *needed; /* why an event can't be without it; NULL: it is optional */
    int flags;
} members[EVENT_FIELD_COUNT] = {
    [EVENT_TYPE] = {"type", "it says what happened, as in \"call.new\"", 0},
    [EVENT_CALL_ID] = {"call_id", "every event needs the call's id", 0},
    [EVENT_CODE] = {"code", NULL, TAKES_INTEGER},
    [EVENT_DIRECTION] = {"direction", NULL, 0},
    [EVENT_OUR_NUMBER] = {"our_number", NULL, TAKES_INTEGER},
    [EVENT_THEIR_NUMBER] = {"their_number", NULL, TAKES_INTEGER},
    [EVENT_ACTOR] = {"actor", NULL, IS_OF_ATTENDANT},
    [EVENT_NUMBER] = {"number", NULL, IS_OF_ATTENDANT | TAKES_INTEGER},
    [EVENT_QUEUE] = {"queue", NULL, IS_OF_ATTENDANT | TAKES_INTEGER},
};

/* An object that fields are read from, and what goes before its members' names in messages. */
struct source {
    const json_t *object; /* NULL: there is none */
    const char *prefix;   /* "chamada.", "atendente." or "" */
};

/* One body being read. The fields point into the JSON tree or to `decimal`. */
struct reading {
    struct source call;
    struct source attendant;
    int64_t time_ms;
    int has_time;
    const char *field[EVENT_FIELD_COUNT];
    char decimal[EVENT_FIELD_COUNT][INT64_TEXT_SIZE];
    struct event_problem *problem;
};

/* jansson quotes the body in its texts, which may end within a character; the answer is JSON, and is shown on
 * terminals. */
static void make_printable(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
    utf8_repair(text);
}

/* Writes down why the body is refused; member is the one to blame, or ""; -1. */
static int __attribute__((format(printf, 4, 5)))
refuse(struct event_problem *problem, const char *reason, const char *member, const char *format,
       ...)
{
    va_list values;

    problem->status = 400;
    problem->reason = reason;
    snprintf(problem->member, sizeof problem->member, "%s", member);
    va_start(values, format);
    vsnprintf(problem->detail, sizeof problem->detail, format, values);
    va_end(values);
    make_printable(problem->detail);
    return -1;
}

/* The same for a member of a source: its path is made, and the detail begins with it; -1. */
static int __attribute__((format(printf, 5, 6)))
refuse_member(struct reading *reading, const struct source *source, const char *name,
              const char *reason, const char *format, ...)
{
    char path[sizeof reading->problem->member];
    char rest[sizeof reading->problem->detail - sizeof path];
    va_list values;

    snprintf(path, sizeof path, "%s%s", source->prefix, name);
    va_start(values, format);
    vsnprintf(rest, sizeof rest, format, values);
    va_end(values);
    return refuse(reading->problem, reason, path, "%s %s", path, rest);
}

static int refuse_for_memory(struct event_problem *problem)
{
    refuse(problem, "bad_value", "", "there is no memory for this event now: send it again later");
    problem->status = 503;
    return -1;
}

/* ---- The bytes --------------------------------------------------------------------------------- */

/*
 * Whether brackets outside strings are open more than max_depth deep. jansson recurses down to
 * 2048 and so would whoever reads the tree. What is no JSON may be judged either way: it is refused.
 */
static int is_too_deep(const char *body, size_t size, int max_depth)
{
    int depth = 0;

    for (size_t i = 0; i < size; i++) {
        switch (body[i]) {
        case '{':
        case '[':
            if (++depth > max_depth)
                return 1;
            break;
        case '}':
        case ']':
            depth--;
            break;
        case '"':
            for (i++; i < size && body[i] != '"'; i++) {
                if (body[i] == '\\')
                    i++;
            }
            break;
        default:
            break;
        }
    }
    return 0;
}

static int is_blank(const char *body, size_t size)
{
    size_t i = 0;

    while (i < size && memchr(" \t\r\n", body[i], 4) != NULL)
        i++;
    return i == size;
}

int event_check_depth(const char *body, size_t body_size, int max_depth,
                      struct event_problem *problem)
{
    if (is_too_deep(body, body_size, max_depth))
        return refuse(problem, "too_deep", "", "the body is nested deeper than %d levels",
                      max_depth);
    return 0;
}

static int check_bytes(const char *body, size_t size, struct event_problem *problem)
{
    const char *nul;

    if (is_blank(body, size))
        return refuse(problem, "not_json", "",
                      "the body is empty: post the event as one JSON object");
    if (size >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0)
        return refuse(problem, "not_json", "",
                      "the body starts with a byte order mark: send plain UTF-8 without it");
    nul = memchr(body, '\0', size);
    if (nul != NULL)
        return refuse(problem, "nul", "", "the body has a NUL byte, at position %zu: send UTF-8",
                      (size_t)(nul - body));
    return event_check_depth(body, size, EVENT_MAX_DEPTH, problem);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

/*
 * The key that jansson stumbled over, which it does not tell by itself: it ends, with its quote, right
 * before the error's position. "" when it is not there or too long for `out`.
 */
static void find_duplicate(const char *body, size_t end, char *out, size_t out_size)
{
    size_t close = end - 1;
    size_t start = close;

    out[0] = '\0';
    if (end < 2 || body[close] != '"')
        return;
    while (start > 0 && (body[start - 1] != '"' || (start > 1 && body[start - 2] == '\\')))
        start--;
    if (start > 0 && close - start < out_size) {
        memcpy(out, body + start, close - start);
        out[close - start] = '\0';
    }
}

static int refuse_json(const char *body, size_t size, const json_error_t *error,
                       struct event_problem *problem)
{
    char key[sizeof problem->member] = "";

    switch (json_error_code(error)) {
    case json_error_unknown: /* an allocation that failed, see event_parse() */
    case json_error_out_of_memory:
        return refuse_for_memory(problem);
    case json_error_duplicate_key:
        if (error->position > 0 && (size_t)error->position <= size)
            find_duplicate(body, (size_t)error->position, key, sizeof key);
        return refuse(problem, "duplicate_member", key,
                      "an object has its member %s twice (line %d, column %d)",
                      key[0] == '\0' ? "at this place" : key, error->line, error->column);
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return refuse(problem, "nul", "",
                      "a string has \\u0000, which can't be stored (line %d, column %d)",
                      error->line, error->column);
    case json_error_numeric_overflow:
        return refuse(problem, "bad_value", "",
                      "a number is out of range: %s (line %d, column %d); send it as a string",
                      error->text, error->line, error->column);
    case json_error_end_of_input_expected:
        return refuse(problem, "not_json", "",
                      "the body goes on after its JSON object: %s (line %d, column %d)",
                      error->text, error->line, error->column);
    case json_error_invalid_utf8:
        return refuse(problem, "not_json", "",
                      "the body is not UTF-8: %s at position %d (line %d, column %d)", error->text,
                      error->position, error->line, error->column);
    default:
        return refuse(problem, "not_json", "", "the body is not JSON: %s (line %d, column %d)",
                      error->text, error->line, error->column);
    }
}

static const char *json_type_word(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

/* ---- The members ------------------------------------------------------------------------------- */

/* A text that is compared, logged and made part of paths: nothing in it may act on a terminal. */
static int has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return 1;
    }
    return 0;
}

static int is_type_name(const char *text)
{
    return text[strspn(
               text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

/* The checks of a field that no event can be without. */
static int check_needed(struct reading *reading, enum event_field field,
                        const struct source *source)
{
    const struct member *member = &members[field];
    const char *text = reading->field[field];

    if (text[0] == '\0')
        return refuse_member(reading, source, member->name, "bad_value", "is empty: %s",
                             member->needed);
    if (field == EVENT_TYPE && !is_type_name(text))
        return refuse_member(reading, source, member->name, "bad_value",
                             "may only have ASCII letters, digits and . _ -");
    if (has_control(text))
        return refuse_member(reading, source, member->name, "bad_value", "has a control character");
    return 0;
}

/* Reads one member of one object into its field; "" when it is absent or null. */
static int read_member(struct reading *reading, enum event_field field, const struct source *source)
{
    const struct member *member = &members[field];
    const json_t *value = json_object_get(source->object, member->name);

    reading->field[field] = "";
    if (value == NULL || json_is_null(value)) {
        return member->needed == NULL
                   ? 0
                   : refuse_member(reading, source, member->name, "missing_member",
                                   "is missing: %s", member->needed);
    }
    if (json_is_integer(value) && (member->flags & TAKES_INTEGER)) {
        snprintf(reading->decimal[field], INT64_TEXT_SIZE, "%" PRId64,
                 (int64_t)json_integer_value(value));
        reading->field[field] = reading->decimal[field];
        return 0;
    }
    if (!json_is_string(value))
        return refuse_member(reading, source, member->name, "wrong_type",
                             "must be a string, and is %s", json_type_word(value));
    if (json_string_length(value) > EVENT_MAX_FIELD)
        return refuse_member(reading, source, member->name, "bad_value", "is longer than %d bytes",
                             EVENT_MAX_FIELD);
    reading->field[field] = json_string_value(value);
    return member->needed == NULL ? 0 : check_needed(reading, field, source);
}

static int read_fields(struct reading *reading)
{
    for (enum event_field field = 0; field < EVENT_FIELD_COUNT; field++) {
        if (read_member(reading, field, &reading->call) != 0)
            return -1;
        if (reading->field[field][0] == '\0' && (members[field].flags & IS_OF_ATTENDANT) &&
            reading->attendant.object != NULL &&
            read_member(reading, field, &reading->attendant) != 0)
            return -1;
    }
    return 0;
}

static int read_time(struct reading *reading, int64_t received_ms)
{
    const json_t *value = json_object_get(reading->call.object, "timestamp");
    const char *text = json_string_value(value); /* NULL when it is no string */

    reading->time_ms = received_ms;
    if (value == NULL || json_is_null(value) || (text != NULL && text[0] == '\0'))
        return 0;
    reading->has_time = text != NULL && timestamp_parse(text, &reading->time_ms) == 0;
    if (reading->has_time)
        return 0;
    if (text == NULL)
        return refuse_member(reading, &reading->call, "timestamp", "wrong_type",
                             "must be a string, and is %s", json_type_word(value));
    return refuse_member(reading, &reading->call, "timestamp", "bad_timestamp",
                         "must look like 2018-02-15T20:07:32.562Z, in the years 1970 to 9999");
}

/* Tells the two envelopes apart and finds the objects that fields are read from. */
static int find_sources(struct reading *reading, const json_t *root)
{
    const json_t *call = json_object_get(root, "chamada");
    const json_t *attendant = json_object_get(root, "atendente");

    if (!json_is_object(root))
        return refuse(reading->problem, "wrong_type", "",
                      "the body must be one JSON object, and is %s", json_type_word(root));
    if (call == NULL) {
        reading->call = (struct source){.object = root, .prefix = ""};
        if (json_object_get(root, "type") == NULL && json_object_get(root, "call_id") == NULL)
            return refuse(reading->problem, "missing_member", "chamada",
                          "chamada is missing: send {\"chamada\":{\"type\":...,\"call_id\":...}}, "
                          "or the flat {\"type\":...,\"call_id\":...}");
        return 0;
    }
    if (!json_is_object(call))
        return refuse(reading->problem, "wrong_type", "chamada",
                      "chamada must be an object, and is %s", json_type_word(call));
    /* An empty array is what some languages make of an empty object. */
    if (attendant != NULL && !json_is_object(attendant) && !json_is_null(attendant) &&
        !(json_is_array(attendant) && json_array_size(attendant) == 0))
        return refuse(reading->problem, "wrong_type", "atendente",
                      "atendente must be an object, and is %s", json_type_word(attendant));
    reading->call = (struct source){.object = call, .prefix = "chamada."};
    if (json_is_object(attendant))
        reading->attendant = (struct source){.object = attendant, .prefix = "atendente."};
    return 0;
}

int event_parse(const char *body, size_t body_size, int64_t received_ms, struct event **out,
                struct event_problem *problem)
{
    struct reading reading = {.problem = problem};
    struct event *event = NULL;
    json_error_t error = {0}; /* jansson leaves it as it is when an allocation fails */

    if (check_bytes(body, body_size, problem) != 0)
        return -1;
    json_t *root = json_loadb(body, body_size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root == NULL)
        return refuse_json(body, body_size, &error, problem);
    if (find_sources(&reading, root) != 0 || read_fields(&reading) != 0 ||
        read_time(&reading, received_ms) != 0)
        goto done;
    event = event_new(reading.field, body, body_size);
    if (event == NULL) {
        refuse_for_memory(problem);
        goto done;
    }
    event->time_ms = reading.time_ms;
    event->has_time = reading.has_time;
    event->enveloped = reading.call.prefix[0] != '\0';
    event->received_ms = received_ms;
    *out = event;
done:
    json_decref(root);
    return event == NULL ? -1 : 0;
}
