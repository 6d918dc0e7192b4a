/*
 * report.h: what the run came to, as text for people and as JSON.
 */
#ifndef MOCK_PBX_REPORT_H
#define MOCK_PBX_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "options.h"
#include "tally.h"

/* Did all go right: each call, and no action was malformed or, where calls are placed, for an unknown
 * one? Who only serves takes actions for calls that somebody else places. */
bool report_is_right(const struct tally *tally, const struct options *options);

/* New text, the caller frees it. active: calls in progress. */
char *report_make_json(const struct tally *tally, const struct options *options, uint64_t active);

/* Can the file be written? Asked at the start: a long run must not find out at its end. -1 after a
 * message. */
int report_probe(const char *path);

/* Writes the JSON to the file at once or not at all ("-": standard output). -1 after a message. */
int report_write(const char *path, const char *json);

void report_print(FILE *file, const struct tally *tally, const struct options *options);

#endif
