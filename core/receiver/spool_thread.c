/*
 * spool_thread.c: group commit. Whatever the HTTP loop submits while one commit is on its way to the
 * disk goes into the next, so a slow disk makes larger groups, not longer queues. The lock is never
 * held across the disk.
 */
#include "receiver/spool_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/short_slice.h"
#include "receiver/stored_wait.h"
#include "receiver/ticket_list.h"

/* Removing handled events may wait this long for a group to join, and after a failure so long to try
 * again. */
#define DONE_DELAY_MS  20
#define RETRY_DELAY_MS 500

/*
 * Under load: behind a group of so many events, the next commit begins so long after that one began, and takes
 * along what comes meanwhile. A fast disk would else be given thousands of small groups, whose commits take
 * the processor from the requests that they are for.
 */
#define GATHER_EVENTS 4
#define GATHER_US     600

struct spool_thread {
    struct spool_thread_options options;
    struct spool_writer *writer; /* the thread's alone */
    struct event **group;        /* the thread's alone */
    size_t group_capacity;
    int64_t begun_us;  /* the thread's alone, of the last commit of events: */
    size_t last_count; /* when it began, and how many they were             */
    struct spool_inheritance inherited;
    pthread_t thread;

    pthread_mutex_t lock; /* everything below, but for the atomics */
    pthread_cond_t wake;
    struct ticket_list submitted, decided;
    size_t committing; /* tickets in neither list: their commit is under way */
    int kicked, gathering, stopping;
    int64_t
        done[SPOOL_MAX_WORKERS]; /* by worker: what it reported and is still in the spool; or 0 */
    int done_pending;            /* one of them is not 0 */
    struct spool_depth depth;
    struct stored_wait stored; /* acknowledge = "stored": committed, and not decided yet */

    int submitted_since_kick;        /* HTTP loop's alone */
    _Atomic int64_t submitted_bytes; /* not yet in depth.bytes */
    _Atomic int64_t committed_bytes; /* depth.bytes, for submit() without the lock */
    _Atomic int failing;
};

static int64_t ticket_bytes(const struct spool_ticket *ticket)
{
    return (int64_t)ticket->event->body_size + 256; /* the row's other columns, roughly */
}

int spool_thread_submit(struct spool_thread *thread, struct spool_ticket *ticket)
{
    int64_t waiting = atomic_load(&thread->submitted_bytes) + atomic_load(&thread->committed_bytes);
    int64_t bytes = ticket_bytes(ticket);
    if (waiting + bytes > thread->options.max_bytes)
        return -1;
    atomic_fetch_add(&thread->submitted_bytes, bytes);
    pthread_mutex_lock(&thread->lock);
    ticket_list_append(&thread->submitted, ticket);
    pthread_mutex_unlock(&thread->lock);
    thread->submitted_since_kick = 1;
    return 0;
}

void spool_thread_kick(struct spool_thread *thread)
{
    if (!thread->submitted_since_kick)
        return;
    thread->submitted_since_kick = 0;
    pthread_mutex_lock(&thread->lock);
    thread->kicked = 1;
    if (!thread->gathering)
        pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

struct spool_ticket *spool_thread_take(struct spool_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    struct spool_ticket *first = thread->decided.first;
    ticket_list_clear(&thread->decided);
    pthread_mutex_unlock(&thread->lock);
    return first;
}

void spool_thread_done(struct spool_thread *thread, int worker, int64_t seq)
{
    struct ticket_list decided;
    size_t count = 0;
    if (worker < 0 || worker >= thread->options.workers)
        return;
    ticket_list_clear(&decided);
    pthread_mutex_lock(&thread->lock);
    if (seq > thread->done[worker]) {
        thread->done[worker] = seq;
        if (!thread->done_pending)
            pthread_cond_signal(&thread->wake);
        thread->done_pending = 1;
    }
    stored_wait_done(&thread->stored, worker, seq, &decided);
    count = decided.count;
    ticket_list_join(&thread->decided, &decided);
    pthread_mutex_unlock(&thread->lock);
    if (count > 0)
        thread->options.notify_http(thread->options.http_arg);
}

void spool_thread_give_up_waiting(struct spool_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    stored_wait_give_up(&thread->stored, &thread->decided);
    pthread_mutex_unlock(&thread->lock);
}

void spool_thread_depth(struct spool_thread *thread, struct spool_depth *out)
{
    pthread_mutex_lock(&thread->lock);
    *out = thread->depth;
    out->events += (int64_t)(thread->submitted.count + thread->committing);
    pthread_mutex_unlock(&thread->lock);
}

void spool_thread_inherited(const struct spool_thread *thread, struct spool_inheritance *out)
{
    *out = thread->inherited;
}

int spool_thread_failing(struct spool_thread *thread)
{
    return atomic_load(&thread->failing);
}

static void wait_ms(struct spool_thread *thread, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!thread->kicked && !thread->stopping &&
           pthread_cond_timedwait(&thread->wake, &thread->lock, &until) != ETIMEDOUT)
        continue;
}

/* Waits to be woken, but not past until_us (INT64_MAX: no matter when). 0, or ETIMEDOUT. */
static int wait_until(struct spool_thread *thread, int64_t until_us)
{
    if (until_us == INT64_MAX)
        return pthread_cond_wait(&thread->wake, &thread->lock);
    const struct timespec until = {.tv_sec = until_us / 1000000,
                                   .tv_nsec = until_us % 1000000 * 1000};
    return pthread_cond_timedwait(&thread->wake, &thread->lock, &until);
}

/* Waits, with the lock held, until there is a group to commit, or somebody has waited long enough for the
 * store. */
static void wait_for_work(struct spool_thread *thread)
{
    while (!thread->kicked && !thread->stopping && !thread->done_pending) {
        if (wait_until(thread, stored_wait_next_us(&thread->stored)) == ETIMEDOUT)
            return;
    }
    if (!thread->kicked && !thread->stopping)
        wait_ms(thread, atomic_load(&thread->failing) ? RETRY_DELAY_MS : DONE_DELAY_MS);
}

/* Under load waits, with the lock held, until the next group has had its time to come together. */
static void gather(struct spool_thread *thread)
{
    int64_t until_us = thread->begun_us + GATHER_US;
    if (thread->last_count < GATHER_EVENTS)
        return;
    thread->gathering = 1;
    while (!thread->stopping && wait_until(thread, until_us) != ETIMEDOUT)
        continue;
    thread->gathering = 0;
}

/* Room for so many events; 0, or -1 when out of memory. */
static int reserve_group(struct spool_thread *thread, size_t count)
{
    if (count <= thread->group_capacity)
        return 0;
    struct event **larger = realloc(thread->group, count * 2 * sizeof *larger);
    if (larger == NULL)
        return -1;
    thread->group = larger;
    thread->group_capacity = count * 2;
    return 0;
}

/* Tells once when it begins to fail and once when it works again. */
static void note_outcome(struct spool_thread *thread, int failed)
{
    int failing = atomic_exchange(&thread->failing, failed);
    if (failed && !failing)
        log_error("spool can't be written, answering 503 until it can",
                  log_text("error", spool_writer_error(thread->writer)));
    else if (!failed && failing)
        log_info("spool can be written again");
}

/* One commit, without the lock. 0, or -1 when nothing of it happened. */
static int commit_group(struct spool_thread *thread, struct ticket_list *group, const int64_t *done)
{
    size_t count = 0;
    int failed = reserve_group(thread, group->count);
    if (group->count > 0) {
        thread->begun_us = clock_mono_us();
        thread->last_count = group->count;
    }
    if (!failed) {
        for (struct spool_ticket *ticket = group->first; ticket != NULL; ticket = ticket->next)
            thread->group[count++] = ticket->event;
        failed = spool_writer_commit(thread->writer, thread->group, count, done,
                                     thread->options.workers);
        note_outcome(thread, failed != 0);
    }
    for (struct spool_ticket *ticket = group->first; ticket != NULL; ticket = ticket->next)
        ticket->result = failed ? SPOOL_FAILED : SPOOL_SAFE;
    if (!failed)
        metrics_add(&thread->options.metrics->spool_commits, 1);
    return failed ? -1 : 0;
}

/* Hands a committed group back, or has it wait for the store, and publishes the depth, with the lock
 * held. */
static void publish_group(struct spool_thread *thread, struct ticket_list *group, int failed)
{
    int64_t bytes = 0;
    for (struct spool_ticket *ticket = group->first; ticket != NULL; ticket = ticket->next)
        bytes += ticket_bytes(ticket);
    spool_writer_depth(thread->writer, &thread->depth);
    thread->committing = 0;
    atomic_store(&thread->committed_bytes, thread->depth.bytes);
    atomic_fetch_sub(&thread->submitted_bytes, bytes);
    if (thread->options.acknowledge_stored && !failed)
        stored_wait_add(&thread->stored, group, clock_mono_us(), &thread->decided);
    else
        ticket_list_join(&thread->decided, group);
}

/* Decides those who have waited long enough, with the lock held; their number. */
static size_t expire(struct spool_thread *thread)
{
    size_t before = thread->decided.count;
    if (stored_wait_next_us(&thread->stored) != INT64_MAX)
        stored_wait_expire(&thread->stored, clock_mono_us(), &thread->decided);
    return thread->decided.count - before;
}

/* Forgets the reports that a commit has applied, with the lock held; newer ones stay. */
static void settle_done(struct spool_thread *thread, const int64_t *applied)
{
    thread->done_pending = 0;
    for (int i = 0; i < thread->options.workers; i++) {
        if (thread->done[i] == applied[i])
            thread->done[i] = 0;
        else
            thread->done_pending = 1;
    }
}

/* Owns the writing connection; runs until it is stopped and nothing is left to commit. */
static void *run(void *arg)
{
    struct spool_thread *thread = arg;
    const struct spool_thread_options *options = &thread->options;
    int64_t done[SPOOL_MAX_WORKERS];

    short_slice_request();
    pthread_mutex_lock(&thread->lock);
    for (;;) {
        struct ticket_list group;
        ticket_list_clear(&group);
        wait_for_work(thread);
        gather(thread);
        thread->kicked = 0;
        ticket_list_join(&group, &thread->submitted);
        thread->committing = group.count;
        memcpy(done, thread->done, sizeof done);
        int last = thread->stopping;
        int idle = group.count == 0 && !thread->done_pending;
        size_t count = group.count + expire(thread);
        if (last && idle)
            break;
        pthread_mutex_unlock(&thread->lock);

        int failed = idle ? 0 : commit_group(thread, &group, done);

        pthread_mutex_lock(&thread->lock);
        if (!idle)
            publish_group(thread, &group, failed);
        if (!failed)
            settle_done(thread, done);
        pthread_mutex_unlock(&thread->lock);

        if (count > 0 && !failed && !idle)
            options->notify_workers(options->workers_arg);
        if (count > 0)
            options->notify_http(options->http_arg);
        pthread_mutex_lock(&thread->lock);
        /* What was done and can't be removed now is found done again later, by its identity. */
        if (last && failed)
            break;
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

static int init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    if (code != 0)
        return code;
    code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (code == 0)
        code = pthread_cond_init(wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return code;
}

static void free_thread(struct spool_thread *thread)
{
    spool_writer_close(thread->writer);
    free(thread->group);
    free(thread);
}

/* Starts the thread itself; 0, or an errno and nothing is left behind. */
static int start(struct spool_thread *thread)
{
    int code = pthread_mutex_init(&thread->lock, NULL);
    if (code != 0)
        return code;
    code = init_wake(&thread->wake);
    if (code == 0) {
        code = pthread_create(&thread->thread, NULL, run, thread);
        if (code != 0)
            pthread_cond_destroy(&thread->wake);
    }
    if (code != 0)
        pthread_mutex_destroy(&thread->lock);
    return code;
}

int spool_thread_start(const struct spool_thread_options *options, struct spool_thread **out,
                       char *error, size_t error_size)
{
    if (options->workers < 1 || options->workers > SPOOL_MAX_WORKERS) {
        snprintf(error, error_size, "workers: found %d, wanted 1 to %d", options->workers,
                 SPOOL_MAX_WORKERS);
        return -1;
    }
    struct spool_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    thread->options = *options;
    ticket_list_clear(&thread->submitted);
    ticket_list_clear(&thread->decided);
    stored_wait_init(&thread->stored, options->workers, options->acknowledge_timeout_ms);
    if (spool_writer_open(options->state_dir, &thread->writer, error, error_size) < 0) {
        free_thread(thread);
        return -1;
    }
    spool_writer_inherited(thread->writer, &thread->inherited);
    spool_writer_depth(thread->writer, &thread->depth);
    atomic_store(&thread->committed_bytes, thread->depth.bytes);
    int code = start(thread);
    if (code != 0) {
        snprintf(error, error_size, "can't start the spool thread: %s", strerror(code));
        free_thread(thread);
        return -1;
    }
    *out = thread;
    return 0;
}

void spool_thread_stop(struct spool_thread *thread)
{
    if (thread == NULL)
        return;
    pthread_mutex_lock(&thread->lock);
    thread->stopping = 1;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    pthread_join(thread->thread, NULL);
    pthread_cond_destroy(&thread->wake);
    pthread_mutex_destroy(&thread->lock);
    free_thread(thread);
}
