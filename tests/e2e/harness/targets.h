/*
 * targets.h: a world with two targets of plugins, a CRM that is posted to and a server of files that is
 * downloaded from, and the example plugins that do so: crm_notify with each call.finished, recordings with each
 * call.recording-available.
 */
#ifndef E2E_TARGETS_H
#define E2E_TARGETS_H

#include <stdint.h>

#include "fake_target.h"
#include "world.h"

struct targets {
    struct fake_target *crm, *files;
};

/* Opens both and configures the server, which is not started yet. crm_more goes into the section of the target
 * "crm"; plugins are more plugins, NULL at the end. */
void targets_open(struct world *world, const char *crm_more, const char *const *plugins,
                  struct targets *out);
void targets_close(struct targets *targets);

/* Has one post made, and one download. */
void targets_finish_call(struct world *world, const char *call_id);
void targets_announce(struct world *world, const struct targets *targets, const char *call_id,
                      const char *path);

/* Deliveries of this state: "delivered", "unknown"... */
int64_t targets_count(const struct world *world, const char *state);
/* Recordings of this state: "announced", "kept" or "lost". */
int64_t targets_recordings(const struct world *world, const char *state);

#endif
