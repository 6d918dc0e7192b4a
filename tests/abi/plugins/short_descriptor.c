/* short_descriptor.c: ends before the last member of 1.0. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 0,
    .struct_size = (uint32_t)offsetof(struct pbxhook_plugin, close),
    .flags = 0,
    .name = "short_descriptor",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
