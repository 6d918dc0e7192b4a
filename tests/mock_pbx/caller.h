/*
 * caller.h: the calls in progress: places them, posts their events, holds the actions against what
 * each call expects, and counts. Main thread only.
 */
#ifndef MOCK_PBX_CALLER_H
#define MOCK_PBX_CALLER_H

#include <stdint.h>

#include "client.h"
#include "inbox.h"
#include "journal.h"
#include "options.h"
#include "progress.h"
#include "tally.h"
#include "timer.h"

struct caller;

/* Everything is borrowed; journal may be NULL. */
struct caller *caller_new(const struct options *options, struct timer_heap *timers,
                          struct client *client, struct tally *tally, struct journal *journal,
                          struct progress *progress);

/* After client_close(). Accepts NULL. */
void caller_free(struct caller *caller);

/* Begins one call. */
void caller_place(struct caller *caller);

/* An action arrived. driven: its call is none of these but one that is driven by hand, of which
 * nothing is expected. */
void caller_take_action(struct caller *caller, const struct inbox_message *message, bool driven);

/* Calls in progress. */
uint64_t caller_get_active(const struct caller *caller);

#endif
