/* no_version.c: has no version. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "no_version",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
