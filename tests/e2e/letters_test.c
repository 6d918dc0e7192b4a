/*
 * letters_test.c: `pbxhook dead-letters`, with a server and without; the dashboard's list; and a plugin that
 * was mended: what it failed on is handled after all.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"
#define DONE    "operator's command done"

static void run(struct world *world, const char *action, const char *argument,
                struct process_result *out)
{
    const char *const words[] = {PBXHOOK, "dead-letters", action, argument, NULL};
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

/* Two dead letters of the plugin "crasher": 1/crasher and 2/crasher. */
static void start_with_letters(struct world *world)
{
    static const char *const names[] = {"crasher", NULL};
    world_add_plugins(world, names);
    world_start(world);
    world_post(world, &(struct event_text){.type = "test.reject", .call_id = "first"});
    store_await_events(world, 1);
    world_post(world, &(struct event_text){.type = "test.reject", .call_id = "second"});
    store_await_events(world, 2);
    await(store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL) == 2);
}

static int64_t dead(struct world *world)
{
    return store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL);
}

static void test_none(struct world *world)
{
    world_start(world);
    expect(world, NULL, NULL, "There are no dead letters.");
    expect_failure(world, "show", "1/crasher", 1, "there is no dead letter 1/crasher");
    expect_failure(
        world, "show", "crasher", 2,
        "pbxhook dead-letters: found the id \"crasher\", wanted one as the list shows it");
    expect_failure(world, "show", NULL, 2, "wanted list, show ID, replay ID");
    expect_failure(world, "burn", "1/crasher", 2, "wanted list, show ID, replay ID");
    expect(world, "replay", "--all", "to be handled again: 0");
}

static void test_list_and_show(struct world *world)
{
    struct process_result result;
    start_with_letters(world);
    run(world, "list", NULL, &result);
    assert_int_equal(result.exit_status, 0);
    const char *first = strstr(result.output, "1/crasher");
    const char *second = strstr(result.output, "2/crasher");
    assert_true(first != NULL && second != NULL && second < first);
    assert_non_null(strstr(result.output, "rejected on purpose"));
    process_forget(&result);
    expect(world, "show", "2/crasher", "\"call_id\":\"second\"");
}

/* What was done, to which, how many: a body may name the caller. */
static void test_log_has_no_body(struct world *world)
{
    start_with_letters(world);
    expect(world, NULL, NULL, "2/crasher");
    expect(world, "show", "2/crasher", "\"call_id\":\"second\"");
    await(server_log_count(&world->server, DONE, NULL) == 2);
    char *line = server_log_line(&world->server, DONE, "show");
    assert_non_null(strstr(line, "2/crasher"));
    free(line);
    assert_int_equal(server_log_count(&world->server, DONE, "body"), 0);
    assert_int_equal(server_log_count(&world->server, DONE, "second"), 0);
}

/* More than a reply holds: page by page, each once. */
static void test_many(struct world *world)
{
    enum { LETTERS = 130 };
    static const char *const names[] = {"crasher", NULL};
    struct process_result result;
    char id[32];
    world_add_plugins(world, names);
    world_start(world);
    for (int i = 1; i <= LETTERS; i++) {
        snprintf(id, sizeof id, "call-%d", i);
        world_post(world, &(struct event_text){.type = "test.reject", .call_id = id});
    }
    await(dead(world) == LETTERS);
    run(world, "list", NULL, &result);
    assert_int_equal(result.exit_status, 0);
    for (int i = 1; i <= LETTERS; i++) {
        snprintf(id, sizeof id, "call call-%d,", i);
        const char *at = strstr(result.output, id);
        assert_true(at != NULL && strstr(at + 1, id) == NULL);
    }
    process_forget(&result);
    expect(world, "replay", "--all", "to be handled again: 130");
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"reject\"}",
                 2 * LETTERS);
    await(dead(world) == LETTERS);
}

static void test_drop(struct world *world)
{
    start_with_letters(world);
    expect(world, "drop", "1/crasher", "forgotten: 1/crasher");
    expect_failure(world, "drop", "1/crasher", 1, "there is no dead letter 1/crasher");
    assert_int_equal(dead(world), 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 2);
}

/* It fails again, as if for the first time; once it was mended it succeeds. */
static void test_replay_before_and_after_mending(struct world *world)
{
    start_with_letters(world);
    expect(world, "replay", "1/crasher", "to be handled again: 1");
    metric_await(world, "pbxhook_handler_results_total{plugin=\"crasher\",result=\"reject\"}", 3);
    await(dead(world) == 2);
    assert_int_equal(store_int(world, "SELECT max(attempts) FROM handlings", NULL), 1);
    server_stop(&world->server);
    world_set(world, "PBXHOOK_PLUGIN_CRASHER_MENDED", "true");
    world_start(world);
    expect(world, "replay", "--all", "to be handled again: 2");
    await(store_int(world, "SELECT count(*) FROM handlings", NULL) == 0);
    await(store_int(world, "SELECT count(*) FROM users", NULL) == 2);
}

/* With no server the command does it, and the next server handles it. */
static void test_without_a_server(struct world *world)
{
    start_with_letters(world);
    server_stop(&world->server);
    expect(world, NULL, NULL, "2/crasher");
    expect(world, "drop", "2/crasher", "forgotten");
    world_set(world, "PBXHOOK_PLUGIN_CRASHER_MENDED", "true");
    expect(world, "replay", "1/crasher", "to be handled again: 1");
    world_start(world);
    await(store_int(world, "SELECT count(*) FROM handlings", NULL) == 0);
    await(store_int(world, "SELECT count(*) FROM users WHERE number = $1", "first") == 1);
}

static void test_dashboard(struct world *world)
{
    start_with_letters(world);
    assert_int_equal(client_get(world->client, "/api/dead-letters"), 200);
    json_t *root = json_loads(world->client->body, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    assert_int_equal(json_integer_value(json_object_get(data, "count")), 2);
    const json_t *newest = json_array_get(json_object_get(data, "letters"), 0);
    assert_string_equal(json_string_value(json_object_get(newest, "id")), "2/crasher");
    assert_string_equal(json_string_value(json_object_get(newest, "call_id")), "second");
    assert_null(json_object_get(newest, "body"));
    json_decref(root);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"none", test_none},
        {"list and show", test_list_and_show},
        {"log has no body", test_log_has_no_body},
        {"many", test_many},
        {"drop", test_drop},
        {"replay before and after mending", test_replay_before_and_after_mending},
        {"without a server", test_without_a_server},
        {"dashboard", test_dashboard},
    };
    return WORLD_RUN("letters", tests);
}
