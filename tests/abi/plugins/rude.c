/* rude.c: says of itself more than a line, and what a terminal would obey. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {"tone", "\a", "a\nhelp", PBXHOOK_OPTION_STRING, 0, {NULL, NULL}},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "rude",
    .version = "1\x1b[2J",
    .summary = "one line\nand another",
    .events = events,
    .options = options,
    .handle = handle,
};
