/* good.c: nothing is wrong with it. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "good",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
