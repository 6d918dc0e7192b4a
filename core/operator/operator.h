/*
 * operator.h: the commands that an operator gives: they speak to the running server, and what is about
 * the store is done by the command itself when no server runs. Each returns the program's exit status;
 * what went wrong has been told on stderr.
 */
#ifndef PBXHOOK_OPERATOR_H
#define PBXHOOK_OPERATOR_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/config.h"

/* `pbxhook prune`: removes what is older than that; dry_run: only says what that would be. */
int operator_prune(const struct config *config, int64_t older_than_ms, int dry_run);

/*
 * `pbxhook forget`: takes a caller's number out of everything; dry_run: only says where it is. number "-": it is
 * read from stdin. OPERATOR_NOBODY when nothing is known of it.
 */
int operator_forget(const struct config *config, const char *number, int dry_run);

/* `pbxhook status`: what the running server says of itself, for people or as JSON.
 * OPERATOR_NOT_RUNNING when there is none. */
int operator_status(const struct config *config, int as_json);

/* `pbxhook reload`: has the running server read its configuration and plugins anew, and says how that went.
 * OPERATOR_NOT_RUNNING when there is none. */
int operator_reload(const struct config *config);

/* `pbxhook dead-letters`: action is "list", "show", "replay", "replay-all" or "drop"; id NULL where none is
 * meant. */
int operator_letters(const struct config *config, const char *action, const char *id);

/* `pbxhook deliveries`: action is "list", "show", "retry", "retry-all" or "drop"; id NULL where none is meant. */
int operator_deliveries(const struct config *config, const char *action, const char *id);

/* For `pbxhook plugins`: how often each has handled and failed, when a server runs and can be asked. */
void operator_print_plugin_counts(const struct config *config);

#define OPERATOR_USAGE       2 /* what is asked for can't be understood */
#define OPERATOR_NOT_RUNNING 3 /* as service tools say it */
#define OPERATOR_NOBODY      4

/* ---- What the commands share ------------------------------------------------------------------------ */

#define OPERATOR_ERROR_SIZE 1024

/* Who asked is told how far it is; progress may be empty: it still waits. */
struct operator_watch {
    void (*progress)(void *arg, const json_t *progress);
    void *arg;
};

/*
 * Asks the running server (operator_client.c): 1 and *ok, a new reference; 0: none is running; -1 and the
 * text in `error` (OPERATOR_ERROR_SIZE bytes).
 */
int operator_ask(const char *state_dir, const json_t *request, const struct operator_watch *watch,
                 json_t **ok, char *error);

/*
 * Does it here (operator_local.c), under the state directory's lock: 1 and *ok, a new reference; -1 and
 * `error`, when a server has the lock too.
 */
int operator_do(const struct config *config, const json_t *request,
                const struct operator_watch *watch, json_t **ok, char *error);

/* Asks, or does it here: as operator_ask(), but never 0. */
int operator_run(const struct config *config, const json_t *request,
                 const struct operator_watch *watch, json_t **ok, char *error);

#endif
