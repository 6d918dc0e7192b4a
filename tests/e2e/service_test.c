/*
 * service_test.c: the server under a service manager: what it says to a real notification socket, and
 * that it serves the socket that was passed to it.
 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A service manager ---------------------------------------------------------------------------- */

struct manager {
    int fd;
    char message[1024]; /* the last one */
    pid_t sender;
};

static void manager_open(struct manager *manager, struct world *world)
{
    const int on = 1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "notify", path);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(manager->fd >= 0);
    assert_int_equal(setsockopt(manager->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address, sizeof address), 0);
    world_set(world, "NOTIFY_SOCKET", address.sun_path);
}

/* 1 and the next message with its sender; 0 when there is none yet. */
static int manager_read(struct manager *manager)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec text = {manager->message, sizeof manager->message - 1};
    struct msghdr head = {.msg_iov = &text,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
    struct ucred sender;
    ssize_t size = recvmsg(manager->fd, &head, 0);
    if (size < 0)
        return 0;
    manager->message[size] = '\0';
    struct cmsghdr *part = CMSG_FIRSTHDR(&head);
    assert_non_null(part);
    assert_int_equal(part->cmsg_type, SCM_CREDENTIALS);
    memcpy(&sender, CMSG_DATA(part), sizeof sender);
    manager->sender = sender.pid;
    return 1;
}

/* The next message, from the server itself, begins so. Signs of life are let pass. */
static void manager_await(struct manager *manager, pid_t server, const char *beginning)
{
    do
        await(manager_read(manager));
    while (strcmp(manager->message, "WATCHDOG=1\n") == 0);
    if (strncmp(manager->message, beginning, strlen(beginning)) != 0)
        fail_msg("the server says \"%s\", wanted \"%s...\"", manager->message, beginning);
    assert_int_equal(manager->sender, server);
}

static void test_ready_and_stopping(struct world *world)
{
    struct manager manager;
    char wanted[64];
    manager_open(&manager, world);
    world_start(world);
    pid_t server = world->server.pid;
    manager_await(&manager, server, "STATUS=Starting the workers\n");
    snprintf(wanted, sizeof wanted, "READY=1\nSTATUS=Listening on 127.0.0.1:%d\n",
             world->server.port);
    manager_await(&manager, server, wanted);
    server_stop(&world->server);
    manager_await(&manager, server, "STOPPING=1\n");
    assert_false(manager_read(&manager));
    close(manager.fd);
}

/* "Ready" is said when an event is taken, not before. */
static void test_ready_means_ready(struct world *world)
{
    struct manager manager;
    manager_open(&manager, world);
    world_start(world);
    do
        await(manager_read(&manager));
    while (strncmp(manager.message, "READY=1\n", 8) != 0);
    assert_int_equal(client_get(world->client, "/readyz"), 200);
    close(manager.fd);
}

static void test_a_hangup_is_answered(struct world *world)
{
    struct manager manager;
    manager_open(&manager, world);
    world_start(world);
    pid_t server = world->server.pid;
    manager_await(&manager, server, "STATUS=");
    manager_await(&manager, server, "READY=1\n");
    assert_int_equal(kill(server, SIGHUP), 0);
    manager_await(&manager, server, "RELOADING=1\nMONOTONIC_USEC=");
    manager_await(&manager, server, "READY=1\n");
    assert_int_equal(client_get(world->client, "/healthz"), 200);
    close(manager.fd);
}

/* It waits until the server is ready, which nothing says before. */
static void test_a_hangup_during_the_start(struct world *world)
{
    static const char *const late[] = {"late", NULL};
    struct manager manager;
    char gate[SCRATCH_PATH], text[SCRATCH_PATH + 64];
    scratch_path(world->directory, "gate", gate);
    snprintf(text, sizeof text, "plugin \"late\" { gate = \"%s\" }\n", gate);
    world_add_plugins(world, late);
    world_configure(world, text);
    manager_open(&manager, world);
    server_launch(&world->server);
    pid_t server = world->server.pid;
    manager_await(&manager, server, "STATUS=Starting the workers\n");
    assert_int_equal(kill(server, SIGHUP), 0);
    scratch_write(gate, "");
    manager_await(&manager, server, "READY=1\nSTATUS=Listening");
    manager_await(&manager, server, "RELOADING=1\nMONOTONIC_USEC=");
    manager_await(&manager, server, "READY=1\nSTATUS=Reloaded\n");
    close(manager.fd);
}

static void test_signs_of_life(struct world *world)
{
    struct manager manager;
    manager_open(&manager, world);
    world_set(world, "WATCHDOG_USEC", "300000");
    world_start(world);
    for (int signs = 0; signs < 5;) {
        await(manager_read(&manager));
        assert_int_equal(manager.sender, world->server.pid);
        signs += strcmp(manager.message, "WATCHDOG=1\n") == 0;
    }
    close(manager.fd);
}

/* A plugin must not be able to speak for the server. */
static void test_workers_know_nothing_of_it(struct world *world)
{
    struct manager manager;
    char path[64], environment[8192];
    manager_open(&manager, world);
    world_set(world, "WATCHDOG_USEC", "30000000");
    world_start(world);
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)server_worker_pid(&world->server));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, environment, sizeof environment);
    assert_true(size > 0 && (size_t)size < sizeof environment);
    assert_non_null(memmem(environment, (size_t)size, "PBXHOOK_STATE_DIR=", 18));
    assert_null(memmem(environment, (size_t)size, "NOTIFY_SOCKET=", 14));
    assert_null(memmem(environment, (size_t)size, "WATCHDOG_", 9));
    close(fd);
    close(manager.fd);
}

/* ---- Socket activation ---------------------------------------------------------------------------- */

/* A listening socket on a free port of that address, to be inherited. */
static int open_listener(in_addr_t host, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(host)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Starts the server with `count` sockets passed, as a service manager does: from descriptor 3 on. */
static void start_with_sockets(struct world *world, int fd, int port, int count)
{
    char script[256], taken[32];
    snprintf(script, sizeof script,
             "exec 3<&%d 4<&%d; export LISTEN_PID=$$ LISTEN_FDS=%d; exec \"$0\" serve", fd, fd,
             count);
    const char *const words[] = {"/bin/bash", "-c", script, PBXHOOK_BUILD_DIR "/pbxhook", NULL};
    /* The service manager has bound already; a second time would fail. */
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    world_set(world, "PBXHOOK_LISTEN", taken);
    world->server.pid =
        process_start(words, &world->server.environment, NULL, world->server.log_path);
}

static void test_the_passed_socket_is_served(struct world *world)
{
    char answer[1024];
    int port = 0;
    int listener = open_listener(INADDR_LOOPBACK, &port);
    for (int run = 0; run < 2; run++) {
        /* The client is there before the server: it waits, and is not refused. */
        int client = socket_connect(port);
        assert_true(client >= 0);
        socket_write_text(client, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        start_with_sockets(world, listener, port, 1);
        assert_int_equal(socket_read_answer(client, answer, sizeof answer), 200);
        close(client);
        server_stop(&world->server); /* and the socket stays the service manager's */
    }
    close(listener);
}

/* It ends with status 1. */
static void await_refusal(struct world *world)
{
    pid_t pid = world->server.pid;
    world->server.pid = 0;
    int status = process_wait(pid, WAIT_LIMIT_MS);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void test_two_sockets_are_refused(struct world *world)
{
    int port = 0;
    int listener = open_listener(INADDR_LOOPBACK, &port);
    start_with_sockets(world, listener, port, 2);
    await_refusal(world);
    assert_int_equal(server_log_count(&world->server, "LISTEN_FDS", "2 sockets"), 1);
    close(listener);
}

/* What the configuration says of the address does not count then: it says loopback here. */
static void test_an_open_socket_wants_a_secret(struct world *world)
{
    int port = 0;
    int listener = open_listener(INADDR_ANY, &port);
    start_with_sockets(world, listener, port, 1);
    await_refusal(world);
    assert_int_equal(server_log_count(&world->server, "0.0.0.0", "no authentication"), 1);
    close(listener);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"ready and stopping", test_ready_and_stopping},
        {"ready means ready", test_ready_means_ready},
        {"a hangup is answered", test_a_hangup_is_answered},
        {"a hangup during the start", test_a_hangup_during_the_start},
        {"signs of life", test_signs_of_life},
        {"workers know nothing of it", test_workers_know_nothing_of_it},
        {"the passed socket is served", test_the_passed_socket_is_served},
        {"two sockets are refused", test_two_sockets_are_refused},
        {"an open socket wants a secret", test_an_open_socket_wants_a_secret},
    };
    return WORLD_RUN("service", tests);
}
