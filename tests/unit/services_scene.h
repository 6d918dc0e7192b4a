/*
 * services_scene.h: one plugin inside handle() of an event that is stored, in an open transaction
 * of a real store: what the tests of the services begin with.
 */
#ifndef SERVICES_SCENE_H
#define SERVICES_SCENE_H

#include <stdint.h>

#include "worker/services.h"

#define RECEIVED_MS 1700000000123
#define TIME_MS     1700000000000
#define DEADLINE_MS 10000

#define BODY                                                                                       \
    "{\"chamada\":{\"type\":\"call.standby\",\"call_id\":\"c1\"},"                                 \
    "\"dados\":{\"cpf\":\"123\",\"age\":42,\"ratio\":0.5,\"vip\":true,\"none\":null,"              \
    "\"\":\"blank\",\"tags\":[\"a\",{\"b\":[1,2]}],\"big\":9223372036854775807,"                   \
    "\"caf\\u00e9\":\"\\u00e7\"}}"

/* The plugin is "probe", the event the call.standby of call c1 from 1199, at its third attempt. */
struct scene {
    char dir[64];
    struct config config;
    struct store *store;
    struct services *services;
    struct plugin_setting settings[4];
    struct plugin plugin, other;
    struct plugin_context *context, *other_context;
    const struct pbxhook_context *ctx;
    struct event *event;
    const struct pbxhook_event *shown;
    int64_t event_id;
};

int services_set_up(void **state);
int services_tear_down(void **state);

#endif
