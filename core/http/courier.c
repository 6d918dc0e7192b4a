/*
 * courier.c: see courier.h. The worker's thread owns the store and the lanes' counts; the courier's thread
 * owns libcurl. Between them are two lists under one lock: what is to be sent, and how it ended.
 */
#include "http/courier.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/log.h"
#include "http/deliveries.h"
#include "http/transfer.h"
#include "pbx/taxonomy.h"

#define LOOK_MS          1000 /* what others left, and what is due again, is found so soon */
#define NUDGED_LOOK_MS   50
#define RECOVER_MS       10000
#define PRUNE_MS         60000
#define PRUNE_AT_ONCE    1000
#define LEASE_MARGIN_MS  60000
#define LONGEST_DELAY_MS (5 * 60 * 1000)
#define IDLE_WAIT_MS     60000

/* One target. */
struct lane {
    struct transfer_target target;
    int under_way; /* worker's: claimed and not settled */
};

struct courier {
    const struct config *config;
    struct store *store;
    char *owner;
    struct lane *lanes;
    size_t lane_count;
    int64_t look_us, recover_us, prune_us; /* when it is time again, monotonic */
    int64_t looked_us;
    struct delivery *results; /* ended, not yet written down */
    int is_stopped;

    CURLM *multi;
    pthread_t thread;
    int event_fd;

    pthread_mutex_t lock; /* all below */
    struct delivery *to_send, **to_send_last;
    struct delivery *ended, **ended_last;
    int stopping;
    int64_t stop_at_us;
};

static struct lane *find_lane(struct courier *courier, const char *target)
{
    for (size_t i = 0; i < courier->lane_count; i++) {
        if (strcmp(courier->lanes[i].target.config->name, target) == 0)
            return &courier->lanes[i];
    }
    return NULL; /* not with what was claimed: claims are by target */
}

/* ---- The courier's thread -------------------------------------------------------------------- */

static void publish(struct courier *courier, struct delivery *delivery)
{
    uint64_t one = 1;

    delivery->next = NULL;
    pthread_mutex_lock(&courier->lock);
    *courier->ended_last = delivery;
    courier->ended_last = &delivery->next;
    pthread_mutex_unlock(&courier->lock);
    /* Fails only when the counter is at its end: then it is readable anyway. */
    ssize_t written = write(courier->event_fd, &one, sizeof one);
    (void)written;
}

static uint32_t random_number(void)
{
    uint32_t number = 0;

    return getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number ? number : 0;
}

/* The status as the rules of retry shall see it: 0 for none. A login that is refused is the operator's to
 * mend, and there is a day for that: the target has done nothing so far. */
static int status_of(const struct delivery *delivery, const struct transfer_answer *answer)
{
    if (delivery->body == NULL && answer->code != CURLE_OK)
        return 0;
    return answer->http_status == 401 || answer->http_status == 407 ? 503 : answer->http_status;
}

/* What the end of an attempt means, by the PBX's own rules. Asking for a file again does no harm; a file
 * that broke off is none, whatever its status was. */
static void judge(const struct lane *lane, struct delivery *delivery,
                  const struct transfer_answer *answer)
{
    int is_download = delivery->body == NULL;
    struct attempt attempt = {.code = answer->code,
                              .http_status = status_of(delivery, answer),
                              .sent = answer->sent,
                              .retry_after_ms = answer->retry_after_ms,
                              .number = delivery->attempts,
                              .now_ms = clock_wall_ms(),
                              .expires_ms = delivery->expires_ms,
                              .repeatable = is_download || lane->target.config->idempotent,
                              .longest_delay_ms = LONGEST_DELAY_MS,
                              .random = random_number()};
    struct verdict verdict = taxonomy_judge(&attempt);

    delivery->finished_ms = attempt.now_ms;
    delivery->state = verdict.state;
    delivery->due_ms = verdict.due_ms;
    if (answer->too_large)
        delivery->state = STORE_ACTION_REJECTED;
    else if (is_download && verdict.state == STORE_ACTION_UNKNOWN)
        delivery->state = STORE_ACTION_EXPIRED;
    else if (!is_download && verdict.state == STORE_ACTION_EXPIRED && delivery->doubtful)
        delivery->state = STORE_ACTION_UNKNOWN;
}

static void end_transfer(struct courier *courier, CURL *easy, CURLcode code)
{
    struct transfer *transfer = transfer_of(easy);
    struct delivery *delivery = transfer_delivery(transfer);
    struct transfer_answer answer;

    transfer_end(courier->multi, transfer, code, &answer);
    delivery->took_us += clock_mono_us(); /* less what it began with */
    judge(find_lane(courier, delivery->target), delivery, &answer);
    publish(courier, delivery);
}

/* An attempt that never began, for lack of memory or a place on the disk: surely not received. */
static void give_back(struct courier *courier, struct delivery *delivery, int64_t now_ms)
{
    int late = delivery->expires_ms <= now_ms;
    int64_t delay_ms = (int64_t)LOOK_MS << (delivery->attempts < 8 ? delivery->attempts : 8);

    delivery->state = !late                ? STORE_ACTION_PENDING
                      : delivery->doubtful ? STORE_ACTION_UNKNOWN
                                           : STORE_ACTION_EXPIRED;
    delivery->due_ms = now_ms + delay_ms;
    if (delivery->due_ms > delivery->expires_ms)
        delivery->due_ms = delivery->expires_ms;
    delivery->finished_ms = now_ms;
    delivery->took_us = 0;
    if (late)
        snprintf(delivery->detail, sizeof delivery->detail, "its deadline has passed");
    publish(courier, delivery);
}

static int begin(struct courier *courier, struct delivery *delivery)
{
    const struct lane *lane = find_lane(courier, delivery->target);
    int64_t now_ms = clock_wall_ms();
    int64_t left_ms = delivery->expires_ms - now_ms;
    int timeout_ms = lane->target.config->timeout_ms;

    if (left_ms < timeout_ms)
        timeout_ms = (int)left_ms;
    delivery->took_us = -clock_mono_us();
    if (left_ms > 0 && transfer_begin(courier->multi, &lane->target, delivery, timeout_ms) != NULL)
        return 1;
    give_back(courier, delivery, now_ms);
    return 0;
}

static int collect(struct courier *courier)
{
    CURLMsg *message;
    int left = 0, ended = 0;

    while ((message = curl_multi_info_read(courier->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        end_transfer(courier, message->easy_handle, message->data.result);
        ended++;
    }
    return ended;
}

/* 1 when the thread should end: stopping, and nothing under way or no time left for it. */
static int take_work(struct courier *courier, int busy, struct delivery **work, int *wait_ms)
{
    int stopping;
    int64_t left_us;

    pthread_mutex_lock(&courier->lock);
    *work = courier->to_send;
    courier->to_send = NULL;
    courier->to_send_last = &courier->to_send;
    stopping = courier->stopping;
    left_us = courier->stop_at_us - clock_mono_us();
    pthread_mutex_unlock(&courier->lock);
    *wait_ms = !stopping ? IDLE_WAIT_MS : left_us > 0 ? (int)(left_us / 1000 + 1) : 0;
    return stopping && *work == NULL && (busy == 0 || left_us <= 0);
}

/* Owns libcurl. What is under way when the time is over stays "sending" in the store: the next life of
 * this worker finds it there and knows what that means. */
static void *run(void *arg)
{
    struct courier *courier = arg;
    struct delivery *work = NULL;
    int busy = 0, wait_ms = 0, running = 0;

    while (!take_work(courier, busy, &work, &wait_ms)) {
        while (work != NULL) {
            struct delivery *delivery = work;

            work = work->next;
            busy += begin(courier, delivery);
        }
        if (curl_multi_perform(courier->multi, &running) == CURLM_OK && collect(courier) == 0)
            curl_multi_poll(courier->multi, NULL, 0, wait_ms, NULL);
        curl_multi_perform(courier->multi, &running);
        collect(courier);
        busy = running;
    }
    return NULL;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int open_lanes(struct courier *courier, char *error, size_t error_size)
{
    const struct config *config = courier->config;

    courier->lanes = calloc(config->target_count, sizeof courier->lanes[0]);
    if (courier->lanes == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < config->target_count; i++) {
        if (transfer_target_open(&config->targets[i], config->download_dir,
                                 &courier->lanes[i].target, error, error_size) < 0)
            return -1;
        courier->lane_count++;
    }
    if (mkdir(config->download_dir, 0700) < 0 && errno != EEXIST) {
        snprintf(error, error_size, "download_dir: %s: %s", config->download_dir, strerror(errno));
        return -1;
    }
    return 0;
}

/* Of all lanes: 0 or a STORE_E_... */
static int recover(struct courier *courier, const char *owner)
{
    int result = 0;

    for (size_t i = 0; i < courier->lane_count && result >= 0; i++) {
        const struct config_target *target = courier->lanes[i].target.config;

        result = deliveries_recover(courier->store, target->name, owner, clock_wall_ms(),
                                    target->idempotent);
        if (result > 0)
            log_warning("posts were under way when their worker ended; not sent again",
                        log_text("target", target->name), log_int("count", result));
    }
    return result < 0 ? result : 0;
}

static int open_table(struct courier *courier, char *error, size_t error_size)
{
    int result = store_begin(courier->store, NULL, 0);

    if (result >= 0)
        result = deliveries_prepare(courier->store);
    if (result >= 0)
        result = recover(courier, courier->owner);
    if (result >= 0)
        result = store_commit(courier->store);
    if (result >= 0)
        return 0;
    snprintf(error, error_size, "the table of deliveries: %s", store_error(courier->store));
    store_rollback(courier->store);
    return -1;
}

static int start_thread(struct courier *courier, char *error, size_t error_size)
{
    courier->to_send_last = &courier->to_send;
    courier->ended_last = &courier->ended;
    courier->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    courier->multi = curl_multi_init();
    if (courier->event_fd >= 0 && courier->multi != NULL &&
        pthread_mutex_init(&courier->lock, NULL) == 0) {
        if (pthread_create(&courier->thread, NULL, run, courier) == 0)
            return 0;
        pthread_mutex_destroy(&courier->lock);
    }
    snprintf(error, error_size, "can't start the courier's thread");
    return -1;
}

static void free_courier(struct courier *courier)
{
    curl_multi_cleanup(courier->multi);
    if (courier->event_fd >= 0)
        close(courier->event_fd);
    for (size_t i = 0; i < courier->lane_count; i++)
        transfer_target_close(&courier->lanes[i].target);
    free(courier->lanes);
    free(courier->owner);
    free(courier);
    curl_global_cleanup();
}

int courier_open(const struct config *config, struct store *store, const char *owner,
                 struct courier **out, char *error, size_t error_size)
{
    struct courier *courier;

    *out = NULL;
    if (config->target_count == 0)
        return 0;
    courier = calloc(1, sizeof *courier);
    if (courier == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(error, error_size, "can't start libcurl");
        free(courier);
        return -1;
    }
    courier->config = config;
    courier->store = store;
    courier->event_fd = -1;
    courier->owner = strdup(owner);
    if (courier->owner == NULL) {
        snprintf(error, error_size, "out of memory");
        free_courier(courier);
        return -1;
    }
    if (open_lanes(courier, error, error_size) < 0 || open_table(courier, error, error_size) < 0 ||
        start_thread(courier, error, error_size) < 0) {
        free_courier(courier);
        return -1;
    }
    *out = courier;
    return 0;
}

void courier_stop(struct courier *courier, int drain_ms)
{
    if (courier == NULL || courier->is_stopped)
        return;
    pthread_mutex_lock(&courier->lock);
    courier->stopping = 1;
    courier->stop_at_us = clock_mono_us() + (int64_t)drain_ms * 1000;
    pthread_mutex_unlock(&courier->lock);
    curl_multi_wakeup(courier->multi);
    pthread_join(courier->thread, NULL);
    courier->is_stopped = 1;
}

void courier_free(struct courier *courier)
{
    if (courier == NULL)
        return;
    courier_stop(courier, 0);
    deliveries_free(courier->to_send);
    deliveries_free(courier->ended);
    deliveries_free(courier->results);
    pthread_mutex_destroy(&courier->lock);
    free_courier(courier);
}

/* ---- Results --------------------------------------------------------------------------------- */

static int is_end(const struct delivery *delivery)
{
    return delivery->state != STORE_ACTION_PENDING && delivery->state != STORE_ACTION_DOUBTFUL;
}

static void take_results(struct courier *courier)
{
    uint64_t count = 0;
    struct delivery **last = &courier->results;
    /* Before the list is taken: what is published after this makes it readable again. */
    ssize_t got = read(courier->event_fd, &count, sizeof count);
    (void)got;

    while (*last != NULL)
        last = &(*last)->next;
    pthread_mutex_lock(&courier->lock);
    *last = courier->ended;
    courier->ended = NULL;
    courier->ended_last = &courier->ended;
    pthread_mutex_unlock(&courier->lock);
    for (; *last != NULL; last = &(*last)->next)
        find_lane(courier, (*last)->target)->under_way--;
}

static char *make_body(const struct courier *courier, const struct delivery *delivery,
                       const char *type)
{
    json_t *body = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:I,s:i,s:s}", "type", type, "call_id",
                             delivery->call_id, "target", delivery->target, "path", delivery->path,
                             "name", delivery->file, "file",
                             json_sprintf("%s/%s", courier->config->download_dir, delivery->file),
                             "size", (json_int_t)delivery->size, "http_status",
                             delivery->http_status, "error", delivery->detail);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);
    return text;
}

/* What the plugin is told of its download; NULL when out of memory. */
static struct event *make_event(const struct courier *courier, const struct delivery *delivery)
{
    const char *type = delivery->state == STORE_ACTION_DELIVERED ? "pbxhook.download.finished"
                                                                 : "pbxhook.download.failed";
    const char *field[EVENT_FIELD_COUNT] = {
        [EVENT_TYPE] = type,
        [EVENT_CALL_ID] = delivery->call_id,
    };
    char *body = make_body(courier, delivery, type);
    struct event *event = body == NULL ? NULL : event_new(field, body, strlen(body));

    free(body);
    if (event == NULL)
        return NULL;
    event->received_ms = event->time_ms = clock_wall_ms();
    event->spooled_us = clock_mono_us();
    if (event_identify_uniquely(event) == 0)
        return event;
    event_free(event);
    return NULL;
}

static int settle(struct courier *courier, struct dispatch *dispatch,
                  const struct delivery *delivery, const struct event *event)
{
    int64_t id = 0;
    int result = deliveries_settle(courier->store, courier->owner, delivery);

    /* 0: its lease was over, and another worker has it. */
    if (result <= 0 || event == NULL)
        return result < 0 ? result : 0;
    result = store_event_add(courier->store, event, &id);
    return result < 0 ? result : dispatch_event_to(dispatch, event, id, delivery->plugin);
}

static void log_result(const struct delivery *delivery)
{
    static const char *const words[] = {
        [STORE_ACTION_PENDING] = "retry",       [STORE_ACTION_SENDING] = "",
        [STORE_ACTION_DELIVERED] = "delivered", [STORE_ACTION_CONFIRMED] = "",
        [STORE_ACTION_REJECTED] = "rejected",   [STORE_ACTION_EXPIRED] = "expired",
        [STORE_ACTION_UNKNOWN] = "unknown",     [STORE_ACTION_DOUBTFUL] = "retry",
    };
    int good = delivery->state == STORE_ACTION_DELIVERED;

    log_at(good ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, delivery->body == NULL ? "download" : "post",
           log_text("call_id", delivery->call_id), log_text("target", delivery->target),
           log_text("plugin", delivery->plugin), log_text("outcome", words[delivery->state]),
           log_int("attempt", delivery->attempts), log_int("http_status", delivery->http_status),
           log_ms("took_ms", (double)delivery->took_us / 1000),
           log_text("detail", delivery->detail), log_text("key", delivery->id));
}

/* ---- One transaction ------------------------------------------------------------------------- */

/* What a run has to do and has got. */
struct round {
    struct event **events; /* one for each result; NULL where the plugin is told nothing */
    size_t count;
    struct delivery *claimed, **last;
};

static int make_events(const struct courier *courier, struct round *round)
{
    const struct delivery *delivery;
    size_t i = 0;

    for (delivery = courier->results; delivery != NULL; delivery = delivery->next)
        round->count++;
    round->events = calloc(round->count + 1, sizeof round->events[0]);
    if (round->events == NULL)
        return STORE_E_MEMORY;
    for (delivery = courier->results; delivery != NULL; delivery = delivery->next, i++) {
        if (delivery->body != NULL || !is_end(delivery))
            continue;
        round->events[i] = make_event(courier, delivery);
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
    const struct delivery *delivery = courier->results;
    int result = 0;

    for (size_t i = 0; delivery != NULL && result >= 0; delivery = delivery->next, i++)
        result = settle(courier, dispatch, delivery, round->events[i]);
    return result;
}

static int claim_all(struct courier *courier, struct round *round)
{
    int64_t now_ms = clock_wall_ms();
    int result = 0;

    round->last = &round->claimed;
    for (size_t i = 0; i < courier->lane_count && result >= 0 && !courier->is_stopped; i++) {
        struct lane *lane = &courier->lanes[i];
        const struct config_target *target = lane->target.config;
        int room = target->connections - lane->under_way;

        if (room > 0)
            result =
                deliveries_claim(courier->store, target->name, courier->owner, now_ms,
                                 now_ms + target->timeout_ms + LEASE_MARGIN_MS, room, round->last);
        while (*round->last != NULL)
            round->last = &(*round->last)->next;
    }
    return result;
}

/* What is done now and then. */
static int tidy(struct courier *courier, int64_t now_us)
{
    int64_t retention_ms = courier->config->store.retention_ms;
    int result = 0;

    if (now_us >= courier->recover_us) {
        /* Nobody's name: only leases that are over. */
        result = recover(courier, "");
        courier->recover_us = now_us + (int64_t)RECOVER_MS * 1000;
    }
    if (result >= 0 && retention_ms > 0 && now_us >= courier->prune_us) {
        result = deliveries_prune(courier->store, clock_wall_ms() - retention_ms, PRUNE_AT_ONCE);
        if (result < PRUNE_AT_ONCE)
            courier->prune_us = now_us + (int64_t)PRUNE_MS * 1000;
    }
    return result < 0 ? result : 0;
}

/* They are committed: on their way. */
static void submit(struct courier *courier, struct round *round)
{
    if (round->claimed == NULL)
        return;
    for (const struct delivery *delivery = round->claimed; delivery != NULL;
         delivery = delivery->next)
        find_lane(courier, delivery->target)->under_way++;
    pthread_mutex_lock(&courier->lock);
    *courier->to_send_last = round->claimed;
    courier->to_send_last = round->last;
    pthread_mutex_unlock(&courier->lock);
    round->claimed = NULL;
    curl_multi_wakeup(courier->multi);
}

static void drop_results(struct courier *courier)
{
    for (const struct delivery *delivery = courier->results; delivery != NULL;
         delivery = delivery->next)
        log_result(delivery);
    deliveries_free(courier->results);
    courier->results = NULL;
}

int courier_work(struct courier *courier, struct dispatch *dispatch)
{
    int64_t now_us = clock_mono_us();
    struct round round = {.events = NULL};
    int result;

    if (courier == NULL)
        return 0;
    take_results(courier);
    if (courier->results == NULL && now_us < courier->look_us)
        return 0;
    result = make_events(courier, &round);
    if (result >= 0)
        result = begin_transaction(courier, &round);
    if (result >= 0)
        result = settle_all(courier, dispatch, &round);
    if (result >= 0)
        result = tidy(courier, now_us);
    if (result >= 0)
        result = claim_all(courier, &round);
    if (result >= 0)
        result = store_commit(courier->store);
    if (result < 0) {
        store_rollback(courier->store);
        dispatch_rolled_back(dispatch);
        deliveries_free(round.claimed);
    } else {
        dispatch_committed(dispatch);
        drop_results(courier);
        submit(courier, &round);
        courier->looked_us = now_us;
        courier->look_us = now_us + (int64_t)LOOK_MS * 1000;
    }
    for (size_t i = 0; round.events != NULL && i < round.count; i++)
        event_free(round.events[i]);
    free(round.events);
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
    return courier == NULL ? -1 : courier->event_fd;
}
