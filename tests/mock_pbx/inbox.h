/*
 * inbox.h: the one way from the server thread to the main thread: a bounded queue under a lock. The
 * server thread puts, the main thread takes all at once.
 */
#ifndef MOCK_PBX_INBOX_H
#define MOCK_PBX_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INBOX_CALL_ID_SIZE 128
#define INBOX_TEXT_SIZE    64
#define INBOX_DETAIL_SIZE  128
#define INBOX_CAPACITY     65536

struct request;
struct drive_order;

enum inbox_kind { INBOX_ACTION, INBOX_DRIVE, INBOX_STATS };

enum action_fate {
    ACTION_TAKEN,
    ACTION_REPEATED,      /* by its Idempotency-Key                     */
    ACTION_BAD,           /* malformed, answered with an error; detail  */
    ACTION_FAILED,        /* answered with an error on purpose          */
    ACTION_DROPPED_BEFORE /* not taken and not answered, on purpose     */
};

/* How a taken action is answered. */
enum action_manner {
    ACTION_PLAIN,
    ACTION_SLOW,
    ACTION_WAITING_FIRST,
    ACTION_SILENT,
    ACTION_DROPPED
};

struct inbox_message {
    enum inbox_kind kind;

    /* INBOX_ACTION */
    enum action_fate fate;
    enum action_manner manner;
    uint64_t arrived_ns;
    uint64_t proceed_ns;              /* the call goes on then, not before */
    char call_id[INBOX_CALL_ID_SIZE]; /* "" when a bad action has none */
    char type[INBOX_TEXT_SIZE];
    char destination[INBOX_TEXT_SIZE];
    char detail[INBOX_DETAIL_SIZE];

    /* INBOX_DRIVE and INBOX_STATS: to be answered with server_answer() */
    struct request *request;
    struct drive_order *order; /* the taker's to free */
};

struct inbox {
    pthread_mutex_t lock;
    struct inbox_message *messages; /* under the lock, with the next three */
    size_t count;
    size_t capacity;
    uint64_t turned_away;
    struct inbox_message *taken; /* the main thread's */
    size_t taken_capacity;
    void (*wake)(void *context); /* set before the first put; called by the putting thread */
    void *context;
};

void inbox_open(struct inbox *inbox, void (*wake)(void *context), void *context);

/* Frees orders that nobody took, too. */
void inbox_close(struct inbox *inbox);

/* Copies the message in. False when the inbox is full: then nothing was put. [server thread] */
bool inbox_put(struct inbox *inbox, const struct inbox_message *message);

/* All messages so far, in order, valid until the next call; their count in *count. *turned_away is
 * how many puts found the inbox full, ever. [main thread] */
const struct inbox_message *inbox_take(struct inbox *inbox, size_t *count, uint64_t *turned_away);

#endif
