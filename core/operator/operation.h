/*
 * operation.h: what an operator has done to the store: begun from a request, done in short steps of one
 * transaction each, so that events are not held up, and ended with a reply. The same code runs in
 * worker 0 and, with no server running, in the command itself. One thread.
 *
 * A new one is a struct operation_kind and a line in the table of operation.c.
 */
#ifndef PBXHOOK_OPERATION_H
#define PBXHOOK_OPERATION_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "spool/spool.h"
#include "store/store.h"

#define OPERATION_ERROR_SIZE 768

/* What a step that can't get on returns, and how long to leave it alone then. */
#define OPERATION_WAIT    2
#define OPERATION_WAIT_MS 20

/* What an operation works with; borrowed. */
struct operation_parts {
    struct store *store;        /* STORE_WRITE, no transaction open */
    struct spool_reader *spool; /* NULL: there is no spool          */
    int is_alone;               /* no server runs: what waits in the spool goes on waiting */
};

struct operation_kind {
    const char *command;
    int is_private; /* what it is asked with is no matter for the log */
    /* New state from the request; NULL with the text in `error` (OPERATION_ERROR_SIZE bytes). */
    void *(*begin)(const json_t *request, char *error);
    /* A step: 1 there is more, OPERATION_WAIT the same but others have to get on before it, 0 done, -1 it
     * failed and nothing of this step happened. */
    int (*step)(void *state, const struct operation_parts *parts, char *error);
    /* How far it is, which is also what its end says; a new reference, NULL when out of memory. */
    json_t *(*report)(const void *state);
    /* The same for the log: what was done, to which id, how many; never what a record holds. A new reference, NULL when
     * out of memory; NULL itself: the report has no more than that. */
    json_t *(*summary)(const void *state);
    void (*free)(void *state);
};

struct operation;

/* Whether some operation has this name. */
int operation_exists(const char *command);

/* What the log shows of a request: the request itself, or only the command. Borrowed. */
const char *operation_shown(const char *command, const char *request);

/* Begins what {"command":"...",...} asks for: 0 and *out, or -1 and the text in `error`. */
int operation_begin(const json_t *request, struct operation **out, char *error);
/* As operation_kind's. */
int operation_step(struct operation *operation, const struct operation_parts *parts, char *error);
json_t *operation_report(const struct operation *operation);
json_t *operation_summary(const struct operation *operation);
void operation_free(struct operation *operation); /* accepts NULL */

/* ---- Lines of an answer: new texts, NULL when out of memory ---------------------------------------- */

/* {"progress":...} and {"ok":...}; the report is taken, and may be NULL. */
char *operation_progress_line(json_t *report);
char *operation_ok_line(json_t *report);
/* {"error":"..."} */
char *operation_error_line(const char *error);

/* ---- Pruning (operation_prune.c) -------------------------------------------------------------------- */

extern const struct operation_kind operation_prune;

/* {"command":"prune","older_than_ms":...,"dry_run":...}; a new reference, NULL when out of memory. */
json_t *operation_prune_request(int64_t older_than_ms, int dry_run);

/* ---- Forgetting a caller (operation_forget.c) -------------------------------------------------------- */

extern const struct operation_kind operation_forget;

/* {"command":"forget","number":"...","dry_run":...}; a new reference, NULL when out of memory. */
json_t *operation_forget_request(const char *number, int dry_run);

/* ---- Dead letters (operation_letters.c) ------------------------------------------------------------- */

/* {"command":"dead-letters","action":"list"|"show"|"replay"|"replay-all"|"drop","id":...} */
extern const struct operation_kind operation_letters;

/* ---- Deliveries that did not arrive (operation_deliveries.c) ---------------------------------------- */

/* {"command":"deliveries","action":"list"|"show"|"retry"|"retry-all"|"drop","id":...} */
extern const struct operation_kind operation_deliveries;

#endif
