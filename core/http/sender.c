/*
 * sender.c: see sender.h. Its own thread owns libcurl. Between the threads are two lists under one lock: what
 * is to be sent, and how it ended.
 */
#include "http/sender.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/utf8.h"
#include "http/outcome.h"
#include "http/transfer.h"

#define IDLE_WAIT_MS     60000
#define FAILURE_PAUSE_MS 1000

struct sender {
    struct transfer_target *targets;
    size_t target_count;
    CURLM *multi;
    struct transfer **open; /* the thread's: what is on its way */
    size_t open_count, open_max;
    pthread_t thread;
    int is_running; /* there is a thread to be joined */
    int event_fd;

    pthread_mutex_t lock; /* all below */
    struct delivery *to_send, **to_send_last;
    struct delivery *ended, **ended_last;
    int stopping;
    int64_t stop_at_us;
};

/* ---- The thread ------------------------------------------------------------------------------ */

static const struct transfer_target *find_target(const struct sender *sender, const char *name)
{
    for (size_t i = 0; i < sender->target_count; i++) {
        if (strcmp(sender->targets[i].config->name, name) == 0)
            return &sender->targets[i];
    }
    return NULL; /* not with what was claimed: claims are by target */
}

static void publish(struct sender *sender, struct delivery *delivery)
{
    uint64_t one = 1;

    delivery->next = NULL;
    /* A path or libcurl's words, cut to fit: no store takes half a character. */
    utf8_repair(delivery->detail);
    pthread_mutex_lock(&sender->lock);
    *sender->ended_last = delivery;
    sender->ended_last = &delivery->next;
    pthread_mutex_unlock(&sender->lock);
    /* Fails only when the counter is at its end: then it is readable anyway. */
    ssize_t written = write(sender->event_fd, &one, sizeof one);
    (void)written;
}

static void forget_open(struct sender *sender, const struct transfer *transfer)
{
    for (size_t i = 0; i < sender->open_count; i++) {
        if (sender->open[i] != transfer)
            continue;
        sender->open[i] = sender->open[--sender->open_count];
        return;
    }
}

static void end_transfer(struct sender *sender, CURL *easy, CURLcode code)
{
    struct transfer *transfer = transfer_of(easy);
    struct delivery *delivery = transfer_delivery(transfer);
    struct transfer_answer answer;

    forget_open(sender, transfer);
    transfer_end(sender->multi, transfer, code, &answer);
    delivery->took_us += clock_mono_us(); /* less what it began with */
    outcome_judge(find_target(sender, delivery->target)->config, delivery, &answer);
    publish(sender, delivery);
}

static void begin(struct sender *sender, struct delivery *delivery)
{
    const struct transfer_target *target = find_target(sender, delivery->target);
    int64_t now_ms = clock_wall_ms();
    int64_t left_ms = delivery->expires_ms - now_ms;
    int timeout_ms = target->config->timeout_ms;
    struct transfer *transfer = NULL;

    if (left_ms < timeout_ms)
        timeout_ms = (int)left_ms;
    delivery->took_us = -clock_mono_us();
    if (left_ms > 0 && sender->open_count < sender->open_max)
        transfer = transfer_begin(sender->multi, target, delivery, timeout_ms);
    if (transfer != NULL) {
        sender->open[sender->open_count++] = transfer;
        return;
    }
    outcome_put_off(delivery, now_ms);
    publish(sender, delivery);
}

static int collect(struct sender *sender)
{
    CURLMsg *message;
    int left = 0, ended = 0;

    while ((message = curl_multi_info_read(sender->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        end_transfer(sender, message->easy_handle, message->data.result);
        ended++;
    }
    return ended;
}

/* 1 when the thread should end: stopping, and nothing under way or no time left for it. */
static int take_work(struct sender *sender, struct delivery **work, int *wait_ms)
{
    int stopping;
    int64_t left_us;

    pthread_mutex_lock(&sender->lock);
    *work = sender->to_send;
    sender->to_send = NULL;
    sender->to_send_last = &sender->to_send;
    stopping = sender->stopping;
    left_us = sender->stop_at_us - clock_mono_us();
    pthread_mutex_unlock(&sender->lock);
    *wait_ms = !stopping ? IDLE_WAIT_MS : left_us > 0 ? (int)(left_us / 1000 + 1) : 0;
    return stopping && *work == NULL && (sender->open_count == 0 || left_us <= 0);
}

/* Sends and receives what can be, or waits for that. */
static void perform(struct sender *sender, int wait_ms)
{
    int running = 0;
    CURLMcode code = curl_multi_perform(sender->multi, &running);

    if (code == CURLM_OK && collect(sender) == 0)
        code = curl_multi_poll(sender->multi, NULL, 0, wait_ms, NULL);
    if (code == CURLM_OK)
        code = curl_multi_perform(sender->multi, &running);
    if (code != CURLM_OK) {
        log_error("libcurl failed", log_text("error", curl_multi_strerror(code)));
        poll(NULL, 0, FAILURE_PAUSE_MS); /* it did not wait: neither spin nor flood the log */
    }
    collect(sender);
}

/* The time is over, and these had no connection yet: surely not received, so that is how they end. */
static void give_up_unsent(struct sender *sender)
{
    int64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < sender->open_count;) {
        struct transfer *transfer = sender->open[i];
        struct delivery *delivery = transfer_delivery(transfer);

        if (transfer_has_sent(transfer)) {
            i++;
            continue;
        }
        forget_open(sender, transfer);
        transfer_drop(sender->multi, transfer);
        snprintf(delivery->detail, sizeof delivery->detail, "its worker left before it was sent");
        outcome_put_off(delivery, now_ms);
        publish(sender, delivery);
    }
}

/* Owns libcurl. What was sent when the time is over stays "sending" in the store: the next life of this
 * worker finds it there and knows what that means. */
static void *run(void *arg)
{
    struct sender *sender = arg;
    struct delivery *work = NULL;
    int wait_ms = 0;

    while (!take_work(sender, &work, &wait_ms)) {
        while (work != NULL) {
            struct delivery *delivery = work;

            work = work->next;
            delivery->next = NULL;
            begin(sender, delivery);
        }
        perform(sender, wait_ms);
    }
    give_up_unsent(sender);
    return NULL;
}

/* ---- Starting and stopping ------------------------------------------------------------------- */

static int open_targets(struct sender *sender, const struct config *config, char *error,
                        size_t error_size)
{
    sender->targets = calloc(config->target_count, sizeof sender->targets[0]);
    if (sender->targets == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < config->target_count; i++) {
        if (transfer_target_open(&config->targets[i], config->download_dir, &sender->targets[i],
                                 error, error_size) < 0)
            return -1;
        sender->target_count++;
        sender->open_max += (size_t)config->targets[i].connections;
    }
    sender->open = calloc(sender->open_max, sizeof sender->open[0]);
    if (sender->open == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    if (mkdir(config->download_dir, 0700) < 0 && errno != EEXIST) {
        snprintf(error, error_size, "download_dir: %s: %s", config->download_dir, strerror(errno));
        return -1;
    }
    return 0;
}

static int start_thread(struct sender *sender, char *error, size_t error_size)
{
    sender->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sender->multi = curl_multi_init();
    if (sender->event_fd >= 0 && sender->multi != NULL &&
        pthread_create(&sender->thread, NULL, run, sender) == 0) {
        sender->is_running = 1;
        return 0;
    }
    snprintf(error, error_size, "can't start the courier's thread");
    return -1;
}

/* Without libcurl and targets yet; NULL when there is no memory. */
static struct sender *new_sender(void)
{
    struct sender *sender = calloc(1, sizeof *sender);

    if (sender == NULL || pthread_mutex_init(&sender->lock, NULL) != 0) {
        free(sender);
        return NULL;
    }
    sender->event_fd = -1;
    sender->to_send_last = &sender->to_send;
    sender->ended_last = &sender->ended;
    return sender;
}

int sender_start(const struct config *config, struct sender **out, char *error, size_t error_size)
{
    struct sender *sender = NULL;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(error, error_size, "can't start libcurl");
        return -1;
    }
    sender = new_sender();
    if (sender == NULL) {
        curl_global_cleanup();
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    if (open_targets(sender, config, error, error_size) < 0 ||
        start_thread(sender, error, error_size) < 0) {
        sender_free(sender);
        return -1;
    }
    *out = sender;
    return 0;
}

void sender_stop(struct sender *sender, int drain_ms)
{
    if (!sender->is_running)
        return;
    pthread_mutex_lock(&sender->lock);
    sender->stopping = 1;
    sender->stop_at_us = clock_mono_us() + (int64_t)drain_ms * 1000;
    pthread_mutex_unlock(&sender->lock);
    curl_multi_wakeup(sender->multi);
    pthread_join(sender->thread, NULL);
    sender->is_running = 0;
}

void sender_free(struct sender *sender)
{
    if (sender == NULL)
        return;
    sender_stop(sender, 0);
    for (size_t i = 0; i < sender->open_count; i++) {
        struct delivery *delivery = transfer_delivery(sender->open[i]);

        transfer_drop(sender->multi, sender->open[i]);
        deliveries_free(delivery);
    }
    free(sender->open);
    deliveries_free(sender->to_send);
    deliveries_free(sender->ended);
    curl_multi_cleanup(sender->multi);
    if (sender->event_fd >= 0)
        close(sender->event_fd);
    for (size_t i = 0; i < sender->target_count; i++)
        transfer_target_close(&sender->targets[i]);
    free(sender->targets);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
    curl_global_cleanup();
}

/* ---- The other thread's ---------------------------------------------------------------------- */

void sender_submit(struct sender *sender, struct delivery *list)
{
    pthread_mutex_lock(&sender->lock);
    *sender->to_send_last = list;
    while (*sender->to_send_last != NULL)
        sender->to_send_last = &(*sender->to_send_last)->next;
    pthread_mutex_unlock(&sender->lock);
    curl_multi_wakeup(sender->multi);
}

struct delivery *sender_take(struct sender *sender)
{
    struct delivery *list;
    uint64_t count = 0;
    /* Before the list is taken: what is published after this makes it readable again. */
    ssize_t got = read(sender->event_fd, &count, sizeof count);
    (void)got;

    pthread_mutex_lock(&sender->lock);
    list = sender->ended;
    sender->ended = NULL;
    sender->ended_last = &sender->ended;
    pthread_mutex_unlock(&sender->lock);
    return list;
}

int sender_event_fd(const struct sender *sender)
{
    return sender->event_fd;
}
