/* dashboard_json.c: call by call, so that many calls never are one tree in memory. */
#include "receiver/dashboard_json.h"

#include <inttypes.h>

#include <jansson.h>

#include "common/timestamp.h"
#include "operator/letter_json.h"
#include "store/store.h"

#define LETTERS_MAX 100

int dashboard_json_counts(struct store *store, FILE *out)
{
    struct store_counts counts;
    int result = store_counts(store, &counts);
    if (result < 0)
        return result;

    int64_t active = 0;
    for (int state = 0; state < LIFECYCLE_FINISHED; state++)
        active += counts.calls[state];
    fprintf(out,
            "{\"data\":{\"userCount\":%" PRId64 ",\"activeCallsCount\":%" PRId64 ",\"eventCall\":{",
            counts.users, active);
    for (int state = 0; state < LIFECYCLE_COUNT; state++)
        fprintf(out, "%s\"%s\":%" PRId64, state > 0 ? "," : "",
                lifecycle_word((enum lifecycle)state), counts.calls[state]);
    fputs("}}}", out);
    return ferror(out) ? STORE_E_MEMORY : 0;
}

int dashboard_json_call(const struct store_call *call, FILE *out)
{
    char created[TIMESTAMP_SIZE], status_time[TIMESTAMP_SIZE];

    timestamp_format(call->created_ms, created);
    timestamp_format(call->status_ms, status_time);
    json_t *object = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "call_id", call->call_id, "status",
        lifecycle_type(call->state), "code", call->code, "direction", call->direction, "our_number",
        call->our_number, "their_number", call->their_number, "queue", call->queue, "actor",
        call->actor, "created", created, "status_time", status_time);
    int failed = object == NULL || json_dumpf(object, out, JSON_COMPACT) < 0;
    json_decref(object);
    return failed ? STORE_E_MEMORY : 0;
}

struct json_writer {
    FILE *out;
    int count;
    int failed;
};

static int write_call(void *arg, const struct store_call *call)
{
    struct json_writer *writer = arg;
    json_t *id = json_string(call->call_id);
    if (writer->count++ > 0)
        fputc(',', writer->out);
    writer->failed = id == NULL || json_dumpf(id, writer->out, JSON_ENCODE_ANY) < 0 ||
                     fputc(':', writer->out) == EOF || dashboard_json_call(call, writer->out) < 0;
    json_decref(id);
    return writer->failed;
}

int dashboard_json_active_calls(struct store *store, FILE *out)
{
    struct json_writer writer = {.out = out};

    fputs("{\"data\":{", out);
    int result = store_active_calls(store, write_call, &writer);
    fputs("}}", out);
    if (writer.failed || ferror(out))
        return STORE_E_MEMORY;
    return result < 0 ? result : 0;
}

static int write_letter(void *arg, const struct store_letter *letter)
{
    struct json_writer *writer = arg;
    json_t *object = letter_json(letter);

    if (writer->count++ > 0)
        fputc(',', writer->out);
    writer->failed = object == NULL || json_dumpf(object, writer->out, JSON_COMPACT) < 0;
    json_decref(object);
    return writer->failed;
}

int dashboard_json_dead_letters(struct store *store, FILE *out)
{
    struct json_writer writer = {.out = out};
    int64_t count = 0;
    int result = store_letters_count(store, &count);
    if (result < 0)
        return result;

    fprintf(out, "{\"data\":{\"count\":%" PRId64 ",\"letters\":[", count);
    result = store_letters(store, NULL, LETTERS_MAX, write_letter, &writer);
    fputs("]}}", out);
    if (writer.failed || ferror(out))
        return STORE_E_MEMORY;
    return result < 0 ? result : 0;
}
