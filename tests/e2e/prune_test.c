/*
 * prune_test.c: old records are taken out of a store, by a command with and without a server, by the
 * server itself, and while somebody kills one of those who take part.
 */
#include "world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"

#define MANY    60000 /* events: more than is removed before somebody can be killed */

#define MANY_OLD                                                                                   \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "             \
    "INSERT INTO events (identity, call_id, type, time_ms, received_ms, spool_seq, body) "         \
    "SELECT randomblob(16), 'old-' || i, 'call.new', i, i, i, '{}' FROM n"

#define ONE_NEW                                                                                    \
    "INSERT INTO events (identity, call_id, type, time_ms, received_ms, spool_seq, body) "         \
    "VALUES (x'01', 'new', 'x.y', 1, 9000000000000, 1, '{}')"

#define COUNT_OLD "SELECT count(*) FROM events WHERE call_id LIKE 'old%'"

static const char *const prune_words[] = {PBXHOOK, "prune", "--older-than", "90d", NULL};

/* ---- What these tests say often -------------------------------------------------------------------- */

static struct process_result prune(struct world *world, const char *option)
{
    const char *const words[] = {PBXHOOK, "prune", "--older-than", "90d", option, NULL};
    struct process_result result;
    process_run(words, &world->server.environment, world->directory, &result);
    return result;
}

static void check_line(const struct process_result *result, int64_t number, const char *words)
{
    char line[128];
    snprintf(line, sizeof line, "%10lld %s\n", (long long)number, words);
    if (strstr(result->output, line) == NULL)
        fail_msg("\"%s\" is not in: %s%s", line, result->output, result->errors);
}

static void check_removed(struct process_result result, int64_t events, int64_t calls,
                          int64_t actions)
{
    if (result.exit_status != 0)
        fail_msg("prune ended with %d: %s", result.exit_status, result.errors);
    check_line(&result, events, "events");
    check_line(&result, calls, "finished calls");
    check_line(&result, actions, "ended actions");
    process_forget(&result);
}

/* The seven events of one call, up to its action's end. */
static void post_call(struct world *world, const char *call_id, int events)
{
    char time[EVENT_TIME_SIZE];
    for (int i = 0; i < events; i++) {
        event_time(i, time);
        world_post(world, &(struct event_text){.type = event_types[i],
                                               .call_id = call_id,
                                               .timestamp = time,
                                               .their_number = call_id});
    }
}

/* Two calls of 91 days ago, of which one is active still, and one of today; the server is stopped. */
static void make_calls(struct world *world)
{
    world_start(world);
    post_call(world, "old", EVENTS_OF_CALL);
    post_call(world, "active", 5);
    store_await_events(world, 12);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('delivered', 'confirmed')",
                    NULL) == 2);
    server_stop(&world->server);
    store_execute(world, "UPDATE events SET received_ms = received_ms - 91 * 86400000; "
                         "UPDATE calls SET finished_ms = finished_ms - 10000 * 86400000; "
                         "UPDATE actions SET state_ms = state_ms - 91 * 86400000");
    world_start(world);
    post_call(world, "new", EVENTS_OF_CALL);
    store_await_events(world, 19);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('delivered', 'confirmed')",
                    NULL) == 3);
    /* Its events are of the same day, and its end is what counts. */
    server_stop(&world->server);
    store_execute(world, "UPDATE calls SET finished_ms = unixepoch() * 1000 WHERE call_id = 'new'");
}

static void check_what_is_left(struct world *world)
{
    assert_int_equal(store_int(world, "SELECT count(*) FROM events WHERE call_id = 'old'", NULL),
                     0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 12);
    assert_int_equal(store_int(world, "SELECT count(*) FROM calls", NULL), 2);
    assert_int_equal(store_int(world, "SELECT count(*) FROM payloads", NULL), 2);
    assert_int_equal(store_int(world, "SELECT count(*) FROM actions", NULL), 1);
    store_check_status(world, "new", "call.finished");
    store_check_status(world, "active", "call.ongoing");
}

static void check_counts(struct world *world)
{
    dashboard_check(world,
                    &(struct world_counts){.users = 3, .active = 1, .calls = {[4] = 1, [6] = 1}});
}

/* ---- The command ------------------------------------------------------------------------------------- */

static void test_with_a_server(struct world *world)
{
    make_calls(world);
    world_start(world);
    check_removed(prune(world, "--dry-run"), 7, 1, 2);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 19);
    check_removed(prune(world, NULL), 7, 1, 2);
    check_what_is_left(world);
    check_counts(world);
    check_removed(prune(world, NULL), 0, 0, 0);
    /* The call that is gone may come again, and is counted. */
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "old"});
    await(store_int(world, "SELECT count(*) FROM calls", NULL) == 3);
}

static void test_without_a_server(struct world *world)
{
    make_calls(world);
    check_removed(prune(world, "--dry-run"), 7, 1, 2);
    check_removed(prune(world, NULL), 7, 1, 2);
    check_what_is_left(world);
    world_start(world);
    check_counts(world);
}

/* Acknowledged, stored, and not let go of by the spool: its record is what a replay is known by. */
static void test_what_the_spool_holds_is_not_old(struct world *world)
{
    char path[SCRATCH_PATH], sql[SCRATCH_PATH + 1024];
    world_start(world);
    assert_int_equal(kill(server_worker_pid(&world->server), SIGSTOP), 0);
    world_post(world, &(struct event_text){.type = "x.y", .call_id = "c"});
    server_kill(&world->server, 1);
    scratch_path(world->directory, "state/spool.db", path);
    snprintf(sql, sizeof sql,
             "ATTACH '%s' AS spool; UPDATE spool.event SET received_ms = 1000; "
             "INSERT INTO main.events (identity, call_id, type, time_ms, received_ms, spool_seq, "
             "body) SELECT identity, call_id, type, time_ms, 1000, seq, body FROM spool.event; "
             "INSERT INTO main.events (identity, call_id, type, time_ms, received_ms, spool_seq, "
             "body) VALUES (x'00', 'older', 'x.y', 1, 999, 1, '{}'); " ONE_NEW,
             path);
    store_execute(world, sql);
    check_removed(prune(world, NULL), 1, 0, 0);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events WHERE call_id = 'c'", NULL), 1);
    world_start(world);
    metric_await(world, "pbxhook_spool_events", 0);
    metric_check(world, "pbxhook_events_handled_total", 0); /* a replay */
    check_removed(prune(world, NULL), 1, 0, 0);
}

static void test_no_state_directory(struct world *world)
{
    char path[SCRATCH_PATH];
    world_set(world, "PBXHOOK_STATE_DIR", "/nonexistent/state");
    struct process_result result = prune(world, NULL);
    assert_int_equal(result.exit_status, 1);
    assert_non_null(strstr(result.errors, "/nonexistent/state"));
    process_forget(&result);
    /* And nothing is made in a directory that no server has used. */
    world_set(world, "PBXHOOK_STATE_DIR", world->directory);
    result = prune(world, NULL);
    assert_int_equal(result.exit_status, 1);
    assert_non_null(strstr(result.errors, "no server has run with it yet"));
    process_forget(&result);
    scratch_path(world->directory, "lock", path);
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- The server itself ------------------------------------------------------------------------------- */

static void test_retention(struct world *world)
{
    make_calls(world);
    world_set(world, "PBXHOOK_STORE_RETENTION", "90d");
    world_start(world);
    await(server_log_count(&world->server, "msg=\"old records removed\"", NULL) == 1);
    check_what_is_left(world);
    check_counts(world);
}

/* ---- Many ---------------------------------------------------------------------------------------------- */

static void make_many(struct world *world)
{
    world_start(world);
    server_stop(&world->server);
    store_execute(world, MANY_OLD "; " ONE_NEW);
    world_start(world);
}

static void test_two_at_once(struct world *world)
{
    char output[2][SCRATCH_PATH], errors[SCRATCH_PATH];
    int64_t sum = 0;
    pid_t pid[2];
    make_many(world);
    scratch_path(world->directory, "errors.txt", errors);
    scratch_path(world->directory, "output-0.txt", output[0]);
    scratch_path(world->directory, "output-1.txt", output[1]);
    for (int i = 0; i < 2; i++)
        pid[i] = process_start(prune_words, &world->server.environment, output[i], errors);
    for (int i = 0; i < 2; i++) {
        int status = process_wait(pid[i], 60000);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        char *text = scratch_read(output[i]);
        char *line = strchr(text, '\n');
        assert_non_null(line);
        sum += strtoll(line, NULL, 10);
        free(text);
    }
    assert_int_equal(sum, MANY);
    assert_int_equal(store_int(world, COUNT_OLD, NULL), 0);
}

static pid_t start_prune(struct world *world)
{
    char errors[SCRATCH_PATH];
    scratch_path(world->directory, "prune-errors.txt", errors);
    pid_t pid = process_start(prune_words, &world->server.environment, NULL, errors);
    await(store_int(world, COUNT_OLD, NULL) < MANY);
    return pid;
}

static void test_command_killed(struct world *world)
{
    make_many(world);
    pid_t pid = start_prune(world);
    assert_int_equal(kill(pid, SIGKILL), 0);
    process_wait(pid, 10000);
    await(server_log_count(&world->server, "msg=\"operator's command was given up", NULL) == 1);
    int64_t left = store_int(world, COUNT_OLD, NULL);
    assert_in_range(left, 1, MANY - 1);
    check_removed(prune(world, NULL), left, 0, 0);
}

static void test_worker_killed(struct world *world)
{
    char path[SCRATCH_PATH];
    make_many(world);
    pid_t worker = server_worker_pid(&world->server);
    pid_t pid = start_prune(world);
    assert_int_equal(kill(worker, SIGKILL), 0);
    int status = process_wait(pid, 20000);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    scratch_path(world->directory, "prune-errors.txt", path);
    char *errors = scratch_read(path);
    assert_non_null(strstr(errors, "the worker ended before it was done"));
    free(errors);
    int64_t left = store_int(world, COUNT_OLD, NULL);
    assert_in_range(left, 1, MANY - 1);
    check_removed(prune(world, NULL), left, 0, 0);
}

/* The command in the server's place, killed: nothing is half, and a server may start. */
static void test_killed_without_a_server(struct world *world)
{
    make_many(world);
    server_stop(&world->server);
    pid_t pid = start_prune(world);
    assert_int_equal(kill(pid, SIGKILL), 0);
    process_wait(pid, 10000);
    world_start(world);
    int64_t left = store_int(world, COUNT_OLD, NULL);
    assert_in_range(left, 1, MANY - 1);
    check_removed(prune(world, NULL), left, 0, 0);
}

/* With the command at work in its place, a server is refused, and told by whom. */
static void test_server_is_refused_meanwhile(struct world *world)
{
    static const char *const words[] = {PBXHOOK, "serve", NULL};
    struct process_result result;
    char pid[32];
    make_many(world);
    server_stop(&world->server);
    pid_t command = start_prune(world);
    assert_int_equal(kill(command, SIGSTOP), 0);
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(kill(command, SIGCONT), 0);
    assert_int_equal(result.exit_status, 1);
    snprintf(pid, sizeof pid, "pid %ld", (long)command);
    if (strstr(result.errors, pid) == NULL)
        fail_msg("the refusal does not name %s: %s", pid, result.errors);
    process_forget(&result);
    int status = process_wait(command, 60000);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_stopped_meanwhile(struct world *world)
{
    char path[SCRATCH_PATH];
    make_many(world);
    pid_t pid = start_prune(world);
    server_stop(&world->server);
    int status = process_wait(pid, 20000);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    scratch_path(world->directory, "prune-errors.txt", path);
    char *errors = scratch_read(path);
    assert_non_null(strstr(errors, "the server is stopping"));
    free(errors);
    assert_in_range(store_int(world, COUNT_OLD, NULL), 1, MANY - 1);
}

/* A terminal in the place of standard error: how far it is, on one line that is gone in the end. */
static void test_progress_on_a_terminal(struct world *world)
{
    char text[65536];
    size_t size = 0;
    make_many(world);
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    pid_t worker = server_worker_pid(&world->server);
    pid_t pid = process_start(prune_words, &world->server.environment, NULL, ptsname(master));
    await(store_int(world, COUNT_OLD, NULL) < MANY);
    /* However fast the machine is: the command takes longer than nothing is shown for. */
    assert_int_equal(kill(worker, SIGSTOP), 0);
    int64_t stopped_ms = wait_now_ms();
    await(wait_now_ms() - stopped_ms > 300);
    assert_int_equal(kill(worker, SIGCONT), 0);
    /* The line ends (EIO) when the command does. */
    for (ssize_t got; size < sizeof text - 1; size += (size_t)got) {
        got = read(master, text + size, sizeof text - 1 - size);
        if (got <= 0)
            break;
    }
    text[size] = '\0';
    close(master);
    int status = process_wait(pid, 60000);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (strstr(text, "\rremoved ") == NULL || strstr(text, " events, 0 calls, ") == NULL)
        fail_msg("no progress was shown: %s", text);
    assert_true(size > 4 && strcmp(text + size - 4, "\r\033[K") == 0);
}

/* Events are handled while old ones are removed. */
static void test_under_load(struct world *world)
{
    const int calls = 100;
    make_many(world);
    struct load *load = load_start(&world->server, "call", calls, 4);
    check_removed(prune(world, NULL), MANY, 0, 0);
    load_finish(load);
    store_await_events(world, 1 + calls * EVENTS_OF_CALL);
    dashboard_check(world, &(struct world_counts){.users = calls, .calls = {[6] = calls}});
}

int main(void)
{
    static const struct world_test tests[] = {
        {"with a server", test_with_a_server},
        {"without a server", test_without_a_server},
        {"what the spool holds is not old", test_what_the_spool_holds_is_not_old},
        {"no state directory", test_no_state_directory},
        {"retention", test_retention},
        {"two at once", test_two_at_once},
        {"command killed", test_command_killed},
        {"worker killed", test_worker_killed},
        {"killed without a server", test_killed_without_a_server},
        {"server is refused meanwhile", test_server_is_refused_meanwhile},
        {"stopped meanwhile", test_stopped_meanwhile},
        {"progress on a terminal", test_progress_on_a_terminal},
        {"under load", test_under_load},
    };
    return WORLD_RUN("prune", tests);
}
