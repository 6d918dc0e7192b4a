/*
 * supervisor_test.c: the receiver's main loop: what it is asked while it starts, workers that neither leave nor
 * are seen to end, event types that only a plugin knows.
 */
#include "world.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A server whose worker is ready only when the gate is there: its plugin waits for it in open(). */
static void launch_waiting(struct world *world, char gate[SCRATCH_PATH])
{
    static const char *const late[] = {"late", NULL};
    char text[SCRATCH_PATH + 64];
    scratch_path(world->directory, "gate", gate);
    snprintf(text, sizeof text, "plugin \"late\" { gate = \"%s\" }\n", gate);
    world_add_plugins(world, late);
    world_configure(world, text);
    server_launch(&world->server);
}

static void open_gate(struct world *world, const char *gate)
{
    scratch_write(gate, "");
    server_await_listening(&world->server);
    world->client = client_open(world->server.port);
}

/* ---- The operator's channel ------------------------------------------------------------------------- */

/* -1: nobody listens yet. */
static int connect_operator(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "state/control.sock", path);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Asks for a reload, and returns when the server has heard that. */
static int ask_reload(struct world *world)
{
    static const char request[] = "{\"command\":\"reload\"}\n", heard[] = "{\"progress\":{}}\n";
    char line[sizeof heard] = "";
    int fd = -1;
    await((fd = connect_operator(world)) >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (size_t size = 0; size < strlen(heard);) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, wait_stretch(WAIT_LIMIT_MS)), 1);
        ssize_t got = recv(fd, line + size, strlen(heard) - size, 0);
        if (got <= 0)
            fail_msg("the server closed the connection");
        size += (size_t)got;
    }
    assert_string_equal(line, heard);
    return fd;
}

/* What it says at last, all of it. */
static void read_answer(int fd, char *out, size_t size)
{
    size_t used = 0;
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, wait_stretch(WAIT_LIMIT_MS)), 1);
        ssize_t got = recv(fd, out + used, size - 1 - used, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    out[used] = '\0';
    close(fd);
}

/* ---- While it starts ------------------------------------------------------------------------------- */

/* A plugin that refuses ends the start, but not a server that is asked to reload it: that comes later. */
static void test_a_reload_asked_for(struct world *world)
{
    char gate[SCRATCH_PATH], answer[4096];
    launch_waiting(world, gate);
    int first = ask_reload(world);
    world_configure(world, "plugin \"late\" { refuse = true }\n");
    int second = ask_reload(world);
    assert_int_equal(server_log_count(&world->server, "reload", NULL), 0);
    open_gate(world, gate);
    read_answer(first, answer, sizeof answer);
    assert_non_null(strstr(answer, "refused on purpose"));
    read_answer(second, answer, sizeof answer);
    assert_non_null(strstr(answer, "refused on purpose"));
    assert_int_equal(server_log_count(&world->server, "msg=\"reload failed", NULL), 1);
    await(client_get(world->client, "/readyz") == 200);
}

static void test_a_hangup(struct world *world)
{
    char gate[SCRATCH_PATH];
    launch_waiting(world, gate);
    int fd = -1;
    await((fd = connect_operator(world)) >= 0); /* so it no longer dies of a SIGHUP */
    close(fd);
    assert_int_equal(kill(world->server.pid, SIGHUP), 0);
    open_gate(world, gate);
    await(server_log_count(&world->server, "msg=reloaded", NULL) == 1);
    assert_int_equal(client_get(world->client, "/readyz"), 200);
}

static void test_a_stop(struct world *world)
{
    char gate[SCRATCH_PATH], answer[4096];
    launch_waiting(world, gate);
    int fd = ask_reload(world);
    server_stop(&world->server);
    read_answer(fd, answer, sizeof answer);
    assert_non_null(strstr(answer, "{\"error\":\"the server is stopping\"}"));
}

/* ---- Workers ---------------------------------------------------------------------------------------- */

/* As a parent may leave it: that the signal is ignored survives exec. */
static void test_a_parent_that_ignores_its_children(struct world *world)
{
    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    world_start(world);
    assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGKILL), 0);
    await(server_worker_pid(&world->server) != worker);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    store_await_events(world, 1);
    world_reload(world);
    server_stop(&world->server);
}

/* It has ten seconds to leave, however long a handler may take. */
static void test_a_worker_that_does_not_leave(struct world *world)
{
    world_set(world, "PBXHOOK_HANDLER_TIMEOUT", "1h");
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    assert_int_equal(kill(world->server.pid, SIGHUP), 0);
    await_for(3 * WAIT_LIMIT_MS, server_log_count(&world->server, "msg=reloaded", NULL) == 1);
    assert_true(server_worker_pid(&world->server) != worker);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    store_await_events(world, 1);
}

/* ---- Descriptors ------------------------------------------------------------------------------------ */

/* poll() takes no more of them than may be open, and refuses at once. */
static void test_a_poll_that_fails(struct world *world)
{
    struct rlimit usual, few;
    world_start(world);
    assert_int_equal(prlimit(world->server.pid, RLIMIT_NOFILE, NULL, &usual), 0);
    few = usual;
    few.rlim_cur = 2;
    int64_t since_ms = wait_now_ms();
    assert_int_equal(prlimit(world->server.pid, RLIMIT_NOFILE, &few, NULL), 0);
    assert_int_equal(kill(world->server.pid, SIGHUP), 0); /* the poll that it is in ends */
    await(server_log_count(&world->server, "msg=\"poll failed", NULL) >= 3);
    assert_true(wait_now_ms() - since_ms >= 1000);
    assert_int_equal(prlimit(world->server.pid, RLIMIT_NOFILE, &usual, NULL), 0);
    world_reload(world);
}

/* ---- Event types ------------------------------------------------------------------------------------ */

#define TEN   "xxxxxxxxxx"
#define FIFTY TEN TEN TEN TEN TEN

/* As long as a type may be, and so as long as a pattern. */
static void test_a_type_that_a_plugin_takes(struct world *world)
{
    static const char *const late[] = {"late", NULL};
    static const char type[] = "late." FIFTY FIFTY FIFTY FIFTY FIFTY;
    world_add_plugins(world, late);
    world_configure(world, "webhook { unknown_events = \"reject\" }\n");
    world_start(world);
    world_post(world, &(struct event_text){.type = type, .call_id = "c"});
    char *other = event_seed(&(struct event_text){.type = type + 1, .call_id = "c"});
    assert_int_equal(client_post(world->client, ROUTE_SEED, other), 422);
    free(other);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"a reload asked for while it starts", test_a_reload_asked_for},
        {"a hangup while it starts", test_a_hangup},
        {"a stop while it starts", test_a_stop},
        {"a parent that ignores its children", test_a_parent_that_ignores_its_children},
        {"a worker that does not leave", test_a_worker_that_does_not_leave},
        {"a poll that fails", test_a_poll_that_fails},
        {"a type that a plugin takes", test_a_type_that_a_plugin_takes},
    };
    return WORLD_RUN("supervisor", tests);
}
