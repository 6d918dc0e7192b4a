/*
 * dashboard.h: the routes that are read: the dashboard's numbers and calls, health, metrics. HTTP loop
 * only; what needs the store is done by the reader thread.
 */
#ifndef PBXHOOK_DASHBOARD_H
#define PBXHOOK_DASHBOARD_H

#include "receiver/reader_thread.h"

struct request;

void dashboard_handle_count(struct request *request);
void dashboard_handle_active_calls(struct request *request);
void dashboard_handle_dead_letters(struct request *request);
void dashboard_handle_health(struct request *request);
void dashboard_handle_readiness(struct request *request);
void dashboard_handle_metrics(struct request *request);
void dashboard_handle_index(struct request *request);

/* Asks the store what request->question says; the answer is what `write` writes, or 404. */
void dashboard_ask(struct request *request, reader_write_fn write);
/* 503: ask again later. */
void dashboard_refuse_for_now(struct request *request, const char *detail);

/* The reader thread has answered these, a list from reader_thread_take(): decides their answers. */
void dashboard_take_answered(struct reader_job *jobs);

#endif
