/*
 * dashboard.h: the routes that are read: the dashboard's numbers and calls, health, metrics. HTTP loop
 * only; what needs the store is done by the reader thread.
 */
#ifndef PBXHOOK_DASHBOARD_H
#define PBXHOOK_DASHBOARD_H

struct request;
struct reader_job;

void dashboard_handle_count(struct request *request);
void dashboard_handle_active_calls(struct request *request);
void dashboard_handle_dead_letters(struct request *request);
void dashboard_handle_health(struct request *request);
void dashboard_handle_readiness(struct request *request);
void dashboard_handle_metrics(struct request *request);
void dashboard_handle_index(struct request *request);

/* The reader thread has answered these, a list from reader_thread_take(): decides their answers. */
void dashboard_take_answered(struct reader_job *jobs);

#endif
