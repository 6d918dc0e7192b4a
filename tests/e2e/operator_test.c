/*
 * operator_test.c: the operator's channel as a stranger, a fool and a person meet it: who may speak, what
 * is understood, and that nobody who is slow, silent or gone harms the server or the next.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#define PBXHOOK    PBXHOOK_BUILD_DIR "/pbxhook"
#define NOBODY     65534
#define CLIENTS    8 /* that the server serves at one time */

#define PRUNE      "{\"command\":\"prune\",\"older_than_ms\":3600000,\"dry_run\":true}\n"
#define ANSWER_MAX 4096

/* ---- A client of bytes ------------------------------------------------------------------------------ */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof address.sun_path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_operator(struct world *world)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "state/control.sock", path);
    int fd = connect_to(path);
    assert_true(fd >= 0);
    return fd;
}

/* All that comes until the server closes; "" when it says nothing. */
static void read_all(int fd, char out[ANSWER_MAX])
{
    int64_t until_ms = wait_now_ms() + wait_stretch(WAIT_LIMIT_MS);
    size_t size = 0;
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int left_ms = (int)(until_ms - wait_now_ms());
        if (left_ms <= 0 || poll(&ready, 1, left_ms) <= 0)
            fail_msg("the server does not close the connection; it said: %.*s", (int)size, out);
        ssize_t got = recv(fd, out + size, ANSWER_MAX - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    out[size] = '\0';
    close(fd);
}

static void check_answer(struct world *world, const char *request, size_t size, const char *wanted)
{
    char answer[ANSWER_MAX];
    int fd = connect_operator(world);
    (void)send(fd, request, size, MSG_NOSIGNAL); /* it may have heard enough before the end */
    read_all(fd, answer);
    if (strstr(answer, wanted) == NULL)
        fail_msg("\"%s\" is not in: %s", wanted, answer);
}

static void check_works(struct world *world)
{
    check_answer(world, PRUNE, strlen(PRUNE), "{\"ok\":{\"events\":0,");
}

/* ---- Requests ----------------------------------------------------------------------------------------- */

static void test_what_is_understood(struct world *world)
{
    static const struct {
        const char *request, *wanted;
    } cases[] = {
        {PRUNE, "{\"ok\":{\"events\":0,"},
        {"\n", "{\"error\":\"the request is not a JSON object"},
        {"hello\n", "{\"error\":\"the request is not a JSON object"},
        {"[1]\n", "{\"error\":\"the request is not a JSON object"},
        {"{\"command\":1}\n", "{\"error\":\"the request is not a JSON object"},
        {"{\"command\":\"prune\",\"command\":\"prune\"}\n", "{\"error\":\"the request is not"},
        {"{\"command\":\"prune\"}\n", "{\"error\":\"older_than_ms"},
        {"{\"command\":\"prune\",\"older_than_ms\":\"90d\"}\n", "{\"error\":\"older_than"},
        {"{\"command\":\"prune\",\"older_than_ms\":-1}\n", "{\"error\":\"older_than_ms"},
        {"{\"command\":\"launch\"}\n", "{\"error\":\"this server knows no command \\\"launch\\\""},
        {"GET / HTTP/1.1\r\n\r\n", "{\"error\":\"the request is not a JSON object"},
    };
    world_start(world);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_answer(world, cases[i].request, strlen(cases[i].request), cases[i].wanted);
    check_works(world);
}

static void test_garbage(struct world *world)
{
    static char garbage[100000];
    world_start(world);
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof garbage; i++) {
        seed = seed * 1664525u + 1013904223u;
        garbage[i] = (char)(seed >> 24);
        if (garbage[i] == '\n')
            garbage[i] = ' ';
    }
    check_answer(world, garbage, sizeof garbage, "{\"error\":\"the request is too long\"}");
    garbage[100] = '\n';
    check_answer(world, garbage, sizeof garbage, "{\"error\":\"the request is not a JSON object");
    memset(garbage, '[', 2000);
    garbage[2000] = '\n';
    check_answer(world, garbage, 2001, "{\"error\":\"the request is not a JSON object");
    check_works(world);
}

/* In as many pieces as it has bytes. */
static void test_a_request_in_pieces(struct world *world)
{
    char answer[ANSWER_MAX];
    world_start(world);
    int fd = connect_operator(world);
    for (const char *byte = PRUNE; *byte != '\0'; byte++)
        assert_int_equal(send(fd, byte, 1, MSG_NOSIGNAL), 1);
    read_all(fd, answer);
    assert_non_null(strstr(answer, "{\"ok\":"));
}

/* ---- Clients -------------------------------------------------------------------------------------------- */

/* The silent ones have all the places, until the server has waited long enough for them. */
static void test_silent_clients(struct world *world)
{
    char answer[ANSWER_MAX];
    int fd[CLIENTS];
    world_start(world);
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = connect_operator(world);
    check_answer(world, PRUNE, strlen(PRUNE), "{\"error\":\"too many commands");
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    for (int i = 0; i < CLIENTS; i++) {
        read_all(fd[i], answer);
        assert_string_equal(answer, "");
    }
    check_works(world);
}

static void test_clients_that_are_gone(struct world *world)
{
    world_start(world);
    for (int i = 0; i < 200; i++) {
        int fd = connect_operator(world);
        if (i % 3 == 1)
            assert_int_equal(send(fd, "{\"comm", 6, MSG_NOSIGNAL), 6);
        if (i % 3 == 2)
            assert_true(send(fd, PRUNE, strlen(PRUNE), MSG_NOSIGNAL) > 0);
        close(fd);
    }
    check_works(world);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    store_await_events(world, 1);
}

/* The mode of the directory and the file keep others out; taken away, the server still looks who it is. */
static void test_another_user(struct world *world)
{
    char path[SCRATCH_PATH], state[SCRATCH_PATH];
    if (geteuid() != 0)
        return; /* nobody but root can be another */
    world_start(world);
    scratch_path(world->directory, "state", state);
    scratch_path(world->directory, "state/control.sock", path);
    assert_int_equal(chmod(world->directory, 0711), 0);
    assert_int_equal(chmod(state, 0711), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(setuid(NOBODY) == 0 && connect_to(path) < 0 ? 0 : 1);
    int status = process_wait(pid, WAIT_LIMIT_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    assert_int_equal(chmod(path, 0666), 0);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        char answer[ANSWER_MAX];
        int fd = setuid(NOBODY) == 0 ? connect_to(path) : -1;
        ssize_t got = fd < 0 ? -1 : recv(fd, answer, sizeof answer, MSG_WAITALL);
        _exit(got > 0 && write(ends[1], answer, (size_t)got) == got ? 0 : 1);
    }
    status = process_wait(pid, WAIT_LIMIT_MS);
    close(ends[1]);
    char answer[ANSWER_MAX];
    ssize_t got = read(ends[0], answer, sizeof answer - 1);
    close(ends[0]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0 && got > 0);
    answer[got] = '\0';
    assert_non_null(strstr(answer, "{\"error\":\"only root and the user"));
    check_works(world);
}

/* ---- Status --------------------------------------------------------------------------------------------- */

static struct process_result run(struct world *world, const char *command, const char *option)
{
    const char *const words[] = {PBXHOOK, command, option, NULL};
    struct process_result result;
    process_run(words, &world->server.environment, world->directory, &result);
    return result;
}

static void check_holds(const char *text, const char *wanted)
{
    if (strstr(text, wanted) == NULL)
        fail_msg("\"%s\" is not in: %s", wanted, text);
}

static json_t *read_status(struct world *world, int exit_status)
{
    struct process_result result = run(world, "status", "--json");
    if (result.exit_status != exit_status)
        fail_msg("status ended with %d: %s", result.exit_status, result.errors);
    json_t *status = json_loads(result.output, 0, NULL);
    assert_non_null(status);
    process_forget(&result);
    return status;
}

static int64_t number_of(const json_t *status, const char *object, const char *member)
{
    const json_t *number = json_object_get(json_object_get(status, object), member);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

static void post_some(struct world *world)
{
    for (int i = 0; i < 2; i++) /* the second time as a duplicate */
        world_post(world, &(struct event_text){.type = "call.standby",
                                               .call_id = "c",
                                               .timestamp = EVENT_TIME(0),
                                               .their_number = "1199999999"});
    world_post(world, &(struct event_text){.type = "x.y", .call_id = "c"});
    assert_int_equal(client_post(world->client, ROUTE_SEED, "{"), 400);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) == 1);
    metric_await(world, "pbxhook_events_handled_total", 2);
    metric_await(world, "pbxhook_events_duplicate_total", 1);
    metric_await(world, "pbxhook_spool_events", 0);
}

static void test_status_as_json(struct world *world)
{
    world_start(world);
    post_some(world);
    json_t *status = read_status(world, 0);
    assert_true(json_is_true(json_object_get(status, "running")));
    assert_int_equal(json_integer_value(json_object_get(status, "pid")), world->server.pid);
    assert_int_equal(number_of(status, "spool", "events"), 0);
    assert_int_equal(number_of(status, "events", "received"), 3);
    assert_int_equal(number_of(status, "events", "handled"), 2);
    assert_int_equal(number_of(status, "events", "duplicate"), 1);
    assert_int_equal(number_of(status, "events", "unknown"), 1);
    assert_int_equal(number_of(status, "events", "rejected"), 1);
    assert_int_equal(number_of(status, "actions", "delivered"), 1);
    const json_t *worker = json_array_get(json_object_get(status, "workers"), 0);
    assert_int_equal(json_integer_value(json_object_get(worker, "pid")),
                     server_worker_pid(&world->server));
    assert_true(json_is_true(json_object_get(worker, "ready")));
    json_decref(status);
}

static void test_status_for_eyes(struct world *world)
{
    char wanted[128];
    world_start(world);
    post_some(world);
    struct process_result result = run(world, "status", NULL);
    assert_int_equal(result.exit_status, 0);
    snprintf(wanted, sizeof wanted, "is running: pid %ld,", (long)world->server.pid);
    check_holds(result.output, wanted);
    snprintf(wanted, sizeof wanted, "on 127.0.0.1:%d\n", world->server.port);
    check_holds(result.output, wanted);
    check_holds(result.output, "received 3, handled 2, duplicate 1, unknown 1, rejected 1\n");
    check_holds(result.output, "delivered 1,");
    check_holds(result.output, "call_standby             1            0            0\n");
    process_forget(&result);
    result = run(world, "plugins", NULL);
    assert_int_equal(result.exit_status, 0);
    check_holds(result.output, "known_queue");
    check_holds(result.output, "call_standby             1            0            0\n");
    process_forget(&result);
}

/* It says how things are when they are not well, too, and does not wait for the worker. */
static void test_status_without_its_worker(struct world *world)
{
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGKILL), 0);
    await(server_worker_pid(&world->server) != worker);
    pid_t next = server_worker_pid(&world->server);
    assert_int_equal(kill(next, SIGSTOP), 0);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "c"});
    json_t *status = read_status(world, 0);
    assert_int_equal(number_of(status, "spool", "events"), 1);
    const json_t *first = json_array_get(json_object_get(status, "workers"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "restarts")), 1);
    json_decref(status);
    assert_int_equal(kill(next, SIGCONT), 0);
    store_await_events(world, 1);
}

static void test_status_of_none(struct world *world)
{
    json_t *status = read_status(world, 3);
    assert_true(json_is_false(json_object_get(status, "running")));
    json_decref(status);
    world_start(world);
    server_kill(&world->server, 1); /* its socket is there still */
    struct process_result result = run(world, "status", NULL);
    assert_int_equal(result.exit_status, 3);
    check_holds(result.output, "not running");
    process_forget(&result);
    result = run(world, "plugins", NULL);
    assert_int_equal(result.exit_status, 0);
    assert_null(strstr(result.output, "In the running server"));
    process_forget(&result);
}

/* ---- The socket's file --------------------------------------------------------------------------------- */

static void test_the_file(struct world *world)
{
    char path[SCRATCH_PATH];
    struct stat info;
    scratch_path(world->directory, "state/control.sock", path);
    world_start(world);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0600);
    server_kill(&world->server, 1);
    assert_int_equal(stat(path, &info), 0); /* it stays, and is replaced */
    world_start(world);
    check_works(world);
    server_stop(&world->server);
    assert_int_equal(stat(path, &info), -1);
    assert_int_equal(errno, ENOENT);
}

/* A socket's address has room for 107 bytes. */
static void test_a_long_state_dir(struct world *world)
{
    static const char *const words[] = {PBXHOOK, "prune", "--older-than", "1d", NULL};
    char name[151], state[SCRATCH_PATH];
    struct process_result result;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    scratch_path(world->directory, name, state);
    world_set(world, "PBXHOOK_STATE_DIR", state);
    world_start(world);
    process_run(words, &world->server.environment, world->directory, &result);
    if (result.exit_status != 0)
        fail_msg("prune ended with %d: %s", result.exit_status, result.errors);
    assert_non_null(strstr(result.output, "0 events"));
    process_forget(&result);
    await(server_log_count(&world->server, "msg=\"operator's command done\"", NULL) == 1);
}

/* A worker that does not come back: who asked is not left alone with it. */
static void test_a_stopped_worker(struct world *world)
{
    char answer[ANSWER_MAX];
    world_start(world);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    int fd = connect_operator(world);
    assert_true(send(fd, PRUNE, strlen(PRUNE), MSG_NOSIGNAL) > 0);
    assert_true(recv(fd, answer, 15, MSG_PEEK | MSG_WAITALL) == 15); /* a word each second */
    assert_memory_equal(answer, "{\"progress\":{}}", 15);
    assert_int_equal(kill(worker, SIGKILL), 0);
    read_all(fd, answer);
    assert_non_null(strstr(answer, "{\"error\":\"the worker ended"));
    check_works(world); /* by the next one */
}

int main(void)
{
    static const struct world_test tests[] = {
        {"what is understood", test_what_is_understood},
        {"garbage", test_garbage},
        {"a request in pieces", test_a_request_in_pieces},
        {"silent clients", test_silent_clients},
        {"clients that are gone", test_clients_that_are_gone},
        {"another user", test_another_user},
        {"status as JSON", test_status_as_json},
        {"status for eyes", test_status_for_eyes},
        {"status without its worker", test_status_without_its_worker},
        {"status of none", test_status_of_none},
        {"the file", test_the_file},
        {"a long state_dir", test_a_long_state_dir},
        {"a stopped worker", test_a_stopped_worker},
    };
    return WORLD_RUN("operator", tests);
}
