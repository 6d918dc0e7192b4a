/* option_twice.c: an option that is declared twice. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {.name = "limit", .default_value = "1", .help = "limit"},
    {.name = "limit", .default_value = "1", .help = "limit"},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "option_twice",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
