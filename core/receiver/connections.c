/*
 * connections.c: a doubly linked list in the order of `since_us`, so that looking for the late ones costs
 * nothing when there are none. Called by the HTTP loop; never closes a descriptor itself.
 */
#include "receiver/connections.h"

#include <stdlib.h>
#include <sys/socket.h>

static void append(struct connections *list, struct connection *connection)
{
    connection->newer = NULL;
    connection->older = list->newest;
    if (list->newest != NULL)
        list->newest->newer = connection;
    else
        list->oldest = connection;
    list->newest = connection;
}

static void detach(struct connections *list, struct connection *connection)
{
    if (connection->older != NULL)
        connection->older->newer = connection->newer;
    else
        list->oldest = connection->newer;
    if (connection->newer != NULL)
        connection->newer->older = connection->older;
    else
        list->newest = connection->older;
}

struct connection *connections_add(struct connections *list, int fd, const struct address *address,
                                   int64_t now_us)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->fd = fd;
    connection->address = *address;
    connection->since_us = now_us;
    if (address_counts_add(&list->by_address, address) < 0) {
        free(connection);
        return NULL;
    }
    append(list, connection);
    list->count++;
    return connection;
}

void connections_remove(struct connections *list, struct connection *connection)
{
    if (connection == NULL)
        return;
    detach(list, connection);
    list->count--;
    address_counts_remove(&list->by_address, &connection->address);
    free(connection);
}

void connections_renew(struct connections *list, struct connection *connection, int64_t now_us)
{
    connection->since_us = now_us;
    detach(list, connection);
    append(list, connection);
}

int connections_expire(struct connections *list, int64_t now_us, int64_t limit_us)
{
    int shut = 0;

    while (list->oldest != NULL && now_us - list->oldest->since_us > limit_us) {
        struct connection *connection = list->oldest;
        if (!connection->waiting) {
            shutdown(connection->fd, SHUT_RDWR);
            shut++;
        }
        connections_renew(list, connection, now_us);
    }
    return shut;
}

int connections_evict(struct connections *list, int64_t now_us)
{
    struct connection *at = list->oldest;

    while (at != NULL && at->waiting)
        at = at->newer;
    if (at == NULL)
        return -1;
    shutdown(at->fd, SHUT_RDWR);
    connections_renew(list, at, now_us); /* not once more before libmicrohttpd lets go of it */
    return 0;
}

int connections_hang_up(struct connections *list)
{
    int shut = 0;

    for (struct connection *at = list->oldest; at != NULL; at = at->newer) {
        char byte;
        if (at->waiting || recv(at->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
            continue;
        shutdown(at->fd, SHUT_RDWR);
        shut++;
    }
    return shut;
}
