/* newer_minor.c: uses members that this host does not have. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = PBXHOOK_ABI_MINOR + 1,
    .struct_size = (uint32_t)sizeof(struct pbxhook_plugin),
    .flags = 0,
    .name = "newer_minor",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
