/* option_bad_name.c: an option that no variable of the environment could name. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {.name = "max-age", .default_value = "1", .help = "age"},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "option_bad_name",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
