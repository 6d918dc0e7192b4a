/*
 * courier.c: see courier.h. The worker's thread; what is under way is with the sender, which has another.
 */
#include "http/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "http/deliveries.h"
#include "http/delivery_report.h"
#include "http/download_event.h"
#include "http/outcome.h"
#include "http/sender.h"

#define LOOK_MS         1000 /* what others left, and what is due again, is found so soon */
#define NUDGED_LOOK_MS  50
#define RECOVER_MS      10000
#define MEASURE_MS      5000
#define LEASE_MARGIN_MS 60000
#define STEP_BACK_MS    1000  /* less than that is the clock's everyday correction */
#define MOST_COUNTED    10000 /* of a target: events wait while these are read */

/* One target. */
struct lane {
    const struct config_target *target;
    struct metrics_target *metric; /* NULL: the page is full */
    int under_way;                 /* claimed and not settled */
    int lost;                      /* given up in this transaction: nobody knows how they ended */
};

struct courier {
    const struct config *config;
    struct store *store;
    char *owner;
    int measures; /* the queues: one worker does, for all */
    struct sender *sender;
    struct lane *lanes;
    size_t lane_count;
    int64_t look_us, recover_us, measure_us; /* when it is time again, monotonic */
    int64_t looked_us;
    int64_t
        clocks_ms; /* the wall clock less the monotonic one, when what waits was last in order */
    struct delivery *results; /* ended, not yet written down */
    int is_apart; /* the store refused them together: one by one, until all are through */
    struct delivery *unsure; /* claimed, but nobody knows whether that was committed; not sent */
    int is_stopped;
};

static struct lane *find_lane(struct courier *courier, const char *target)
{
    for (size_t i = 0; i < courier->lane_count; i++) {
        if (strcmp(courier->lanes[i].target->name, target) == 0)
            return &courier->lanes[i];
    }
    return NULL; /* not with what was claimed: claims are by target */
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int64_t compare_clocks(void)
{
    return clock_wall_ms() - clock_mono_us() / 1000;
}

static int64_t lease_of(const struct config_target *target)
{
    return (int64_t)target->timeout_ms + LEASE_MARGIN_MS;
}

/* Of all lanes, what waits for a time that a clock put back has taken away: 0 or a STORE_E_... */
static int bring_forward(struct courier *courier, int64_t longest_ms)
{
    int result = 0;

    for (size_t i = 0; i < courier->lane_count && result >= 0; i++) {
        const struct config_target *target = courier->lanes[i].target;
        const struct delivery_forwarding forwarding = {.target = target->name,
                                                       .now_ms = clock_wall_ms(),
                                                       .longest_ms = longest_ms,
                                                       .deadline_ms = target->deadline_ms,
                                                       .lease_ms = lease_of(target)};

        result = deliveries_bring_forward(courier->store, &forwarding);
    }
    return result;
}

/* Of all lanes: 0 or a STORE_E_... */
static int recover(struct courier *courier, int is_new)
{
    int result = 0;

    for (size_t i = 0; i < courier->lane_count && result >= 0; i++) {
        const struct config_target *target = courier->lanes[i].target;
        const struct delivery_recovery recovery = {.target = target->name,
                                                   .owner = courier->owner,
                                                   .now_ms = clock_wall_ms(),
                                                   .repeatable = target->idempotent,
                                                   .is_new = is_new};

        result = deliveries_recover(courier->store, &recovery);
        courier->lanes[i].lost = result > 0 ? result : 0;
    }
    return result < 0 ? result : 0;
}

/* The transaction that gave them up has ended. */
static void report_lost(struct courier *courier, int is_committed)
{
    for (size_t i = 0; i < courier->lane_count; i++) {
        struct lane *lane = &courier->lanes[i];

        if (is_committed && lane->lost > 0)
            delivery_report_lost(lane->metric, lane->target->name, lane->lost);
        lane->lost = 0;
    }
}

static int open_table(struct courier *courier, char *error, size_t error_size)
{
    int result = store_begin(courier->store, NULL, 0);

    if (result >= 0)
        result = deliveries_prepare(courier->store);
    if (result >= 0)
        result = bring_forward(courier, (int64_t)TRANSFER_MOST_RETRY_AFTER_S * 1000);
    if (result >= 0)
        result = recover(courier, 1);
    if (result >= 0)
        result = store_commit(courier->store);
    report_lost(courier, result >= 0);
    if (result >= 0)
        return 0;
    snprintf(error, error_size, "the table of deliveries: %s", store_error(courier->store));
    store_rollback(courier->store);
    return -1;
}

static struct courier *new_courier(const struct courier_options *options)
{
    const struct config *config = options->config;
    struct courier *courier = calloc(1, sizeof *courier);

    if (courier == NULL)
        return NULL;
    courier->config = config;
    courier->store = options->store;
    courier->measures = options->worker == 0;
    courier->clocks_ms = compare_clocks();
    courier->owner = strdup(options->owner);
    courier->lanes = calloc(config->target_count, sizeof courier->lanes[0]);
    if (courier->owner == NULL || courier->lanes == NULL) {
        courier_free(courier);
        return NULL;
    }
    courier->lane_count = config->target_count;
    for (size_t i = 0; i < courier->lane_count; i++) {
        courier->lanes[i].target = &config->targets[i];
        courier->lanes[i].metric = metrics_target_slot(options->metrics, config->targets[i].name);
    }
    return courier;
}

int courier_open(const struct courier_options *options, struct courier **out, char *error,
                 size_t error_size)
{
    struct courier *courier;

    *out = NULL;
    metrics_targets_begin(options->metrics);
    if (options->config->target_count == 0)
        return 0;
    courier = new_courier(options);
    if (courier == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    if (sender_start(options->config, &courier->sender, error, error_size) < 0 ||
        open_table(courier, error, error_size) < 0) {
        courier_free(courier);
        return -1;
    }
    *out = courier;
    return 0;
}

void courier_stop(struct courier *courier, int drain_ms)
{
    if (courier == NULL)
        return;
    sender_stop(courier->sender, drain_ms);
    courier->is_stopped = 1;
}

void courier_free(struct courier *courier)
{
    if (courier == NULL)
        return;
    sender_free(courier->sender);
    deliveries_free(courier->results);
    deliveries_free(courier->unsure);
    free(courier->lanes);
    free(courier->owner);
    free(courier);
}

/* ---- Results --------------------------------------------------------------------------------- */

static int is_end(const struct delivery *delivery)
{
    return delivery->state != STORE_ACTION_PENDING && delivery->state != STORE_ACTION_DOUBTFUL;
}

static void note_open(struct courier *courier, const struct delivery *delivery, int change)
{
    struct lane *lane = find_lane(courier, delivery->target);

    lane->under_way += change;
    delivery_report_open(lane->metric, delivery, change);
}

static void take_results(struct courier *courier)
{
    struct delivery **last = &courier->results;

    while (*last != NULL)
        last = &(*last)->next;
    *last = sender_take(courier->sender);
    for (; *last != NULL; last = &(*last)->next)
        note_open(courier, *last, -1);
}

static int settle(struct courier *courier, struct dispatch *dispatch, struct delivery *delivery,
                  const struct event *event)
{
    int64_t id = 0;
    int result = deliveries_settle(courier->store, courier->owner, delivery);

    delivery->is_settled = result > 0; /* else its lease was over, and another worker has it */
    if (result <= 0 || event == NULL)
        return result < 0 ? result : 0;
    result = store_event_add(courier->store, event, &id);
    return result < 0 ? result : dispatch_event_to(dispatch, event, id, delivery->plugin);
}

/* ---- One transaction ------------------------------------------------------------------------- */

/* What a run has to do and has got. */
struct round {
    size_t count;          /* of the first results: all, or one */
    struct event **events; /* one for each of them; NULL where the plugin is told nothing */
    struct delivery *claimed, **last;
    int64_t clocks_ms; /* when it began */
};

static int make_events(const struct courier *courier, struct round *round)
{
    const struct delivery *delivery;

    for (delivery = courier->results; delivery != NULL; delivery = delivery->next)
        round->count++;
    if (courier->is_apart && round->count > 1)
        round->count = 1;
    round->events = calloc(round->count + 1, sizeof round->events[0]);
    if (round->events == NULL)
        return STORE_E_MEMORY;
    delivery = courier->results;
    for (size_t i = 0; i < round->count; delivery = delivery->next, i++) {
        if (delivery->body != NULL || !is_end(delivery))
            continue;
        round->events[i] = download_event_new(courier->config->download_dir, delivery);
        if (round->events[i] == NULL)
            return STORE_E_MEMORY;
    }
    return 0;
}

/* The store is told the events of a transaction beforehand. */
static int begin_transaction(struct courier *courier, const struct round *round)
{
    const struct event **events = calloc(round->count + 1, sizeof events[0]);
    size_t count = 0;
    int result;

    if (events == NULL)
        return STORE_E_MEMORY;
    for (size_t i = 0; i < round->count; i++) {
        if (round->events[i] != NULL)
            events[count++] = round->events[i];
    }
    result = store_begin(courier->store, events, count);
    free(events);
    return result;
}

static int settle_all(struct courier *courier, struct dispatch *dispatch, struct round *round)
{
    struct delivery *delivery = courier->results;
    int result = 0;

    for (size_t i = 0; i < round->count && result >= 0; delivery = delivery->next, i++)
        result = settle(courier, dispatch, delivery, round->events[i]);
    return result;
}

/* Before anything is claimed or recovered, as it may be the same ones. */
static int give_back_unsure(struct courier *courier)
{
    int result = 0;

    for (const struct delivery *delivery = courier->unsure; delivery != NULL && result >= 0;
         delivery = delivery->next)
        result = deliveries_give_back(courier->store, courier->owner, delivery);
    return result;
}

static int claim_all(struct courier *courier, struct round *round)
{
    int64_t now_ms = clock_wall_ms();
    int result = 0;

    round->last = &round->claimed;
    for (size_t i = 0; i < courier->lane_count && result >= 0 && !courier->is_stopped; i++) {
        struct lane *lane = &courier->lanes[i];
        const struct config_target *target = lane->target;
        int room = target->connections - lane->under_way;

        if (room > 0)
            result = deliveries_claim(courier->store, target->name, courier->owner, now_ms,
                                      now_ms + lease_of(target), room, round->last);
        while (*round->last != NULL)
            round->last = &(*round->last)->next;
    }
    return result;
}

static int measure(struct courier *courier)
{
    int result = 0;

    for (size_t i = 0; i < courier->lane_count && result >= 0; i++) {
        const struct lane *lane = &courier->lanes[i];
        int64_t waiting = 0, oldest_ms = 0;

        result = deliveries_waiting(courier->store, lane->target->name, MOST_COUNTED, &waiting,
                                    &oldest_ms);
        if (result < 0 || lane->metric == NULL)
            continue;
        atomic_store(&lane->metric->waiting, waiting);
        atomic_store(&lane->metric->oldest_ms, oldest_ms);
    }
    return result;
}

/* What is done now and then. */
static int tidy(struct courier *courier, const struct round *round, int64_t now_us)
{
    int result = 0;

    /* A target that has asked for a longer pause than others get is asked too soon, once. */
    if (round->clocks_ms < courier->clocks_ms - STEP_BACK_MS)
        result = bring_forward(courier, OUTCOME_LONGEST_DELAY_MS);
    if (result >= 0 && now_us >= courier->recover_us) {
        result = recover(courier, 0);
        courier->recover_us = now_us + (int64_t)RECOVER_MS * 1000;
    }
    if (result >= 0 && courier->measures && now_us >= courier->measure_us) {
        result = measure(courier);
        courier->measure_us = now_us + (int64_t)MEASURE_MS * 1000;
    }
    return result;
}

/* They are committed: on their way. */
static void submit(struct courier *courier, struct round *round)
{
    if (round->claimed == NULL)
        return;
    for (const struct delivery *delivery = round->claimed; delivery != NULL;
         delivery = delivery->next)
        note_open(courier, delivery, 1);
    sender_submit(courier->sender, round->claimed);
    round->claimed = NULL;
}

static int is_unsure(const struct courier *courier, const struct delivery *claimed)
{
    const struct delivery *delivery = courier->unsure;

    while (delivery != NULL &&
           (delivery->attempts != claimed->attempts || strcmp(delivery->id, claimed->id) != 0))
        delivery = delivery->next;
    return delivery != NULL;
}

/* A commit that failed may have happened: what it claimed would stay claimed, and be in nobody's hand. */
static void keep_unsure(struct courier *courier, struct round *round)
{
    while (round->claimed != NULL) {
        struct delivery *delivery = round->claimed;

        round->claimed = delivery->next;
        delivery->next = NULL;
        if (is_unsure(courier, delivery)) {
            deliveries_free(delivery);
            continue;
        }
        delivery->next = courier->unsure;
        courier->unsure = delivery;
    }
}

static void drop_results(struct courier *courier, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct delivery *delivery = courier->results;

        courier->results = delivery->next;
        delivery->next = NULL;
        delivery_report_end(find_lane(courier, delivery->target)->metric, delivery,
                            delivery->is_settled);
        deliveries_free(delivery);
    }
    if (courier->results == NULL)
        courier->is_apart = 0;
}

/* What is refused once is refused again, and holds up all that is in its transaction. So the results are
 * written down one by one, and one that is refused even then without the words that tell how it ended. 1 when
 * that is a new try. */
static int note_refusal(struct courier *courier, int result)
{
    static const char instead[] = "the store refused to keep it";
    struct delivery *first = courier->results;
    int failure = store_failure(courier->store);

    if (result == STORE_E_FAILED && failure < 0) /* what met it first may have said less */
        result = failure;
    if (first == NULL || (result != STORE_E_REFUSED && result != STORE_E_SQL) ||
        strcmp(first->detail, instead) == 0)
        return 0;
    log_error(courier->is_apart
                  ? "store refuses how a delivery ended: it is kept without its detail"
                  : "store refuses how deliveries ended: they are written down one by one",
              log_text("call_id", first->call_id), log_text("key", first->id),
              log_text("error", store_error(courier->store)));
    if (courier->is_apart)
        snprintf(first->detail, sizeof first->detail, "%s", instead);
    courier->is_apart = 1;
    return 1;
}

static int run_round(struct courier *courier, struct dispatch *dispatch, struct round *round,
                     int64_t now_us)
{
    int result = make_events(courier, round);

    if (result >= 0)
        result = begin_transaction(courier, round);
    if (result >= 0)
        result = give_back_unsure(courier);
    if (result >= 0)
        result = settle_all(courier, dispatch, round);
    if (result >= 0 && !courier->is_apart) /* else a refusal is nothing else's */
        result = tidy(courier, round, now_us);
    if (result >= 0 && !courier->is_apart)
        result = claim_all(courier, round);
    if (result >= 0)
        result = store_commit(courier->store);
    return result;
}

/* One transaction: 0 or a STORE_E_... */
static int work_once(struct courier *courier, struct dispatch *dispatch, int64_t now_us)
{
    struct round round = {.clocks_ms = compare_clocks()};
    int was_apart = courier->is_apart;
    int result = run_round(courier, dispatch, &round, now_us);

    report_lost(courier, result >= 0);
    if (result < 0) {
        store_rollback(courier->store);
        dispatch_rolled_back(dispatch);
        keep_unsure(courier, &round);
    } else {
        dispatch_committed(dispatch);
        deliveries_free(courier->unsure);
        courier->unsure = NULL;
        drop_results(courier, round.count);
        submit(courier, &round);
        courier->looked_us = now_us;
        courier->look_us = now_us + (was_apart ? 0 : (int64_t)LOOK_MS * 1000);
        if (!was_apart)
            courier->clocks_ms = round.clocks_ms;
    }
    for (size_t i = 0; round.events != NULL && i < round.count; i++)
        event_free(round.events[i]);
    free(round.events);
    return result < 0 ? result : 0;
}

int courier_work(struct courier *courier, struct dispatch *dispatch)
{
    int64_t now_us = clock_mono_us();
    int result;

    if (courier == NULL)
        return 0;
    take_results(courier);
    if (courier->results == NULL && now_us < courier->look_us)
        return 0;
    do {
        result = work_once(courier, dispatch, now_us);
    } while (result < 0 ? note_refusal(courier, result) : courier->is_apart);
    return result < 0 ? result : 1;
}

/* ---- When ------------------------------------------------------------------------------------ */

void courier_nudge(struct courier *courier)
{
    if (courier != NULL && courier->looked_us + (int64_t)NUDGED_LOOK_MS * 1000 < courier->look_us)
        courier->look_us = courier->looked_us + (int64_t)NUDGED_LOOK_MS * 1000;
}

int courier_wait_ms(const struct courier *courier, int most)
{
    int64_t left_us = courier == NULL ? INT64_MAX : courier->look_us - clock_mono_us();

    if (left_us >= (int64_t)most * 1000)
        return most;
    return left_us <= 0 ? 0 : (int)(left_us / 1000 + 1);
}

int courier_event_fd(const struct courier *courier)
{
    return courier == NULL ? -1 : sender_event_fd(courier->sender);
}
