/* dispatch_scene.c: see its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch_scene.h"

#include "common/clock.h"

static void open_store(struct scene *scene)
{
    char *path = plugin_dir_join(&scene->dir, "pbxhook.db");
    char error[512], *url;

    assert_true(asprintf(&url, "sqlite:%s", path) > 0);
    const struct store_options options = {.url = url, .mode = STORE_WRITE};
    if (store_open(&options, &scene->store, error, sizeof error) != 0)
        fail_msg("%s", error);
    free(url);
    free(path);
}

void set_option(struct scene *scene, const char *plugin, const char *key, char *value)
{
    assert_true(scene->config.plugin_option_count < sizeof scene->set / sizeof scene->set[0]);
    scene->set[scene->config.plugin_option_count++] = (struct config_plugin_option){
        .plugin = (char *)plugin,
        .key = (char *)key,
        .value = value,
        .origin = (char *)"test:1",
    };
}

int dispatch_set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    plugin_dir_make(&scene->dir);
    plugin_dir_link(&scene->dir, "puppet_one");
    plugin_dir_link(&scene->dir, "puppet_two");
    scene->farewell = plugin_dir_join(&scene->dir, "farewell");
    scene->config.plugin_dir = scene->dir.path;
    scene->config.pbx.action_type = (char *)"call.waiting";
    scene->config.pbx.deadline_ms = 10000;
    scene->config.plugin_options = scene->set;
    set_option(scene, "puppet_one", "farewell", scene->farewell);
    set_option(scene, "puppet_two", "farewell", scene->farewell);
    scene->metrics = calloc(1, sizeof *scene->metrics);
    assert_non_null(scene->metrics);
    open_store(scene);
    *state = scene;
    return 0;
}

int dispatch_tear_down(void **state)
{
    struct scene *scene = *state;

    dispatch_close(scene->dispatch);
    store_close(scene->store);
    plugin_dir_remove(&scene->dir);
    free(scene->metrics);
    free(scene->farewell);
    free(scene);
    return 0;
}

void open_dispatch(struct scene *scene)
{
    char error[1024] = "";

    if (dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch, error,
                      sizeof error) != 0)
        fail_msg("%s", error);
}

/* ---- What the puppets left behind ------------------------------------------------------------ */

static int collect(void *arg, const struct store_value *values, uint32_t count)
{
    FILE *out = arg;

    for (uint32_t i = 0; i < count; i++) {
        const char *gap = i == 0 ? "" : " ";

        if (values[i].type == STORE_TEXT)
            fprintf(out, "%s%s", gap, values[i].as.text);
        else if (values[i].type == STORE_INT64)
            fprintf(out, "%s%lld", gap, (long long)values[i].as.integer);
    }
    fputs("; ", out);
    return 0;
}

char *rows_of(const struct scene *scene, const char *sql)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    if (store_sql(scene->store, sql, NULL, 0, collect, out, NULL) != 0)
        fail_msg("%s", store_error(scene->store));
    assert_int_equal(fclose(out), 0);
    assert_non_null(text);
    return text;
}

void assert_said(const struct scene *scene, const char *wanted)
{
    char *said;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    said = rows_of(scene, "SELECT puppet, what, attempt FROM puppet_says "
                          "WHERE what <> 'open' ORDER BY rowid");
    store_rollback(scene->store);
    assert_string_equal(said, wanted);
    free(said);
}

void assert_failed(const struct scene *scene, const char *wanted)
{
    char *rows;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    rows = rows_of(scene, "SELECT plugin, state, attempts, error FROM handlings ORDER BY event_id");
    store_rollback(scene->store);
    assert_string_equal(rows, wanted);
    free(rows);
}

/* ---- Events ----------------------------------------------------------------------------------- */

struct event *add_event(struct scene *scene, const char *type, const char *body, int64_t *id)
{
    char call_id[32];
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = type, [EVENT_CALL_ID] = call_id};
    struct event *event;

    snprintf(call_id, sizeof call_id, "c%d", ++scene->events);
    event = event_new(field, body, strlen(body));
    assert_non_null(event);
    event->seq = scene->events;
    event->received_ms = clock_wall_ms();
    event->time_ms = event->received_ms;
    assert_int_equal(event_identify_uniquely(event), 0);
    assert_int_equal(store_event_add(scene->store, event, id), STORE_EVENT_NEW);
    return event;
}

int dispatch_one(struct scene *scene, const char *type, const char *body)
{
    struct event *event;
    int64_t id;
    int result;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = add_event(scene, type, body, &id);
    result = dispatch_event(scene->dispatch, event, id, NULL);
    event_free(event);
    if (result >= 0) {
        assert_int_equal(store_commit(scene->store), 0);
        dispatch_committed(scene->dispatch);
    } else {
        store_rollback(scene->store);
        dispatch_rolled_back(scene->dispatch);
    }
    return result;
}

/* ---- What was counted ------------------------------------------------------------------------- */

struct metrics_plugin *metrics_of(const struct scene *scene, const char *name)
{
    return metrics_plugin_slot(scene->metrics, name);
}

void assert_counted(const struct scene *scene, const char *name, uint64_t handled, uint64_t retried,
                    uint64_t rejected)
{
    struct metrics_plugin *slot = metrics_of(scene, name);
    uint64_t observed = 0;

    assert_int_equal(metrics_get(&slot->handled), handled);
    assert_int_equal(metrics_get(&slot->retried), retried);
    assert_int_equal(metrics_get(&slot->rejected), rejected);
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        observed += metrics_get(&slot->handle.bucket[i]);
    assert_int_equal(observed, handled + retried + rejected);
}
