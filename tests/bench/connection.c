/* connection.c: level-triggered epoll; one send and one recv for a request in the common case. */
#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

static int connection_watch(struct connection *connection, int epoll_fd, int operation,
                            bool writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = connection};

    connection->wants_write = writing;
    return epoll_ctl(epoll_fd, operation, connection->fd, &event);
}

void connection_close(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->state = CONNECTION_CLOSED;
}

static enum connection_result connection_lose(struct connection *connection, int error)
{
    connection_close(connection);
    errno = error;
    return CONNECTION_LOST;
}

enum connection_result connection_open(struct connection *connection, int epoll_fd,
                                       const struct sockaddr *address, socklen_t address_size)
{
    const int on = 1;

    connection->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return connection_lose(connection, errno);
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, address, address_size) != 0 && errno != EINPROGRESS)
        return connection_lose(connection, errno);
    if (connection_watch(connection, epoll_fd, EPOLL_CTL_ADD, true) != 0)
        return connection_lose(connection, errno);
    connection->state = CONNECTION_CONNECTING;
    return CONNECTION_WAITS;
}

/* Sends what is left of the request; an error is met again, and told, by the recv that follows. */
static void connection_push(struct connection *connection, int epoll_fd)
{
    while (connection->sent < connection->request_size) {
        ssize_t sent = send(connection->fd, connection->request + connection->sent,
                            connection->request_size - connection->sent, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            break;
        connection->sent += (size_t)sent;
    }
    if ((connection->sent < connection->request_size) != connection->wants_write)
        (void)connection_watch(connection, epoll_fd, EPOLL_CTL_MOD, !connection->wants_write);
}

void connection_send(struct connection *connection, int epoll_fd)
{
    connection->state = CONNECTION_BUSY;
    connection->sent = 0;
    answer_begin(&connection->answer);
    connection_push(connection, epoll_fd);
}

static enum connection_result connection_finish_opening(struct connection *connection, int epoll_fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0 && connection_watch(connection, epoll_fd, EPOLL_CTL_MOD, false) != 0)
        error = errno;
    if (error != 0)
        return connection_lose(connection, error);
    connection->state = CONNECTION_IDLE;
    return CONNECTION_OPENED;
}

static enum connection_result connection_take(struct connection *connection, const char *bytes,
                                              size_t size)
{
    long used = connection->state == CONNECTION_BUSY ? answer_take(&connection->answer, bytes, size)
                                                     : -1; /* nobody asked */

    if (used < 0 || (connection->answer.part == ANSWER_DONE && (size_t)used < size)) {
        connection_close(connection);
        return CONNECTION_GARBLED;
    }
    if (connection->answer.part != ANSWER_DONE)
        return CONNECTION_WAITS;
    /* An answer before the request was sent in full (413, say): the rest would be read as the next. */
    if (connection->answer.closes || connection->sent < connection->request_size)
        connection_close(connection);
    else
        connection->state = CONNECTION_IDLE;
    return CONNECTION_ANSWERED;
}

enum connection_result connection_step(struct connection *connection, int epoll_fd, uint32_t ready)
{
    char bytes[16384];
    ssize_t size;

    if (connection->state == CONNECTION_CONNECTING)
        return connection_finish_opening(connection, epoll_fd);
    if (ready & EPOLLOUT)
        connection_push(connection, epoll_fd);
    if (!(ready & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return CONNECTION_WAITS;
    size = recv(connection->fd, bytes, sizeof bytes, 0);
    if (size > 0)
        return connection_take(connection, bytes, (size_t)size);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return CONNECTION_WAITS;
    if (size == 0 && connection->state == CONNECTION_BUSY && answer_end(&connection->answer)) {
        connection_close(connection);
        return CONNECTION_ANSWERED;
    }
    return connection_lose(connection, size == 0 ? ECONNRESET : errno);
}
