/* services_scene.c: see its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "services_scene.h"

static const struct pbxhook_option options[] = {
    {"queue", "900", "", PBXHOOK_OPTION_STRING, 0, {NULL, NULL}},
    {"limit", "7", "", PBXHOOK_OPTION_INTEGER, 0, {NULL, NULL}},
    {"loud", "true", "", PBXHOOK_OPTION_BOOLEAN, 0, {NULL, NULL}},
    {"share", "0.5", "", PBXHOOK_OPTION_NUMBER, 0, {NULL, NULL}},
};

static struct event *make_event(const char *type, const char *their_number)
{
    const char *field[EVENT_FIELD_COUNT] = {
        [EVENT_TYPE] = type,
        [EVENT_CALL_ID] = "c1",
        [EVENT_DIRECTION] = "inbound",
        [EVENT_OUR_NUMBER] = "0800",
        [EVENT_THEIR_NUMBER] = their_number,
    };
    struct event *event = event_new(field, BODY, sizeof BODY - 1);

    assert_non_null(event);
    event->time_ms = TIME_MS;
    event->received_ms = RECEIVED_MS;
    assert_int_equal(event_identify_by_content(event), 0);
    return event;
}

static void make_plugin(struct scene *scene)
{
    const struct plugin_setting settings[] = {
        {&options[0], "900", "default", 0, 0},
        {&options[1], "7", "default", 7, 0},
        {&options[2], "true", "default", 1, 0},
        {&options[3], "0.5", "default", 0, 0.5},
    };

    memcpy(scene->settings, settings, sizeof settings);
    scene->plugin.descriptor.name = "probe";
    scene->plugin.settings = scene->settings;
    scene->plugin.setting_count = 4;
    scene->other.descriptor.name = "other";
}

/* Inside handle() of an event that is stored, in a transaction. */
int services_set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    char url[128], error[512];

    assert_non_null(scene);
    snprintf(scene->dir, sizeof scene->dir, "/tmp/pbxhook-services-XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    snprintf(url, sizeof url, "sqlite:%s/pbxhook.db", scene->dir);
    const struct store_options place = {.url = url, .mode = STORE_WRITE};
    if (store_open(&place, &scene->store, error, sizeof error) != 0)
        fail_msg("%s", error);
    scene->config.pbx.action_type = "call.waiting";
    scene->config.pbx.deadline_ms = DEADLINE_MS;
    make_plugin(scene);
    scene->services = services_new(&scene->config, scene->store);
    assert_non_null(scene->services);
    scene->context = services_add_plugin(scene->services, &scene->plugin);
    scene->other_context = services_add_plugin(scene->services, &scene->other);
    assert_non_null(scene->context);
    assert_non_null(scene->other_context);
    scene->ctx = services_context(scene->context);
    scene->event = make_event("call.standby", "1199");
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_event_add(scene->store, scene->event, &scene->event_id),
                     STORE_EVENT_NEW);
    services_begin_event(scene->services, scene->event, scene->event_id);
    services_enter(scene->context);
    scene->shown = services_event(scene->services, 3);
    *state = scene;
    return 0;
}

static void remove_file(const struct scene *scene, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", scene->dir, name);
    unlink(path);
}

int services_tear_down(void **state)
{
    struct scene *scene = *state;

    services_leave(scene->context);
    services_end_event(scene->services);
    services_free_plugin(scene->context);
    services_free_plugin(scene->other_context);
    services_free(scene->services);
    store_close(scene->store);
    event_free(scene->event);
    remove_file(scene, "pbxhook.db");
    remove_file(scene, "pbxhook.db-wal");
    remove_file(scene, "pbxhook.db-shm");
    remove_file(scene, "pbxhook.db.lock");
    assert_int_equal(rmdir(scene->dir), 0);
    free(scene);
    return 0;
}
