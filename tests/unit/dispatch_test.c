/*
 * dispatch_test.c: opening and closing, and what is kept, undone, counted; what is tried again and given up is
 * in dispatch_retries_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "dispatch_scene.h"

/* ---- Opening and closing --------------------------------------------------------------------- */

static void test_open_and_close(void **state)
{
    struct scene *scene = *state;
    char text[128] = "";
    FILE *file;

    open_dispatch(scene);
    assert_string_equal(dispatch_types(scene->dispatch), "call.*\npuppet.play");
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    dispatch_close(scene->dispatch);
    scene->dispatch = NULL;
    /* In reverse order, each having seen one event, and with the services closed to it. */
    file = fopen(scene->farewell, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, "puppet_two 1 -2\npuppet_one 1 -2\n");
    assert_said(scene, "puppet_one call.new 1; puppet_two call.new 1; ");
}

/* One that does not open keeps the server from starting, and its own work is undone. */
static void test_open_is_refused(void **state)
{
    struct scene *scene = *state;
    char error[1024] = "";
    char *wanted, *said;

    set_option(scene, "puppet_two", "stage", (char *)"closed");
    assert_int_equal(dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch,
                                   error, sizeof error),
                     -1);
    assert_null(scene->dispatch);
    wanted = plugin_dir_expand(&scene->dir,
                               "%DIR%/puppet_two.so: found open() answering PBXHOOK_REJECT (the "
                               "stage of puppet_two is closed), wanted PBXHOOK_OK");
    assert_string_equal(error, wanted);
    free(wanted);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    said = rows_of(scene, "SELECT puppet, what FROM puppet_says");
    store_rollback(scene->store);
    assert_string_equal(said, "puppet_one open; ");
    free(said);
    assert_int_equal(access(scene->farewell, F_OK), 0);
}

/* Where the server serves already one that does not open keeps nobody else waiting: its events do. */
static void test_unopened_is_parked(void **state)
{
    struct scene *scene = *state;

    set_option(scene, "puppet_two", "stage", (char *)"closed");
    scene->metrics->life.is_lenient = 1;
    open_dispatch(scene);
    assert_true(atomic_load(&metrics_of(scene, "puppet_two")->parked_until_us) > clock_mono_us());
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_said(scene, "puppet_one call.new 1; ");
    assert_failed(scene, "puppet_two retry 0 waits: the plugin is parked, it does not open; ");
    /* Not before its time, and not in vain ... */
    dispatch_open_parked(scene->dispatch);
    atomic_store(&metrics_of(scene, "puppet_two")->parked_until_us, 0);
    dispatch_open_parked(scene->dispatch);
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_one call.new 1; ");
    /* ... but then. */
    scene->set[2].value = (char *)"open";
    dispatch_close(scene->dispatch);
    scene->dispatch = NULL;
    atomic_store(&metrics_of(scene, "puppet_two")->parked_until_us, clock_mono_us() + 60000000);
    open_dispatch(scene);
    dispatch_open_parked(scene->dispatch);
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_one call.new 1; puppet_one call.new 1; ");
    atomic_store(&metrics_of(scene, "puppet_two")->parked_until_us, 0);
    dispatch_open_parked(scene->dispatch);
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_one call.new 1; puppet_one call.new 1; "
                       "puppet_one call.new 1; puppet_two call.new 1; ");
}

static void test_load_is_refused(void **state)
{
    struct scene *scene = *state;
    char error[1024] = "";
    char *wanted;

    plugin_dir_link(&scene->dir, "bad_magic");
    plugin_dir_link(&scene->dir, "no_symbol");
    assert_int_equal(dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch,
                                   error, sizeof error),
                     -1);
    wanted = plugin_dir_expand(
        &scene->dir,
        "%DIR%/bad_magic.so: found magic 0x12345678, wanted 0x50425848: this is no pbxhook plugin\n"
        "%DIR%/no_symbol.so: found no symbol pbxhook_plugin, wanted a descriptor: PBXHOOK_PLUGIN = "
        "{...}");
    assert_string_equal(error, wanted);
    free(wanted);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void test_who_is_called(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    assert_int_equal(dispatch_one(scene, "actor.left", "{}"), 0);
    assert_int_equal(dispatch_one(scene, "puppet.play", "{}"), 2);
    assert_int_equal(dispatch_one(scene, "call.unheard-of", "{}"), 2);
    assert_int_equal(dispatch_one(scene, "puppet.played", "{}"), 0);
    assert_int_equal(dispatch_one(scene, "puppet.play", "{}"), 2);
    assert_said(scene, "puppet_one puppet.play 1; puppet_two puppet.play 1; "
                       "puppet_one call.unheard-of 1; puppet_two call.unheard-of 1; "
                       "puppet_one puppet.play 1; puppet_two puppet.play 1; ");
    assert_counted(scene, "puppet_one", 3, 0, 0);
    assert_counted(scene, "puppet_two", 3, 0, 0);
}

/* More types than the table of routes has places: none is mistaken for another. */
static void test_many_types(void **state)
{
    struct scene *scene = *state;
    char type[64];

    open_dispatch(scene);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 150; i++) {
            snprintf(type, sizeof type, "%s.%d", i % 3 == 0 ? "call" : "other", i);
            assert_int_equal(dispatch_one(scene, type, "{}"), i % 3 == 0 ? 2 : 0);
        }
    }
}

/* A statement that is refused is the plugin's own affair: it may go on. */
static void test_refused_statement(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    assert_int_equal(dispatch_one(scene, "call.new", "{\"puppet_one\":{\"sql\":\"SELEKT 1\"}}"), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_two call.new 1; ");
}

static void test_rolled_back_batch_counts_nothing(void **state)
{
    struct scene *scene = *state;
    struct event *event;
    int64_t id;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = add_event(scene, "call.new", "{\"puppet_one\":{\"answer\":1}}", &id);
    assert_int_equal(dispatch_event(scene->dispatch, event, id, NULL), 2);
    event_free(event);
    store_rollback(scene->store);
    dispatch_rolled_back(scene->dispatch);
    dispatch_committed(scene->dispatch);
    assert_counted(scene, "puppet_one", 0, 0, 0);
    assert_counted(scene, "puppet_two", 0, 0, 0);
    assert_said(scene, "");
    assert_failed(scene, "");
}

/* What was logged since stderr began to go to the file, without the times; to be freed. */
static char *read_log(FILE *file)
{
    char line[1024];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        const char *level = strstr(line, "level=");
        char *varying = strstr(line, " took_ms=");

        assert_non_null(level);
        if (varying != NULL)
            memcpy(varying, "\n", 2);
        fputs(level, out);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

/* The lines of a batch that was rolled back are not written: it is run again, and writes them
 * then. */
static void test_log_comes_with_the_commit(void **state)
{
    struct scene *scene = *state;
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    struct event *event;
    int64_t id;
    char *text;

    assert_non_null(file);
    assert_true(before >= 0);
    open_dispatch(scene);
    fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    log_open("test", LOG_LEVEL_INFO);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = add_event(scene, "call.new", "{}", &id);
    dispatch_event(scene->dispatch, event, id, NULL);
    event_free(event);
    store_rollback(scene->store);
    dispatch_rolled_back(scene->dispatch);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":2,\"error\":\"no, never\"}}");
    dispatch_one(scene, "no.one", "{}");
    log_flush();
    log_open("test", LOG_LEVEL_ERROR);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    text = read_log(file);
    fclose(file);
    assert_string_equal(text,
                        "level=warning process=test msg=\"event not handled, now a dead letter\" "
                        "call_id=c2 event=call.new plugin=puppet_one outcome=dead attempt=1 "
                        "error=\"no, never\"\n"
                        "level=info process=test msg=\"event handled\" call_id=c2 event=call.new "
                        "plugin=puppet_two outcome=ok attempt=1\n"
                        "level=info process=test msg=\"event kept, no plugin takes it\" call_id=c3 "
                        "event=no.one\n");
    free(text);
}

/* The plugin says that all is well, but the database failed under it: no file may grow any more,
 * and what it writes does not fit the cache. */
static void test_store_failure(void **state)
{
    static const char body[] =
        "{\"puppet_one\":{\"sql\":\"INSERT INTO puppet_says (what) SELECT hex(randomblob(1000000)) "
        "FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64) "
        "SELECT i FROM n)\"}}";
    struct scene *scene = *state;
    struct rlimit before, limit;

    open_dispatch(scene);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 1000000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(dispatch_one(scene, "call.new", body), STORE_E_FAILED);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_counted(scene, "puppet_one", 0, 0, 0);
    assert_said(scene, "");
    /* It goes on when there is room again. */
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_counted(scene, "puppet_one", 1, 0, 0);
}

/* The PBX never answered the action, but its call.waiting says that it got it. */
static void test_waiting_confirms_the_action(void **state)
{
    struct scene *scene = *state;
    int64_t now_ms = clock_wall_ms();
    struct store_action *actions = NULL;
    struct store_expired expired = {0, 0};
    int count = 0;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_action_add(scene->store, "pbxhook-1", "c1", "{\"destination\":\"900\"}",
                                      1, now_ms, now_ms + 10000),
                     0);
    assert_int_equal(store_actions_claim(scene->store, now_ms, 10, &actions, &count, &expired), 0);
    assert_int_equal(count, 1);
    assert_int_equal(store_commit(scene->store), 0);
    store_actions_free(actions, count);
    dispatch_one(scene, "call.waiting", "{}"); /* of c1, the first event's call */
    assert_int_equal(metrics_get(&scene->metrics->actions[METRICS_ACTION_CONFIRMED]), 1);
    dispatch_one(scene, "call.waiting", "{}"); /* of c2 */
    assert_int_equal(metrics_get(&scene->metrics->actions[METRICS_ACTION_CONFIRMED]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        dispatch_case(test_open_and_close),
        dispatch_case(test_open_is_refused),
        dispatch_case(test_unopened_is_parked),
        dispatch_case(test_load_is_refused),
        dispatch_case(test_who_is_called),
        dispatch_case(test_many_types),
        dispatch_case(test_refused_statement),
        dispatch_case(test_rolled_back_batch_counts_nothing),
        dispatch_case(test_log_comes_with_the_commit),
        dispatch_case(test_store_failure),
        dispatch_case(test_waiting_confirms_the_action),
    };

    log_open("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
