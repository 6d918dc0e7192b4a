/*
 * plugins_test.c: the seven plugins of plugins/, as they are built, over a real store: a call's
 * life as the PBX posts it, and which queue its caller is sent to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "worker/dispatch.h"

#define NOW_MS 1700000000000

struct scene {
    char dir[64];
    struct config config;
    struct config_plugin_option set[2];
    struct metrics_worker *metrics;
    struct store *store;
    struct dispatch *dispatch;
    int64_t clock_ms;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    char url[128], error[1024];

    assert_non_null(scene);
    snprintf(scene->dir, sizeof scene->dir, "/tmp/pbxhook-plugins-XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    snprintf(url, sizeof url, "sqlite:%s/pbxhook.db", scene->dir);
    const struct store_options options = {.url = url, .mode = STORE_WRITE};
    if (store_open(&options, &scene->store, error, sizeof error) != 0)
        fail_msg("%s", error);
    scene->metrics = calloc(1, sizeof *scene->metrics);
    assert_non_null(scene->metrics);
    scene->config.plugin_dir = (char *)PBXHOOK_BUILD_DIR "/plugins";
    scene->config.pbx.action_type = (char *)"call.waiting";
    scene->config.pbx.deadline_ms = 10000;
    scene->config.plugin_options = scene->set;
    scene->clock_ms = NOW_MS;
    *state = scene;
    return 0;
}

static void open_dispatch(struct scene *scene)
{
    char error[2048];

    if (dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch, error,
                      sizeof error) != 0)
        fail_msg("%s", error);
}

static int tear_down(void **state)
{
    static const char *const files[] = {"pbxhook.db", "pbxhook.db-wal", "pbxhook.db-shm",
                                        "pbxhook.db.lock"};
    struct scene *scene = *state;
    char path[128];

    dispatch_close(scene->dispatch);
    store_close(scene->store);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", scene->dir, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(scene->dir), 0);
    free(scene->metrics);
    free(scene);
    return 0;
}

/* The PBX posts an event, a second after the one before. All of it commits. */
static void post(struct scene *scene, const char *type, const char *call_id, const char *number)
{
    struct event_problem problem;
    struct event *event = NULL;
    char body[512];
    int64_t id;
    int size =
        snprintf(body, sizeof body,
                 "{\"chamada\":{\"type\":\"%s\",\"call_id\":\"%s\",\"direction\":\"inbound\","
                 "\"our_number\":\"0800\",\"their_number\":\"%s\"},\"dados\":{},"
                 "\"atendente\":{},\"dialer\":{}}",
                 type, call_id, number);

    scene->clock_ms += 1000;
    if (event_parse(body, (size_t)size, scene->clock_ms, &event, &problem) != 0)
        fail_msg("%s", problem.detail);
    assert_int_equal(event_identify_uniquely(event), 0);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_event_add(scene->store, event, &id), STORE_EVENT_NEW);
    assert_int_equal(dispatch_event(scene->dispatch, event, id), 1);
    assert_int_equal(store_commit(scene->store), 0);
    dispatch_committed(scene->dispatch);
    event_free(event);
}

static void assert_state(const struct scene *scene, const char *call_id, enum lifecycle wanted)
{
    const struct store_call *call = NULL;

    assert_int_equal(store_call_find(scene->store, call_id, &call), 1);
    assert_int_equal(call->state, wanted);
}

/* The one action that waits to be sent. */
static void assert_action(const struct scene *scene, const char *body)
{
    struct store_action *actions = NULL;
    struct store_expired expired = {0, 0};
    int count = 0;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(
        store_actions_claim(scene->store, scene->clock_ms, 10, &actions, &count, &expired), 0);
    assert_int_equal(store_commit(scene->store), 0);
    assert_int_equal(count, 1);
    assert_string_equal(actions[0].body, body);
    assert_int_equal(actions[0].expires_ms, scene->clock_ms + 10000);
    store_actions_free(actions, count);
}

static void assert_users(const struct scene *scene, int64_t wanted)
{
    struct store_counts counts;

    assert_int_equal(store_counts(scene->store, &counts), 0);
    assert_int_equal(counts.users, wanted);
}

static void test_types(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    assert_string_equal(dispatch_types(scene->dispatch),
                        "actor.entered\nactor.left\ncall.finished\ncall.new\ncall.ongoing\n"
                        "call.standby\ncall.waiting");
}

static void test_life_of_a_call(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    for (int step = 0; step < LIFECYCLE_COUNT; step++) {
        post(scene, lifecycle_type((enum lifecycle)step), "c1", "1199");
        assert_state(scene, "c1", (enum lifecycle)step);
    }
    assert_users(scene, 1);
}

static void test_new_then_known(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    post(scene, "call.standby", "c1", "1199");
    assert_action(scene, "{\"type\":\"call.waiting\",\"call_id\":\"c1\",\"destination\":\"901\"}");
    assert_users(scene, 1);
    post(scene, "call.standby", "c2", "1199");
    assert_action(scene, "{\"type\":\"call.waiting\",\"call_id\":\"c2\",\"destination\":\"900\"}");
    assert_users(scene, 1);
    post(scene, "call.standby", "c3", "1188");
    assert_action(scene, "{\"type\":\"call.waiting\",\"call_id\":\"c3\",\"destination\":\"901\"}");
    assert_users(scene, 2);
}

/* A caller who hides the number is nobody's user, the second time too. */
static void test_without_a_number(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    post(scene, "call.standby", "c1", "");
    assert_action(scene, "{\"type\":\"call.waiting\",\"call_id\":\"c1\",\"destination\":\"901\"}");
    post(scene, "call.standby", "c2", "");
    assert_action(scene, "{\"type\":\"call.waiting\",\"call_id\":\"c2\",\"destination\":\"901\"}");
    assert_users(scene, 0);
    assert_state(scene, "c2", LIFECYCLE_STANDBY);
}

static void test_queues_are_configured(void **state)
{
    struct scene *scene = *state;

    scene->config.pbx.action_type = (char *)"delegate";
    scene->set[0] = (struct config_plugin_option){(char *)"call_standby", (char *)"known_queue",
                                                  (char *)"vip", (char *)"test:1"};
    scene->set[1] = (struct config_plugin_option){(char *)"", (char *)"call_standby_new_queue",
                                                  (char *)"welcome", (char *)"test"};
    scene->config.plugin_option_count = 2;
    open_dispatch(scene);
    post(scene, "call.standby", "c1", "1199");
    assert_action(scene, "{\"type\":\"delegate\",\"call_id\":\"c1\",\"destination\":\"welcome\"}");
    post(scene, "call.standby", "c2", "1199");
    assert_action(scene, "{\"type\":\"delegate\",\"call_id\":\"c2\",\"destination\":\"vip\"}");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types),
        TEST(test_life_of_a_call),
        TEST(test_new_then_known),
        TEST(test_without_a_number),
        TEST(test_queues_are_configured),
    };

    log_open("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
