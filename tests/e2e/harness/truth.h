/*
 * truth.h: what must be true of the store and of the PBX once all that load.h has posted is handled, whatever
 * happened meanwhile. It looks into the database itself, not at what the server says of it.
 */
#ifndef E2E_TRUTH_H
#define E2E_TRUTH_H

#include "load.h"
#include "world.h"

struct truth {
    const char *prefix; /* as in struct load_plan */
    int calls;
    int callers; /* as there; 0: each call its own */
    /* Actions that were on their way when somebody was killed: nobody knows what the PBX got, so they are unknown,
     * or confirmed by the call.waiting that load.h posts in any case; and the PBX has them once or not at all.
     * 0: there may be none. */
    int may_be_unknown;
};

/* Waits until the events are stored and the actions have ended, then looks at everything. */
void truth_check(struct world *world, const struct truth *truth);

/*
 * Waits until all that is acknowledged by now is stored and handled, whatever else comes meanwhile. Three kills in
 * a row make a dead letter, by design, of what was under way at each of them: a test that kills a server of one
 * worker lets it catch up after every second time.
 */
void truth_catch_up(struct world *world, struct load *load);

/* The dashboard's numbers at this server, and that nothing is left in its spool. */
void truth_check_server(struct world *world, const struct server *server,
                        const struct truth *truth);

#endif
