/* lifecycle.c: the names of the states of a call. */
#include "common/lifecycle.h"

#include <string.h>

static const struct {
    const char *type;
    const char *word;
} states[LIFECYCLE_COUNT] = {
    [LIFECYCLE_NEW] = {"call.new", "new"},
    [LIFECYCLE_STANDBY] = {"call.standby", "standby"},
    [LIFECYCLE_WAITING] = {"call.waiting", "waiting"},
    [LIFECYCLE_ENTERED] = {"actor.entered", "entered"},
    [LIFECYCLE_ONGOING] = {"call.ongoing", "ongoing"},
    [LIFECYCLE_LEFT] = {"actor.left", "left"},
    [LIFECYCLE_FINISHED] = {"call.finished", "finished"},
};

enum lifecycle lifecycle_from_type(const char *type)
{
    for (int state = 0; state < LIFECYCLE_COUNT; state++) {
        if (strcmp(type, states[state].type) == 0)
            return (enum lifecycle)state;
    }
    return LIFECYCLE_NONE;
}

const char *lifecycle_type(enum lifecycle state)
{
    return state < 0 || state >= LIFECYCLE_COUNT ? "" : states[state].type;
}

const char *lifecycle_word(enum lifecycle state)
{
    return state < 0 || state >= LIFECYCLE_COUNT ? "" : states[state].word;
}
