/* no_handle.c: has nothing to call. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "no_handle",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
};
