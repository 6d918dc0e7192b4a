/* load.c: see load.h. The threads fail nothing themselves: load_finish() looks at what they did. */
#include "load.h"

#include "cmocka_all.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "events.h"
#include "wait.h"

#define THREADS_MAX    16
#define EVENT_LIMIT_MS 60000 /* to bring one event home */

struct load {
    const struct server *server;
    char prefix[64];
    pthread_mutex_t lock; /* calls and next_call: no number below the limit is left out */
    int calls;
    int next_call;
    int callers; /* 0: each call has its own */
    int threads;
    pthread_t thread[THREADS_MAX];
    struct client *client[THREADS_MAX];
    _Atomic int next_client;
    _Atomic int acknowledged;
    _Atomic int failures;
    _Atomic int given_up;
};

static int bring_home(struct load *load, struct client *client, const char *body)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(EVENT_LIMIT_MS);
    while (wait_now_ms() < until_ms) {
        client->port = load->server->port;
        if (client_post(client, ROUTE_SEED, body) == 204) {
            load->acknowledged++;
            return 0;
        }
        load->failures++;
        wait_nap();
    }
    load->given_up++;
    return -1;
}

/* The next call to place; -1: there is none. */
static int take_call(struct load *load)
{
    int call = -1;
    pthread_mutex_lock(&load->lock);
    if (load->next_call < load->calls && load->given_up == 0)
        call = load->next_call++;
    pthread_mutex_unlock(&load->lock);
    return call;
}

static void *post_calls(void *arg)
{
    struct load *load = arg;
    struct client *client = load->client[load->next_client++];
    int call;
    while ((call = take_call(load)) >= 0) {
        char call_id[96], number[32], time[EVENT_TIME_SIZE];
        snprintf(call_id, sizeof call_id, "%s-%d", load->prefix, call);
        snprintf(number, sizeof number, "11%08d", load->callers > 0 ? call % load->callers : call);
        for (int i = 0; i < EVENTS_OF_CALL; i++) {
            event_time(i, time);
            char *body = event_seed(&(struct event_text){.type = event_types[i],
                                                         .call_id = call_id,
                                                         .timestamp = time,
                                                         .their_number = number});
            int result = bring_home(load, client, body);
            free(body);
            if (result < 0)
                return NULL;
            if (load->callers > 0)
                wait_nap();
        }
    }
    return NULL;
}

static struct load *start(const struct server *server, const char *prefix, int calls, int callers,
                          int threads)
{
    struct load *load = calloc(1, sizeof *load);
    assert_non_null(load);
    assert_in_range(threads, 1, THREADS_MAX);
    load->server = server;
    assert_int_equal(pthread_mutex_init(&load->lock, NULL), 0);
    load->calls = calls;
    load->callers = callers;
    load->threads = threads;
    snprintf(load->prefix, sizeof load->prefix, "%s", prefix);
    for (int i = 0; i < threads; i++)
        load->client[i] = client_open(server->port);
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&load->thread[i], NULL, post_calls, load), 0);
    return load;
}

struct load *load_start(const struct server *server, const char *prefix, int calls, int threads)
{
    return start(server, prefix, calls, 0, threads);
}

struct load *load_start_endless(const struct server *server, const char *prefix, int callers,
                                int threads)
{
    return start(server, prefix, INT_MAX, callers, threads);
}

int load_wind_up(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    int calls = load->calls = load->next_call;
    pthread_mutex_unlock(&load->lock);
    return calls;
}

int load_acknowledged(struct load *load)
{
    return load->acknowledged;
}

int load_failures(struct load *load)
{
    return load->failures;
}

void load_finish(struct load *load)
{
    for (int i = 0; i < load->threads; i++)
        pthread_join(load->thread[i], NULL);
    for (int i = 0; i < load->threads; i++)
        client_close(load->client[i]); /* only now: any thread may have taken it */
    pthread_mutex_destroy(&load->lock);
    int acknowledged = load->acknowledged, calls = load->calls;
    free(load);
    assert_int_equal(acknowledged, calls * EVENTS_OF_CALL);
}
