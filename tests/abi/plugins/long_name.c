/* long_name.c: its name is a character too long for the metrics page. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
