/*
 * actions.h: what the PBX does with an action that was posted to it: check it, know it again by its
 * idempotency key, misbehave as asked, and keep the last ones for looking at. Server thread only.
 */
#ifndef MOCK_PBX_ACTIONS_H
#define MOCK_PBX_ACTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inbox.h"
#include "options.h"

struct action_post {
    const char *body;
    size_t body_size;
    const char *key;           /* Idempotency-Key; NULL = none */
    const char *authorization; /* NULL = none                  */
    uint64_t arrived_ns;
};

struct action_answer {
    unsigned status; /* 0 = none: close the connection */
    bool retry_after;
    uint64_t delay_ns;
    char error[INBOX_DETAIL_SIZE]; /* "" with status 200 */
};

struct actions;

struct actions *actions_new(const struct options *options);
void actions_free(struct actions *actions); /* accepts NULL */

/* Decides, and keeps nothing. *message is for the inbox, *answer for the sender. */
void actions_take(struct actions *actions, const struct action_post *post,
                  struct action_answer *answer, struct inbox_message *message);

/* What was decided stands, as the inbox had room for it: its key is known from here on, and it is
 * listed. */
void actions_keep(struct actions *actions, const struct action_post *post,
                  const struct action_answer *answer, const struct inbox_message *message);

/* The last ones, oldest first, as a new JSON object; call_id NULL = of all calls. NULL when out of
 * memory. */
json_t *actions_list(const struct actions *actions, const char *call_id);

#endif
