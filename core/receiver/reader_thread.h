/*
 * reader_thread.h: the thread that reads the store for the dashboard, so that a slow or stopped
 * database never holds up the HTTP loop. It owns one STORE_READ connection, opened when first needed
 * and again after a failure. Jobs of one kind that wait at the same time are answered by one read.
 */
#ifndef PBXHOOK_READER_THREAD_H
#define PBXHOOK_READER_THREAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

/* Jobs that may wait; the next is refused. */
#define READER_QUEUE_MAX 1024

struct store;

enum reader_kind {
    READER_COUNTS,
    READER_ACTIVE_CALLS,
    READER_DEAD_LETTERS,
    READER_OWN, /* a question of the job's own, answered for it alone */
    READER_KIND_COUNT
};

/*
 * Reads and writes one whole document. On the reader thread. 0; 1: there is no such thing (what was written
 * is dropped); or the store's negative result, STORE_E_MEMORY.
 */
typedef int (*reader_write_fn)(struct store *store, const void *question, FILE *out);

/* The JSON that answers one or more jobs. */
struct reader_text {
    _Atomic int references;
    size_t size;
    char *data;
};

/* Embedded in a request; the thread's while submitted. */
struct reader_job {
    enum reader_kind kind;
    reader_write_fn write; /* READER_OWN's, and what it is told: stays as it is while submitted */
    const void *question;
    /* The answer, a reference of the job's own; NULL: there is no such thing if `absent`, else the store
     * can't be read. */
    struct reader_text *text;
    int absent;
    struct reader_job *next;
};

struct reader_thread;

/* notify is called on the reader thread when there are jobs to take. NULL when out of memory. */
struct reader_thread *reader_thread_new(const char *store_url, const char *password_file,
                                        void (*notify)(void *arg), void *arg);
/* 0, or a negative errno. */
int reader_thread_start(struct reader_thread *thread);
/* Ends the thread after the read under way; jobs not begun stay unanswered. Accepts NULL, and one that
 * was not started. */
void reader_thread_stop(struct reader_thread *thread);
void reader_thread_free(struct reader_thread *thread); /* stopped, or never started; accepts NULL */

/* HTTP loop. 0, or -1 when too many wait (nothing was taken). */
int reader_thread_submit(struct reader_thread *thread, struct reader_job *job);
/* HTTP loop: the list of answered jobs; NULL when none. */
struct reader_job *reader_thread_take(struct reader_thread *thread);

/* Drops one reference; accepts NULL. The type is libmicrohttpd's for a buffer's owner. */
void reader_text_release(void *text);

#endif
