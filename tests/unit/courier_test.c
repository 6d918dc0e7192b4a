/*
 * courier_test.c: a worker's transactions about what targets are asked: nothing is on its way that was not
 * committed, and how it ended is written down even when that took two tries.
 */
#include "store_fixture.h"

#include <poll.h>

#include "common/clock.h"
#include "common/log.h"
#include "http/courier.h"
#include "http/deliveries.h"
#include "store/store_backend.h"

#define DEADLINE_MS 10000

struct scene {
    struct fixture *fixture;
    struct config config;
    struct config_target target;
    struct metrics_worker *metrics;
    struct dispatch *dispatch;
    struct courier *courier;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    char error[512] = "";

    assert_non_null(scene);
    if (fixture_setup((void **)&scene->fixture) != 0)
        return -1;
    log_open("test", LOG_LEVEL_ERROR);
    scene->metrics = calloc(1, sizeof *scene->metrics);
    assert_non_null(scene->metrics);
    /* Nobody listens there: surely not received, and tried again. */
    scene->target = (struct config_target){.name = (char *)"crm",
                                           .url = (char *)"http://127.0.0.1:9",
                                           .user = (char *)"",
                                           .password_file = (char *)"",
                                           .token_file = (char *)"",
                                           .timeout_ms = 1000,
                                           .connections = 2};
    scene->config.plugin_dir = (char *)PBXHOOK_BUILD_DIR "/plugins";
    scene->config.pbx.action_type = (char *)"call.waiting";
    scene->config.download_dir = scene->fixture->directory;
    scene->config.targets = &scene->target;
    scene->config.target_count = 1;
    const struct courier_options options = {.config = &scene->config,
                                            .store = scene->fixture->store,
                                            .metrics = scene->metrics,
                                            .owner = "spool/0"};
    if (dispatch_open(&scene->config, scene->fixture->store, scene->metrics, &scene->dispatch,
                      error, sizeof error) < 0 ||
        courier_open(&options, &scene->courier, error, sizeof error) < 0)
        fail_msg("%s", error);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    courier_stop(scene->courier, 0);
    courier_free(scene->courier);
    dispatch_close(scene->dispatch);
    free(scene->metrics);
    fixture_teardown((void **)&scene->fixture);
    free(scene);
    return 0;
}

static void ask(struct scene *scene)
{
    int64_t now_ms = clock_wall_ms();
    const struct delivery_request request = {.target = "crm",
                                             .plugin = "p",
                                             .call_id = "c",
                                             .path = "/x",
                                             .body = "{}",
                                             .now_ms = now_ms,
                                             .expires_ms = now_ms + 600000};
    begin(scene->fixture);
    check_ok(scene->fixture, deliveries_add(scene->fixture->store, &request));
    commit(scene->fixture);
}

/* A commit that fails, whatever it was for. */
static const struct store_backend *whole_backend;

static int fail_commit(struct store *store)
{
    whole_backend->rollback(store);
    return store_fail(store, STORE_E_FAILED, "no commit");
}

static int work_in_vain(struct scene *scene)
{
    struct store *store = scene->fixture->store;
    whole_backend = store->backend;
    struct store_backend backend = *whole_backend;
    backend.commit = fail_commit;
    store->backend = &backend;
    int code = courier_work(scene->courier, scene->dispatch);
    store->backend = whole_backend;
    return code;
}

/* Works until the one post has so many ended attempts written down. */
static void work_until(struct scene *scene, int64_t attempts)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    while (metrics_get(&scene->metrics->target[0].retries) < (uint64_t)attempts) {
        assert_true(clock_mono_us() < until_us);
        assert_true(courier_work(scene->courier, scene->dispatch) >= 0);
        poll(NULL, 0, 1);
    }
}

static int64_t on_their_way(const struct scene *scene)
{
    return atomic_load(&scene->metrics->target[0].open_posts);
}

static void claimed_post_is_sent_behind_the_commit(void **state)
{
    struct scene *scene = *state;

    ask(scene);
    assert_int_equal(work_in_vain(scene), STORE_E_FAILED);
    assert_int_equal(on_their_way(scene), 0);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(on_their_way(scene), 1);
    work_until(scene, 1);
}

static void end_is_written_down_when_a_commit_failed_first(void **state)
{
    struct scene *scene = *state;
    struct pollfd ended = {.fd = courier_event_fd(scene->courier), .events = POLLIN};

    ask(scene);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(poll(&ended, 1, DEADLINE_MS), 1);
    assert_int_equal(work_in_vain(scene), STORE_E_FAILED);
    assert_int_equal(metrics_get(&scene->metrics->target[0].retries), 0);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(metrics_get(&scene->metrics->target[0].retries), 1);
}

#define SCENE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(claimed_post_is_sent_behind_the_commit),
        SCENE(end_is_written_down_when_a_commit_failed_first),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
