/*
 * connection.h: one keep-alive connection of pbxhook-load: connects, writes one request at a time and
 * reads its answer, without ever blocking. It knows nothing of events, calls or schedules.
 */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "answer.h"
#include "mix.h"

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_CONNECTING,
    CONNECTION_IDLE,
    CONNECTION_BUSY /* a request is on its way or waits for its answer */
};

enum connection_result {
    CONNECTION_WAITS,    /* nothing to do until the next readiness            */
    CONNECTION_OPENED,   /* now idle                                          */
    CONNECTION_ANSWERED, /* answer.status is set; now idle, or closed when the server wanted that */
    CONNECTION_LOST,     /* closed: it could not be opened, or ended early; errno says why        */
    CONNECTION_GARBLED   /* closed: what came is not HTTP                     */
};

struct connection {
    int fd; /* -1 when closed */
    enum connection_state state;
    bool wants_write;  /* epoll watches for that too */
    uint64_t since_ns; /* of the state CONNECTING, the request's start of BUSY */
    uint64_t due_ns;   /* when the request should have been sent; latency counts from it */
    uint64_t retry_ns; /* closed: not to be opened before */
    struct mix_call call;
    size_t request_size;
    size_t sent;
    struct answer answer;
    char request[MIX_REQUEST_SIZE];
};

/* Starts to connect; connection_step() tells the outcome. The connection must be closed. */
enum connection_result connection_open(struct connection *connection, int epoll_fd,
                                       const struct sockaddr *address, socklen_t address_size);

void connection_close(struct connection *connection);

/* Sends connection->request. It must be idle. Any failure is told by a later connection_step(). */
void connection_send(struct connection *connection, int epoll_fd);

/* To be called when epoll says that the connection is ready. */
enum connection_result connection_step(struct connection *connection, int epoll_fd, uint32_t ready);

#endif
