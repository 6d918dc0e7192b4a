/* no_events.c: says nothing about its events. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "no_events",
    .version = "1.0.0",
    .summary = "for the tests",
    .handle = handle,
};
