/* operator_socket.c: see operator_socket.h. */
#include "receiver/operator_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "operator/operator_address.h"

#define BACKLOG          8
#define REQUEST_LIMIT_US (5 * 1000000)  /* for the whole request to come       */
#define ANSWER_LIMIT_US  (10 * 1000000) /* for the whole answer to be taken     */
#define DEAF_US          1000000        /* when no connection could be taken    */

#define REFUSED_FULL     "{\"error\":\"too many commands are under way at this moment; try again\"}\n"
#define REFUSED_USER                                                                               \
    "{\"error\":\"only root and the user that the server runs as may give commands\"}\n"
#define REFUSED_LONG "{\"error\":\"the request is too long\"}"

enum client_state {
    CLIENT_ASKING,  /* its request is not complete */
    CLIENT_WAITING, /* for its answer              */
    CLIENT_ANSWERED /* takes the rest of it        */
};

struct client {
    int fd; /* -1: the slot is free */
    int64_t number;
    enum client_state state;
    int64_t until_us; /* when it is late; not while it waits */
    size_t in_size;
    char in[OPERATOR_SOCKET_REQUEST];
    char *out; /* not sent yet: out_size bytes at out + out_sent */
    size_t out_sent, out_size, out_capacity;
};

struct operator_socket {
    struct operator_socket_events events;
    int listen_fd; /* -1: takes no more */
    int directory_fd;
    int64_t deaf_until_us; /* nobody is let in before; 0: everybody is */
    int64_t last_number;
    struct client client[OPERATOR_SOCKET_CLIENTS];
};

/* ---- Opening and closing ------------------------------------------------------------------------- */

/* 0, or a negative errno. A file in its place is one that a killed server left. */
static int listen_at(struct operator_socket *channel, const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    channel->listen_fd = fd;
    if (unlinkat(channel->directory_fd, OPERATOR_SOCKET_NAME, 0) < 0 && errno != ENOENT)
        return -errno;
    /* By the server's umask it is this user's alone from the beginning, whatever the directory is. */
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ||
        fchmodat(channel->directory_fd, OPERATOR_SOCKET_NAME, 0600, 0) < 0 ||
        listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

int operator_socket_open(const char *state_dir, const struct operator_socket_events *events,
                         struct operator_socket **out, char *error, size_t error_size)
{
    struct sockaddr_un address;
    struct operator_socket *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    channel->events = *events;
    channel->listen_fd = -1;
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++)
        channel->client[i].fd = -1;
    channel->directory_fd = operator_address_open(state_dir, &address);
    int code = channel->directory_fd;
    if (code >= 0)
        code = listen_at(channel, &address);
    if (code < 0) {
        snprintf(error, error_size, "%s/" OPERATOR_SOCKET_NAME ": %s", state_dir, strerror(-code));
        operator_socket_close(channel);
        return -1;
    }
    *out = channel;
    return 0;
}

void operator_socket_quiesce(struct operator_socket *channel)
{
    if (channel->listen_fd < 0)
        return;
    unlinkat(channel->directory_fd, OPERATOR_SOCKET_NAME, 0);
    close(channel->listen_fd);
    channel->listen_fd = -1;
}

static void drop(struct operator_socket *channel, struct client *client)
{
    int64_t number = client->number;
    int waited = client->state == CLIENT_WAITING;
    close(client->fd);
    free(client->out);
    *client = (struct client){.fd = -1};
    if (waited)
        channel->events.gone(channel->events.arg, number);
}

void operator_socket_close(struct operator_socket *channel)
{
    if (channel == NULL)
        return;
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        if (channel->client[i].fd >= 0)
            drop(channel, &channel->client[i]);
    }
    operator_socket_quiesce(channel);
    if (channel->directory_fd >= 0)
        close(channel->directory_fd);
    free(channel);
}

/* ---- Sending ------------------------------------------------------------------------------------- */

/* Sends what the client takes now; drops one that is gone, or has all of its answer. */
static void flush(struct operator_socket *channel, struct client *client)
{
    while (client->out_size > 0) {
        ssize_t sent = send(client->fd, client->out + client->out_sent, client->out_size,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0) {
            drop(channel, client);
            return;
        }
        client->out_sent += (size_t)sent;
        client->out_size -= (size_t)sent;
    }
    client->out_sent = 0;
    if (client->state == CLIENT_ANSWERED)
        drop(channel, client);
}

/* 0, or -1: too much, or no memory. */
static int append(struct client *client, const char *text, size_t size)
{
    size_t wanted = client->out_sent + client->out_size + size;
    if (client->out_size + size > OPERATOR_SOCKET_ANSWER)
        return -1;
    if (wanted > client->out_capacity) {
        char *larger = realloc(client->out, wanted * 2);
        if (larger == NULL)
            return -1;
        client->out = larger;
        client->out_capacity = wanted * 2;
    }
    memcpy(client->out + client->out_sent + client->out_size, text, size);
    client->out_size += size;
    return 0;
}

static struct client *find(struct operator_socket *channel, int64_t number)
{
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        if (channel->client[i].fd >= 0 && channel->client[i].number == number)
            return &channel->client[i];
    }
    return NULL;
}

static void answer(struct operator_socket *channel, struct client *client, const char *line,
                   int last)
{
    if (!last && client->out_size > OPERATOR_SOCKET_PROGRESS)
        return;
    if (last) {
        client->state = CLIENT_ANSWERED;
        client->until_us = clock_mono_us() + ANSWER_LIMIT_US;
    }
    if (append(client, line, strlen(line)) < 0 || append(client, "\n", 1) < 0)
        drop(channel, client);
    else
        flush(channel, client);
}

void operator_socket_send(struct operator_socket *channel, int64_t number, const char *line,
                          int last)
{
    struct client *client = find(channel, number);
    if (client != NULL && client->state == CLIENT_WAITING)
        answer(channel, client, line, last);
}

/* ---- Receiving ------------------------------------------------------------------------------------ */

/* Those that have closed the connection, seen or not: their places are wanted. */
static void drop_gone(struct operator_socket *channel)
{
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        struct pollfd ready = {.fd = channel->client[i].fd};
        if (ready.fd >= 0 && poll(&ready, 1, 0) == 1 && (ready.revents & (POLLHUP | POLLERR)) != 0)
            drop(channel, &channel->client[i]);
    }
}

static int count_clients(const struct operator_socket *channel)
{
    int count = 0;
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++)
        count += channel->client[i].fd >= 0;
    return count;
}

/* NULL when there is none. */
static struct client *free_slot(struct operator_socket *channel)
{
    if (count_clients(channel) == OPERATOR_SOCKET_CLIENTS)
        drop_gone(channel);
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        if (channel->client[i].fd < 0)
            return &channel->client[i];
    }
    return NULL;
}

/* The file's mode keeps others out; this holds even where somebody changed it. */
static int may_ask(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void refuse(int fd, const char *line)
{
    /* Too small to block, and if it does not go: the connection's end says enough. */
    (void)send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* Whoever waits to be let in keeps the listener readable, so it is left alone for a while. */
static void become_deaf(struct operator_socket *channel, int error)
{
    if (channel->deaf_until_us == 0)
        log_warning("operator's connections can't be taken", log_text("error", strerror(error)));
    channel->deaf_until_us = clock_mono_us() + DEAF_US;
}

static void accept_clients(struct operator_socket *channel)
{
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        int fd = accept4(channel->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                become_deaf(channel, errno);
            return;
        }
        channel->deaf_until_us = 0;
        struct client *client = free_slot(channel);
        if (!may_ask(fd)) {
            refuse(fd, REFUSED_USER);
        } else if (client == NULL) {
            refuse(fd, REFUSED_FULL);
        } else {
            client->fd = fd;
            client->number = ++channel->last_number;
            client->until_us = clock_mono_us() + REQUEST_LIMIT_US;
        }
    }
}

/* What has come of a request: 1 the line is complete, 0 not yet, -1 the client is gone. */
static int receive_line(struct client *client)
{
    while (client->in_size < sizeof client->in) {
        char *place = client->in + client->in_size;
        ssize_t got = recv(client->fd, place, sizeof client->in - client->in_size, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? 0 : -1;
        if (got == 0)
            return -1;
        client->in_size += (size_t)got;
        char *end = memchr(place, '\n', (size_t)got);
        if (end != NULL) {
            *end = '\0';
            return 1;
        }
    }
    return 0;
}

static void receive_request(struct operator_socket *channel, struct client *client)
{
    int got = receive_line(client);
    if (got < 0) {
        drop(channel, client);
    } else if (got == 1) {
        client->state = CLIENT_WAITING;
        channel->events.request(channel->events.arg, client->number, client->in);
    } else if (client->in_size == sizeof client->in) {
        answer(channel, client, REFUSED_LONG, 1);
    }
}

/* ---- Polling -------------------------------------------------------------------------------------- */

void operator_socket_prepare(const struct operator_socket *channel, struct pollfd *out)
{
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        const struct client *client = &channel->client[i];
        short events = client->state == CLIENT_ASKING ? POLLIN : 0; /* POLLHUP comes unasked */
        if (client->out_size > 0)
            events |= POLLOUT;
        out[i] = (struct pollfd){.fd = client->fd, .events = events};
    }
    int listens = channel->deaf_until_us == 0 || clock_mono_us() >= channel->deaf_until_us;
    out[OPERATOR_SOCKET_CLIENTS] =
        (struct pollfd){.fd = listens ? channel->listen_fd : -1, .events = POLLIN};
}

static void serve_client(struct operator_socket *channel, struct client *client, short revents,
                         int64_t now_us)
{
    if (client->state == CLIENT_ASKING && (revents & (POLLIN | POLLHUP)) != 0)
        receive_request(channel, client);
    else if ((revents & (POLLHUP | POLLERR)) != 0)
        drop(channel, client);
    else if ((revents & POLLOUT) != 0)
        flush(channel, client);
    if (client->fd >= 0 && client->state != CLIENT_WAITING && now_us > client->until_us)
        drop(channel, client);
}

void operator_socket_serve(struct operator_socket *channel, const struct pollfd *ready)
{
    int64_t now_us = clock_mono_us();
    for (int i = 0; i < OPERATOR_SOCKET_CLIENTS; i++) {
        if (channel->client[i].fd >= 0)
            serve_client(channel, &channel->client[i], ready[i].revents, now_us);
    }
    /* Last, so that a slot's events are those of the client that was polled. */
    if (channel->listen_fd >= 0 && (ready[OPERATOR_SOCKET_CLIENTS].revents & POLLIN) != 0)
        accept_clients(channel);
}

int operator_socket_is_busy(const struct operator_socket *channel)
{
    return count_clients(channel) > 0 || channel->deaf_until_us != 0;
}
