/*
 * server.h: the PBX's own HTTP side: takes actions, orders for events by hand and questions. One
 * thread owns the libmicrohttpd daemon and all requests; server_answer() may be called on the main
 * thread.
 */
#ifndef MOCK_PBX_SERVER_H
#define MOCK_PBX_SERVER_H

#include "inbox.h"
#include "options.h"

struct server;

/* Listens and starts the thread; options and inbox are borrowed. NULL after a message. */
struct server *server_open(const struct options *options, struct inbox *inbox);

/* Stops the thread, closes all connections. Requests that were not answered are gone then. Accepts
 * NULL. */
void server_close(struct server *server);

/* The real address, "http://127.0.0.1:3001"; borrowed. */
const char *server_get_url(const struct server *server);

int server_get_port(const struct server *server);

/* Answers a request that came through the inbox. json is handed over; NULL when out of memory. */
void server_answer(struct server *server, struct request *request, unsigned status, char *json);

#endif
