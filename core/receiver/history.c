/* history.c: reads the parameters of the history's routes and hands the question to the reader thread. */
#include "receiver/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/lifecycle.h"
#include "receiver/dashboard.h"
#include "receiver/history_json.h"
#include "receiver/kpi_json.h"
#include "receiver/query.h"
#include "receiver/request.h"

#define LIMIT_STANDARD 50
#define LIMIT_MAX      500

/* A zeroed question of the request's own; NULL: it was refused. */
static void *new_question(struct request *request, size_t size)
{
    request->question = calloc(1, size);
    if (request->question == NULL)
        dashboard_refuse_for_now(request, "out of memory: ask again later");
    return request->question;
}

/* ---- Calls ---------------------------------------------------------------------------------------- */

/* "ongoing", "call.ongoing", several with commas; "active" is all but finished. */
static unsigned parse_state(const char *word, size_t size)
{
    if (size == strlen("active") && strncmp(word, "active", size) == 0)
        return (1u << LIFECYCLE_FINISHED) - 1;
    for (int state = 0; state < LIFECYCLE_COUNT; state++) {
        const char *const names[] = {lifecycle_word((enum lifecycle)state),
                                     lifecycle_type((enum lifecycle)state)};
        for (int i = 0; i < 2; i++) {
            if (strlen(names[i]) == size && strncmp(word, names[i], size) == 0)
                return 1u << state;
        }
    }
    return 0;
}

static int parse_states(const char *text, unsigned *states)
{
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        unsigned wanted = parse_state(text, size);
        if (wanted == 0)
            return -1;
        *states |= wanted;
        text += size + (text[size] == ',');
    }
    return 0;
}

static int read_states(struct request *request, unsigned *states)
{
    char text[128] = "";
    if (query_text(request, "status", text, sizeof text) < 0)
        return -1;
    if (parse_states(text, states) == 0)
        return 0;
    return query_refuse(
        request, "status",
        "must be active, new, standby, waiting, entered, ongoing, left or finished, "
        "or several with commas");
}

/* Decimal digits as they are written out: no sign, no zero before them. The first byte behind, or NULL. */
static const char *parse_digits(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || (text[0] == '0' && end != text + 1))
        return NULL;
    *out = number;
    return end;
}

/* "A.B": what an answer gave out as "next", and nothing that only reads like it. 0 or -1. */
static int parse_place(const char *text, int64_t *first, int64_t *second)
{
    const char *point = parse_digits(text, first);
    const char *end = point == NULL || *point != '.' ? NULL : parse_digits(point + 1, second);
    return end == NULL || *end != '\0' ? -1 : 0;
}

/* 1: it is there; 0: it is not; -1: refused. */
static int read_place(struct request *request, const char *name, int64_t *first, int64_t *second)
{
    char text[64] = "";
    if (query_text(request, name, text, sizeof text) < 0)
        return -1;
    if (text[0] == '\0')
        return 0;
    if (parse_place(text, first, second) == 0)
        return 1;
    query_refuse(request, name, "must be the \"next\" of an earlier answer");
    return -1;
}

void history_handle_calls(struct request *request)
{
    struct history_calls *question = new_question(request, sizeof *question);
    int64_t limit = LIMIT_STANDARD;
    if (question == NULL)
        return;
    question->to_ms = INT64_MAX;
    if (read_states(request, &question->states) < 0 ||
        query_time(request, "from", &question->from_ms) < 0 ||
        query_time(request, "to", &question->to_ms) < 0 ||
        query_text(request, "queue", question->queue, sizeof question->queue) < 0 ||
        query_text(request, "number", question->number, sizeof question->number) < 0 ||
        query_int(request, "limit", 1, LIMIT_MAX, &limit) < 0 ||
        read_place(request, "cursor", &question->cursor_ms, &question->cursor_id) < 0)
        return;
    question->limit = (int)limit;
    dashboard_ask(request, history_json_calls);
}

void history_handle_call(struct request *request)
{
    struct history_call *question = new_question(request, sizeof *question);
    const char *name = routes_name(request->route, request->path);
    if (question == NULL)
        return;
    if (query_decode(name, 0, question->call_id, sizeof question->call_id) < 0) {
        query_refuse(request, "call_id", "too long, or not percent-encoded UTF-8");
        return;
    }
    dashboard_ask(request, history_json_call);
}

/* ---- Events --------------------------------------------------------------------------------------- */

void history_handle_events(struct request *request)
{
    struct history_events *question = new_question(request, sizeof *question);
    int64_t limit = LIMIT_STANDARD;
    if (question == NULL)
        return;
    int found = read_place(request, "after", &question->after.tx, &question->after.id);
    if (found < 0 || query_int(request, "limit", 1, LIMIT_MAX, &limit) < 0)
        return;
    question->newest = !found;
    question->limit = (int)limit;
    dashboard_ask(request, history_json_events);
}

/* ---- Indicators ------------------------------------------------------------------------------------ */

#define MINUTE_MS      60000
#define DAY_MINUTES    1440
#define BUCKET_MINUTES 15

/* "15m", "1h", "1d"; minutes. */
static int read_bucket(struct request *request, int64_t *minutes)
{
    char text[16] = "", unit = '\0';
    int end = 0, count = 0;
    if (query_text(request, "bucket", text, sizeof text) < 0)
        return -1;
    if (text[0] == '\0')
        return 0;
    if (text[0] >= '1' && text[0] <= '9' && sscanf(text, "%3d%c%n", &count, &unit, &end) == 2 &&
        text[end] == '\0' && strchr("mhd", unit) != NULL) {
        *minutes = (int64_t)count * (unit == 'm' ? 1 : unit == 'h' ? 60 : DAY_MINUTES);
        return 0;
    }
    return query_refuse(request, "bucket", "must be minutes, hours or days as 15m, 1h or 1d");
}

/* The whole minutes that the span touches, no more than there may be buckets. */
static int set_span(struct request *request, struct kpi_question *question, int64_t from_ms,
                    int64_t to_ms)
{
    if (from_ms >= to_ms)
        return query_refuse(request, "from", "must be before to");
    question->from_minute = from_ms / MINUTE_MS;
    question->to_minute = to_ms / MINUTE_MS + (to_ms % MINUTE_MS != 0);
    if ((question->to_minute - question->from_minute) / question->bucket_minutes < KPI_BUCKETS_MAX)
        return 0;
    return query_refuse(request, "bucket", "too short for so long a time: 1500 buckets at most");
}

void history_handle_kpi(struct request *request)
{
    const struct config *config = request->shared->config;
    struct kpi_question *question = new_question(request, sizeof *question);
    int64_t to_ms = clock_wall_ms();
    if (question == NULL)
        return;
    question->now_ms = to_ms;
    question->bucket_minutes = BUCKET_MINUTES;
    question->level_limit = config->dashboard.answer_within;
    question->level_percent = config->dashboard.answer_percent;
    question->short_limit = config->dashboard.short_abandon;
    question->lost_after_ms = (int64_t)config->dashboard.lost_after_hours * 60 * MINUTE_MS;
    if (query_time(request, "to", &to_ms) < 0)
        return;
    int64_t day_ms = (int64_t)DAY_MINUTES * MINUTE_MS;
    int64_t from_ms = to_ms > day_ms ? to_ms - day_ms : 0;
    if (query_time(request, "from", &from_ms) < 0 ||
        read_bucket(request, &question->bucket_minutes) < 0 ||
        set_span(request, question, from_ms, to_ms) < 0)
        return;
    dashboard_ask(request, kpi_json);
}
