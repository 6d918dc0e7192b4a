/*
 * history.h: the routes of the calls that were and of the events: what they ask is checked here, the store
 * is read by the reader thread. HTTP loop only.
 */
#ifndef PBXHOOK_HISTORY_H
#define PBXHOOK_HISTORY_H

struct request;

void history_handle_calls(struct request *request);
void history_handle_call(struct request *request);
void history_handle_events(struct request *request);
void history_handle_kpi(struct request *request);

#endif
