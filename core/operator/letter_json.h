/*
 * letter_json.h: a dead letter as JSON, for the operator's commands and the dashboard; and its id, which is
 * the event's row and the plugin: "42/call_standby".
 */
#ifndef PBXHOOK_LETTER_JSON_H
#define PBXHOOK_LETTER_JSON_H

#include <stdint.h>

#include <jansson.h>

#include "store/store.h"

#define LETTER_ID_SIZE  96
#define LETTER_BODY_MAX 32768 /* bytes of a body that are shown */

void letter_id_format(const struct store_letter *letter, char out[LETTER_ID_SIZE]);
/* 0, *event_id and *plugin, which points into the id; -1 when it is none. */
int letter_id_parse(const char *id, int64_t *event_id, const char **plugin);

/* A new reference; NULL when out of memory. The body is in it when the letter has one: cut at
 * LETTER_BODY_MAX, with its whole size beside it. */
json_t *letter_json(const struct store_letter *letter);

#endif
