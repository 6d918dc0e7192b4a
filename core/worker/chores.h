/*
 * chores.h: what a worker does on the store that no event asks for: the operator's commands, and the
 * hourly removal of old records. In short steps between batches, and not more than a part of the time
 * while events come. Worker thread only.
 */
#ifndef PBXHOOK_CHORES_H
#define PBXHOOK_CHORES_H

#include "common/config.h"
#include "common/control.h"
#include "operator/operation.h"

struct chores;

/* config and parts are borrowed. Replies go to control_fd. NULL when out of memory. */
struct chores *chores_new(const struct config *config, int worker,
                          const struct operation_parts *parts, int control_fd);
/* What is under way ends here; who asked for it has been told by chores_give_up(). Accepts NULL. */
void chores_free(struct chores *chores);

/* A COMMAND or a CANCEL of the receiver; anything else is left alone. */
void chores_take(struct chores *chores, const struct control_message *message);

/* Does one step, if one is due. busy: events were handled since the last one. */
void chores_run(struct chores *chores, int busy);

/* How long the worker may wait for other things, at most limit_ms; 0: a step is due. */
int chores_wait_ms(const struct chores *chores, int limit_ms);

/* Ends the operator's command, if one is under way, with this error. */
void chores_give_up(struct chores *chores, const char *error);

#endif
