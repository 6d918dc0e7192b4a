/*
 * webhook.h: the routes that take events. An event is acknowledged when it is safe in the spool, and
 * never before. HTTP loop only.
 */
#ifndef PBXHOOK_WEBHOOK_H
#define PBXHOOK_WEBHOOK_H

struct request;
struct spool_ticket;

/* Before the body is read: refuses what can't be an event (415), or leaves the request as it is. */
void webhook_check(struct request *request);

/* The body is there: refuses it, or hands the event to the spool thread. */
void webhook_handle(struct request *request);

/* The spool thread has decided these, a list from spool_thread_take(): decides their answers. */
void webhook_take_decided(struct spool_ticket *tickets);

#endif
