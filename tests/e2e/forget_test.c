/*
 * forget_test.c: a caller is forgotten, with and without a server, while others call: his number is nowhere any
 * more, what counts is right, nobody else is touched, and he is a new caller when he calls again.
 */
#include "load.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"
#define HIS     "+5511987654321"
#define OTHER   "+5511900000000"

/* His number in either way it is written here. Nine digits: the identities and digests around them are hexadecimal,
 * and some thousands of them have any five digits in a row. */
#define DIGITS "987654321"
#define DASHED "98765-4321"

/* ---- What these tests say often -------------------------------------------------------------------- */

static struct process_result forget(struct world *world, const char *number, const char *option)
{
    const char *const words[] = {PBXHOOK, "forget", number, option, NULL};
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

static void check_not_in(const char *text, const char *name)
{
    static const char *const spellings[] = {DIGITS, DASHED};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        const char *place = strstr(text, spellings[i]);
        if (place != NULL)
            fail_msg("the number is in %s: %.200s", name, place);
    }
}

static void check_forgotten(struct process_result result, int64_t users, int64_t calls,
                            int64_t events)
{
    if (result.exit_status != 0)
        fail_msg("forget ended with %d: %s", result.exit_status, result.errors);
    check_line(&result, users, "users");
    check_line(&result, calls, "calls");
    check_line(&result, events, "events");
    check_not_in(result.output, "the output");
    process_forget(&result);
}

static void check_failed(struct process_result result, int status, const char *reason)
{
    assert_int_equal(result.exit_status, status);
    if (strstr(result.errors, reason) == NULL)
        fail_msg("\"%s\" is not in: %s", reason, result.errors);
    process_forget(&result);
}

/* The first `events` events of a call. */
static void post_call(struct world *world, const char *call_id, const char *number, int events)
{
    char time[EVENT_TIME_SIZE];
    for (int i = 0; i < events; i++) {
        event_time(i, time);
        world_post(world, &(struct event_text){.type = event_types[i],
                                               .call_id = call_id,
                                               .timestamp = time,
                                               .their_number = number,
                                               .our_number = "3003"});
    }
}

static int64_t places_in_store(struct world *world, const char *pattern)
{
    static const char sql[] =
        "SELECT (SELECT count(*) FROM users WHERE number LIKE $1) + "
        "(SELECT count(*) FROM calls WHERE their_number LIKE $1) + "
        "(SELECT count(*) FROM events WHERE CAST(body AS text) LIKE $1) + "
        "(SELECT count(*) FROM payloads WHERE CAST(payload AS text) LIKE $1) + "
        "(SELECT count(*) FROM actions WHERE body LIKE $1) + "
        "(SELECT count(*) FROM handlings WHERE error LIKE $1)";
    return store_int(world, sql, pattern);
}

static void check_not_logged(const struct world *world)
{
    char *log = scratch_read(world->server.log_path);
    check_not_in(log, "the log");
    free(log);
}

/* The queue that a call is sent to. */
static void check_queue(struct world *world, const char *call_id, const char *queue)
{
    struct fake_pbx_action action;
    await(fake_pbx_count_of(world->pbx, call_id) == 1);
    fake_pbx_get_of(world->pbx, call_id, &action);
    assert_string_equal(action.destination, queue);
}

/* ---- With a server --------------------------------------------------------------------------------- */

static void test_under_load(struct world *world)
{
    world_start(world);
    struct load *load = load_start_plan(&(struct load_plan){.server = {&world->server},
                                                            .servers = 1,
                                                            .prefix = "load",
                                                            .threads = 3,
                                                            .callers = 1000,
                                                            .gap_ms = 20});
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    post_call(world, "others", OTHER, EVENTS_OF_CALL);
    check_queue(world, "his", "901");
    await(load_acknowledged(load) >= 2000);
    /* What was posted a moment ago is in it: it is waited for. */
    post_call(world, "his-2", HIS, EVENTS_OF_CALL);
    check_forgotten(forget(world, HIS, NULL), 1, 2, 2 * EVENTS_OF_CALL);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
    post_call(world, "his-3", HIS, 2);
    check_queue(world, "his-3", "901");
    post_call(world, "his-4", HIS, 2);
    check_queue(world, "his-4", "900");
    post_call(world, "others-2", OTHER, 2);
    check_queue(world, "others-2", "900");
    load_end(load);
    assert_int_equal(load_failures(load), 0);
    int others = load_finish(load) * EVENTS_OF_CALL;
    await(store_int(world, "SELECT count(*) FROM events", NULL) == others + 3 * EVENTS_OF_CALL + 6);
    check_not_logged(world);
    assert_int_equal(
        server_log_count(&world->server, "msg=\"operator's command\"", "request=forget"), 1);
}

static void test_what_counts_is_right(struct world *world)
{
    char token[64];
    world_start(world);
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    post_call(world, "others", OTHER, 5);
    check_queue(world, "others", "901");
    store_await_events(world, 12);
    await(store_int(world, "SELECT count(*) FROM actions WHERE state IN ('delivered', 'confirmed')",
                    NULL) == 2);
    struct process_result dry = forget(world, "+55 (11) 98765-4321", "--dry-run");
    check_line(&dry, 1, "users");
    check_line(&dry, 7, "events");
    process_forget(&dry);
    dashboard_check(world,
                    &(struct world_counts){.users = 2, .active = 1, .calls = {[4] = 1, [6] = 1}});
    check_forgotten(forget(world, "+55 (11) 98765-4321", NULL), 1, 1, EVENTS_OF_CALL);
    dashboard_check(world,
                    &(struct world_counts){.users = 1, .active = 1, .calls = {[4] = 1, [6] = 1}});
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
    store_text(world, "SELECT their_number FROM calls WHERE call_id = $1", "his", token,
               sizeof token);
    assert_int_equal(strncmp(token, "forgotten-", 10), 0);
    assert_int_equal(places_in_store(world, "%" OTHER "%"), 8);
    /* The PBX says it all once more: it is known, and brings nothing back. */
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    metric_await(world, "pbxhook_events_duplicate_total", EVENTS_OF_CALL);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
    dashboard_check(world,
                    &(struct world_counts){.users = 1, .active = 1, .calls = {[4] = 1, [6] = 1}});
    check_failed(forget(world, HIS, NULL), 4, "nobody with this number is known");
    check_not_logged(world);
}

static void test_a_call_that_goes_on(struct world *world)
{
    world_start(world);
    post_call(world, "his", HIS, 2);
    check_queue(world, "his", "901");
    await(store_int(world, "SELECT count(*) FROM actions WHERE state = 'delivered'", NULL) == 1);
    struct process_result result = forget(world, HIS, NULL);
    assert_int_equal(result.exit_status, 0);
    if (strstr(result.output, "1 of the calls are still going on") == NULL)
        fail_msg("no word of the active call in: %s", result.output);
    process_forget(&result);
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    await(store_int(world, "SELECT count(*) FROM events", NULL) == EVENTS_OF_CALL);
    check_forgotten(forget(world, HIS, NULL), 0, 0, 5);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
}

/* Others than worker 0 may have events of his: it waits for them. */
static void test_another_worker_is_waited_for(struct world *world)
{
    pid_t workers[SERVER_WORKERS_MAX];
    char output[SCRATCH_PATH];
    const char *const words[] = {PBXHOOK, "forget", HIS, NULL};
    if (world->database == NULL)
        return; /* SQLite has one worker */
    world_set(world, "PBXHOOK_WORKERS", "2");
    world_set(world, "PBXHOOK_HANDLER_TIMEOUT", "60s");
    world_start(world);
    await(server_workers(&world->server, workers) == 2);
    assert_int_equal(kill(workers[1], SIGSTOP), 0);
    for (int i = 0; i < 8; i++) { /* some of them are worker 1's */
        char call_id[16];
        snprintf(call_id, sizeof call_id, "his-%d", i);
        post_call(world, call_id, HIS, 1);
    }
    scratch_path(world->directory, "forget.out", output);
    pid_t pid = process_start(words, &world->server.environment, output, output);
    await(server_log_count(&world->server, "msg=\"operator's command\"", NULL) == 1);
    assert_int_equal(server_log_count(&world->server, "operator's command done", NULL), 0);
    assert_int_equal(kill(workers[1], SIGCONT), 0);
    assert_int_equal(process_wait(pid, wait_stretch(WAIT_LIMIT_MS)), 0);
    char *text = scratch_read(output);
    assert_non_null(strstr(text, "         8 calls\n"));
    free(text);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 8);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
}

/* ---- Without a server ------------------------------------------------------------------------------- */

static void check_file(const struct world *world, const char *suffix)
{
    char path[SCRATCH_PATH + 8];
    snprintf(path, sizeof path, "%s%s", world->store_path, suffix);
    const char *const words[] = {"/bin/grep", "-c", "-e", DIGITS, "-e", DASHED, path, NULL};
    struct environment environment;
    struct process_result result;
    environment_init(&environment);
    process_run(words, &environment, world->directory, &result);
    if (result.exit_status == 0)
        fail_msg("the number is in %s", path);
    process_forget(&result);
    environment_clear(&environment);
}

static void test_without_a_server(struct world *world)
{
    world_start(world);
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    check_queue(world, "his", "901");
    store_await_events(world, EVENTS_OF_CALL);
    server_stop(&world->server);
    check_forgotten(forget(world, HIS, NULL), 1, 1, EVENTS_OF_CALL);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
    if (world->database == NULL) {
        check_file(world, "");
        check_file(world, "-wal");
    }
    check_failed(forget(world, HIS, NULL), 4, "nobody with this number is known");
    check_failed(forget(world, "", NULL), 2, "wanted a caller's number");
    world_start(world);
    dashboard_check(world, &(struct world_counts){.users = 0, .calls = {[6] = 1}});
}

/* Acknowledged and not handled yet: that comes first, whatever is to be forgotten. */
static void test_events_that_wait(struct world *world)
{
    world_start(world);
    server_signal_workers(&world->server, SIGSTOP);
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    server_kill(&world->server, 1);
    check_failed(forget(world, HIS, NULL), 1, "events wait in the spool, and no server runs");
    world_start(world);
    check_forgotten(forget(world, HIS, NULL), 1, 1, EVENTS_OF_CALL);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
    check_queue(world, "his", "901");
}

/* Where no list of processes shows it. */
static void test_a_number_from_stdin(struct world *world)
{
    static const char *const words[] = {"/bin/sh", "-c", "echo '" HIS "' | " PBXHOOK " forget -",
                                        NULL};
    struct process_result result;
    world_start(world);
    post_call(world, "his", HIS, EVENTS_OF_CALL);
    process_run(words, &world->server.environment, world->directory, &result);
    check_forgotten(result, 1, 1, EVENTS_OF_CALL);
    assert_int_equal(places_in_store(world, "%" DIGITS "%"), 0);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"under load", test_under_load},
        {"what counts is right", test_what_counts_is_right},
        {"a call that goes on", test_a_call_that_goes_on},
        {"another worker is waited for", test_another_worker_is_waited_for},
        {"without a server", test_without_a_server},
        {"events that wait", test_events_that_wait},
        {"a number from stdin", test_a_number_from_stdin},
    };
    return WORLD_RUN("forget", tests);
}
