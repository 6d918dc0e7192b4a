/*
 * chores_test.c: commands and retention on a real store, over a real socket: what is answered, in what
 * steps, and how much of the time is left to the events.
 */
#include "loop_length.h"
#include "store_fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/chores.h"

#define PRUNE      "{\"command\":\"prune\",\"older_than_ms\":3600000,\"dry_run\":false}"
#define DEADLINE_S 10
#define MANY       loop_length(3000, 600)

struct scene {
    struct fixture store;
    struct config config;
    struct operation_parts parts;
    struct chores *chores;
    int receiver, worker; /* the two ends */
    struct control_message message;
};

static int set_up_with(void **state, int64_t retention_ms)
{
    struct scene *scene = calloc(1, sizeof *scene);
    int ends[2];
    if (scene == NULL || fixture_make_directory(&scene->store) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    backends[0].make_place(&scene->store);
    scene->store.store = fixture_open(&scene->store, STORE_WRITE);
    scene->receiver = ends[0];
    scene->worker = ends[1];
    scene->parts.store = scene->store.store;
    scene->config.store.retention_ms = retention_ms;
    scene->chores = chores_new(&scene->config, 0, &scene->parts, scene->worker);
    log_open("worker", LOG_LEVEL_ERROR);
    *state = scene;
    return scene->chores == NULL ? -1 : 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 0);
}

static int set_up_retention(void **state)
{
    return set_up_with(state, 3600000);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    chores_free(scene->chores);
    store_close(scene->store.store);
    fixture_remove_directory(&scene->store);
    close(scene->receiver);
    close(scene->worker);
    free(scene);
    return 0;
}

/* ---- What these tests say often -------------------------------------------------------------------- */

static void add_event(struct scene *scene, const char *call_id, int64_t time_ms)
{
    struct event event = make_event("x.y", call_id, time_ms);
    int64_t id = 0;

    begin(&scene->store);
    check_ok(&scene->store, store_event_add(scene->store.store, &event, &id));
    commit(&scene->store);
}

/* Copies of the store's own row, made in one statement: adding them one by one is not what these tests are about.
 * Behind them is one that is not old. */
static void add_old_events(struct scene *scene, int count)
{
    sqlite3 *db = NULL;
    char sql[512];

    add_event(scene, "old", 1000);
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO events (identity, call_id, type, time_ms, received_ms, spool_seq, body) "
             "SELECT CAST(i AS BLOB), call_id, type, time_ms, received_ms, spool_seq, body "
             "FROM events, n",
             count);
    assert_int_equal(sqlite3_open(scene->store.url + strlen("sqlite:"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    add_event(scene, "new", clock_wall_ms());
}

static int64_t count_old_events(struct scene *scene)
{
    begin(&scene->store);
    int64_t count =
        query_integer(&scene->store, "SELECT count(*) FROM events WHERE call_id = 'old'");
    commit(&scene->store);
    return count;
}

static void tell(struct scene *scene, enum control_kind kind, int64_t seq, const char *text)
{
    assert_int_equal(control_send(scene->receiver, kind, seq, text), 0);
    assert_int_equal(control_receive(scene->worker, &scene->message), 1);
    chores_take(scene->chores, &scene->message);
}

static void check_reply(struct scene *scene, int64_t seq, const char *wanted)
{
    do {
        assert_int_equal(control_receive(scene->receiver, &scene->message), 1);
    } while (scene->message.kind == CONTROL_PROGRESS);
    assert_int_equal(scene->message.kind, CONTROL_REPLY);
    assert_int_equal(scene->message.seq, seq);
    if (strstr(scene->message.text, wanted) == NULL)
        fail_msg("\"%s\" is not in: %s", wanted, scene->message.text);
}

static void check_silent(struct scene *scene)
{
    assert_int_equal(control_receive(scene->receiver, &scene->message), -EAGAIN);
}

/* Runs what is due until nothing is left to do before limit_ms. */
static void run_to_end(struct scene *scene)
{
    int64_t until_us = clock_mono_us() + (int64_t)DEADLINE_S * 1000000;
    while (chores_wait_ms(scene->chores, 1000) < 1000) {
        chores_run(scene->chores, 0);
        assert_true(clock_mono_us() < until_us);
    }
}

static void check_pruned(struct scene *scene, int64_t id, int events)
{
    char answer[64];
    snprintf(answer, sizeof answer, "{\"ok\":{\"events\":%d,", events);
    check_reply(scene, id, answer);
}

/* ---- Tests ------------------------------------------------------------------------------------------ */

static void nothing_is_to_be_done(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(chores_wait_ms(scene->chores, 777), 777);
    chores_run(scene->chores, 0);
    check_silent(scene);
}

static void command_is_done_in_steps(void **state)
{
    struct scene *scene = *state;
    add_old_events(scene, MANY);
    tell(scene, CONTROL_COMMAND, 42, PRUNE);
    assert_int_equal(chores_wait_ms(scene->chores, 1000), 0);
    chores_run(scene->chores, 0);
    assert_in_range(count_old_events(scene), MANY - 500, MANY - 1);
    run_to_end(scene);
    check_pruned(scene, 42, MANY);
    assert_int_equal(count_old_events(scene), 0);
    check_silent(scene);
}

/* While events come, a step is followed by time for them. */
static void busy_worker_rests(void **state)
{
    struct scene *scene = *state;
    add_old_events(scene, MANY);
    tell(scene, CONTROL_COMMAND, 1, PRUNE);
    int rests = 0;
    int wait_ms;
    while ((wait_ms = chores_wait_ms(scene->chores, 1000)) < 1000) {
        rests += wait_ms > 0;
        chores_run(scene->chores, 1);
    }
    assert_true(rests > 0);
    check_reply(scene, 1, "{\"ok\":");
}

static void cancelled_is_not_answered(void **state)
{
    struct scene *scene = *state;
    add_old_events(scene, MANY);
    tell(scene, CONTROL_COMMAND, 1, PRUNE);
    chores_run(scene->chores, 0);
    int64_t left = count_old_events(scene);
    tell(scene, CONTROL_CANCEL, 7, NULL); /* another one's */
    assert_int_equal(chores_wait_ms(scene->chores, 1000), 0);
    tell(scene, CONTROL_CANCEL, 1, NULL);
    run_to_end(scene);
    assert_int_equal(count_old_events(scene), left);
    check_silent(scene);
}

static void given_up_is_answered(void **state)
{
    struct scene *scene = *state;
    chores_give_up(scene->chores, "nobody asked");
    check_silent(scene);
    tell(scene, CONTROL_COMMAND, 1, PRUNE);
    chores_give_up(scene->chores, "no time \xff left");
    check_reply(scene, 1, "{\"error\":\"");
    tell(scene, CONTROL_COMMAND, 2, PRUNE);
    chores_give_up(scene->chores, "no time left");
    check_reply(scene, 2, "{\"error\":\"no time left\"}");
    run_to_end(scene);
    check_silent(scene);
}

static void nonsense_is_refused(void **state)
{
    static const char *const requests[] = {"", "[", "{}", "{\"command\":\"launch\"}",
                                           "{\"command\":\"prune\",\"older_than_ms\":1}"};
    struct scene *scene = *state;
    for (int i = 0; i < 5; i++) {
        tell(scene, CONTROL_COMMAND, i, requests[i]);
        check_reply(scene, i, "{\"error\":\"");
    }
    tell(scene, CONTROL_COMMAND, 10, PRUNE);
    tell(scene, CONTROL_COMMAND, 11, PRUNE);
    check_reply(scene, 11, "{\"error\":\"another command is under way\"}");
    run_to_end(scene);
    check_reply(scene, 10, "{\"ok\":");
}

/* A transaction that others left open: the step fails, and says so. */
static void store_that_fails_is_told(void **state)
{
    struct scene *scene = *state;
    begin(&scene->store);
    tell(scene, CONTROL_COMMAND, 1, PRUNE);
    chores_run(scene->chores, 0);
    check_reply(scene, 1, "{\"error\":\"the store failed: ");
    store_rollback(scene->store.store);
    tell(scene, CONTROL_COMMAND, 2, PRUNE);
    run_to_end(scene);
    check_reply(scene, 2, "{\"ok\":");
}

/* How many packets of others were sent before the socket was full, and one more. */
static int fill_socket(struct scene *scene)
{
    int filled = 0;
    while (control_send(scene->worker, CONTROL_DONE, ++filled, NULL) == 0)
        continue;
    return filled;
}

static void empty_socket(struct scene *scene, int filled)
{
    for (int i = 1; i < filled; i++) {
        assert_int_equal(control_receive(scene->receiver, &scene->message), 1);
        assert_int_equal(scene->message.kind, CONTROL_DONE);
    }
}

static void reply_waits_for_room(void **state)
{
    struct scene *scene = *state;
    tell(scene, CONTROL_COMMAND, 1, PRUNE);
    int filled = fill_socket(scene);
    chores_run(scene->chores, 0);
    while (chores_wait_ms(scene->chores, 1000) == 0)
        chores_run(scene->chores, 0);
    assert_in_range(chores_wait_ms(scene->chores, 1000), 1, 100); /* it will try again soon */
    empty_socket(scene, filled);
    check_silent(scene);
    chores_run(scene->chores, 0);
    check_reply(scene, 1, "{\"ok\":");
}

/* The cancelling of the first was lost, the second was refused for it, and its reply waits for room: the first one's,
 * which nobody waits for any more, does not take its place. */
static void reply_that_waits_is_not_replaced(void **state)
{
    struct scene *scene = *state;
    tell(scene, CONTROL_COMMAND, 10, PRUNE);
    int filled = fill_socket(scene);
    tell(scene, CONTROL_COMMAND, 11, PRUNE);
    while (chores_wait_ms(scene->chores, 1000) == 0)
        chores_run(scene->chores, 0);
    empty_socket(scene, filled);
    chores_run(scene->chores, 0);
    check_reply(scene, 11, "{\"error\":\"another command is under way\"}");
    check_silent(scene);
}

static void retention_is_done_at_once_and_then_waits(void **state)
{
    struct scene *scene = *state;
    add_old_events(scene, MANY);
    assert_int_equal(chores_wait_ms(scene->chores, 1000), 0);
    run_to_end(scene);
    assert_int_equal(count_old_events(scene), 0);
    check_silent(scene);
    assert_true(chores_wait_ms(scene->chores, 4000000) > 3500000); /* an hour, or nearly */
}

static void retention_is_the_first_workers(void **state)
{
    struct scene *scene = *state;
    chores_free(scene->chores);
    scene->chores = chores_new(&scene->config, 1, &scene->parts, scene->worker);
    assert_non_null(scene->chores);
    add_old_events(scene, 10);
    run_to_end(scene);
    assert_int_equal(count_old_events(scene), 10);
    assert_int_equal(chores_wait_ms(scene->chores, 4000000), 4000000);
}

/* The operator does not wait for it. */
static void command_comes_before_retention(void **state)
{
    struct scene *scene = *state;
    add_old_events(scene, MANY);
    chores_run(scene->chores, 0);
    tell(scene, CONTROL_COMMAND, 1, PRUNE);
    run_to_end(scene);
    check_pruned(scene, 1, MANY - 500);
    assert_int_equal(count_old_events(scene), 0);
}

int main(void)
{
#define TEST(name, begin_with) cmocka_unit_test_setup_teardown(name, begin_with, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_to_be_done, set_up),
        TEST(command_is_done_in_steps, set_up),
        TEST(busy_worker_rests, set_up),
        TEST(cancelled_is_not_answered, set_up),
        TEST(given_up_is_answered, set_up),
        TEST(nonsense_is_refused, set_up),
        TEST(store_that_fails_is_told, set_up),
        TEST(reply_waits_for_room, set_up),
        TEST(reply_that_waits_is_not_replaced, set_up),
        TEST(retention_is_done_at_once_and_then_waits, set_up_retention),
        TEST(retention_is_the_first_workers, set_up_retention),
        TEST(command_comes_before_retention, set_up_retention),
    };
    current_backend = &backends[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
