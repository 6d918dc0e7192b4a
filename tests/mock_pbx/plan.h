/*
 * plan.h: which events a call posts, and in what order: the seven of its life, or what the
 * asked-for misbehaviour makes of them. Pure but for the dice.
 */
#ifndef MOCK_PBX_PLAN_H
#define MOCK_PBX_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "dice.h"
#include "payload.h"

struct plan_misdeeds {
    double duplicate_percent; /* of the events */
    double late_percent;      /* of the calls  */
    double missing_percent;   /* of the calls  */
    bool shuffle;
};

struct plan_step {
    enum event_kind kind;
    bool twice; /* posted again, byte for byte, after its answer */
};

struct plan {
    struct plan_step steps[EVENT_KINDS];
    size_t count;
    unsigned duplicates; /* what was done to this call, for the report */
    bool late;
    bool missing;
    bool shuffled;
};

/* call.standby is never left out: without it a call has no outcome to check. */
void plan_make(struct plan *plan, const struct plan_misdeeds *misdeeds, struct dice *dice);

#endif
