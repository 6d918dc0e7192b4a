/*
 * query_fuzz.c: what stands behind "GET /api/" in a request line: the parameters of calls, events and
 * indicators, cursors, and the names of calls. What was understood is asked once more in its plainest form, and
 * must be understood as the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/lifecycle.h"
#include "fuzz.h"
#include "receiver/history_json.h"
#include "receiver/kpi_json.h"
#include "receiver/query.h"
#include "receiver_scene.h"

#define TARGET_MAX 1024

/* The one question that was asked. */
static struct {
    int count;
    reader_write_fn write;
    struct history_calls calls;
    struct history_call call;
    struct history_events events;
    struct kpi_question kpi;
} asked;

static void keep_question(reader_write_fn write, const void *question)
{
    asked.count++;
    asked.write = write;
    if (write == history_json_calls)
        memcpy(&asked.calls, question, sizeof asked.calls);
    else if (write == history_json_call)
        memcpy(&asked.call, question, sizeof asked.call);
    else if (write == history_json_events)
        memcpy(&asked.events, question, sizeof asked.events);
    else if (write == kpi_json)
        memcpy(&asked.kpi, question, sizeof asked.kpi);
}

/* GET /api/TARGET: its status. */
static int ask(const char *target, size_t size)
{
    static const char head[] = "GET /api/", tail[] = " HTTP/1.1\r\nHost: h\r\n\r\n";
    char request[sizeof head + TARGET_MAX * 4 + sizeof tail];
    const struct scene *seen = NULL;

    memset(&asked, 0, sizeof asked);
    fuzz_require(size <= TARGET_MAX * 4);
    memcpy(request, head, sizeof head - 1);
    memcpy(request + sizeof head - 1, target, size);
    memcpy(request + sizeof head - 1 + size, tail, sizeof tail - 1);
    scene_send(request, sizeof head - 1 + size + sizeof tail - 1, &seen);
    return seen->answers_size > 12 ? (int)strtol(seen->answers + 9, NULL, 10) : 0;
}

/* ---- The parameter as it was sent -------------------------------------------------------------------- */

/* Whether one of the parameters of that name, in any case, is this text, once it is decoded. */
static int was_sent(const char *target, size_t size, const char *name, const char *text)
{
    char copy[TARGET_MAX + 1], decoded[TARGET_MAX + 1];
    size_t name_size = strlen(name);

    memcpy(copy, target, size);
    copy[size] = '\0';
    for (char *at = strchr(copy, '?'); at != NULL;) {
        at++;
        char *end = strchr(at, '&');
        if (end != NULL)
            *end = '\0';
        if (strncasecmp(at, name, name_size) == 0 && at[name_size] == '=' &&
            query_decode(at + name_size + 1, 1, decoded, sizeof decoded) == 0 &&
            strcmp(decoded, text) == 0)
            return 1;
        at = end;
    }
    return 0;
}

/* ---- In its plainest form ---------------------------------------------------------------------------- */

static size_t put_escaped(char *out, const char *text)
{
    size_t size = 0;

    for (; *text != '\0'; text++)
        size += (size_t)sprintf(out + size, "%%%02X", (unsigned char)*text);
    return size;
}

static void check_calls(const char *target, size_t target_size)
{
    const struct history_calls first = asked.calls;
    char plain[TARGET_MAX * 4], place[64] = "";
    size_t size = 0;

    fuzz_require(first.limit >= 1 && first.limit <= 500);
    fuzz_require(first.states < 1u << LIFECYCLE_COUNT);
    fuzz_require(first.from_ms >= 0 && first.to_ms >= 0);
    fuzz_require(fuzz_is_printable(first.queue) && fuzz_is_printable(first.number));
    fuzz_require(first.cursor_ms >= 0 && first.cursor_id >= 0);
    if (first.cursor_ms != 0 || first.cursor_id != 0) {
        snprintf(place, sizeof place, "%" PRId64 ".%" PRId64, first.cursor_ms, first.cursor_id);
        fuzz_require(was_sent(target, target_size, "cursor", place));
    }
    size += (size_t)sprintf(
        plain, "calls?limit=%d&from=%" PRId64 "&to=%" PRId64 "&cursor=%s&queue=", first.limit,
        first.from_ms, first.to_ms, place);
    size += put_escaped(plain + size, first.queue);
    size += (size_t)sprintf(plain + size, "&number=");
    size += put_escaped(plain + size, first.number);
    size += (size_t)sprintf(plain + size, "&status=");
    for (int state = 0; state < LIFECYCLE_COUNT; state++) {
        if ((first.states & 1u << state) != 0)
            size += (size_t)sprintf(plain + size, "%s,", lifecycle_word((enum lifecycle)state));
    }
    ask(plain, size);
    fuzz_require(asked.count == 1 && asked.write == history_json_calls);
    fuzz_require(memcmp(&asked.calls, &first, sizeof first) == 0);
}

static void check_call(void)
{
    const struct history_call first = asked.call;
    char plain[TARGET_MAX * 4];
    size_t size = (size_t)sprintf(plain, "calls/");

    fuzz_require(first.call_id[0] != '\0' && fuzz_is_printable(first.call_id));
    size += put_escaped(plain + size, first.call_id);
    ask(plain, size);
    fuzz_require(asked.count == 1 && asked.write == history_json_call);
    fuzz_require(strcmp(asked.call.call_id, first.call_id) == 0);
}

static void check_events(const char *target, size_t target_size)
{
    const struct history_events first = asked.events;
    char plain[TARGET_MAX], place[64] = "";

    fuzz_require(first.limit >= 1 && first.limit <= 500);
    if (!first.newest) {
        snprintf(place, sizeof place, "%" PRId64 ".%" PRId64, first.after.tx, first.after.id);
        fuzz_require(was_sent(target, target_size, "after", place));
    }
    int size = snprintf(plain, sizeof plain, "events?after=%s&limit=%d", place, first.limit);
    ask(plain, (size_t)size);
    fuzz_require(asked.count == 1 && asked.write == history_json_events);
    fuzz_require(asked.events.newest == first.newest && asked.events.limit == first.limit);
    fuzz_require(asked.events.after.tx == first.after.tx &&
                 asked.events.after.id == first.after.id);
}

static void check_kpi(void)
{
    const struct kpi_question *kpi = &asked.kpi;
    int64_t minutes = kpi->to_minute - kpi->from_minute;

    fuzz_require(kpi->from_minute >= 0 && minutes > 0);
    fuzz_require(kpi->bucket_minutes >= 1 && kpi->bucket_minutes <= 999 * 1440);
    fuzz_require((minutes + kpi->bucket_minutes - 1) / kpi->bucket_minutes <= KPI_BUCKETS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *target = (const char *)data;

    if (size > TARGET_MAX || memchr(data, '\n', size) != NULL)
        return 0;
    scene_watch_questions(keep_question);
    int status = ask(target, size);
    fuzz_require(asked.count <= 1);
    if (asked.count == 0)
        return 0;
    fuzz_require(status == 404); /* the scene's store has nothing */
    if (asked.write == history_json_calls)
        check_calls(target, size);
    else if (asked.write == history_json_call)
        check_call();
    else if (asked.write == history_json_events)
        check_events(target, size);
    else if (asked.write == kpi_json)
        check_kpi();
    return 0;
}
