/* bad_name.c: its name could be in no section of the configuration. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "Call-New",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
