/*
 * try_result.h: what became of one event of `pbxhook plugin try`: how the plugin answered, what it
 * wrote, asked for and said, and in which of that the expectations were wrong.
 */
#ifndef PBXHOOK_TRY_RESULT_H
#define PBXHOOK_TRY_RESULT_H

#include <stdint.h>

#include <jansson.h>

#include "sdk/try_events.h"

#define TRY_TEXT 1024

enum try_outcome {
    TRY_OK,
    TRY_RETRY,
    TRY_REJECT,
    TRY_NONE,     /* the plugin takes no such event, so it was not called       */
    TRY_REPEATED, /* the same event came before: the server handles it once     */
    TRY_CRASH,    /* the process ended in the plugin                            */
    TRY_HANG,     /* the plugin did not come back in time, and was ended        */
    TRY_BROKEN    /* not the plugin's fault: the throw-away store failed        */
};

/* "ok", "retry", ...; a constant. */
const char *try_outcome_name(enum try_outcome outcome);

struct try_result {
    const struct try_event *event; /* NULL: of open() or close()                              */
    const char *hook;              /* "open", "close" when event is NULL                      */
    enum try_outcome outcome;
    int64_t took_us;
    char error[TRY_TEXT]; /* why not, "" when there is nothing to say                         */
    json_t *changes;      /* [{"table","change","before","after"}, ...]                       */
    json_t *actions;      /* what the PBX would be asked, in order                            */
    json_t *requests;     /* what targets would be asked, in order                            */
    char *output;         /* what it logged or printed; owned                                 */
    json_t *failures;     /* strings: what was expected and did not come                      */
};

void try_result_clear(struct try_result *result); /* frees what is in it */

#endif
