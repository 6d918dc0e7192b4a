/*
 * stream_handover.h: the route of the live stream: takes a request's connection out of libmicrohttpd and
 * gives it to the stream's thread. HTTP loop only.
 */
#ifndef PBXHOOK_STREAM_HANDOVER_H
#define PBXHOOK_STREAM_HANDOVER_H

struct request;

void stream_handover(struct request *request);

#endif
