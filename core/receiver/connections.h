/*
 * connections.h: the open connections, oldest first. libmicrohttpd closes one that is silent for too
 * long; this closes one that is never silent and never done (a body sent a byte a second), and finds
 * those that wait for another thread when the server stops. HTTP loop only.
 */
#ifndef PBXHOOK_CONNECTIONS_H
#define PBXHOOK_CONNECTIONS_H

#include <stdint.h>

#include "receiver/address_counts.h"

struct request;

struct connection {
    int fd;                  /* libmicrohttpd's                                       */
    struct address address;  /* of the other end                                      */
    int64_t since_us;        /* when it was opened or done with its last request      */
    struct request *request; /* in hand, borrowed; NULL between two                   */
    const char
        *uri_end; /* of its request, in libmicrohttpd's memory; NULL: none yet, or it has blanks */
    int waiting;  /* suspended: the request is with another thread of ours */
    struct connection *older, *newer;
};

struct connections {
    struct connection *oldest, *newest;
    int count;
    struct address_counts by_address;
};

/* A new one, the newest; NULL when out of memory. */
struct connection *connections_add(struct connections *list, int fd, const struct address *address,
                                   int64_t now_us);
/* Takes it off the list and frees it; accepts NULL. */
void connections_remove(struct connections *list, struct connection *connection);

/* It has done what it came for: its time starts anew. */
void connections_renew(struct connections *list, struct connection *connection, int64_t now_us);

/*
 * Shuts the sockets of those that took longer than limit_us; libmicrohttpd sees their end and lets go of
 * them. One that waits for us is not to blame: its time starts anew. The number of those shut.
 */
int connections_expire(struct connections *list, int64_t now_us, int64_t limit_us);

/*
 * Shuts the one that has done nothing for longest, so that another can come: of those that are open and
 * never ask for anything, it is one. 0, or -1 when all wait for us.
 */
int connections_evict(struct connections *list, int64_t now_us);

/*
 * Shuts those whose client has said that it is done (a FIN) without our having been told: libmicrohttpd
 * waits for edges, and one that comes together with the last bytes is lost. One system call for each
 * open connection, so once a second will do. Their number.
 */
int connections_hang_up(struct connections *list);

#endif
