/*
 * forgetting.h: what is done to texts and JSON when a caller is to be forgotten: which text is his number, and
 * what is put in its place. Pure; store_forget.c and deliveries_forget.c say where.
 *
 * A text is the number when it is it byte by byte; or when both are written as telephone numbers, of digits,
 * "+" and the separators space - . ( ), and are the same without the separators. A "+" counts, and where a
 * text is one number no part of it is ever taken for ours: nobody else is forgotten by mistake.
 */
#ifndef PBXHOOK_FORGETTING_H
#define PBXHOOK_FORGETTING_H

#include <stddef.h>

#include "common/event.h"

#define FORGETTING_SEPARATORS   " -.()"
#define FORGETTING_TOKEN_PREFIX "forgotten-"
#define FORGETTING_TOKEN_SIZE   sizeof(FORGETTING_TOKEN_PREFIX "01234567")

/* What stands where a text for people stood. */
#define FORGETTING_TEXT "removed: its caller was forgotten"

struct forgetting {
    char number[EVENT_MAX_FIELD + 1];  /* as it was given                             */
    char bare[EVENT_MAX_FIELD + 1];    /* without separators: for a first look in SQL */
    int is_phone;                      /* written as a telephone number               */
    char token[FORGETTING_TOKEN_SIZE]; /* takes its place; random, so it tells nothing */
};

/* 0; -1 when it is empty, but for separators, too long or not UTF-8, or there is no randomness. */
int forgetting_init(struct forgetting *forgetting, const char *number);

/* Whether the text is the number. */
int forgetting_is(const struct forgetting *forgetting, const char *text);
/* Whether the text is somebody's token: its caller was forgotten before. */
int forgetting_is_token(const char *text);
/* Whether a text for people has it in it, no digit right before or behind. A number in groups may be taken for it by
 * one of its groups: such a text goes rather than stays. */
int forgetting_is_in(const struct forgetting *forgetting, const char *text);

/*
 * JSON with the token in place of each value that is the number, at any depth, string or integer. What a member
 * "type", "call_id", "code", "direction" or "timestamp" has stays; so does "queue" and "destination" where the
 * number is as short as a queue's. A text that is no JSON and has the number in it becomes the token as a whole.
 * 1 and *out, a new text; 0: it is not in there; -1: out of memory.
 */
int forgetting_clean_json(const struct forgetting *forgetting, const char *text, char **out);

/*
 * An event of anybody's: one whose their_number is the number is reduced, as forgetting_reduce_event() does; of
 * another one the JSON is cleaned. As forgetting_clean_json().
 */
int forgetting_clean_event(const struct forgetting *forgetting, const char *type,
                           const char *call_id, const char *body, char **out);

/*
 * What is left of an event of the caller's: its fields as one flat JSON object, without anything else that came
 * with them, and "forgotten": the token. There is no "their_number" any more, so that a plugin that is to handle
 * it again sees a caller without a number. A new text; NULL when out of memory.
 */
char *forgetting_reduce_event(const struct forgetting *forgetting, const char *type,
                              const char *call_id, const char *body);
/* Whether the body is such a text already, whoever was forgotten. */
int forgetting_is_reduced(const char *body);

#endif
