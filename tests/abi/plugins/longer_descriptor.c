/*
 * longer_descriptor.c: built with the header of a later minor, whose descriptor has more members,
 * and needing none of them: it must load.
 */
#include "minimal.h"

struct later_plugin {
    struct pbxhook_plugin known;
    int32_t (*pause)(void *state);
    const char *homepage;
};

PBXHOOK_EXPORT extern const struct later_plugin pbxhook_plugin;
const struct later_plugin pbxhook_plugin = {
    .known = {.magic = PBXHOOK_PLUGIN_MAGIC,
              .abi_major = PBXHOOK_ABI_MAJOR,
              .needs_minor = 0,
              .struct_size = (uint32_t)sizeof(struct later_plugin),
              .flags = 0,
              .name = "longer_descriptor",
              .version = "1.0.0",
              .summary = "for the tests",
              .events = events,
              .handle = handle},
    .homepage = "behind what this host copies",
};
