/* proxy.c: see proxy.h. What the test's thread says and the proxy's hears is behind one lock. */
#include "proxy.h"

#include "cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol.h"

#define CONNECTIONS_MAX 64
#define BACKLOG         64
#define CHUNK           65536
#define READ_AHEAD      (4 * 1024 * 1024) /* of whole messages that the other side does not take */

enum side { CLIENT, DATABASE };

/* What came from one side. The first `ready` bytes, whole messages, may go to the other side. */
struct stream {
    char *bytes;
    size_t size, ready, capacity;
};

struct connection {
    int fd[2];
    struct stream from[2];
    struct protocol protocol;
    int is_doomed; /* cut when its COMMIT is answered */
    int is_closed;
};

struct orders {
    enum proxy_cut how;
    int cuts_left;
    int is_stalled, is_refusing, cuts_all, is_closing;
};

struct proxy {
    struct sockaddr_un database;
    int listen_fd, wake_fd, port;
    pthread_t thread;
    struct connection connection[CONNECTIONS_MAX]; /* the thread's own */
    int count;

    pthread_mutex_t lock; /* all below */
    struct orders orders;
    int cuts, commits, open;
};

/* ---- On the proxy's thread ------------------------------------------------------------------------ */

static int has_room(struct stream *stream)
{
    if (stream->capacity - stream->size >= CHUNK)
        return 1;
    size_t capacity = stream->capacity * 2 + CHUNK;
    char *bytes = realloc(stream->bytes, capacity);
    if (bytes == NULL)
        return 0;
    stream->bytes = bytes;
    stream->capacity = capacity;
    return 1;
}

/* Passes on what is ready, as much as the other side takes. */
static void pass_on(struct connection *connection, enum side from)
{
    struct stream *stream = &connection->from[from];
    if (connection->is_closed || stream->ready == 0)
        return;
    ssize_t sent =
        send(connection->fd[!from], stream->bytes, stream->ready, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        connection->is_closed = errno != EAGAIN && errno != EINTR;
        return;
    }
    memmove(stream->bytes, stream->bytes + sent, stream->size - (size_t)sent);
    stream->size -= (size_t)sent;
    stream->ready -= (size_t)sent;
}

/* A COMMIT is about to go by: 1 when it must not. */
static int stops_commit(struct proxy *proxy, struct connection *connection)
{
    pthread_mutex_lock(&proxy->lock);
    int is_cut = proxy->orders.cuts_left > 0;
    int stops = is_cut && proxy->orders.how == PROXY_CUT_BEFORE_COMMIT;
    if (is_cut)
        proxy->orders.cuts_left--;
    connection->is_doomed = is_cut && !stops;
    proxy->cuts += stops;
    pthread_mutex_unlock(&proxy->lock);
    return stops;
}

/* Its answer is: 1 when nobody shall hear it. */
static int stops_answer(struct proxy *proxy, const struct connection *connection)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->cuts += connection->is_doomed;
    proxy->commits += !connection->is_doomed;
    pthread_mutex_unlock(&proxy->lock);
    return connection->is_doomed;
}

/* Looks at each whole message behind those that are ready. */
static void look_at(struct proxy *proxy, struct connection *connection, enum side from)
{
    struct stream *stream = &connection->from[from];
    size_t size = 0;
    int is_commit = 0;
    do {
        const char *bytes = stream->bytes + stream->ready;
        size_t left = stream->size - stream->ready;
        size = from == CLIENT
                   ? protocol_from_client(&connection->protocol, bytes, left, &is_commit)
                   : protocol_from_database(&connection->protocol, bytes, left, &is_commit);
        if (is_commit &&
            (from == CLIENT ? stops_commit(proxy, connection) : stops_answer(proxy, connection))) {
            pass_on(connection, from); /* all before it */
            connection->is_closed = 1;
            return;
        }
        stream->ready += size;
    } while (size > 0);
}

static void read_from(struct proxy *proxy, struct connection *connection, enum side from)
{
    struct stream *stream = &connection->from[from];
    if (!has_room(stream)) {
        connection->is_closed = 1;
        return;
    }
    ssize_t got = recv(connection->fd[from], stream->bytes + stream->size,
                       stream->capacity - stream->size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        stream->size += (size_t)got;
        look_at(proxy, connection, from);
    }
    pass_on(connection, from);
    if (got <= 0)
        connection->is_closed = 1;
}

static void drop_connection(struct proxy *proxy, int at)
{
    struct connection *connection = &proxy->connection[at];
    for (int side = CLIENT; side <= DATABASE; side++) {
        close(connection->fd[side]);
        free(connection->from[side].bytes);
    }
    *connection = proxy->connection[--proxy->count];
}

static void drop_closed(struct proxy *proxy, int all)
{
    for (int i = proxy->count - 1; i >= 0; i--)
        if (all || proxy->connection[i].is_closed)
            drop_connection(proxy, i);
    pthread_mutex_lock(&proxy->lock);
    proxy->open = proxy->count;
    pthread_mutex_unlock(&proxy->lock);
}

static int connect_database(const struct proxy *proxy)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 &&
        connect(fd, (const struct sockaddr *)&proxy->database, sizeof proxy->database) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void accept_connection(struct proxy *proxy, int is_refusing)
{
    const int on = 1;
    int client = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return;
    int database = is_refusing || proxy->count == CONNECTIONS_MAX ? -1 : connect_database(proxy);
    if (database < 0) {
        close(client);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    proxy->connection[proxy->count++] =
        (struct connection){.fd = {[CLIENT] = client, [DATABASE] = database}};
}

static short wanted_of(const struct connection *connection, enum side side)
{
    short in = connection->from[side].ready < READ_AHEAD ? POLLIN : 0;
    short out = connection->from[!side].ready > 0 ? POLLOUT : 0;
    return (short)(in | out);
}

/* Waits for something to do, and does it. */
static void serve_once(struct proxy *proxy, const struct orders *orders)
{
    struct pollfd ready[2 + 2 * CONNECTIONS_MAX] = {{.fd = proxy->wake_fd, .events = POLLIN},
                                                    {.fd = proxy->listen_fd, .events = POLLIN}};
    int served = orders->is_stalled ? 0 : proxy->count;
    eventfd_t ignored;
    for (int i = 0; i < served; i++)
        for (int side = CLIENT; side <= DATABASE; side++)
            ready[2 + 2 * i + side] =
                (struct pollfd){.fd = proxy->connection[i].fd[side],
                                .events = wanted_of(&proxy->connection[i], (enum side)side)};
    if (poll(ready, orders->is_stalled ? 1 : (nfds_t)(2 + 2 * served), -1) < 0)
        return;
    if (ready[0].revents != 0) {
        (void)eventfd_read(proxy->wake_fd, &ignored);
        return; /* what else is ready may have come after the new orders */
    }
    for (int i = 0; i < served; i++) {
        struct connection *connection = &proxy->connection[i];
        for (int side = CLIENT; side <= DATABASE; side++) {
            if ((ready[2 + 2 * i + side].revents & POLLOUT) != 0)
                pass_on(connection, !side);
            if ((ready[2 + 2 * i + side].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
                !connection->is_closed)
                read_from(proxy, connection, (enum side)side);
        }
    }
    if (!orders->is_stalled && ready[1].revents != 0)
        accept_connection(proxy, orders->is_refusing);
}

static struct orders take_orders(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    struct orders orders = proxy->orders;
    proxy->orders.cuts_all = 0;
    pthread_mutex_unlock(&proxy->lock);
    return orders;
}

static void *serve(void *arg)
{
    struct proxy *proxy = arg;
    for (;;) {
        struct orders orders = take_orders(proxy);
        drop_closed(proxy, orders.cuts_all || orders.is_closing);
        if (orders.is_closing)
            return NULL;
        serve_once(proxy, &orders);
    }
}

/* ---- On the test's thread ------------------------------------------------------------------------- */

struct proxy *proxy_new(const char *socket_path)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    struct proxy *proxy = calloc(1, sizeof *proxy);
    assert_non_null(proxy);
    proxy->database.sun_family = AF_UNIX;
    assert_in_range(strlen(socket_path), 1, sizeof proxy->database.sun_path - 1);
    memcpy(proxy->database.sun_path, socket_path, strlen(socket_path) + 1);
    proxy->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(proxy->listen_fd >= 0);
    assert_int_equal(bind(proxy->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(proxy->listen_fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(proxy->listen_fd, BACKLOG), 0);
    proxy->port = ntohs(address.sin_port);
    proxy->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(proxy->wake_fd >= 0);
    pthread_mutex_init(&proxy->lock, NULL);
    assert_int_equal(pthread_create(&proxy->thread, NULL, serve, proxy), 0);
    return proxy;
}

/* Orders are changed between these two. */
static struct orders *lock_orders(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    return &proxy->orders;
}

static void send_orders(struct proxy *proxy)
{
    pthread_mutex_unlock(&proxy->lock);
    assert_int_equal(eventfd_write(proxy->wake_fd, 1), 0);
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL)
        return;
    lock_orders(proxy)->is_closing = 1;
    send_orders(proxy);
    pthread_join(proxy->thread, NULL);
    close(proxy->listen_fd);
    close(proxy->wake_fd);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

int proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_cut_commits(struct proxy *proxy, enum proxy_cut how, int count)
{
    struct orders *orders = lock_orders(proxy);
    orders->how = how;
    orders->cuts_left = how != PROXY_CUT_NONE ? count : 0;
    send_orders(proxy);
}

void proxy_stall(struct proxy *proxy, int stalled)
{
    lock_orders(proxy)->is_stalled = stalled;
    send_orders(proxy);
}

void proxy_refuse(struct proxy *proxy, int refusing)
{
    lock_orders(proxy)->is_refusing = refusing;
    send_orders(proxy);
}

void proxy_cut_all(struct proxy *proxy)
{
    lock_orders(proxy)->cuts_all = 1;
    send_orders(proxy);
}

int proxy_cuts(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    int cuts = proxy->cuts;
    pthread_mutex_unlock(&proxy->lock);
    return cuts;
}

int proxy_commits(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    int commits = proxy->commits;
    pthread_mutex_unlock(&proxy->lock);
    return commits;
}

int proxy_connections(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    int open = proxy->open;
    pthread_mutex_unlock(&proxy->lock);
    return open;
}
