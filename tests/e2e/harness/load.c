/* load.c: see load.h. The threads fail nothing themselves: load_finish() looks at what they did. */
#include "load.h"

#include "cmocka_all.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "events.h"
#include "wait.h"

#define THREADS_MAX    16
#define EVENT_LIMIT_MS 60000 /* to bring one event home */

struct load {
    struct load_plan plan;
    char prefix[64];
    pthread_t thread[THREADS_MAX];
    struct client *client[THREADS_MAX];
    _Atomic int next_client;
    _Atomic unsigned next_server;
    pthread_mutex_t lock; /* calls and ending */
    int calls;            /* that were begun  */
    int ending;
    _Atomic int acknowledged;
    _Atomic int failures;
    _Atomic int slowest_ms;
    _Atomic int given_up;
};

static int post_once(struct load *load, struct client *client, const char *body)
{
    const struct server *server =
        load->plan.server[load->next_server++ % (unsigned)load->plan.servers];
    int64_t started_ms = wait_now_ms();
    client->port = server->port;
    int status = client_post(client, ROUTE_SEED, body);
    int took_ms = (int)(wait_now_ms() - started_ms);
    int slowest_ms = load->slowest_ms;
    while (took_ms > slowest_ms &&
           !atomic_compare_exchange_weak(&load->slowest_ms, &slowest_ms, took_ms))
        continue;
    return status;
}

static int bring_home(struct load *load, struct client *client, const char *body)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(EVENT_LIMIT_MS);
    while (wait_now_ms() < until_ms) {
        if (post_once(load, client, body) == 204) {
            load->acknowledged++;
            return 0;
        }
        load->failures++;
        wait_nap();
    }
    load->given_up++;
    return -1;
}

static int post_call(struct load *load, struct client *client, int call)
{
    char call_id[96], number[32], time[EVENT_TIME_SIZE];
    int callers = load->plan.callers;
    snprintf(call_id, sizeof call_id, "%s-%d", load->prefix, call);
    snprintf(number, sizeof number, "11%08d", callers > 0 ? call % callers : call);
    for (int i = 0; i < EVENTS_OF_CALL; i++) {
        event_time(i, time);
        char *body = event_seed(&(struct event_text){
            .type = event_types[i], .call_id = call_id, .timestamp = time, .their_number = number});
        int result = bring_home(load, client, body);
        free(body);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* The number of the next call; -1: there is none. No number below the last is left out. */
static int take_call(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    int is_wanted = load->plan.calls == 0 ? !load->ending : load->calls < load->plan.calls;
    int call = is_wanted && load->given_up == 0 ? load->calls++ : -1;
    pthread_mutex_unlock(&load->lock);
    return call;
}

static void *post_calls(void *arg)
{
    struct load *load = arg;
    struct client *client = load->client[load->next_client++];
    int call;
    while ((call = take_call(load)) >= 0) {
        if (post_call(load, client, call) < 0)
            return NULL;
        if (load->plan.gap_ms > 0)
            poll(NULL, 0, load->plan.gap_ms);
    }
    return NULL;
}

struct load *load_start_plan(const struct load_plan *plan)
{
    struct load *load = calloc(1, sizeof *load);
    assert_non_null(load);
    assert_in_range(plan->threads, 1, THREADS_MAX);
    assert_in_range(plan->servers, 1, LOAD_SERVERS_MAX);
    load->plan = *plan;
    assert_int_equal(pthread_mutex_init(&load->lock, NULL), 0);
    snprintf(load->prefix, sizeof load->prefix, "%s", plan->prefix);
    for (int i = 0; i < plan->threads; i++)
        load->client[i] = client_open(plan->server[0]->port);
    for (int i = 0; i < plan->threads; i++)
        assert_int_equal(pthread_create(&load->thread[i], NULL, post_calls, load), 0);
    return load;
}

struct load *load_start(const struct server *server, const char *prefix, int calls, int threads)
{
    return load_start_plan(&(struct load_plan){
        .server = {server}, .servers = 1, .prefix = prefix, .calls = calls, .threads = threads});
}

int load_acknowledged(struct load *load)
{
    return load->acknowledged;
}

int load_failures(struct load *load)
{
    return load->failures;
}

int load_slowest_ms(struct load *load)
{
    return load->slowest_ms;
}

void load_end(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    load->ending = 1;
    pthread_mutex_unlock(&load->lock);
}

int load_finish(struct load *load)
{
    for (int i = 0; i < load->plan.threads; i++)
        pthread_join(load->thread[i], NULL);
    for (int i = 0; i < load->plan.threads; i++)
        client_close(load->client[i]); /* only now: any thread may have taken it */
    pthread_mutex_destroy(&load->lock);
    int acknowledged = load->acknowledged, calls = load->calls;
    free(load);
    assert_int_equal(acknowledged, calls * EVENTS_OF_CALL);
    return calls;
}
