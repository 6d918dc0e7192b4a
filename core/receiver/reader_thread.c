/*
 * reader_thread.c: takes all jobs that wait, does one read for each kind among them (for each job that has a
 * question of its own) and hands them back. The JSON is made here too: a thousand active calls would stall
 * the HTTP loop.
 */
#include "receiver/reader_thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "receiver/dashboard_json.h"
#include "store/store.h"

struct reader_thread {
    char *store_url;
    char *password_file;
    void (*notify)(void *arg);
    void *notify_arg;
    struct store *store; /* the thread's alone; NULL: to be opened */
    int failing;         /* the thread's alone: told so already    */
    pthread_t id;
    int started;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t wake;
    struct reader_job *waiting[READER_KIND_COUNT];
    struct reader_job *answered;
    int waiting_count;
    int stopping;
};

void reader_text_release(void *arg)
{
    struct reader_text *text = arg;
    if (text == NULL || atomic_fetch_sub(&text->references, 1) > 1)
        return;
    free(text->data);
    free(text);
}

/* Tells once that the store can't be read, and once that it can be again. */
static void note_outcome(struct reader_thread *thread, const char *error)
{
    if (error != NULL && !thread->failing)
        log_warning("store can't be read, the dashboard is answered 503", log_text("error", error));
    else if (error == NULL && thread->failing)
        log_info("store can be read again");
    thread->failing = error != NULL;
}

static int open_store(struct reader_thread *thread)
{
    char error[512] = "";

    if (thread->store != NULL)
        return 0;
    const struct store_options options = {
        .url = thread->store_url, .mode = STORE_READ, .password_file = thread->password_file};
    if (store_open(&options, &thread->store, error, sizeof error) == 0)
        return 0;
    thread->store = NULL;
    note_outcome(thread, error);
    return -1;
}

/* As reader_write_fn. */
static int write_answer(struct store *store, const struct reader_job *job, FILE *out)
{
    switch (job->kind) {
    case READER_COUNTS:
        return dashboard_json_counts(store, out);
    case READER_ACTIVE_CALLS:
        return dashboard_json_active_calls(store, out);
    case READER_DEAD_LETTERS:
        return dashboard_json_dead_letters(store, out);
    default:
        return job->write(store, job->question, out);
    }
}

/* A new text with one reference; NULL when there is no such thing (told in *absent), the store can't be
 * read or memory ran out. */
static struct reader_text *read_text(struct reader_thread *thread, const struct reader_job *job,
                                     int *absent)
{
    *absent = 0;
    if (open_store(thread) < 0)
        return NULL;
    struct reader_text *text = calloc(1, sizeof *text);
    if (text == NULL)
        return NULL;
    text->references = 1;

    int result = STORE_E_MEMORY;
    FILE *out = open_memstream(&text->data, &text->size);
    if (out != NULL) {
        result = write_answer(thread->store, job, out);
        /* Without memory for its last byte it succeeds all the same, and there is no text. */
        if ((fclose(out) != 0 || text->data == NULL) && result == 0)
            result = STORE_E_MEMORY;
    }
    if (result >= 0)
        note_outcome(thread, NULL);
    if (result == 0)
        return text;
    if (result > 0) {
        *absent = 1;
        reader_text_release(text);
        return NULL;
    }
    note_outcome(thread, result == STORE_E_MEMORY ? "out of memory" : store_error(thread->store));
    /* Whatever it was, a new connection is the surest way out of it. */
    store_close(thread->store);
    thread->store = NULL;
    reader_text_release(text);
    return NULL;
}

/* One read for all of them: each gets a reference. */
static void share_answer(struct reader_thread *thread, struct reader_job *jobs)
{
    int count = 0;
    int absent;
    struct reader_text *text = read_text(thread, jobs, &absent);

    for (struct reader_job *job = jobs; job != NULL; job = job->next) {
        job->text = text;
        count++;
    }
    if (text != NULL)
        atomic_store(&text->references, count);
}

/* Takes all jobs of a kind, or the oldest one when each has a question of its own. */
static struct reader_job *take_waiting(struct reader_thread *thread, enum reader_kind kind)
{
    struct reader_job **place = &thread->waiting[kind];
    if (kind == READER_OWN) {
        while ((*place)->next != NULL)
            place = &(*place)->next;
    }
    struct reader_job *jobs = *place;
    *place = NULL;
    return jobs;
}

/* Answers what waits of a kind, if there is something. With the lock held but while it reads. */
static void answer_kind(struct reader_thread *thread, enum reader_kind kind)
{
    if (thread->waiting[kind] == NULL)
        return;
    struct reader_job *jobs = take_waiting(thread, kind);
    struct reader_job *last = jobs;
    pthread_mutex_unlock(&thread->lock);

    if (kind == READER_OWN)
        jobs->text = read_text(thread, jobs, &jobs->absent);
    else
        share_answer(thread, jobs);

    pthread_mutex_lock(&thread->lock);
    for (struct reader_job *job = jobs; job != NULL; job = job->next) {
        thread->waiting_count--;
        last = job;
    }
    last->next = thread->answered;
    thread->answered = jobs;
    pthread_mutex_unlock(&thread->lock);
    thread->notify(thread->notify_arg);
    pthread_mutex_lock(&thread->lock);
}

/* Owns the store's reading connection; runs until it is stopped. */
static void *run(void *arg)
{
    struct reader_thread *thread = arg;

    pthread_mutex_lock(&thread->lock);
    while (!thread->stopping) {
        if (thread->waiting_count == 0)
            pthread_cond_wait(&thread->wake, &thread->lock);
        for (int kind = 0; kind < READER_KIND_COUNT && !thread->stopping; kind++)
            answer_kind(thread, (enum reader_kind)kind);
    }
    pthread_mutex_unlock(&thread->lock);
    store_close(thread->store);
    thread->store = NULL;
    return NULL;
}

struct reader_thread *reader_thread_new(const char *store_url, const char *password_file,
                                        void (*notify)(void *arg), void *arg)
{
    struct reader_thread *thread = calloc(1, sizeof *thread);
    char *url = strdup(store_url);
    char *password = strdup(password_file);

    if (thread == NULL || url == NULL || password == NULL)
        goto failed;
    thread->store_url = url;
    thread->password_file = password;
    thread->notify = notify;
    thread->notify_arg = arg;
    if (pthread_mutex_init(&thread->lock, NULL) != 0)
        goto failed;
    if (pthread_cond_init(&thread->wake, NULL) != 0) {
        pthread_mutex_destroy(&thread->lock);
        goto failed;
    }
    return thread;
failed:
    free(password);
    free(url);
    free(thread);
    return NULL;
}

int reader_thread_start(struct reader_thread *thread)
{
    int code = pthread_create(&thread->id, NULL, run, thread);
    if (code != 0)
        return -code;
    pthread_setname_np(thread->id, "store-reader");
    thread->started = 1;
    return 0;
}

void reader_thread_stop(struct reader_thread *thread)
{
    if (thread == NULL || !thread->started)
        return;
    pthread_mutex_lock(&thread->lock);
    thread->stopping = 1;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    pthread_join(thread->id, NULL);
    thread->started = 0;
}

void reader_thread_free(struct reader_thread *thread)
{
    if (thread == NULL)
        return;
    pthread_cond_destroy(&thread->wake);
    pthread_mutex_destroy(&thread->lock);
    free(thread->password_file);
    free(thread->store_url);
    free(thread);
}

int reader_thread_submit(struct reader_thread *thread, struct reader_job *job)
{
    int result = -1;

    job->text = NULL;
    job->absent = 0;
    pthread_mutex_lock(&thread->lock);
    if (thread->waiting_count < READER_QUEUE_MAX) {
        job->next = thread->waiting[job->kind];
        thread->waiting[job->kind] = job;
        thread->waiting_count++;
        pthread_cond_signal(&thread->wake);
        result = 0;
    }
    pthread_mutex_unlock(&thread->lock);
    return result;
}

struct reader_job *reader_thread_take(struct reader_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    struct reader_job *answered = thread->answered;
    thread->answered = NULL;
    pthread_mutex_unlock(&thread->lock);
    return answered;
}
