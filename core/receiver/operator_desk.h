/*
 * operator_desk.h: what an operator's request means in the receiver: what it knows itself it answers at
 * once; what is about the store it hands to worker 0, one at a time, the others wait their turn. The main
 * thread's alone.
 */
#ifndef PBXHOOK_OPERATOR_DESK_H
#define PBXHOOK_OPERATOR_DESK_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/control.h"
#include "receiver/operator_socket.h"

#define OPERATOR_DESK_FDS OPERATOR_SOCKET_FDS

struct operator_desk;

struct operator_desk_options {
    const char *state_dir;
    /* Sends to worker 0: 0; negative: it is not ready, or its socket is full. */
    int (*ask_worker)(void *arg, enum control_kind kind, int64_t seq, const char *text);
    /* The answer to "status": a new reference, NULL when out of memory. */
    json_t *(*status)(void *arg);
    /* "reload": begins, and its number, which operator_desk_reloaded() tells when it has ended. */
    int64_t (*reload)(void *arg);
    void *arg;
};

/* Listens. On failure -1, and `error` says why. */
int operator_desk_open(const struct operator_desk_options *options, struct operator_desk **out,
                       char *error, size_t error_size);
/* Takes no more requests; those that worker 0 does not have yet are refused. Accepts NULL. */
void operator_desk_quiesce(struct operator_desk *desk);
void operator_desk_close(struct operator_desk *desk); /* accepts NULL */

/* For the main loop: what to poll, OPERATOR_DESK_FDS entries; how long at most; what came of it. */
void operator_desk_prepare(const struct operator_desk *desk, struct pollfd *out);
int64_t operator_desk_wait_us(const struct operator_desk *desk, int64_t limit_us);
void operator_desk_serve(struct operator_desk *desk, const struct pollfd *ready);

/* A PROGRESS, PART or REPLY of worker 0. */
void operator_desk_take(struct operator_desk *desk, const struct control_message *message);
/* Reload `number` has ended: error NULL when it has succeeded. Accepts no desk. */
void operator_desk_reloaded(struct operator_desk *desk, int64_t number, const char *error);
/* Worker 0 has died or left. */
void operator_desk_worker_gone(struct operator_desk *desk);

#endif
