/*
 * stored_test.c: acknowledge = "stored": a 2xx says that the event is in the store; whatever keeps it from
 * there, the sender is told to come again, and it is applied once.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define PATIENT_MS 15000 /* stretched as far as a sanitizer wants it: the longest that is allowed */

static void start_stored(struct world *world, int timeout_ms)
{
    world_set(world, "PBXHOOK_WEBHOOK_ACKNOWLEDGE", "stored");
    world_set_time(world, "PBXHOOK_WEBHOOK_ACKNOWLEDGE_TIMEOUT", timeout_ms);
    world_start(world);
}

static char *make_event(const char *call_id)
{
    return event_seed(
        &(struct event_text){.type = "call.new", .call_id = call_id, .timestamp = EVENT_TIME(0)});
}

/* Posts one and leaves the answer to come. */
static int begin_post(struct world *world, const char *call_id)
{
    char *body = make_event(call_id);
    char *post = socket_make_post(ROUTE_SEED, body);
    int fd = socket_connect(world->server.port);
    assert_true(fd >= 0);
    socket_write_text(fd, post);
    free(post);
    free(body);
    return fd;
}

static int end_post(int fd)
{
    char answer[2048];
    int status = socket_read_answer(fd, answer, sizeof answer);
    close(fd);
    return status;
}

static int post(struct world *world, const char *call_id)
{
    char *body = make_event(call_id);
    int status = client_post(world->client, ROUTE_SEED, body);
    free(body);
    return status;
}

static void check_refused(struct world *world, const char *call_id)
{
    assert_int_equal(post(world, call_id), 503);
    assert_string_equal(client_header(world->client, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(world->client->body, "not_stored"));
    assert_true(strtol(client_header(world->client, "Retry-After"), NULL, 10) > 0);
}

/* Nothing is awaited: that is what the 204 says. */
static void test_acknowledged_is_stored(struct world *world)
{
    start_stored(world, PATIENT_MS);
    for (int i = 1; i <= 50; i++) {
        char call_id[32];
        snprintf(call_id, sizeof call_id, "c-%d", i);
        assert_int_equal(post(world, call_id), 204);
        assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), i);
    }
    assert_int_equal(post(world, "c-1"), 204); /* known already */
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 50);
    metric_check(world, "pbxhook_events_received_total", 51);
    metric_check(world, "pbxhook_events_duplicate_total", 1);
}

/* A file size limit stands for a full disk under the store. */
static void test_store_away(struct world *world)
{
    struct rlimit usual, tight;
    start_stored(world, 300);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(post(world, "before"), 204);
    assert_int_equal(prlimit(worker, RLIMIT_FSIZE, NULL, &usual), 0);
    tight = usual;
    tight.rlim_cur = 16384;
    assert_int_equal(prlimit(worker, RLIMIT_FSIZE, &tight, NULL), 0);
    check_refused(world, "c");
    check_refused(world, "c");
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
    metric_check(world, "pbxhook_spool_events", 2); /* it, and its repeat */
    metric_check(world, "pbxhook_events_received_total", 1);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"not_stored\"}", 2);

    assert_int_equal(prlimit(worker, RLIMIT_FSIZE, &usual, NULL), 0);
    await(post(world, "c") == 204);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events WHERE call_id = 'c'", NULL), 1);
    metric_await(world, "pbxhook_spool_events", 0);
    dashboard_check(world, &(struct world_counts){.active = 2, .calls = {[0] = 2}});
}

/* The repeat never comes: the event is not lost for that. */
static void test_refused_is_kept(struct world *world)
{
    start_stored(world, 100);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    check_refused(world, "c");
    server_kill(&world->server, 1);
    world_start(world);
    store_await_events(world, 1);
    assert_int_equal(post(world, "c"), 204);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
}

static void test_worker_killed_in_between(struct world *world)
{
    start_stored(world, PATIENT_MS);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    int first = begin_post(world, "first");
    int second = begin_post(world, "second");
    metric_await(world, "pbxhook_spool_events", 2);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(end_post(first), 204);
    assert_int_equal(end_post(second), 204);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 2);
}

static void test_workers_killed_under_load(struct world *world)
{
    const int calls = 100, kills = 3;
    start_stored(world, PATIENT_MS);
    struct load *load = load_start(&world->server, "call", calls, 4);
    for (int i = 1; i <= kills; i++) {
        pid_t worker = server_worker_pid(&world->server);
        await(load_acknowledged(load) >= i * calls * EVENTS_OF_CALL / (kills + 1));
        assert_int_equal(kill(worker, SIGKILL), 0);
        await(server_worker_pid(&world->server) != worker);
    }
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), calls * EVENTS_OF_CALL);
    dashboard_check(world, &(struct world_counts){.users = calls, .calls = {[6] = calls}});
}

/* The worker goes on while the server stops, and who waits hears it. */
static void test_stop_waits_for_the_store(struct world *world)
{
    start_stored(world, PATIENT_MS);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    int fd = begin_post(world, "c");
    metric_await(world, "pbxhook_spool_events", 1);
    pid_t server = world->server.pid;
    assert_int_equal(kill(server, SIGTERM), 0);
    await(server_log_count(&world->server, "msg=stopping", NULL) == 1);
    assert_int_equal(kill(worker, SIGCONT), 0);
    assert_int_equal(end_post(fd), 204);
    int status = process_wait(server, 20000);
    world->server.pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
}

/* It can't go on, and who waits hears that. */
static void test_stop_without_the_store(struct world *world)
{
    start_stored(world, PATIENT_MS);
    pid_t worker = server_worker_pid(&world->server);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    int fd = begin_post(world, "c");
    metric_await(world, "pbxhook_spool_events", 1);
    pid_t server = world->server.pid;
    assert_int_equal(kill(server, SIGTERM), 0);
    assert_int_equal(end_post(fd), 503);
    assert_int_equal(kill(worker, SIGCONT), 0);
    int status = process_wait(server, 20000);
    world->server.pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    world_start(world);
    store_await_events(world, 1);
    assert_int_equal(post(world, "c"), 204);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"acknowledged is stored", test_acknowledged_is_stored},
        {"store away", test_store_away},
        {"refused is kept", test_refused_is_kept},
        {"worker killed in between", test_worker_killed_in_between},
        {"workers killed under load", test_workers_killed_under_load},
        {"stop waits for the store", test_stop_waits_for_the_store},
        {"stop without the store", test_stop_without_the_store},
    };
    return WORLD_RUN("stored", tests);
}
