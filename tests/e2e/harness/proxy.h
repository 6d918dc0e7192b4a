/*
 * proxy.h: a network between servers and PostgreSQL that fails when it is told: a TCP port in front of a
 * cluster's socket. It understands just enough of the protocol to see a COMMIT go by and its answer come back,
 * so that a connection can be cut exactly there. It has a thread of its own, which fails no test.
 */
#ifndef E2E_PROXY_H
#define E2E_PROXY_H

#include "scratch.h"

struct proxy;

enum proxy_cut {
    PROXY_CUT_NONE,
    PROXY_CUT_BEFORE_COMMIT, /* the COMMIT does not reach PostgreSQL: it rolls back                 */
    PROXY_CUT_BEFORE_ANSWER /* PostgreSQL has committed and said so, and nobody here has heard it */
};

/* Listens on a free port of 127.0.0.1, for the socket of that path. */
struct proxy *proxy_new(const char *socket_path);
void proxy_free(struct proxy *proxy); /* accepts NULL */
int proxy_port(const struct proxy *proxy);

/*
 * The next `count` COMMITs, of whatever connections, are cut so. Both sides of the connection are closed. One
 * that was seen before this call is let through.
 */
void proxy_cut_commits(struct proxy *proxy, enum proxy_cut how, int count);
/* COMMITs that were cut so far, and such that went through whole. */
int proxy_cuts(struct proxy *proxy);
int proxy_commits(struct proxy *proxy);

/* Passes on nothing in either direction while it is 1; connections stay open, and new ones wait. */
void proxy_stall(struct proxy *proxy, int stalled);
/* Closes new connections at once while it is 1. */
void proxy_refuse(struct proxy *proxy, int refusing);
/* Closes all connections. */
void proxy_cut_all(struct proxy *proxy);
/* Connections that are open. */
int proxy_connections(struct proxy *proxy);

#endif
