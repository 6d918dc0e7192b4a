/* event_fuzz.c: a webhook's body, from event_parse() to the problem that the sender is answered. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/event.h"
#include "common/timestamp.h"
#include "fuzz.h"
#include "receiver/problem.h"

#define RECEIVED_MS INT64_C(1767225600000)

static const char *const reasons[] = {
    "not_json", "missing_member", "wrong_type",    "duplicate_member",
    "nul",      "too_deep",       "bad_timestamp", "bad_value"};

static void check_problem(const struct event_problem *found)
{
    int known = 0;
    size_t size = 0;

    fuzz_require(found->status == 400);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        known |= strcmp(found->reason, reasons[i]) == 0;
    fuzz_require(known);
    fuzz_require(found->detail[0] != '\0');
    char *text = problem_json(&(struct problem){.status = 400,
                                                .reason = found->reason,
                                                .detail = found->detail,
                                                .member = found->member},
                              &size);
    json_t *answer = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    const char *member = json_string_value(json_object_get(answer, "member"));
    fuzz_require(detail != NULL && fuzz_is_printable(detail));
    fuzz_require(found->member[0] == '\0' || (member != NULL && member[0] != '\0'));
    json_decref(answer);
    free(text);
}

/* Both have the same fields; time_ms is left out: it may be the clock's. */
static void require_same_fields(const struct event *one, const struct event *other)
{
    for (int i = 0; i < EVENT_FIELD_COUNT; i++)
        fuzz_require(strcmp(one->field[i], other->field[i]) == 0);
    fuzz_require(one->state == other->state);
}

static void check_identity(struct event *event)
{
    uint8_t first[EVENT_IDENTITY_SIZE];
    int64_t hash = event_call_hash(event->field[EVENT_CALL_ID]);

    fuzz_require(hash >= 0 && hash == event_call_hash(event->field[EVENT_CALL_ID]));
    fuzz_require(event_identify_by_content(event) == 0);
    memcpy(first, event->identity, sizeof first);
    fuzz_require(event_identify_by_content(event) == 0);
    fuzz_require(memcmp(first, event->identity, sizeof first) == 0);
    fuzz_require(event_identify_by_key(event, event->field[EVENT_CALL_ID]) == 0);
    fuzz_require(memcmp(first, event->identity, sizeof first) != 0);
}

static void check_fields(const struct event *event)
{
    for (int i = 0; i < EVENT_FIELD_COUNT; i++)
        fuzz_require(strlen(event->field[i]) <= EVENT_MAX_FIELD);
    fuzz_require(event->field[EVENT_TYPE][0] != '\0');
    fuzz_require(event->field[EVENT_CALL_ID][0] != '\0');
    fuzz_require(fuzz_is_printable(event->field[EVENT_TYPE]));
    fuzz_require(fuzz_is_printable(event->field[EVENT_CALL_ID]));
    fuzz_require(event->state == lifecycle_from_type(event->field[EVENT_TYPE]));
}

static void check_time(const struct event *event)
{
    char text[TIMESTAMP_SIZE];
    int64_t again = -1;

    fuzz_require(event->has_time || event->time_ms == RECEIVED_MS);
    timestamp_format(event->time_ms, text);
    fuzz_require(timestamp_parse(text, &again) == 0 && again == event->time_ms);
}

/* What the spool makes of it. */
static void check_copy(const struct event *event)
{
    struct event *copy = event_new(event->field, event->body, event->body_size);

    fuzz_require(copy != NULL && copy->body_size == event->body_size);
    fuzz_require(memcmp(copy->body, event->body, event->body_size) == 0);
    require_same_fields(event, copy);
    event_free(copy);
}

/* Printed by another program, it says the same. */
static void check_printed(const struct event *event)
{
    json_t *root = json_loadb(event->body, event->body_size, JSON_REJECT_DUPLICATES, NULL);
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_SORT_KEYS);
    struct event *again = NULL;
    struct event_problem problem;

    fuzz_require(text != NULL);
    fuzz_require(event_parse(text, strlen(text), RECEIVED_MS, &again, &problem) == 0);
    require_same_fields(event, again);
    fuzz_require(event->time_ms == again->time_ms && event->enveloped == again->enveloped);
    event_free(again);
    free(text);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event *event = NULL;
    struct event_problem problem = {.status = 0};
    const char *body = (const char *)data;

    if (event_parse(body, size, RECEIVED_MS, &event, &problem) < 0) {
        fuzz_require(event == NULL);
        check_problem(&problem);
        return 0;
    }
    fuzz_require(event->body_size == size && memcmp(event->body, data, size) == 0);
    fuzz_require(event_check_depth(body, size, EVENT_MAX_DEPTH, &problem) == 0);
    check_fields(event);
    check_time(event);
    check_copy(event);
    check_printed(event);
    check_identity(event);
    event_free(event);
    return 0;
}
