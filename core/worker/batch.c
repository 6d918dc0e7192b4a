/*
 * batch.c: see batch.h. Numbers and log lines wait for the commit, so that a transaction that is run
 * twice is counted once.
 */
#include "worker/batch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

/* No event is begun later than this after the first one of its batch. */
#define BATCH_LIMIT_US 20000

/* How often somebody else may have the core in the middle of a batch: each time costs a part of the turn. */
#define OFFER_CORE_US 500

/* So often the last batch is run again that others were in the way of. */
#define LAST_COLLISIONS 20

/* What one run has found out, to be counted when it is committed. */
struct tally {
    int64_t started_us;
    int64_t begun_us;   /* when the first of its plugins could be called */
    int64_t offered_us; /* when the core was offered to others last */
    int events;         /* run, from the front */
    int retries;        /* the same            */
    int expired, unknown_expired;
    uint64_t handled, duplicate, unknown;
    uint64_t outcome[METRICS_ACTION_COUNT];
    uint64_t action_retries;
    struct store_action *claimed;
    int claimed_count;
    struct store_retry *retry; /* for the next batch */
    int retry_count, retry_alone;
    int has_found_lost;
};

static void settled_as(struct tally *tally, enum store_action_state state)
{
    switch (state) {
    case STORE_ACTION_DELIVERED:
        tally->outcome[METRICS_ACTION_DELIVERED]++;
        break;
    case STORE_ACTION_REJECTED:
        tally->outcome[METRICS_ACTION_REJECTED]++;
        break;
    case STORE_ACTION_EXPIRED:
        tally->outcome[METRICS_ACTION_EXPIRED]++;
        break;
    case STORE_ACTION_UNKNOWN:
        tally->outcome[METRICS_ACTION_UNKNOWN]++;
        break;
    case STORE_ACTION_PENDING:
    case STORE_ACTION_DOUBTFUL:
        tally->action_retries++;
        break;
    default:
        break;
    }
}

/* So many at once: a batch has no more but after an outage. */
#define SETTLE_AT_ONCE 128

static struct outbox_result *settle_some(struct outbox_result *result,
                                         const struct batch_parts *parts, struct tally *tally,
                                         int *code)
{
    struct store_settlement settlements[SETTLE_AT_ONCE] = {0};
    unsigned char changed[SETTLE_AT_ONCE];
    int count = 0;
    for (; result != NULL && count < SETTLE_AT_ONCE; result = result->next)
        settlements[count++] = (struct store_settlement){.id = result->action.id,
                                                         .state = result->state,
                                                         .received_ms = result->action.received_ms,
                                                         .due_ms = result->due_ms,
                                                         .now_ms = result->finished_ms,
                                                         .http_status = result->http_status,
                                                         .detail = result->detail};
    *code = store_actions_settle(parts->store, settlements, count, changed);
    for (int i = 0; i < count && *code >= 0; i++) {
        if (changed[i])
            settled_as(tally, settlements[i].state);
    }
    return result;
}

static int settle_results(struct batch *batch, const struct batch_parts *parts, struct tally *tally)
{
    struct outbox_result *rest = batch->results;
    int code = 0;
    while (rest != NULL && code >= 0)
        rest = settle_some(rest, parts, tally, &code);
    return code;
}

/* The kernel may look no sooner than at its next tick, in 4 ms, whether the receiver waits for this core. */
static void offer_core(struct tally *tally)
{
    int64_t now_us = clock_mono_us();
    if (now_us - tally->offered_us < OFFER_CORE_US)
        return;
    tally->offered_us = now_us;
    sched_yield();
}

static int is_late(const struct tally *tally)
{
    return clock_mono_us() - tally->begun_us > BATCH_LIMIT_US;
}

/* As it was claimed: 1; 0 when what was made of it is written down already. */
static int is_undone(const struct batch_parts *parts, const struct store_retry *retry)
{
    struct store_retry found;
    int code = store_retry_find(parts->store, retry->event_id, retry->plugin, &found);
    if (code != 1)
        return code;
    code = found.attempts == retry->attempts && found.strikes == retry->strikes;
    store_retry_clear(&found);
    return code;
}

/* One that was run before may have been committed, and nobody heard of it: not twice. */
static int run_retry(const struct batch *batch, const struct batch_parts *parts,
                     const struct store_retry *retry)
{
    int code = batch->retry_unsure ? is_undone(parts, retry) : 1;
    return code == 1 ? dispatch_retry(parts->dispatch, retry) : code;
}

/* Those that the last transaction claimed: each one's attempt is durable before it is made. */
static int run_retries(const struct batch *batch, const struct batch_parts *parts,
                       struct tally *tally, int max)
{
    int code = 0;
    while (tally->retries < max && code >= 0 &&
           !(tally->retries > 0 && is_late(tally) && !batch->is_last))
        code = run_retry(batch, parts, &batch->retry[tally->retries++]);
    return code;
}

/* Moves the one at `from` to the front part that is kept. */
static void keep_retry(struct tally *tally, int from)
{
    struct store_retry kept = tally->retry[from];
    tally->retry[from] = tally->retry[tally->retry_count];
    tally->retry[tally->retry_count++] = kept;
}

/* Claims what is due for the next batch: one that has a strike alone, or others up to such a one. */
static int claim_retries(const struct batch *batch, const struct batch_parts *parts,
                         struct tally *tally)
{
    int due = 0;
    if (batch->is_last || tally->retries < batch->retry_count)
        return 0;
    /* Behind one that was alone most often comes another. */
    int max = batch->retry_alone ? 1 : BATCH_MAX_RETRIES;
    int code = store_retries_due(parts->store, clock_wall_ms(), max, &tally->retry, &due);
    for (int i = 0; i < due && code >= 0 && !tally->retry_alone; i++) {
        int is_suspect = tally->retry[i].strikes > 0;
        if (is_suspect && tally->retry_count > 0)
            break;
        code = dispatch_claim(parts->dispatch, &tally->retry[i]);
        if (code == 1) {
            keep_retry(tally, i);
            tally->retry_alone = is_suspect;
        }
    }
    for (int i = tally->retry_count; i < due; i++)
        store_retry_clear(&tally->retry[i]);
    return code;
}

static int run_event(const struct batch_parts *parts, const struct event *event,
                     struct tally *tally)
{
    int64_t id = 0;
    int stored = store_event_add(parts->store, event, &id);
    if (stored < 0)
        return stored;
    if (stored == STORE_EVENT_DUPLICATE) {
        tally->duplicate++;
        dispatch_note_repeated(parts->dispatch, event);
        return 0;
    }
    if (stored == STORE_EVENT_REPLAY) /* committed, and the report was lost with a worker */
        return 0;
    int plugins =
        dispatch_event(parts->dispatch, event, id, suspects_judge(parts->suspects, event));
    if (plugins < 0)
        return plugins;
    tally->handled++;
    if (plugins == 0)
        tally->unknown++;
    return 0;
}

static int claim_actions(const struct batch_parts *parts, struct tally *tally)
{
    struct store_expired expired = {0};
    int code = store_actions_claim(parts->store, clock_wall_ms(), outbox_free_slots(parts->outbox),
                                   &tally->claimed, &tally->claimed_count, &expired);
    tally->expired = expired.expired;
    tally->unknown_expired = expired.unknown;
    return code;
}

/* How many events a transaction is begun with: what is not run of them was stored ahead in vain, so with
 * plugins that take their time it is not much more than was run the last time. */
static int reach_of(const struct batch *batch)
{
    return batch->reach > 0 && batch->reach < BATCH_MAX_EVENTS ? batch->reach : BATCH_MAX_EVENTS;
}

/* A plugin may have met the failure first, and the functions after it say no more than that there was one. */
static int why(const struct batch_parts *parts, int code)
{
    int failure = store_failure(parts->store);
    return code < 0 && failure < 0 ? failure : code;
}

/* How many of the events this transaction is about. */
static int count_events(const struct batch *batch, const struct batch_parts *parts)
{
    int most = reach_of(batch);
    if (batch->retry_alone || batch->event_count == 0)
        return 0;
    return suspects_limit(parts->suspects, batch->event,
                          batch->event_count < most ? batch->event_count : most);
}

static int begin(const struct batch *batch, const struct batch_parts *parts, struct tally *tally,
                 int events)
{
    const struct event *const *first = (const struct event *const *)batch->event;
    /* What the receiver reads when this process ends in the middle of it. */
    atomic_store(&parts->metrics->life.batch_seq, events > 0 ? first[events - 1]->seq : 0);
    int code = store_begin(parts->store, first, (size_t)events);
    tally->begun_us = clock_mono_us();
    return code;
}

/* A commit that was not answered may have happened, and what it claimed is in nobody's hand. */
static int find_lost(const struct batch *batch, const struct batch_parts *parts,
                     struct tally *tally)
{
    if (!batch->has_lost || batch->retry_count > 0)
        return 0;
    tally->has_found_lost = 1;
    return store_retries_release(parts->store, clock_wall_ms(), 1);
}

/* What waits for a time that a clock put back has taken away. Others' work of this moment is none of it. */
static int bring_forward(const struct batch *batch, const struct batch_parts *parts)
{
    int64_t now_ms = clock_wall_ms();
    int code = 0;
    if (batch->longest_retry_ms > 0)
        code = store_retries_bring_forward(parts->store, now_ms, batch->longest_retry_ms,
                                           dispatch_claim_ms(parts->dispatch));
    if (code >= 0 && batch->longest_lease_ms > 0)
        code = store_actions_bring_forward(parts->store, now_ms, batch->longest_lease_ms);
    return code;
}

static int run_all(struct batch *batch, const struct batch_parts *parts, struct tally *tally)
{
    int count = count_events(batch, parts);
    int code = begin(batch, parts, tally, count);
    if (code >= 0)
        code = find_lost(batch, parts, tally);
    if (code >= 0)
        code = bring_forward(batch, parts);
    if (code >= 0)
        code = settle_results(batch, parts, tally);
    if (code >= 0)
        code = run_retries(batch, parts, tally, batch->retry_count);
    while (tally->events < count && code >= 0 && !(tally->events > 0 && is_late(tally))) {
        offer_core(tally);
        code = run_event(parts, batch->event[tally->events++], tally);
    }
    if (tally->events > 0)
        batch->reach = tally->events < count ? tally->events * 2 : reach_of(batch) * 2;
    if (code >= 0)
        code = claim_retries(batch, parts, tally);
    if (code >= 0)
        code = claim_actions(parts, tally);
    return code >= 0 ? store_commit(parts->store) : code;
}

/* ---- One by one ---------------------------------------------------------------------------------- */

/* The next piece of a batch that was refused as a whole: the results, or one retry, or one event. */
static int run_piece(struct batch *batch, const struct batch_parts *parts, struct tally *tally)
{
    int has_results = batch->results != NULL;
    int has_retry = !has_results && batch->retry_count > 0;
    int has_event = !has_results && !has_retry && batch->event_count > 0;
    int code = begin(batch, parts, tally, has_event);
    if (code >= 0 && has_results)
        code = settle_results(batch, parts, tally);
    if (code >= 0 && has_retry)
        code = run_retries(batch, parts, tally, 1);
    if (code >= 0 && has_event)
        code = run_event(parts, batch->event[tally->events++], tally);
    if (code >= 0)
        code = claim_actions(parts, tally);
    return code >= 0 ? store_commit(parts->store) : code;
}

static int give_up_retry(const struct batch_parts *parts, const struct store_retry *retry,
                         const char *error)
{
    int code = store_begin(parts->store, NULL, 0);
    if (code >= 0)
        code = dispatch_give_up_retry(parts->dispatch, retry, error);
    return code >= 0 ? store_commit(parts->store) : code;
}

static int give_up_event(const struct batch_parts *parts, const struct event *event,
                         const char *error)
{
    int64_t id = 0;
    int code = store_begin(parts->store, &event, 1);
    if (code >= 0)
        code = store_event_add(parts->store, event, &id);
    if (code == STORE_EVENT_NEW)
        code = dispatch_give_up(parts->dispatch, event, id, error);
    return code >= 0 ? store_commit(parts->store) : code;
}

/* The piece that run_piece() could not get stored is kept without what the plugins made of it. */
static int give_up_piece(struct batch *batch, const struct batch_parts *parts,
                         const struct tally *refused, struct tally *tally)
{
    char error[512];
    int code;
    snprintf(error, sizeof error, "the store refused what was made of the event: %s",
             store_error(parts->store));
    store_rollback(parts->store);
    dispatch_rolled_back(parts->dispatch);
    suspects_rolled_back(parts->suspects);
    store_actions_free(refused->claimed, refused->claimed_count);
    if (batch->results != NULL || (refused->retries == 0 && batch->event_count == 0))
        return STORE_E_FAILED; /* no event's fault: it is tried again, loudly */
    if (refused->retries > 0) {
        code = give_up_retry(parts, &batch->retry[0], error);
        tally->retries = 1;
    } else {
        code = give_up_event(parts, batch->event[0], error);
        tally->events = 1;
        tally->handled = 1;
    }
    return code < 0 ? STORE_E_FAILED : 0;
}

static int run_apart(struct batch *batch, const struct batch_parts *parts, struct tally *tally)
{
    int code = why(parts, run_piece(batch, parts, tally));
    if (code != STORE_E_REFUSED)
        return code;
    const struct tally refused = *tally;
    *tally = (struct tally){.started_us = refused.started_us};
    return give_up_piece(batch, parts, &refused, tally);
}

static const char *state_word(enum store_action_state state)
{
    switch (state) {
    case STORE_ACTION_DELIVERED:
        return "delivered";
    case STORE_ACTION_REJECTED:
        return "rejected";
    case STORE_ACTION_EXPIRED:
        return "expired";
    case STORE_ACTION_UNKNOWN:
        return "unknown";
    case STORE_ACTION_PENDING:
    case STORE_ACTION_DOUBTFUL:
        return "retry";
    default:
        return "";
    }
}

static void log_result(const struct outbox_result *result)
{
    int good = result->state == STORE_ACTION_DELIVERED;
    enum log_level level = good ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
    int64_t since_event_ms = result->finished_ms - result->action.received_ms;
    log_at(level, "action", log_text("call_id", result->action.call_id),
           log_int("action", result->action.id), log_text("outcome", state_word(result->state)),
           log_int("attempt", result->action.attempts), log_int("http_status", result->http_status),
           log_ms("took_ms", (double)result->took_us / 1000.0),
           log_int("since_event_ms", since_event_ms),
           log_text(good ? "key" : "detail", good ? result->action.key : result->detail));
}

static void count(const struct batch *batch, const struct batch_parts *parts,
                  const struct tally *tally)
{
    struct metrics_worker *metrics = parts->metrics;
    int64_t now_us = clock_mono_us();
    metrics_add(&metrics->events_handled, tally->handled);
    metrics_add(&metrics->events_duplicate, tally->duplicate);
    metrics_add(&metrics->events_unknown, tally->unknown);
    metrics_add(&metrics->action_retries, tally->action_retries);
    for (int i = 0; i < METRICS_ACTION_COUNT; i++)
        metrics_add(&metrics->actions[i], tally->outcome[i]);
    metrics_add(&metrics->actions[METRICS_ACTION_EXPIRED], (uint64_t)tally->expired);
    metrics_add(&metrics->actions[METRICS_ACTION_UNKNOWN], (uint64_t)tally->unknown_expired);
    if (tally->expired + tally->unknown_expired > 0)
        log_warning("actions passed their deadline and are given up",
                    log_int("expired", tally->expired), log_int("unknown", tally->unknown_expired));
    metrics_observe(&metrics->commit, now_us - tally->started_us);
    for (int i = 0; i < tally->events; i++) {
        int64_t us = now_us - batch->event[i]->spooled_us;
        if (us >= 0) /* else it was spooled before the machine was started again */
            metrics_observe(&metrics->event_latency, us);
    }
    for (struct outbox_result *result = batch->results; result != NULL; result = result->next) {
        if (result->state == STORE_ACTION_DELIVERED)
            metrics_observe(&metrics->action_latency,
                            (result->finished_ms - result->action.received_ms) * 1000);
        log_result(result);
    }
}

/* Frees the first events and moves the rest to the front. */
static void drop_events(struct batch *batch, int count)
{
    if (count > 0)
        batch->stored_seq = batch->event[count - 1]->seq;
    for (int i = 0; i < count; i++)
        event_free(batch->event[i]);
    batch->event_count -= count;
    memmove(batch->event, batch->event + count,
            (size_t)batch->event_count * sizeof batch->event[0]);
}

/* The rest of those that were claimed, or else those that are now. */
static void drop_retries(struct batch *batch, struct tally *tally)
{
    for (int i = 0; i < tally->retries; i++)
        store_retry_clear(&batch->retry[i]);
    batch->retry_count -= tally->retries;
    if (batch->retry_count > 0) {
        memmove(batch->retry, batch->retry + tally->retries,
                (size_t)batch->retry_count * sizeof batch->retry[0]);
        return;
    }
    free(batch->retry);
    batch->retry_unsure = 0;
    batch->retry = tally->retry;
    batch->retry_count = tally->retry_count;
    batch->retry_alone = tally->retry_alone;
}

static void drop_results(struct batch *batch)
{
    while (batch->results != NULL) {
        struct outbox_result *next = batch->results->next;
        outbox_result_free(batch->results);
        batch->results = next;
    }
}

int batch_run(struct batch *batch, const struct batch_parts *parts)
{
    struct tally tally = {.started_us = clock_mono_us()};
    int code = batch->apart > 0 ? run_apart(batch, parts, &tally)
                                : why(parts, run_all(batch, parts, &tally));
    atomic_store(&parts->metrics->life.batch_seq, 0);
    if (code < 0) {
        store_rollback(parts->store);
        dispatch_rolled_back(parts->dispatch);
        suspects_rolled_back(parts->suspects);
        store_actions_free(tally.claimed, tally.claimed_count);
        batch->has_lost |= tally.retry_count > 0;
        batch->retry_unsure |= batch->retry_count > 0;
        store_retries_free(tally.retry, tally.retry_count);
        if (code == STORE_E_REFUSED)
            batch->apart = batch->event_count > 0 ? batch->event_count : 1;
        return code;
    }
    dispatch_committed(parts->dispatch);
    batch->has_lost &= !tally.has_found_lost;
    batch->longest_retry_ms = batch->longest_lease_ms = 0;
    if (tally.claimed_count > 0)
        outbox_submit(parts->outbox, tally.claimed, tally.claimed_count);
    store_actions_free(tally.claimed, tally.claimed_count);
    count(batch, parts, &tally);
    batch->apart -= tally.events < batch->apart ? tally.events : batch->apart;
    drop_events(batch, tally.events);
    drop_retries(batch, &tally);
    if (batch->event_count == 0 && batch->retry_count == 0)
        batch->apart = 0;
    drop_results(batch);
    if (tally.events > 0)
        suspects_committed(parts->suspects, batch->stored_seq);
    return 0;
}

int batch_run_last(struct batch *batch, const struct batch_parts *parts)
{
    int code;
    int collisions = 0, refused = 0;
    batch->is_last = 1;
    do {
        code = batch_run(batch, parts);
    } while ((code == STORE_E_AGAIN && collisions++ < LAST_COLLISIONS) ||
             (code == STORE_E_REFUSED && refused++ == 0));
    return code;
}

int batch_has_work(const struct batch *batch)
{
    return batch->event_count > 0 || batch->retry_count > 0 || batch->results != NULL ||
           batch->has_lost;
}

void batch_clear(struct batch *batch)
{
    for (int i = 0; i < batch->event_count; i++)
        event_free(batch->event[i]);
    batch->event_count = 0;
    store_retries_free(batch->retry, batch->retry_count);
    batch->retry = NULL;
    batch->retry_count = 0;
    drop_results(batch);
}
