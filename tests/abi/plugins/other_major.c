/* other_major.c: built for another layout. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR + 1,
    .needs_minor = 0,
    .struct_size = (uint32_t)sizeof(struct pbxhook_plugin),
    .flags = 0,
    .name = "other_major",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
