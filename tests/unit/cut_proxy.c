/* cut_proxy.c: see its header. */
#include "cut_proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME ".s.PGSQL.5432"

struct cut_proxy {
    pthread_t thread;
    int listener;
    int wake[2]; /* readable: it is to end */
    struct sockaddr_un server;
    struct sockaddr_un own;
    atomic_int cut;
};

static int read_some(int from, char *buffer, size_t size)
{
    return (int)recv(from, buffer, size, 0);
}

static int pass_on(int to, const char *bytes, int size)
{
    while (size > 0) {
        ssize_t sent = send(to, bytes, (size_t)size, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        bytes += sent;
        size -= (int)sent;
    }
    return 0;
}

/* 0 while the connection lives. */
static int from_client(struct cut_proxy *proxy, int client, int server)
{
    char buffer[65536];
    int size = read_some(client, buffer, sizeof(buffer));
    if (size <= 0)
        return -1;
    enum cut cut = (enum cut)atomic_exchange(&proxy->cut, CUT_NOTHING);
    if (cut == CUT_BEFORE || pass_on(server, buffer, size) < 0)
        return -1;
    if (cut == CUT_NOTHING)
        return 0;
    /* The server speaks when it has done all of it. */
    read_some(server, buffer, sizeof(buffer));
    while (cut == CUT_SILENT && read_some(client, buffer, sizeof(buffer)) > 0)
        continue;
    return -1;
}

static void serve(struct cut_proxy *proxy, int client)
{
    char buffer[65536];
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int alive =
        connect(server, (const struct sockaddr *)&proxy->server, sizeof(proxy->server)) == 0;
    while (alive) {
        struct pollfd ready[] = {{.fd = client, .events = POLLIN},
                                 {.fd = server, .events = POLLIN},
                                 {.fd = proxy->wake[0], .events = POLLIN}};
        if (poll(ready, 3, -1) < 0 || ready[2].revents != 0)
            break;
        if (ready[1].revents != 0) {
            int size = read_some(server, buffer, sizeof(buffer));
            alive = size > 0 && pass_on(client, buffer, size) == 0;
        }
        if (alive && ready[0].revents != 0)
            alive = from_client(proxy, client, server) == 0;
    }
    close(server);
}

static void *run(void *arg)
{
    struct cut_proxy *proxy = arg;
    for (;;) {
        struct pollfd ready[] = {{.fd = proxy->listener, .events = POLLIN},
                                 {.fd = proxy->wake[0], .events = POLLIN}};
        if (poll(ready, 2, -1) < 0 || ready[1].revents != 0)
            return NULL;
        int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        serve(proxy, client);
        close(client);
    }
}

static struct sockaddr_un address_in(const char *directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_NAME, directory);
    return address;
}

struct cut_proxy *cut_proxy_start(const char *directory, const char *server)
{
    struct cut_proxy *proxy = calloc(1, sizeof(*proxy));
    assert_non_null(proxy);
    proxy->own = address_in(directory);
    proxy->server = address_in(server);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(proxy->listener, (const struct sockaddr *)&proxy->own, sizeof(proxy->own)), 0);
    assert_int_equal(listen(proxy->listener, 8), 0);
    assert_int_equal(pipe(proxy->wake), 0);
    assert_int_equal(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

void cut_proxy_arm(struct cut_proxy *proxy, enum cut cut)
{
    atomic_store(&proxy->cut, (int)cut);
}

void cut_proxy_stop(struct cut_proxy *proxy)
{
    assert_int_equal(write(proxy->wake[1], "x", 1), 1);
    pthread_join(proxy->thread, NULL);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    close(proxy->listener);
    unlink(proxy->own.sun_path);
    free(proxy);
}
