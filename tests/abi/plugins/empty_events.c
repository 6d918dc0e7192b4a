/* empty_events.c: its list of events is empty. */
#include "minimal.h"

static const char *const none[] = {NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "empty_events",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = none,
    .handle = handle,
};
