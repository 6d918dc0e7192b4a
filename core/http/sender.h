/*
 * sender.h: sends deliveries with libcurl, to each target with its login, in a thread of its own, and hands
 * each back with how its attempt ended. Knows no store. Called by courier.c, on the worker's thread.
 */
#ifndef PBXHOOK_SENDER_H
#define PBXHOOK_SENDER_H

#include <stddef.h>

#include "common/config.h"
#include "http/deliveries.h"

struct sender;

/* Reads the targets' secrets, makes the directory of downloads if there is none, starts the thread: 0, or -1 and
 * `error`. config must outlive it. */
int sender_start(const struct config *config, struct sender **out, char *error, size_t error_size);

/* Takes the list: each has a target of this configuration, and is begun at once. */
void sender_submit(struct sender *sender, struct delivery *list);
/* Those that have ended since the last time, in that order: the caller's. NULL: none. */
struct delivery *sender_take(struct sender *sender);
/* Readable when some have. */
int sender_event_fd(const struct sender *sender);

/* Waits up to drain_ms for what is under way, and ends the thread. sender_take() still works, and gives what was not
 * sent until then, to be tried again; what was sent and not answered it gives no more. */
void sender_stop(struct sender *sender, int drain_ms);
void sender_free(struct sender *sender); /* accepts NULL */

#endif
