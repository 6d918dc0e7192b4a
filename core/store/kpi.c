/*
 * kpi.c: see kpi.h. Whatever changes a call's milestones takes away what the call had counted as and adds what
 * it counts as now, so late, missing and repeated events leave the sums exact.
 */
#include "store/kpi.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000

/* What one call adds, or takes away. Times of -1: it has none yet. */
struct kpi_change {
    int64_t minute;
    int64_t wait_ms, talk_ms, handle_ms;
    size_t queue; /* where its name begins in the queues */
    int sign;     /* 1 or -1 */
    int is_answered, is_abandoned;
};

struct kpi_minute {
    int64_t minute;
    int is_caller; /* else an event */
};

struct kpi_answer {
    int64_t minute, upper_ms, took_ms;
};

static int64_t minute_of(int64_t ms)
{
    return ms / MINUTE_MS - (ms % MINUTE_MS < 0);
}

static int64_t not_negative(int64_t ms)
{
    return ms < 0 ? 0 : ms;
}

void kpi_sums_list(struct store_kpi *sums, int64_t *sum[KPI_SUM_COUNT])
{
    int64_t *const first[] = {&sums->offered, &sums->answered, &sums->abandoned, &sums->wait_ms,
                              &sums->talked,  &sums->talk_ms,  &sums->handled,   &sums->handle_ms};
    const size_t count = sizeof(first) / sizeof(first[0]);
    memcpy(sum, first, sizeof(first));
    for (size_t i = 0; i < STORE_KPI_LIMITS; i++) {
        sum[count + i] = &sums->answered_within[i];
        sum[count + STORE_KPI_LIMITS + i] = &sums->abandoned_within[i];
    }
}

/* ---- A call ---------------------------------------------------------------------------------------- */

void kpi_times_init(struct kpi_times *times)
{
    times->waiting_ms = times->answered_ms = times->left_ms = times->ended_ms = KPI_NEVER;
    times->queue[0] = '\0';
}

static int take_first(int64_t *time, int64_t ms)
{
    if (*time != KPI_NEVER && *time <= ms)
        return 0;
    *time = ms;
    return 1;
}

static int take_last(int64_t *time, int64_t ms)
{
    if (*time != KPI_NEVER && *time >= ms)
        return 0;
    *time = ms;
    return 1;
}

int kpi_times_note(struct kpi_times *times, const struct event *event)
{
    switch (event->state) {
    case LIFECYCLE_WAITING:
        if (!take_first(&times->waiting_ms, event->time_ms))
            return 0;
        memcpy(times->queue, event->field[EVENT_QUEUE], strlen(event->field[EVENT_QUEUE]) + 1);
        return 1;
    case LIFECYCLE_ENTERED:
    case LIFECYCLE_ONGOING:
        return take_first(&times->answered_ms, event->time_ms);
    case LIFECYCLE_LEFT:
        return take_last(&times->left_ms, event->time_ms);
    case LIFECYCLE_FINISHED:
        return take_last(&times->ended_ms, event->time_ms);
    default:
        return 0;
    }
}

int64_t kpi_offered_ms(const struct kpi_times *times)
{
    if (times->waiting_ms == KPI_NEVER || times->answered_ms == KPI_NEVER)
        return times->waiting_ms == KPI_NEVER ? times->answered_ms : times->waiting_ms;
    return times->waiting_ms < times->answered_ms ? times->waiting_ms : times->answered_ms;
}

/* What a call with these milestones counts as: 1; 0 when it was not offered, and counts as nothing. */
static int weigh(const struct kpi_times *times, struct kpi_change *out)
{
    const int64_t offered = kpi_offered_ms(times);
    const int is_answered = times->answered_ms != KPI_NEVER;
    const int has_ended = times->ended_ms != KPI_NEVER;
    const int64_t stopped = times->left_ms != KPI_NEVER ? times->left_ms : times->ended_ms;

    if (offered == KPI_NEVER)
        return 0;
    *out = (struct kpi_change){.minute = minute_of(offered),
                               .wait_ms = -1,
                               .talk_ms = -1,
                               .handle_ms = -1,
                               .is_answered = is_answered,
                               .is_abandoned = !is_answered && has_ended};
    if (is_answered || has_ended)
        out->wait_ms = not_negative((is_answered ? times->answered_ms : times->ended_ms) - offered);
    if (is_answered && stopped != KPI_NEVER)
        out->talk_ms = not_negative(stopped - times->answered_ms);
    if (is_answered && has_ended)
        out->handle_ms = not_negative(times->ended_ms - times->answered_ms);
    return 1;
}

/* ---- Noting changes -------------------------------------------------------------------------------- */

/* Room for `more` items behind the `count` of them; NULL: out of memory. */
static void *grown(void *items, size_t item_size, size_t count, size_t more, size_t *capacity)
{
    if (*capacity - count >= more)
        return items;
    size_t wanted = (count + more) * 2;
    void *larger = realloc(items, wanted * item_size);
    if (larger != NULL)
        *capacity = wanted;
    return larger;
}

static int add_change(struct kpi_changes *changes, const struct kpi_times *times, int sign)
{
    const size_t size = strlen(times->queue) + 1;
    struct kpi_change change;
    if (!weigh(times, &change))
        return 0;
    struct kpi_change *calls =
        grown(changes->calls, sizeof(*calls), changes->count.calls, 1, &changes->capacity.calls);
    if (calls == NULL)
        return -1;
    changes->calls = calls;
    char *queues =
        grown(changes->queues, 1, changes->count.queues, size, &changes->capacity.queues);
    if (queues == NULL)
        return -1;
    changes->queues = queues;
    change.sign = sign;
    change.queue = changes->count.queues;
    memcpy(queues + change.queue, times->queue, size);
    changes->count.queues += size;
    calls[changes->count.calls++] = change;
    return 0;
}

int kpi_call_changed(struct kpi_changes *changes, const struct kpi_times *before,
                     const struct kpi_times *after)
{
    int result = add_change(changes, before, -1);
    return result < 0 ? result : add_change(changes, after, 1);
}

static int add_minute(struct kpi_changes *changes, int64_t ms, int is_caller)
{
    struct kpi_minute *minutes = grown(changes->minutes, sizeof(*minutes), changes->count.minutes,
                                       1, &changes->capacity.minutes);
    if (minutes == NULL)
        return -1;
    changes->minutes = minutes;
    minutes[changes->count.minutes++] =
        (struct kpi_minute){.minute = minute_of(ms), .is_caller = is_caller};
    return 0;
}

int kpi_event_stored(struct kpi_changes *changes, int64_t received_ms)
{
    return add_minute(changes, received_ms, 0);
}

int kpi_caller_made(struct kpi_changes *changes, int64_t now_ms)
{
    return add_minute(changes, now_ms, 1);
}

int kpi_action_answered(struct kpi_changes *changes, int64_t received_ms, int64_t answered_ms)
{
    static const int64_t bounds[STORE_KPI_ACTION_BUCKETS] = {
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, INT64_MAX};
    struct kpi_answer *answers = grown(changes->answers, sizeof(*answers), changes->count.answers,
                                       1, &changes->capacity.answers);
    if (answers == NULL)
        return -1;
    changes->answers = answers;
    struct kpi_answer *answer = &answers[changes->count.answers++];
    *answer = (struct kpi_answer){.minute = minute_of(received_ms),
                                  .took_ms = not_negative(answered_ms - received_ms)};
    const int64_t *bound = bounds;
    while (answer->took_ms > *bound)
        bound++;
    answer->upper_ms = *bound;
    return 0;
}

void kpi_savepoint(struct kpi_changes *changes)
{
    changes->saved = changes->count;
}

void kpi_undo(struct kpi_changes *changes)
{
    changes->count = changes->saved;
}

void kpi_clear(struct kpi_changes *changes)
{
    changes->count = changes->saved = (struct kpi_counts){0};
}

void kpi_free(struct kpi_changes *changes)
{
    free(changes->calls);
    free(changes->answers);
    free(changes->minutes);
    free(changes->queues);
    *changes = (struct kpi_changes){0};
}

/* ---- Adding up ------------------------------------------------------------------------------------- */

static int compare_int64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_keys(const struct kpi_change *left, const struct kpi_change *right,
                        const char *queues)
{
    int order = compare_int64(left->minute, right->minute);
    return order != 0 ? order : strcmp(queues + left->queue, queues + right->queue);
}

/* Within a minute and queue, the shortest wait first. */
static int compare_changes(const void *a, const void *b, void *queues)
{
    const struct kpi_change *left = a, *right = b;
    int order = compare_keys(left, right, queues);
    return order != 0 ? order : compare_int64(left->wait_ms, right->wait_ms);
}

static void add(struct store_kpi *sums, const struct kpi_change *change)
{
    const int sign = change->sign;
    sums->offered += sign;
    sums->answered += sign * change->is_answered;
    sums->abandoned += sign * change->is_abandoned;
    sums->wait_ms += change->is_answered ? sign * change->wait_ms : 0;
    if (change->talk_ms >= 0) {
        sums->talked += sign;
        sums->talk_ms += sign * change->talk_ms;
    }
    if (change->handle_ms >= 0) {
        sums->handled += sign;
        sums->handle_ms += sign * change->handle_ms;
    }
    for (int i = 0; i < STORE_KPI_LIMITS; i++) {
        if (change->wait_ms > store_kpi_seconds[i] * INT64_C(1000))
            continue;
        sums->answered_within[i] += sign * change->is_answered;
        sums->abandoned_within[i] += sign * change->is_abandoned;
    }
}

/* Adds up the changes of one minute and queue, the first of `count`: their number. */
static size_t sum_up(const struct kpi_changes *changes, const struct kpi_change *first,
                     size_t count, struct kpi_row *out)
{
    size_t i = 0;
    *out = (struct kpi_row){
        .minute = first->minute, .queue = changes->queues + first->queue, .lowered_ms = KPI_NEVER};
    while (i < count && compare_keys(first, &first[i], changes->queues) == 0) {
        const int64_t wait_ms = first[i].wait_ms;
        int more = 0; /* calls that waited so long, the shortest wait first */
        for (; i < count && first[i].wait_ms == wait_ms &&
               compare_keys(first, &first[i], changes->queues) == 0;
             i++) {
            add(&out->sums, &first[i]);
            more += first[i].sign;
        }
        if (wait_ms >= 0 && more > 0)
            out->sums.max_wait_ms = wait_ms;
        if (wait_ms >= 0 && more < 0)
            out->lowered_ms = wait_ms;
    }
    if (out->lowered_ms < out->sums.max_wait_ms)
        out->lowered_ms = KPI_NEVER;
    return i;
}

int kpi_each_row(struct kpi_changes *changes, int (*row)(void *arg, const struct kpi_row *row),
                 void *arg)
{
    const size_t count = changes->count.calls;
    int result = 0;
    if (count > 1)
        qsort_r(changes->calls, count, sizeof(*changes->calls), compare_changes, changes->queues);
    for (size_t i = 0; i < count && result == 0;) {
        struct kpi_row sum;
        i += sum_up(changes, &changes->calls[i], count - i, &sum);
        result = row(arg, &sum);
    }
    return result;
}

static int compare_minutes(const void *a, const void *b)
{
    return compare_int64(((const struct kpi_minute *)a)->minute,
                         ((const struct kpi_minute *)b)->minute);
}

int kpi_each_minute(struct kpi_changes *changes,
                    int (*row)(void *arg, int64_t minute, int64_t events, int64_t callers),
                    void *arg)
{
    const struct kpi_minute *minute = changes->minutes;
    const size_t count = changes->count.minutes;
    int result = 0;
    if (count > 1)
        qsort(changes->minutes, count, sizeof(*changes->minutes), compare_minutes);
    for (size_t i = 0; i < count && result == 0;) {
        size_t first = i;
        int64_t callers = 0;
        for (; i < count && minute[i].minute == minute[first].minute; i++)
            callers += minute[i].is_caller;
        result = row(arg, minute[first].minute, (int64_t)(i - first) - callers, callers);
    }
    return result;
}

static int compare_answers(const void *a, const void *b)
{
    const struct kpi_answer *left = a, *right = b;
    int order = compare_int64(left->minute, right->minute);
    if (order == 0)
        order = compare_int64(left->upper_ms, right->upper_ms);
    return order != 0 ? order : compare_int64(left->took_ms, right->took_ms);
}

int kpi_each_answer(struct kpi_changes *changes,
                    int (*row)(void *arg, int64_t minute, int64_t upper_ms, int64_t n,
                               int64_t max_ms),
                    void *arg)
{
    const struct kpi_answer *answer = changes->answers;
    const size_t count = changes->count.answers;
    int result = 0;
    if (count > 1)
        qsort(changes->answers, count, sizeof(*changes->answers), compare_answers);
    for (size_t i = 0; i < count && result == 0;) {
        size_t first = i;
        while (i < count && answer[i].minute == answer[first].minute &&
               answer[i].upper_ms == answer[first].upper_ms)
            i++;
        result = row(arg, answer[first].minute, answer[first].upper_ms, (int64_t)(i - first),
                     answer[i - 1].took_ms);
    }
    return result;
}
