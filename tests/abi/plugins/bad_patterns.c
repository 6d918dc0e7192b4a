/* bad_patterns.c: stars and blanks where none may be. */
#include "minimal.h"

static const char *const patterns[] = {"call.*.x", "call*", "", ".*", "call new", "*", NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "bad_patterns",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = patterns,
    .handle = handle,
};
