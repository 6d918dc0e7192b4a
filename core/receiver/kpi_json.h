/*
 * kpi_json.h: the indicators as JSON, each by the formula beside it in kpi_json.c. Called by the reader thread.
 */
#ifndef PBXHOOK_KPI_JSON_H
#define PBXHOOK_KPI_JSON_H

#include <stdint.h>
#include <stdio.h>

struct store;

#define KPI_BUCKETS_MAX 1500 /* a day of minutes, and some */

struct kpi_question {
    int64_t from_minute, to_minute; /* since 1970; to is not in it any more */
    int64_t bucket_minutes;
    int64_t now_ms;
    int level_limit;       /* Y of the service level: its place in store_kpi_seconds */
    int level_percent;     /* X                                                       */
    int short_limit;       /* as level_limit                                          */
    int64_t lost_after_ms; /* a call that is silent for longer is not active any more */
};

/* A reader_write_fn; the question is a struct kpi_question. */
int kpi_json(struct store *store, const void *question, FILE *out);

#endif
