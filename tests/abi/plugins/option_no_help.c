/* option_no_help.c: an option without a line for people. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {.name = "limit", .default_value = "1"},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "option_no_help",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
