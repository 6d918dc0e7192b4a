/*
 * minimal.h: what every plugin of this folder has and none is about: a handler and an event. Each
 * file beside this one is right but for one thing, and refusals_test.c knows what the host must say
 * of it.
 */
#ifndef MINIMAL_H
#define MINIMAL_H

#include <pbxhook/plugin.h>

__attribute__((unused)) static int32_t handle(const struct pbxhook_context *ctx, void *state,
                                              const struct pbxhook_event *event)
{
    (void)ctx;
    (void)state;
    (void)event;
    return PBXHOOK_OK;
}

__attribute__((unused)) static const char *const events[] = {"call.new", NULL};

#endif
