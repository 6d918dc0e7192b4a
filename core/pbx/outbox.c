/*
 * outbox.c: see outbox.h. Two lists under one lock: what is to be sent, and how it ended.
 */
#include "pbx/outbox.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/utf8.h"
#include "pbx/client.h"
#include "pbx/taxonomy.h"

#define IDLE_WAIT_MS 60000

/* One action on its way; becomes its own result. */
struct delivery {
    struct outbox_result result; /* first: freed as one */
    int64_t started_us;
};

struct outbox {
    const struct config *config;
    struct pbx_client *client;
    pthread_t thread;
    int event_fd;
    int slots; /* worker's alone: how many more it may submit */

    pthread_mutex_t lock; /* all below */
    struct outbox_result *to_send, **to_send_last;
    struct outbox_result *ended, **ended_last;
    int stopping;
    int64_t stop_at_us;
};

static void publish(struct outbox *outbox, struct outbox_result *result)
{
    result->next = NULL;
    pthread_mutex_lock(&outbox->lock);
    *outbox->ended_last = result;
    outbox->ended_last = &result->next;
    pthread_mutex_unlock(&outbox->lock);
    uint64_t one = 1;
    /* Fails only when the counter is at its end: then it is readable anyway. */
    ssize_t written = write(outbox->event_fd, &one, sizeof one);
    (void)written;
}

static uint32_t random_number(void)
{
    uint32_t number = 0;
    return getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number ? number : 0;
}

/* The client's callback: what does this answer mean? */
static void judge(void *arg, void *post, const struct pbx_answer *answer)
{
    struct outbox *outbox = arg;
    struct delivery *delivery = post;
    struct outbox_result *result = &delivery->result;
    struct attempt attempt = {.code = answer->code,
                              .http_status = answer->http_status,
                              .sent = answer->sent,
                              .retry_after_ms = answer->retry_after_ms,
                              .number = result->action.attempts,
                              .now_ms = clock_wall_ms(),
                              .expires_ms = result->action.expires_ms,
                              .repeatable = outbox->config->pbx.idempotent,
                              .random = random_number()};
    struct verdict verdict = taxonomy_judge(&attempt);
    result->state = verdict.state;
    result->due_ms = verdict.due_ms;
    result->http_status = answer->http_status;
    result->finished_ms = attempt.now_ms;
    result->took_us = clock_mono_us() - delivery->started_us;
    snprintf(result->detail, sizeof result->detail, "%s", answer->detail);
    utf8_repair(result->detail); /* the PBX's own words */
    publish(outbox, result);
}

/* An attempt that never began: surely not received. */
static void give_back(struct outbox *outbox, struct outbox_result *result, int64_t now_ms,
                      const char *why)
{
    int late = result->action.expires_ms <= now_ms;
    result->state = late ? STORE_ACTION_EXPIRED : STORE_ACTION_PENDING;
    result->due_ms = late ? 0 : now_ms + 100;
    result->finished_ms = now_ms;
    snprintf(result->detail, sizeof result->detail, "%s", why);
    publish(outbox, result);
}

static void begin(struct outbox *outbox, struct outbox_result *result)
{
    struct delivery *delivery = (struct delivery *)result;
    int64_t now_ms = clock_wall_ms();
    int64_t left_ms = result->action.expires_ms - now_ms;
    if (left_ms <= 0) {
        give_back(outbox, result, now_ms, "its deadline passed before it was sent");
        return;
    }
    int timeout_ms = outbox->config->pbx.timeout_ms;
    if (left_ms < timeout_ms)
        timeout_ms = (int)left_ms;
    delivery->started_us = clock_mono_us();
    if (pbx_client_post(outbox->client, result->action.key, result->action.body, timeout_ms,
                        delivery) < 0)
        give_back(outbox, result, now_ms, "out of memory");
}

/* 1 when the thread should end: stopping, and nothing on its way or no time left for it. */
static int take_work(struct outbox *outbox, struct outbox_result **work, int *wait_ms)
{
    pthread_mutex_lock(&outbox->lock);
    *work = outbox->to_send;
    outbox->to_send = NULL;
    outbox->to_send_last = &outbox->to_send;
    int stopping = outbox->stopping;
    int64_t left_us = outbox->stop_at_us - clock_mono_us();
    pthread_mutex_unlock(&outbox->lock);
    *wait_ms = !stopping ? IDLE_WAIT_MS : left_us > 0 ? (int)(left_us / 1000 + 1) : 0;
    return stopping && *work == NULL && (pbx_client_busy(outbox->client) == 0 || left_us <= 0);
}

/* Owns the PBX client; sends until it is stopped. */
static void *run(void *arg)
{
    struct outbox *outbox = arg;
    struct outbox_result *work = NULL;
    int wait_ms = 0;
    while (!take_work(outbox, &work, &wait_ms)) {
        while (work != NULL) {
            struct outbox_result *result = work;
            work = work->next;
            begin(outbox, result);
        }
        pbx_client_run(outbox->client, wait_ms, judge, outbox);
    }
    pbx_client_abort(outbox->client, judge, outbox);
    return NULL;
}

int outbox_start(const struct config *config, struct outbox **out, char *error, size_t error_size)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    outbox->config = config;
    outbox->slots = config->pbx.connections;
    outbox->to_send_last = &outbox->to_send;
    outbox->ended_last = &outbox->ended;
    outbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = outbox->event_fd < 0 ? -1 : 0;
    if (code < 0)
        snprintf(error, error_size, "can't make an eventfd");
    else
        code = pbx_client_open(config, &outbox->client, error, error_size);
    if (code == 0 && pthread_mutex_init(&outbox->lock, NULL) != 0)
        code = -1;
    if (code == 0 && pthread_create(&outbox->thread, NULL, run, outbox) != 0) {
        snprintf(error, error_size, "can't start the outbox's thread");
        pthread_mutex_destroy(&outbox->lock);
        code = -1;
    }
    if (code < 0) {
        pbx_client_close(outbox->client);
        if (outbox->event_fd >= 0)
            close(outbox->event_fd);
        free(outbox);
        return -1;
    }
    *out = outbox;
    return 0;
}

static void free_list(struct outbox_result *list)
{
    while (list != NULL) {
        struct outbox_result *next = list->next;
        outbox_result_free(list);
        list = next;
    }
}

void outbox_stop(struct outbox *outbox, int drain_ms)
{
    if (outbox == NULL)
        return;
    pthread_mutex_lock(&outbox->lock);
    outbox->stopping = 1;
    outbox->stop_at_us = clock_mono_us() + (int64_t)drain_ms * 1000;
    pthread_mutex_unlock(&outbox->lock);
    pbx_client_wake(outbox->client);
    pthread_join(outbox->thread, NULL);
}

void outbox_free(struct outbox *outbox)
{
    if (outbox == NULL)
        return;
    pbx_client_close(outbox->client);
    free_list(outbox->to_send);
    free_list(outbox->ended);
    pthread_mutex_destroy(&outbox->lock);
    close(outbox->event_fd);
    free(outbox);
}

int outbox_free_slots(const struct outbox *outbox)
{
    return outbox->stopping ? 0 : outbox->slots; /* set by this same thread */
}

void outbox_submit(struct outbox *outbox, struct store_action *actions, int count)
{
    struct outbox_result *first = NULL, **last = &first;
    for (int i = 0; i < count; i++) {
        struct delivery *delivery = calloc(1, sizeof *delivery);
        if (delivery == NULL) {
            /* It stays SENDING in the store and is UNKNOWN to the next worker: never sent twice. */
            log_error("out of memory, an action is not sent", log_int("action", actions[i].id),
                      log_text("call_id", actions[i].call_id));
            continue;
        }
        delivery->result.action = actions[i];
        actions[i].key = actions[i].call_id = actions[i].body = NULL;
        *last = &delivery->result;
        last = &delivery->result.next;
        outbox->slots--;
    }
    if (first == NULL)
        return;
    pthread_mutex_lock(&outbox->lock);
    *outbox->to_send_last = first;
    outbox->to_send_last = last;
    pthread_mutex_unlock(&outbox->lock);
    pbx_client_wake(outbox->client);
}

int outbox_event_fd(const struct outbox *outbox)
{
    return outbox->event_fd;
}

struct outbox_result *outbox_take(struct outbox *outbox)
{
    uint64_t count = 0;
    /* Before the list is taken: what is published after this makes it readable again. */
    ssize_t got = read(outbox->event_fd, &count, sizeof count);
    (void)got;
    pthread_mutex_lock(&outbox->lock);
    struct outbox_result *first = outbox->ended;
    outbox->ended = NULL;
    outbox->ended_last = &outbox->ended;
    pthread_mutex_unlock(&outbox->lock);
    for (struct outbox_result *result = first; result != NULL; result = result->next)
        outbox->slots++;
    return first;
}

void outbox_result_free(struct outbox_result *result)
{
    if (result == NULL)
        return;
    free(result->action.key);
    free(result->action.call_id);
    free(result->action.body);
    free(result);
}
