/* option_bad_defaults.c: defaults that are not of their option's type. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {.name = "limit", .default_value = "many", .help = "limit", .type = PBXHOOK_OPTION_INTEGER},
    {.name = "loud", .default_value = "maybe", .help = "loud", .type = PBXHOOK_OPTION_BOOLEAN},
    {.name = "share", .default_value = "1,5", .help = "share", .type = PBXHOOK_OPTION_NUMBER},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "option_bad_defaults",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
