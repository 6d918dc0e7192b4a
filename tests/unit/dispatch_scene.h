/*
 * dispatch_scene.h: two puppets and a real store: what the tests of dispatch begin with. The puppets
 * (tests/abi/plugins/puppet.c) do what the event's body tells them.
 */
#ifndef DISPATCH_SCENE_H
#define DISPATCH_SCENE_H

#include <stdint.h>

#include "abi/plugin_dir.h"
#include "worker/dispatch.h"

struct scene {
    struct plugin_dir dir;
    char *farewell;
    struct config config;
    struct config_plugin_option set[3];
    struct metrics_worker *metrics;
    struct store *store;
    struct dispatch *dispatch;
    int events;
};

#define dispatch_case(function)                                                                    \
    cmocka_unit_test_setup_teardown(function, dispatch_set_up, dispatch_tear_down)

int dispatch_set_up(void **state);
int dispatch_tear_down(void **state);

void set_option(struct scene *scene, const char *plugin, const char *key, char *value);
void open_dispatch(struct scene *scene);

/* A new event of its own call, stored in the open transaction. */
struct event *add_event(struct scene *scene, const char *type, const char *body, int64_t *id);
/* One event in a batch of its own that commits: what dispatch_event() returned. */
int dispatch_one(struct scene *scene, const char *type, const char *body);

/* The rows of a query, "a 1; b 2; ", to be freed. In a transaction. */
char *rows_of(const struct scene *scene, const char *sql);
void assert_said(const struct scene *scene, const char *wanted);
/* The handlings that failed, in the events' order. */
void assert_failed(const struct scene *scene, const char *wanted);

struct metrics_plugin *metrics_of(const struct scene *scene, const char *name);
void assert_counted(const struct scene *scene, const char *name, uint64_t handled, uint64_t retried,
                    uint64_t rejected);

#endif
