/* option_bad_type.c: an option of a type that does not exist. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {.name = "limit", .default_value = "1", .help = "limit", .type = 9},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "option_bad_type",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
