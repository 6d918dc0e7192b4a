/*
 * deliveries_test.c: `pbxhook deliveries`, with a server and without: what did not arrive, sent again or
 * forgotten; and what status and /metrics say of targets.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "targets.h"

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"
#define DONE    "operator's command done"

static struct targets targets; /* of the test that runs */

static void run(struct world *world, const char *action, const char *argument,
                struct process_result *out)
{
    const char *const words[] = {PBXHOOK, "deliveries", action, argument, NULL};
    process_run(words, &world->server.environment, world->directory, out);
}

/* It succeeds and says this. */
static void expect(struct world *world, const char *action, const char *argument, const char *text)
{
    struct process_result result;
    run(world, action, argument, &result);
    if (result.exit_status != 0 || strstr(result.output, text) == NULL)
        fail_msg("\"%s\" is not in: %s%s", text, result.output, result.errors);
    process_forget(&result);
}

static void expect_failure(struct world *world, const char *action, const char *argument,
                           int status, const char *text)
{
    struct process_result result;
    run(world, action, argument, &result);
    assert_int_equal(result.exit_status, status);
    if (strstr(result.errors, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, result.errors);
    process_forget(&result);
}

static void start(struct world *world, const char *more)
{
    targets_open(world, more, NULL, &targets);
    world_start(world);
}

/* The post of this call is refused by the CRM. */
static void refuse_post(struct world *world, const char *call_id)
{
    int64_t refused = targets_count(world, "rejected");
    fake_target_answer_next(targets.crm,
                            (struct fake_target_answer){.status = 400, .body = "no such field"});
    targets_finish_call(world, call_id);
    await(targets_count(world, "rejected") == refused + 1);
}

static const char *id_of(struct world *world, const char *call_id, char out[64])
{
    return store_text(world, "SELECT id FROM pbxhook_deliveries WHERE call_id = $1", call_id, out,
                      64);
}

static void test_none(struct world *world)
{
    world_start(world); /* there never was a target, nor a table */
    expect(world, NULL, NULL, "Everything has arrived");
    expect(world, "retry", "--all", "to be sent again: 0");
    expect_failure(world, "show", "pbxhook-1", 1, "there is no delivery pbxhook-1");
    expect_failure(world, "show", "", 2, "pbxhook deliveries: found the id \"\", wanted one");
    expect_failure(world, "show", NULL, 2, "wanted list, show ID, retry ID");
    expect_failure(world, "burn", "pbxhook-1", 2, "wanted list, show ID, retry ID");
}

static void test_list_and_show(struct world *world)
{
    struct process_result result;
    char first[64], second[64];
    start(world, "");
    targets_finish_call(world, "fine");
    await(targets_count(world, "delivered") == 1);
    refuse_post(world, "a");
    refuse_post(world, "b");
    id_of(world, "a", first);
    id_of(world, "b", second);
    run(world, "list", NULL, &result);
    assert_int_equal(result.exit_status, 0);
    const char *at_first = strstr(result.output, first);
    const char *at_second = strstr(result.output, second);
    assert_true(at_first != NULL && at_second != NULL && at_second < at_first);
    assert_non_null(strstr(result.output, "rejected post to crm/calls, call a, 1 attempts"));
    assert_non_null(strstr(result.output, "HTTP 400: no such field"));
    assert_null(strstr(result.output, "fine"));
    process_forget(&result);
    expect(world, "show", first, "{\"call\":\"a\",");
    expect_failure(world, "show", id_of(world, "fine", second), 1, "that did not arrive");
    targets_close(&targets);
}

/* What was done, to which, how many: a body may name the caller. */
static void test_log_has_no_body(struct world *world)
{
    char id[64];
    start(world, "");
    refuse_post(world, "a");
    id_of(world, "a", id);
    expect(world, NULL, NULL, id);
    expect(world, "show", id, "{\"call\":\"a\",");
    expect(world, "drop", id, "forgotten: ");
    await(server_log_count(&world->server, DONE, NULL) == 3);
    assert_int_equal(server_log_count(&world->server, DONE, id), 2);
    assert_int_equal(server_log_count(&world->server, DONE, "body"), 0);
    targets_close(&targets);
}

/* Mended on the other side: it arrives, under the key that it had. */
static void test_retry(struct world *world)
{
    struct fake_target_request sent, again;
    char id[64];
    start(world, "");
    refuse_post(world, "a");
    id_of(world, "a", id);
    expect(world, "retry", id, "to be sent again: 1");
    await(targets_count(world, "delivered") == 1);
    fake_target_get(targets.crm, 0, &sent);
    fake_target_get(targets.crm, 1, &again);
    assert_string_equal(sent.body, again.body);
    assert_string_equal(sent.key, again.key);
    assert_string_equal(sent.key, id);
    expect_failure(world, "retry", id, 1, "that did not arrive");
    expect(world, "list", NULL, "Everything has arrived");
    targets_close(&targets);
}

/* A file that was not there is there now, and its plugin hears of it. */
static void test_retry_of_a_download(struct world *world)
{
    char id[64];
    start(world, "");
    fake_target_answer_next(targets.files, (struct fake_target_answer){.status = 404});
    targets_announce(world, &targets, "a", "/1.mp3");
    await(targets_recordings(world, "lost") == 1);
    fake_target_answer_next(targets.files, (struct fake_target_answer){.body = "sound"});
    expect(world, "retry", id_of(world, "a", id), "to be sent again: 1");
    await(targets_recordings(world, "kept") == 1);
    targets_close(&targets);
}

/* The target may have what is unknown: that is nobody's to send again but by its name. */
static void test_retry_all(struct world *world)
{
    char id[64];
    start(world, "");
    fake_target_answer_next(targets.crm, (struct fake_target_answer){.hangs_up = 1});
    targets_finish_call(world, "doubt");
    await(targets_count(world, "unknown") == 1);
    refuse_post(world, "a");
    refuse_post(world, "b");
    expect(world, "retry", "--all", "to be sent again: 2");
    await(targets_count(world, "delivered") == 2);
    assert_int_equal(targets_count(world, "unknown"), 1);
    expect(world, "list", NULL, "unknown  post to crm/calls, call doubt");
    expect(world, "retry", id_of(world, "doubt", id), "to be sent again: 1");
    await(targets_count(world, "delivered") == 3);
    assert_int_equal(fake_target_count(targets.crm), 6);
    targets_close(&targets);
}

/* More than a reply holds: page by page, each once. */
static void test_many(struct world *world)
{
    enum { FAILED = 130 };
    struct process_result result;
    char id[32];
    start(world, "");
    server_stop(&world->server);
    for (int i = 1; i <= FAILED; i++) {
        char sql[512];
        snprintf(
            sql, sizeof sql,
            "INSERT INTO pbxhook_deliveries (id, target, plugin, call_id, path, body, file, state, created_ms,"
            " due_ms, expires_ms, attempts, doubtful, owner, lease_ms, ended_ms, detail)"
            " VALUES ('pbxhook-%d', 'crm', 'crm_notify', 'call-%d', '/calls', '{}', '',"
            " 'expired', 1, 1, 60001, 3, 0, '', 0, %d, 'no route')",
            i, i, 1000 + i / 7); /* several in one millisecond */
        store_execute(world, sql);
    }
    run(world, "list", NULL, &result);
    assert_int_equal(result.exit_status, 0);
    for (int i = 1; i <= FAILED; i++) {
        snprintf(id, sizeof id, "call call-%d,", i);
        const char *at = strstr(result.output, id);
        assert_true(at != NULL && strstr(at + 1, id) == NULL);
    }
    process_forget(&result);
    expect(world, "drop", "pbxhook-130", "forgotten");
    expect_failure(world, "drop", "pbxhook-130", 1, "that did not arrive");
    expect(world, "retry", "--all", "to be sent again: 129");
    assert_int_equal(targets_count(world, "pending"), 129);
    targets_close(&targets);
}

/* With no server the command does it, and the next server sends; it warns of a target that is gone. */
static void test_without_a_server(struct world *world)
{
    struct process_result result;
    char id[64], path[SCRATCH_PATH];
    start(world, "");
    refuse_post(world, "a");
    server_stop(&world->server);
    expect(world, NULL, NULL, "no such field");
    scratch_path(world->directory, "empty.conf", path);
    scratch_write(path, "");
    const char *const words[] = {PBXHOOK, "deliveries",          "--config", path,
                                 "retry", id_of(world, "a", id), NULL};
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(result.exit_status, 0);
    assert_non_null(strstr(result.errors, "has no target \"crm\""));
    process_forget(&result);
    assert_int_equal(targets_count(world, "pending"), 1);
    world_start(world);
    await(targets_count(world, "delivered") == 1);
    targets_close(&targets);
}

static void expect_status(struct world *world, const char *text)
{
    static const char *const words[] = {PBXHOOK, "status", NULL};
    struct process_result result;
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(result.exit_status, 0);
    if (strstr(result.output, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, result.output);
    process_forget(&result);
}

static void test_numbers(struct world *world)
{
    start(world, "connections = 1");
    metric_check(world, "pbxhook_deliveries_total{target=\"crm\",outcome=\"delivered\"}", 0);
    refuse_post(world, "refused");
    fake_target_answer_next(targets.crm, (struct fake_target_answer){.status = 503});
    targets_finish_call(world, "retried");
    await(targets_count(world, "delivered") == 1);
    fake_target_answer_next(targets.crm, (struct fake_target_answer){.waits = 1});
    targets_finish_call(world, "open");
    metric_await(world, "pbxhook_deliveries_open{target=\"crm\",kind=\"post\"}", 1);
    targets_finish_call(world, "waiting");
    metric_await(world, "pbxhook_deliveries_waiting{target=\"crm\"}", 1);
    await(metric_get(world, "pbxhook_deliveries_oldest_seconds{target=\"crm\"}") > 0);
    metric_check(world, "pbxhook_deliveries_total{target=\"crm\",outcome=\"rejected\"}", 1);
    metric_check(world, "pbxhook_deliveries_total{target=\"crm\",outcome=\"delivered\"}", 1);
    metric_check(world, "pbxhook_delivery_retries_total{target=\"crm\"}", 1);
    metric_check(world, "pbxhook_delivery_latency_seconds_count{target=\"crm\"}", 1);
    metric_check(world, "pbxhook_deliveries_waiting{target=\"pbx_files\"}", 0);
    expect_status(world, "target");
    fake_target_release(targets.crm);
    await(targets_count(world, "delivered") == 3);
    metric_await(world, "pbxhook_deliveries_waiting{target=\"crm\"}", 0);
    metric_check(world, "pbxhook_deliveries_oldest_seconds{target=\"crm\"}", 0);
    metric_check(world, "pbxhook_deliveries_open{target=\"crm\",kind=\"post\"}", 0);
    expect_status(world, "crm                0          0          3          1          0"
                         "          0\n");
    targets_close(&targets);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"none", test_none},
        {"list and show", test_list_and_show},
        {"log has no body", test_log_has_no_body},
        {"retry", test_retry},
        {"retry of a download", test_retry_of_a_download},
        {"retry all", test_retry_all},
        {"many", test_many},
        {"without a server", test_without_a_server},
        {"numbers", test_numbers},
    };
    return WORLD_RUN("deliveries", tests);
}
