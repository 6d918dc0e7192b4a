/* twin_two.c: has the name of twin_one. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "twin",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
