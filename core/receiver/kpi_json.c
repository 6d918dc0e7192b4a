/*
 * kpi_json.c: adds the store's sums of minutes and queues up, and divides. Where a formula's denominator is
 * zero there is no answer: null.
 */
#include "receiver/kpi_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/timestamp.h"
#include "store/store.h"

#define QUEUES_MAX       256 /* more than these are not listed one by one */
#define MINUTE_MS        60000
#define EVENTS_WITHIN_MS (30 * MINUTE_MS)
#define LATE_ACTION_MS   10000 /* the PBX gives up on a standby call then */

struct queue {
    char *name;
    struct store_kpi sums;
    int64_t waiting, talking, longest_since_ms; /* now; 0: nobody waits */
};

struct action_bucket {
    int64_t upper_ms, count;
};

struct kpi {
    const struct kpi_question *question;
    struct store_kpi all;
    struct store_kpi *buckets;
    int64_t bucket_count;
    struct queue queues[QUEUES_MAX];
    int queue_count;
    int64_t waiting, talking, longest_since_ms, lost;
    int64_t new_callers, events;
    struct action_bucket actions[STORE_KPI_ACTION_BUCKETS];
    int action_count;
    int64_t action_max_ms;
    int failed;
};

/* ---- Adding up ------------------------------------------------------------------------------------ */

static void add(struct store_kpi *to, const struct store_kpi *sums)
{
    to->offered += sums->offered;
    to->answered += sums->answered;
    to->abandoned += sums->abandoned;
    to->wait_ms += sums->wait_ms;
    to->talked += sums->talked;
    to->talk_ms += sums->talk_ms;
    to->handled += sums->handled;
    to->handle_ms += sums->handle_ms;
    if (sums->max_wait_ms > to->max_wait_ms)
        to->max_wait_ms = sums->max_wait_ms;
    for (int i = 0; i < STORE_KPI_LIMITS; i++) {
        to->answered_within[i] += sums->answered_within[i];
        to->abandoned_within[i] += sums->abandoned_within[i];
    }
}

/* The queue's place; NULL when there are too many, or no memory. */
static struct queue *find_queue(struct kpi *kpi, const char *name)
{
    for (int i = 0; i < kpi->queue_count; i++) {
        if (strcmp(kpi->queues[i].name, name) == 0)
            return &kpi->queues[i];
    }
    char *copy = kpi->queue_count < QUEUES_MAX ? strdup(name) : NULL;
    if (copy == NULL)
        return NULL;
    kpi->queues[kpi->queue_count].name = copy;
    return &kpi->queues[kpi->queue_count++];
}

static int take_sums(void *arg, int64_t minute, const char *name, const struct store_kpi *sums)
{
    struct kpi *kpi = arg;
    int64_t bucket = (minute - kpi->question->from_minute) / kpi->question->bucket_minutes;
    struct queue *queue = find_queue(kpi, name);

    add(&kpi->all, sums);
    add(&kpi->buckets[bucket], sums);
    if (queue != NULL)
        add(&queue->sums, sums);
    return 0;
}

static int take_actions(void *arg, int64_t upper_ms, int64_t count, int64_t max_ms)
{
    struct kpi *kpi = arg;
    if (kpi->action_count == STORE_KPI_ACTION_BUCKETS)
        return 1;
    kpi->actions[kpi->action_count++] = (struct action_bucket){upper_ms, count};
    if (max_ms > kpi->action_max_ms)
        kpi->action_max_ms = max_ms;
    return 0;
}

static void note_waiting(int64_t *waiting, int64_t *longest_since_ms, int64_t since_ms)
{
    (*waiting)++;
    if (*longest_since_ms == 0 || since_ms < *longest_since_ms)
        *longest_since_ms = since_ms;
}

static int take_active(void *arg, const struct store_call *call)
{
    struct kpi *kpi = arg;
    if (kpi->question->now_ms - call->status_ms > kpi->question->lost_after_ms) {
        kpi->lost++;
        return 0;
    }
    struct queue *queue = find_queue(kpi, call->queue);
    if (call->state == LIFECYCLE_WAITING) {
        note_waiting(&kpi->waiting, &kpi->longest_since_ms, call->status_ms);
        if (queue != NULL)
            note_waiting(&queue->waiting, &queue->longest_since_ms, call->status_ms);
    } else if (call->state == LIFECYCLE_ENTERED || call->state == LIFECYCLE_ONGOING) {
        kpi->talking++;
        if (queue != NULL)
            queue->talking++;
    }
    return 0;
}

/* 0 or the store's failure. */
static int read_all(struct store *store, struct kpi *kpi)
{
    const struct kpi_question *asked = kpi->question;
    int64_t from = asked->from_minute, to = asked->to_minute;

    int result = store_kpi(store, from, to, asked->bucket_minutes, take_sums, kpi);
    if (result == 0)
        result = store_kpi_callers(store, from, to, &kpi->new_callers);
    if (result == 0)
        result = store_kpi_actions(store, from, to, take_actions, kpi);
    if (result == 0)
        result =
            store_kpi_events(store, (asked->now_ms - EVENTS_WITHIN_MS) / MINUTE_MS, &kpi->events);
    if (result == 0)
        result = store_active_calls(store, take_active, kpi);
    return result < 0 ? result : 0;
}

/* ---- Dividing ------------------------------------------------------------------------------------- */

static void put_ratio(FILE *out, const char *name, int64_t part, int64_t whole)
{
    if (whole <= 0)
        fprintf(out, ",\"%s\":null", name);
    else
        fprintf(out, ",\"%s\":%" PRId64 ".%04" PRId64, name, part / whole,
                part % whole * 10000 / whole); /* no double: its point depends on the locale */
}

static void put_average(FILE *out, const char *name, int64_t sum, int64_t count)
{
    if (count <= 0)
        fprintf(out, ",\"%s\":null", name);
    else
        fprintf(out, ",\"%s\":%" PRId64, name, sum / count);
}

/*
 * offered            calls that waited in a queue or were answered, in the minute of their first wait
 * answered           offered, and an agent came (actor.entered or call.ongoing, whichever was first)
 * abandoned          offered, never answered, finished; short_abandoned: within the limit
 * abandon_rate       abandoned / offered
 * speed_of_answer_ms time from wait to answer of the answered / answered
 * service_level      answered within Y / (answered + abandoned after Y)
 * talk_time_ms       time from answer to the agent's leaving (or the end) / calls that have it
 * handle_time_ms     time from answer to the call's end / calls that have it; no after-call work is known
 * max_wait_ms        longest wait of an answered or abandoned call
 */
static void put_sums(FILE *out, const struct kpi_question *asked, const struct store_kpi *sums)
{
    int64_t abandoned_later = sums->abandoned - sums->abandoned_within[asked->level_limit];

    fprintf(out,
            "\"offered\":%" PRId64 ",\"answered\":%" PRId64 ",\"abandoned\":%" PRId64
            ",\"short_abandoned\":%" PRId64,
            sums->offered, sums->answered, sums->abandoned,
            sums->abandoned_within[asked->short_limit]);
    put_ratio(out, "abandon_rate", sums->abandoned, sums->offered);
    put_average(out, "speed_of_answer_ms", sums->wait_ms, sums->answered);
    put_ratio(out, "service_level", sums->answered_within[asked->level_limit],
              sums->answered + abandoned_later);
    put_average(out, "talk_time_ms", sums->talk_ms, sums->talked);
    put_average(out, "handle_time_ms", sums->handle_ms, sums->handled);
    put_average(out, "max_wait_ms", sums->max_wait_ms, sums->answered + sums->abandoned > 0);
}

static void put_now(FILE *out, const struct kpi_question *asked, int64_t waiting, int64_t talking,
                    int64_t longest_since_ms)
{
    fprintf(out, ",\"waiting_now\":%" PRId64 ",\"talking_now\":%" PRId64, waiting, talking);
    int64_t longest_ms = asked->now_ms - longest_since_ms;
    put_average(out, "longest_wait_now_ms", longest_ms < 0 ? 0 : longest_ms, longest_since_ms > 0);
}

/* The bound of the bucket that holds this part of the actions: no more than the longest. */
static void put_percentile(FILE *out, const char *name, const struct kpi *kpi, int64_t count,
                           int percent)
{
    int64_t seen = 0;
    for (int i = 0; i < kpi->action_count; i++) {
        seen += kpi->actions[i].count;
        if (seen * 100 < count * percent)
            continue;
        int64_t upper_ms = kpi->actions[i].upper_ms;
        put_average(out, name, upper_ms < kpi->action_max_ms ? upper_ms : kpi->action_max_ms, 1);
        return;
    }
    fprintf(out, ",\"%s\":null", name);
}

static void put_actions(FILE *out, const struct kpi *kpi)
{
    int64_t count = 0, late = 0;
    for (int i = 0; i < kpi->action_count; i++) {
        count += kpi->actions[i].count;
        if (kpi->actions[i].upper_ms > LATE_ACTION_MS)
            late += kpi->actions[i].count;
    }
    fprintf(out, ",\"delegates\":{\"count\":%" PRId64 ",\"late\":%" PRId64, count, late);
    put_percentile(out, "p50_ms", kpi, count, 50);
    put_percentile(out, "p95_ms", kpi, count, 95);
    put_average(out, "max_ms", kpi->action_max_ms, count > 0);
    fputc('}', out);
}

/* ---- The document --------------------------------------------------------------------------------- */

static void put_time(FILE *out, const char *name, int64_t minute)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(minute * MINUTE_MS, text);
    fprintf(out, "\"%s\":\"%s\"", name, text);
}

/* A call that turned out to be another queue's leaves one behind in which nothing was. */
static int is_empty(const struct queue *queue)
{
    return queue->sums.offered == 0 && queue->waiting == 0 && queue->talking == 0;
}

static void put_queues(FILE *out, struct kpi *kpi)
{
    const char *comma = "";
    fputs("},\"queues\":{", out);
    for (int i = 0; i < kpi->queue_count; i++) {
        const struct queue *queue = &kpi->queues[i];
        if (is_empty(queue))
            continue;
        json_t *name = json_string(queue->name);
        fputs(comma, out);
        comma = ",";
        if (name == NULL || json_dumpf(name, out, JSON_ENCODE_ANY) < 0)
            kpi->failed = 1;
        json_decref(name);
        fputs(":{", out);
        put_sums(out, kpi->question, &queue->sums);
        put_now(out, kpi->question, queue->waiting, queue->talking, queue->longest_since_ms);
        fputc('}', out);
    }
}

static void put_buckets(FILE *out, const struct kpi *kpi)
{
    fputs("},\"buckets\":[", out);
    for (int64_t i = 0; i < kpi->bucket_count; i++) {
        fputs(i > 0 ? ",{" : "{", out);
        put_time(out, "time", kpi->question->from_minute + i * kpi->question->bucket_minutes);
        fputc(',', out);
        put_sums(out, kpi->question, &kpi->buckets[i]);
        fputc('}', out);
    }
}

static void put_document(FILE *out, struct kpi *kpi)
{
    const struct kpi_question *asked = kpi->question;

    fputs("{\"data\":{", out);
    put_time(out, "from", asked->from_minute);
    fputc(',', out);
    put_time(out, "to", asked->to_minute);
    fprintf(out,
            ",\"bucket_ms\":%" PRId64 ",\"service_level\":{\"seconds\":%d,\"target\":0.%02d},"
            "\"short_abandon_seconds\":%d,\"lost\":%" PRId64 ",\"events_30m\":%" PRId64,
            asked->bucket_minutes * MINUTE_MS, store_kpi_seconds[asked->level_limit],
            asked->level_percent, store_kpi_seconds[asked->short_limit], kpi->lost, kpi->events);
    put_actions(out, kpi);
    fputs(",\"all\":{", out);
    put_sums(out, asked, &kpi->all);
    put_now(out, asked, kpi->waiting, kpi->talking, kpi->longest_since_ms);
    fprintf(out, ",\"new_callers\":%" PRId64, kpi->new_callers);
    put_ratio(out, "new_caller_share", kpi->new_callers, kpi->all.offered);
    put_queues(out, kpi);
    put_buckets(out, kpi);
    fputs("]}}", out);
}

int kpi_json(struct store *store, const void *question, FILE *out)
{
    const struct kpi_question *asked = question;
    int result = STORE_E_MEMORY;
    struct kpi *kpi = calloc(1, sizeof *kpi);
    if (kpi == NULL)
        return result;
    kpi->question = asked;
    kpi->bucket_count =
        (asked->to_minute - asked->from_minute + asked->bucket_minutes - 1) / asked->bucket_minutes;
    kpi->buckets = calloc((size_t)kpi->bucket_count, sizeof *kpi->buckets);
    if (kpi->buckets != NULL)
        result = read_all(store, kpi);
    if (result == 0) {
        put_document(out, kpi);
        result = kpi->failed || ferror(out) ? STORE_E_MEMORY : 0;
    }
    for (int i = 0; i < kpi->queue_count; i++)
        free(kpi->queues[i].name);
    free(kpi->buckets);
    free(kpi);
    return result;
}
