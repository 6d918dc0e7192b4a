/* no_summary.c: has no summary. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "no_summary",
    .version = "1.0.0",
    .events = events,
    .handle = handle,
};
