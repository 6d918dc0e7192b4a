/*
 * try_events.h: the events file of `pbxhook plugin try`: one JSON object a line, either an event as the
 * PBX posts it or {"event": {...}, "expect": {...}}. Blank lines and lines that begin with # are left
 * out. docs/plugins.md describes what may be expected.
 */
#ifndef PBXHOOK_TRY_EVENTS_H
#define PBXHOOK_TRY_EVENTS_H

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "common/event.h"

struct try_event {
    int line;
    struct event *event; /* with its identity        */
    json_t *expect;      /* NULL: nothing is expected */
};

struct try_events {
    struct try_event *items;
    size_t count;
};

/* 0; -1 with a line to `errors` for each line of the file that is wrong, or for the file. */
int try_events_read(const char *path, FILE *errors, struct try_events *out);
void try_events_free(struct try_events *events);

#endif
