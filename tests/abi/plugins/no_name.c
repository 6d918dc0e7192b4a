/* no_name.c: has no name. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
