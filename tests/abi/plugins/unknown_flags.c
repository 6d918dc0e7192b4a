/* unknown_flags.c: asks for something that this host knows nothing of. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 0,
    .struct_size = (uint32_t)sizeof(struct pbxhook_plugin),
    .flags = 4,
    .name = "unknown_flags",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
