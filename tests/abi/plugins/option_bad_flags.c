/* option_bad_flags.c: an option with a flag that this host knows nothing of. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {.name = "limit", .default_value = "1", .help = "limit", .flags = 1},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "option_bad_flags",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
