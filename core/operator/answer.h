/*
 * answer.h: what the commands share that ask once and lay the answer out for eyes. Called by command_*.c.
 */
#ifndef PBXHOOK_OPERATOR_ANSWER_H
#define PBXHOOK_OPERATOR_ANSWER_H

#include "operator/operator.h"

/* A member's text, "" when it has none: borrowed; its number, 0 when it has none. */
const char *answer_text(const json_t *object, const char *member);
int64_t answer_number(const json_t *object, const char *member);

/*
 * Sees that the request can be understood, before anybody is asked: 0, or OPERATOR_USAGE, and stderr has been told why,
 * in the name of the command.
 */
int answer_check(const char *command, const json_t *request);

/*
 * operator_run() of a request without progress; the request is taken, and may be NULL. 0 and *ok, a new reference; or
 * the exit status, and stderr has been told why, in the name of the command.
 */
int answer_get(const struct config *config, const char *command, json_t *request, json_t **ok);

#endif
