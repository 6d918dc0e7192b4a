/*
 * history_json.h: the calls that were and the events as JSON. Called by the reader thread.
 */
#ifndef PBXHOOK_HISTORY_JSON_H
#define PBXHOOK_HISTORY_JSON_H

#include <stdint.h>
#include <stdio.h>

#include "common/event.h"
#include "store/store.h"

#define HISTORY_TEXT_SIZE (EVENT_MAX_FIELD + 1)

struct history_calls {
    unsigned states; /* as in store_call_filter */
    int64_t from_ms, to_ms;
    int64_t cursor_ms, cursor_id; /* the last call of the page before; 0, 0: the first page */
    char queue[HISTORY_TEXT_SIZE], number[HISTORY_TEXT_SIZE];
    int limit;
};

struct history_call {
    char call_id[HISTORY_TEXT_SIZE];
};

struct history_events {
    struct store_place after;
    int newest; /* begin so that the newest are in the answer: after says nothing */
    int limit;
};

/* Each is a reader_write_fn; the question is the struct of its name. */
int history_json_calls(struct store *store, const void *question, FILE *out);
int history_json_call(struct store *store, const void *question, FILE *out);
int history_json_events(struct store *store, const void *question, FILE *out);

#endif
