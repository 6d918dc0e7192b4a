/*
 * spool.h: the events that were acknowledged and are not handled yet, in one SQLite file, DIR/spool.db.
 * The receiver's writer thread has the only connection that writes or checkpoints it (spool_writer);
 * each worker tails it through a connection that can only read (spool_reader).
 */
#ifndef PBXHOOK_SPOOL_H
#define PBXHOOK_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "common/event.h"

struct spool_writer;
struct spool_reader;

/* What is waiting. */
struct spool_depth {
    int64_t events;
    int64_t bytes;
    int64_t oldest_received_ms; /* 0 when empty */
};

/* Opens or makes it (0600). On failure -1, and `error` says why and what to do. */
int spool_writer_open(const char *state_dir, struct spool_writer **out, char *error,
                      size_t error_size);
void spool_writer_close(struct spool_writer *spool); /* accepts NULL */

/*
 * One group commit: appends the events in order, giving each its seq, and removes what the workers
 * reported: for each worker k of `workers`, the events up to done[k] whose call hash is its own.
 * 0: all of it is durable. -1: none of it happened (seq is 0), see spool_writer_error().
 */
int spool_writer_commit(struct spool_writer *spool, struct event *const *events, size_t count,
                        const int64_t *done, int workers);
const char *spool_writer_error(const struct spool_writer *spool);

/* What an earlier run left. */
struct spool_inheritance {
    int64_t newest;  /* its last event's place; 0: nothing */
    int failed_runs; /* in a row: they ended, not in order, before they were through with what they
                        inherited themselves */
};
void spool_writer_inherited(const struct spool_writer *spool, struct spool_inheritance *out);

/* As of the last commit. */
void spool_writer_depth(const struct spool_writer *spool, struct spool_depth *out);

/* Opens an existing one for reading, for worker `worker` of `workers`. */
int spool_reader_open(const char *state_dir, int worker, int workers, struct spool_reader **out,
                      char *error, size_t error_size);
void spool_reader_close(struct spool_reader *spool);

/*
 * Up to max of this worker's events behind `after`, in order, into out; the caller frees each with
 * event_free(). Stops early when max_bytes of bodies are exceeded. Their number, or -1.
 */
int spool_reader_next(struct spool_reader *spool, int64_t after, int max, int64_t max_bytes,
                      struct event **out);
/* When the oldest event that waits, any worker's, was received: 1 and *received_ms; 0: none waits; -1. */
int spool_reader_oldest(struct spool_reader *spool, int64_t *received_ms);
/* The seqs of the oldest and the newest event that wait, any worker's: 1 and both; 0: none waits; -1. */
int spool_reader_span(struct spool_reader *spool, int64_t *oldest, int64_t *newest);
const char *spool_reader_error(const struct spool_reader *spool);

/* The spool's own random name, 32 hexadecimal digits: whose events these are, where several spools share
 * a store. It stays the same for the file's life. */
const char *spool_reader_instance(const struct spool_reader *spool);

#endif
