/*
 * targets_life_test.c: deliveries that are under way while workers come and go: a plugin that does not survive
 * its download, a reload, a killed worker. By the target's own count each arrives once, or is reported as
 * unknown.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "targets.h"

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"
#define BATCH   10

static struct targets targets; /* of the test that runs */

static void start(struct world *world, const char *const *plugins)
{
    world_set(world, "PBXHOOK_WORKERS", store_sql(world, "1", "3"));
    targets_open(world, "", plugins, &targets);
    world_start(world);
}

/* How often this target was asked for what holds the text. */
static int times_asked(struct fake_target *target, const char *text)
{
    struct fake_target_request request;
    int times = 0;
    for (int i = 0; i < fake_target_count(target); i++) {
        fake_target_get(target, i, &request);
        times += strstr(request.url, text) != NULL || strstr(request.body, text) != NULL;
    }
    return times;
}

static const char *state_of(const struct world *world, const char *call_id, char out[32])
{
    return store_text(world,
                      "SELECT state FROM pbxhook_deliveries WHERE target = 'crm' AND call_id = $1",
                      call_id, out, 32);
}

/* ---- A plugin that crashes ----------------------------------------------------------------------- */

static void fetch(struct world *world, const char *call_id)
{
    world_post(world, &(struct event_text){.type = "test.fetch", .call_id = call_id});
}

/* The event of a download is a suspect as any other is: three strikes, and only it is given up. */
static void test_crash_at_a_download(struct world *world)
{
    static const char *const plugins[] = {"fetcher", NULL};
    char id[16], state[32];
    start(world, plugins);
    fetch(world, "fatal");
    for (int i = 0; i < BATCH; i++) {
        snprintf(id, sizeof id, "c-%d", i);
        fetch(world, id);
        targets_finish_call(world, id);
    }
    await_for(60000,
              store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL) == 1);
    await(store_int(world, "SELECT count(*) FROM fetcher_files", NULL) == BATCH);
    await(targets_count(world, "pending") + targets_count(world, "sending") == 0);
    store_text(world,
               "SELECT h.plugin || ' ' || h.attempts FROM handlings h JOIN events e"
               " ON e.id = h.event_id WHERE e.call_id = 'fatal'",
               NULL, state, sizeof state);
    assert_string_equal(state, "fetcher 3");
    metric_check(world, "pbxhook_plugin_crashes_total{plugin=\"fetcher\"}", 3);
    metric_check(world, "pbxhook_dead_letters_total{plugin=\"fetcher\"}", 1);
    /* That it was handled badly is no reason to ask for the file again. */
    assert_int_equal(
        store_int(world, "SELECT attempts FROM pbxhook_deliveries WHERE call_id = 'fatal'", NULL),
        1);
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM events WHERE call_id = 'fatal' AND type ="
                               " 'pbxhook.download.finished'",
                               NULL),
                     1);
    for (int i = 0; i < BATCH; i++) {
        snprintf(id, sizeof id, "\"c-%d\"", i);
        int times = times_asked(targets.crm, id);
        snprintf(id, sizeof id, "c-%d", i);
        if (strcmp(state_of(world, id, state), "delivered") == 0)
            assert_int_equal(times, 1);
        else
            assert_true(strcmp(state, "unknown") == 0 && times <= 1);
    }
    targets_close(&targets);
}

/* ---- Workers that go ----------------------------------------------------------------------------- */

static void ask_for_many(struct world *world, const char *prefix)
{
    char id[16], path[32];
    for (int i = 0; i < BATCH; i++) {
        snprintf(id, sizeof id, "%s-%d", prefix, i);
        snprintf(path, sizeof path, "/%s.mp3", id);
        targets_finish_call(world, id);
        targets_announce(world, &targets, id, path);
    }
}

static void check_many(struct world *world, const char *prefix)
{
    char id[16], text[32], state[32];
    for (int i = 0; i < BATCH; i++) {
        snprintf(text, sizeof text, "\"%s-%d\"", prefix, i);
        snprintf(id, sizeof id, "%s-%d", prefix, i);
        assert_string_equal(state_of(world, id, state), "delivered");
        assert_int_equal(times_asked(targets.crm, text), 1);
        snprintf(text, sizeof text, "/%s.mp3", id);
        assert_int_equal(times_asked(targets.files, text), 1);
    }
}

/* One post and one download that are surely under way. */
static void hold_up(struct world *world)
{
    fake_target_answer_next(targets.crm, (struct fake_target_answer){.waits = 1});
    fake_target_answer_next(targets.files, (struct fake_target_answer){.waits = 1});
    targets_finish_call(world, "held");
    targets_announce(world, &targets, "held", "/held.mp3");
    await(fake_target_count(targets.crm) == 1 && fake_target_count(targets.files) == 1);
}

/* All of it has ended: what was held up is unknown, or repeated if it is a download; all else arrived once. */
static void check_all(struct world *world)
{
    char state[32];
    await_for(30000, targets_recordings(world, "kept") == 2 * BATCH + 1);
    await_for(30000, targets_count(world, "pending") + targets_count(world, "sending") == 0);
    assert_string_equal(state_of(world, "held", state), "unknown");
    assert_int_equal(times_asked(targets.crm, "\"held\""), 1);
    assert_int_equal(times_asked(targets.files, "/held.mp3"), 2);
    check_many(world, "before");
    check_many(world, "after");
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM events WHERE type LIKE 'pbxhook.download.%'", NULL),
        2 * BATCH + 1);
    metric_check(world, "pbxhook_deliveries_total{target=\"crm\",outcome=\"delivered\"}",
                 2 * BATCH);
    metric_check(world, "pbxhook_deliveries_total{target=\"crm\",outcome=\"unknown\"}", 1);
    metric_check(world, "pbxhook_deliveries_total{target=\"pbx_files\",outcome=\"delivered\"}",
                 2 * BATCH + 1);
    metric_check(world, "pbxhook_deliveries_open{target=\"crm\",kind=\"post\"}", 0);
    metric_check(world, "pbxhook_deliveries_open{target=\"pbx_files\",kind=\"download\"}", 0);
}

static void test_reload(struct world *world)
{
    static const char *const words[] = {PBXHOOK, "reload", NULL};
    struct process_result result;
    start(world, NULL);
    hold_up(world);
    ask_for_many(world, "before");
    process_run(words, &world->server.environment, world->directory, &result);
    if (result.exit_status != 0)
        fail_msg("reload ended with %d: %s", result.exit_status, result.errors);
    process_forget(&result);
    ask_for_many(world, "after");
    check_all(world);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
    targets_close(&targets);
}

static void test_killed_workers(struct world *world)
{
    start(world, NULL);
    hold_up(world);
    ask_for_many(world, "before");
    /* Theirs have come through: which of them a kill would hit is nobody's to say. */
    await(targets_count(world, "delivered") == 2 * BATCH);
    await(targets_recordings(world, "kept") == BATCH);
    server_signal_workers(&world->server, SIGKILL);
    ask_for_many(world, "after");
    check_all(world);
    targets_close(&targets);
}

/* The same in the midst of it: what nobody knows is reported as that, and nothing arrives twice. */
static void test_killed_in_the_midst(struct world *world)
{
    char id[16], text[32], state[32];
    start(world, NULL);
    ask_for_many(world, "before");
    server_signal_workers(&world->server, SIGKILL);
    ask_for_many(world, "after");
    await_for(30000, targets_recordings(world, "kept") == 2 * BATCH);
    await_for(30000,
              targets_count(world, "delivered") + targets_count(world, "unknown") == 4 * BATCH);
    for (int i = 0; i < 2 * BATCH; i++) {
        snprintf(id, sizeof id, "%s-%d", i < BATCH ? "before" : "after", i % BATCH);
        snprintf(text, sizeof text, "\"%s\"", id);
        int times = times_asked(targets.crm, text);
        if (strcmp(state_of(world, id, state), "delivered") == 0)
            assert_int_equal(times, 1);
        else
            assert_true(times <= 1);
    }
    targets_close(&targets);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"crash at a download", test_crash_at_a_download},
        {"reload", test_reload},
        {"killed workers", test_killed_workers},
        {"killed in the midst", test_killed_in_the_midst},
    };
    return WORLD_RUN("targets_life", tests);
}
