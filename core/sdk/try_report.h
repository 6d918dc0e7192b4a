/*
 * try_report.h: what `pbxhook plugin try` prints: for people, or one JSON object a line for machines.
 */
#ifndef PBXHOOK_TRY_REPORT_H
#define PBXHOOK_TRY_REPORT_H

#include <stdio.h>

#include "sdk/try_result.h"

struct try_report {
    FILE *out;
    int json;
    const char *events_path;
    size_t events;    /* so far: run, */
    size_t failed;    /* and with something wrong: an expectation, a crash, a hang */
    size_t expecting; /* that said what they expect */
};

/* "NAME VERSION: SUMMARY" of the plugin that was opened. */
void try_report_begin(const struct try_report *report, const char *plugin);
/* One event's result, or that of open() or close(), which is shown when it has something to say. */
void try_report_result(struct try_report *report, const struct try_result *result);
void try_report_end(const struct try_report *report);

#endif
