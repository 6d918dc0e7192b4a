/* http_fakes.c: one lock, plain lists. The spool is decided on the HTTP loop itself unless it is held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fakes.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "receiver/supervisor.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http *http;

    enum fake_spool spool;
    struct spool_ticket *submitted, *decided;
    int submitted_count, held_count;
    uint8_t identity[EVENT_IDENTITY_SIZE];
    char body[512];
    void (*on_give_up)(void *arg);
    void *on_give_up_arg;

    int workers_ready;
    const char *taken_type;

    int store_works, store_held, store_reading, store_reads, store_opens;
    struct store_counts counts;
    const struct store_call *calls;
    int call_count;
    struct fake_filter filter;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void lock(void)
{
    pthread_mutex_lock(&fake.lock);
}

static void unlock(void)
{
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
}

void fakes_reset(void)
{
    lock();
    fake.http = NULL;
    fake.spool = FAKE_SPOOL_SAFE;
    fake.submitted = fake.decided = NULL;
    fake.submitted_count = fake.held_count = 0;
    fake.on_give_up = NULL;
    fake.workers_ready = 1;
    fake.taken_type = NULL;
    fake.store_works = 1;
    fake.store_held = fake.store_reading = fake.store_reads = fake.store_opens = 0;
    memset(&fake.counts, 0, sizeof fake.counts);
    fake.calls = NULL;
    fake.call_count = 0;
    memset(&fake.filter, 0, sizeof fake.filter);
    unlock();
}

void fakes_attach(struct http *http)
{
    lock();
    fake.http = http;
    unlock();
}

/* Waits, with the lock held, for *value to become at least `least`. */
static void await(const int *value, int least)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    while (*value < least) {
        if (pthread_cond_timedwait(&fake.changed, &fake.lock, &until) != 0) {
            pthread_mutex_unlock(&fake.lock);
            fail_msg("waited 10 s: %d of %d", *value, least);
        }
    }
}

/* ---- The spool thread --------------------------------------------------------------------------- */

struct spool_thread *fakes_spool(void)
{
    return (struct spool_thread *)&fake; /* never looked into */
}

void fakes_set_spool(enum fake_spool how)
{
    lock();
    fake.spool = how;
    unlock();
}

/* With the lock held. */
static void decide(enum spool_result result)
{
    struct spool_ticket **end = &fake.decided;
    while (*end != NULL)
        end = &(*end)->next;
    *end = fake.submitted;
    for (struct spool_ticket *ticket = fake.submitted; ticket != NULL; ticket = ticket->next)
        ticket->result = result;
    fake.submitted = NULL;
    fake.held_count = 0;
    http_wake(fake.http);
}

void fakes_on_give_up(void (*call)(void *arg), void *arg)
{
    lock();
    fake.on_give_up = call;
    fake.on_give_up_arg = arg;
    unlock();
}

/* Nobody waits for a store here, but where a test decides so. */
void spool_thread_give_up_waiting(struct spool_thread *thread)
{
    (void)thread;
    if (fake.on_give_up !=
        NULL) /* set before the server stops, and by the thread that waits for that */
        fake.on_give_up(fake.on_give_up_arg);
}

void fakes_release_spool(enum spool_result result)
{
    lock();
    decide(result);
    unlock();
}

void fakes_await_held(int count)
{
    lock();
    await(&fake.held_count, count);
    unlock();
}

int fakes_submitted(void)
{
    lock();
    int count = fake.submitted_count;
    unlock();
    return count;
}

void fakes_last_identity(uint8_t out[EVENT_IDENTITY_SIZE])
{
    lock();
    memcpy(out, fake.identity, sizeof fake.identity);
    unlock();
}

void fakes_last_body(char *out, size_t size)
{
    lock();
    snprintf(out, size, "%s", fake.body);
    unlock();
}

int spool_thread_submit(struct spool_thread *thread, struct spool_ticket *ticket)
{
    (void)thread;
    lock();
    int full = fake.spool == FAKE_SPOOL_FULL;
    if (!full) {
        ticket->next = fake.submitted;
        fake.submitted = ticket;
        fake.submitted_count++;
        fake.held_count++;
        memcpy(fake.identity, ticket->event->identity, sizeof fake.identity);
        snprintf(fake.body, sizeof fake.body, "%s", ticket->event->body);
    }
    unlock();
    return full ? -1 : 0;
}

void spool_thread_kick(struct spool_thread *thread)
{
    (void)thread;
    lock();
    if (fake.submitted != NULL && fake.spool != FAKE_SPOOL_HELD)
        decide(fake.spool == FAKE_SPOOL_FAILED ? SPOOL_FAILED : SPOOL_SAFE);
    unlock();
}

struct spool_ticket *spool_thread_take(struct spool_thread *thread)
{
    (void)thread;
    lock();
    struct spool_ticket *decided = fake.decided;
    fake.decided = NULL;
    unlock();
    return decided;
}

void spool_thread_depth(struct spool_thread *thread, struct spool_depth *out)
{
    (void)thread;
    lock();
    *out = (struct spool_depth){.events = fake.held_count, .bytes = fake.held_count};
    unlock();
}

int spool_thread_failing(struct spool_thread *thread)
{
    (void)thread;
    lock();
    int failing = fake.spool == FAKE_SPOOL_FAILED;
    unlock();
    return failing;
}

/* ---- The supervisor ------------------------------------------------------------------------------ */

void fakes_set_workers_ready(int count)
{
    lock();
    fake.workers_ready = count;
    unlock();
}

void fakes_set_taken_type(const char *type)
{
    lock();
    fake.taken_type = type;
    unlock();
}

int supervisor_ready(const struct supervisor *supervisor)
{
    (void)supervisor;
    lock();
    int count = fake.workers_ready;
    unlock();
    return count;
}

int supervisor_takes(struct supervisor *supervisor, const char *type)
{
    (void)supervisor;
    lock();
    int takes = fake.taken_type != NULL && strcmp(fake.taken_type, type) == 0;
    unlock();
    return takes;
}

struct metrics_worker *const *supervisor_pages(const struct supervisor *supervisor, int *count)
{
    (void)supervisor;
    *count = 0;
    return NULL;
}

/* ---- The store ----------------------------------------------------------------------------------- */

void fakes_set_store_works(int works)
{
    lock();
    fake.store_works = works;
    unlock();
}

void fakes_set_counts(const struct store_counts *counts)
{
    lock();
    fake.counts = *counts;
    unlock();
}

void fakes_set_active_calls(const struct store_call *calls, int count)
{
    lock();
    fake.calls = calls;
    fake.call_count = count;
    unlock();
}

void fakes_hold_store(int hold)
{
    lock();
    fake.store_held = hold;
    unlock();
}

void fakes_await_read(void)
{
    lock();
    await(&fake.store_reading, 1);
    unlock();
}

int fakes_store_reads(void)
{
    lock();
    int count = fake.store_reads;
    unlock();
    return count;
}

int fakes_store_opens(void)
{
    lock();
    int count = fake.store_opens;
    unlock();
    return count;
}

int store_open(const struct store_options *options, struct store **out, char *error,
               size_t error_size)
{
    lock();
    int works = fake.store_works && options->mode == STORE_READ;
    fake.store_opens++;
    unlock();
    if (!works) {
        snprintf(error, error_size, "the fake store is stopped");
        return STORE_E_FAILED;
    }
    *out = (struct store *)&fake;
    return 0;
}

void store_close(struct store *store)
{
    (void)store;
}

const char *store_error(const struct store *store)
{
    (void)store;
    return "the fake store fails";
}

/* Counts a read and waits while reads are held; with the lock held. 0, or STORE_E_FAILED. */
static int begin_read(void)
{
    fake.store_reads++;
    fake.store_reading = 1;
    pthread_cond_broadcast(&fake.changed);
    while (fake.store_held)
        pthread_cond_wait(&fake.changed, &fake.lock);
    fake.store_reading = 0;
    return fake.store_works ? 0 : STORE_E_FAILED;
}

int store_counts(struct store *store, struct store_counts *out)
{
    (void)store;
    lock();
    int result = begin_read();
    if (result == 0)
        *out = fake.counts;
    unlock();
    return result;
}

int store_letters_count(struct store *store, int64_t *out)
{
    (void)store;
    *out = 2;
    return 0;
}

int store_letters(struct store *store, const struct store_letter *before, int max,
                  store_letter_fn row, void *arg)
{
    const struct store_letter letter = {.event_id = 42,
                                        .plugin = "call_standby",
                                        .error = "no \"such\" queue",
                                        .call_id = "c1",
                                        .type = "call.standby",
                                        .failed_ms = 1000,
                                        .received_ms = 0,
                                        .attempts = 3};

    (void)store;
    (void)before;
    assert_int_equal(max, 100);
    return row(arg, &letter) != 0 ? STORE_E_STOPPED : 0;
}

int store_active_calls(struct store *store, int (*row)(void *arg, const struct store_call *call),
                       void *arg)
{
    (void)store;
    lock();
    int result = begin_read();
    for (int i = 0; result == 0 && i < fake.call_count; i++) {
        if (row(arg, &fake.calls[i]) != 0)
            result = STORE_E_STOPPED;
    }
    unlock();
    return result;
}

void fakes_last_filter(struct fake_filter *out)
{
    lock();
    *out = fake.filter;
    unlock();
}

int store_calls(struct store *store, const struct store_call_filter *filter, store_call_fn row,
                void *arg)
{
    lock();
    fake.filter.filter = *filter;
    snprintf(fake.filter.queue, sizeof fake.filter.queue, "%s", filter->queue);
    snprintf(fake.filter.number, sizeof fake.filter.number, "%s", filter->number);
    unlock();
    return store_active_calls(store, row, arg);
}

int store_call_find(struct store *store, const char *call_id, const struct store_call **out)
{
    (void)store;
    lock();
    int result = begin_read();
    for (int i = 0; result == 0 && i < fake.call_count; i++) {
        if (strcmp(fake.calls[i].call_id, call_id) == 0) {
            *out = &fake.calls[i];
            result = 1;
        }
    }
    unlock();
    return result;
}

/* The history's own test has a real store; here no call has a timeline. */
int store_call_events(struct store *store, const char *call_id, int limit, store_event_fn row,
                      void *arg)
{
    (void)store;
    (void)call_id;
    (void)limit;
    (void)row;
    (void)arg;
    return 0;
}

int store_call_actions(struct store *store, const char *call_id, int limit,
                       store_past_action_fn row, void *arg)
{
    (void)store;
    (void)call_id;
    (void)limit;
    (void)row;
    (void)arg;
    return 0;
}

/* One event, that tells what was asked. */
int store_events_after(struct store *store, const struct store_place *after, int limit,
                       store_event_fn row, void *arg)
{
    char type[96];
    (void)store;
    snprintf(type, sizeof type, "after %lld.%lld limit %d", (long long)after->tx,
             (long long)after->id, limit);
    const struct store_event event = {
        .place = {after->tx, after->id + 1}, .call_id = "c", .type = type, .body = "{}"};
    return row(arg, &event) != 0 ? STORE_E_STOPPED : 0;
}

int store_events_newest(struct store *store, int count, struct store_place *before)
{
    (void)store;
    *before = (struct store_place){.tx = 9, .id = 1000 - count};
    return 0;
}

const int store_kpi_seconds[STORE_KPI_LIMITS] = {5, 10, 15, 20, 30, 60, 120};

/* Indicators need a real store. */
int store_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
              store_kpi_fn row, void *arg)
{
    (void)store;
    (void)from_minute;
    (void)to_minute;
    (void)step_minutes;
    (void)row;
    (void)arg;
    return STORE_E_ARGUMENT;
}

int store_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count)
{
    (void)count;
    return store_kpi(store, from_minute, to_minute, 1, NULL, NULL);
}

int store_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                      store_kpi_action_fn row, void *arg)
{
    (void)row;
    return store_kpi(store, from_minute, to_minute, 1, NULL, arg);
}

int store_kpi_events(struct store *store, int64_t from_minute, int64_t *count)
{
    (void)count;
    return store_kpi(store, from_minute, from_minute, 1, NULL, NULL);
}
