/* mute_peer.c: see mute_peer.h. */
#include "mute_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_connection(struct mute_peer_connection *connection)
{
    close(connection->fd);
    *connection = (struct mute_peer_connection){.fd = -1, .request = connection->request};
}

static void hang_up(struct mute_peer *peer, struct mute_peer_connection *connection)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (peer->manner == HANGS_UP_WITH_RESET)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (peer->manner == HANGS_UP_FOR_EVER && peer->listener >= 0) {
        close(peer->listener);
        peer->listener = -1;
    }
    close_connection(connection);
    peer->hung_up++;
}

static void answer_all(struct mute_peer *peer)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    for (int i = 0; i < MUTE_PEER_CONNECTIONS; i++) {
        struct mute_peer_connection *connection = &peer->connection[i];

        if (connection->fd < 0 || !connection->is_waiting)
            continue;
        connection->is_waiting = 0;
        connection->bytes = 0;
        if (send(connection->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0 ||
            peer->manner == HANGS_UP_BEHIND_THE_ANSWER)
            hang_up(peer, connection);
    }
}

static void take_request(struct mute_peer *peer, struct mute_peer_connection *connection,
                         size_t head_bytes)
{
    snprintf(peer->head, sizeof peer->head, "%.*s", (int)head_bytes, connection->request);
    peer->body_bytes = connection->bytes - head_bytes;
    if (++peer->requests > peer->answers) {
        hang_up(peer, connection);
        return;
    }
    connection->is_waiting = 1;
    if (peer->requests == peer->answers)
        answer_all(peer);
}

static void read_some(struct mute_peer *peer, struct mute_peer_connection *connection)
{
    ssize_t got = recv(connection->fd, connection->request + connection->bytes,
                       MUTE_PEER_REQUEST_SIZE - connection->bytes - 1, 0);
    if (got <= 0) {
        close_connection(connection);
        return;
    }
    connection->bytes += (size_t)got;
    connection->request[connection->bytes] = '\0';
    const char *end = strstr(connection->request, "\r\n\r\n");
    const char *length = strcasestr(connection->request, "\r\nContent-Length:");
    if (end == NULL)
        return;
    size_t head_bytes = (size_t)(end - connection->request) + 4;
    size_t body_bytes = 0;
    if (length != NULL && length < end)
        body_bytes = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    if (connection->bytes >= head_bytes + body_bytes)
        take_request(peer, connection, head_bytes);
}

static void take_connection(struct mute_peer *peer)
{
    int fd = accept(peer->listener, NULL, NULL);
    int i = 0;

    while (i < MUTE_PEER_CONNECTIONS && peer->connection[i].fd >= 0)
        i++;
    if (fd < 0 || i == MUTE_PEER_CONNECTIONS)
        abort(); /* nothing of cmocka's in this thread */
    peer->connection[i].fd = fd;
    peer->connections++;
}

static void *run(void *arg)
{
    struct mute_peer *peer = arg;

    for (;;) {
        struct pollfd ready[MUTE_PEER_CONNECTIONS + 2];

        for (int i = 0; i < MUTE_PEER_CONNECTIONS; i++)
            ready[i] = (struct pollfd){.fd = peer->connection[i].fd, .events = POLLIN};
        ready[MUTE_PEER_CONNECTIONS] = (struct pollfd){.fd = peer->listener, .events = POLLIN};
        ready[MUTE_PEER_CONNECTIONS + 1] = (struct pollfd){.fd = peer->stop_fd, .events = POLLIN};
        poll(ready, MUTE_PEER_CONNECTIONS + 2, -1);
        if (ready[MUTE_PEER_CONNECTIONS + 1].revents != 0)
            return NULL;
        for (int i = 0; i < MUTE_PEER_CONNECTIONS; i++) {
            if (ready[i].revents != 0 && peer->connection[i].fd == ready[i].fd)
                read_some(peer, &peer->connection[i]);
        }
        if (ready[MUTE_PEER_CONNECTIONS].revents != 0 && peer->listener >= 0)
            take_connection(peer);
    }
}

void mute_peer_start(struct mute_peer *peer, int answers, enum hanging_up manner)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    *peer = (struct mute_peer){.answers = answers, .manner = manner};
    for (int i = 0; i < MUTE_PEER_CONNECTIONS; i++) {
        char *request = malloc(MUTE_PEER_REQUEST_SIZE);
        assert_non_null(request);
        peer->connection[i] = (struct mute_peer_connection){.fd = -1, .request = request};
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->stop_fd = eventfd(0, EFD_CLOEXEC);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->stop_fd >= 0 && peer->listener >= 0);
    assert_return_code(bind(peer->listener, (struct sockaddr *)&address, size), 0);
    assert_return_code(listen(peer->listener, MUTE_PEER_CONNECTIONS), 0);
    assert_return_code(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
}

void mute_peer_stop(struct mute_peer *peer)
{
    eventfd_write(peer->stop_fd, 1);
    pthread_join(peer->thread, NULL);
    for (int i = 0; i < MUTE_PEER_CONNECTIONS; i++) {
        if (peer->connection[i].fd >= 0)
            close(peer->connection[i].fd);
        free(peer->connection[i].request);
    }
    if (peer->listener >= 0)
        close(peer->listener);
    close(peer->stop_fd);
}
