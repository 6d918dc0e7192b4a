/* options.c: one option of each type, one of them without a default. */
#include "minimal.h"

static const struct pbxhook_option options[] = {
    {"greeting", "hello", "a text", PBXHOOK_OPTION_STRING, 0, {NULL, NULL}},
    {"limit", "10", "a limit", PBXHOOK_OPTION_INTEGER, 0, {NULL, NULL}},
    {"loud", "no", "a switch", PBXHOOK_OPTION_BOOLEAN, 0, {NULL, NULL}},
    {"share", "0.5", "a share", PBXHOOK_OPTION_NUMBER, 0, {NULL, NULL}},
    {"token", NULL, "must be set", PBXHOOK_OPTION_STRING, 0, {NULL, NULL}},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "options",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .handle = handle,
};
