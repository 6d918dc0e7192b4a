/*
 * dispatch_ledger.h: what the plugins did in the batch under way: the numbers and log lines that
 * come true with its commit, and never were when it is rolled back. Worker thread only.
 */
#ifndef PBXHOOK_DISPATCH_LEDGER_H
#define PBXHOOK_DISPATCH_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "common/event.h"
#include "common/metrics.h"

enum ledger_outcome { LEDGER_HANDLED, LEDGER_RETRY, LEDGER_DEAD };

#define LEDGER_NOT_CALLED (-1)

/* One call of one plugin. */
struct ledger_call {
    const struct event *event;
    const char *plugin;            /* its name                                  */
    struct metrics_plugin *metric; /* NULL: there is no room for it on the page */
    enum ledger_outcome outcome;
    int attempt;
    int64_t took_us;     /* LEDGER_NOT_CALLED: nothing is counted but its end as a dead letter */
    int64_t retry_in_ms; /* LEDGER_RETRY                      */
    const char *error;   /* LEDGER_RETRY and LEDGER_DEAD */
};

struct ledger;

struct ledger *ledger_new(struct metrics_worker *metrics); /* NULL when out of memory */
void ledger_free(struct ledger *ledger);                   /* accepts NULL            */

/* One call and its log line. All texts are copied. What there is no memory for
 * is not counted. */
void ledger_add_call(struct ledger *ledger, const struct ledger_call *call);
/* An event that no plugin takes, or that was handled before: one log line. `line` is a constant. */
void ledger_add_note(struct ledger *ledger, const struct event *event, const char *line);
/* Actions that the batch's call.waiting events confirmed: known behind its commit. */
void ledger_add_confirmed(struct ledger *ledger, int actions);

void ledger_commit(struct ledger *ledger); /* counts and logs it all, in order */
void ledger_drop(struct ledger *ledger);   /* forgets it                       */

#endif
