/*
 * client.h: posts events to the webhook: many at once over kept-alive connections, again after 429,
 * 503 and transport errors. Belongs to the main thread; only client_wake() may be called on
 * another.
 */
#ifndef MOCK_PBX_CLIENT_H
#define MOCK_PBX_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "progress.h"
#include "tally.h"
#include "timer.h"

#define POST_ANSWER_SIZE 512 /* the answer's beginning that is kept, for messages */
#define POST_ID_SIZE     160

enum post_outcome {
    POST_ACKNOWLEDGED, /* any 2xx                                      */
    POST_REFUSED,      /* another status, retries included              */
    POST_UNREACHABLE   /* no answer, retries included: answer tells why */
};

/* One event on its way. Lives inside its owner's thing from client_submit() until done() is called,
 * which may free it. */
struct post {
    /* the owner's */
    const char *url; /* borrowed */
    char *body;      /* borrowed by the client */
    size_t body_size;
    char id[POST_ID_SIZE]; /* for the webhook-id header; not sent when "" */
    bool once;             /* never retried */
    void (*done)(struct post *post, void *context);
    void *context;

    /* the result */
    enum post_outcome outcome;
    long status;         /* 0 when there was no answer */
    uint64_t started_ns; /* of the first attempt */
    size_t answer_size;
    char answer[POST_ANSWER_SIZE]; /* the answer's body, or the transport's error */

    /* the client's */
    struct client *client;
    struct post *next;
    struct timer timer;
    uint64_t attempts;
    uint64_t submitted_ns;
};

struct client;

/* Everything is borrowed. NULL after a message when libcurl can't or the address is malformed. */
struct client *client_open(const struct options *options, struct timer_heap *timers,
                           struct tally *tally, struct progress *progress);

/* Posts still under way are dropped: their done() is not called. Accepts NULL. */
void client_close(struct client *client);

/* Sets result and private members, and starts as soon as a connection is free. done() is never
 * called from within. */
void client_submit(struct client *client, struct post *post);

/* Sleeps until there is something to do, client_wake(), extra_fd is readable, or timeout_ms. True
 * when extra_fd is readable. */
bool client_wait(struct client *client, int extra_fd, int timeout_ms);

/* Moves all transfers on; calls done() of those that ended. */
void client_run(struct client *client);

/* Sends what client_submit() started since: at the end of a round, or else the next client_wait()
 * would return at once for it. */
void client_send(struct client *client);

/* Ends the (present or next) client_wait(). Any thread. */
void client_wake(struct client *client);

#endif
