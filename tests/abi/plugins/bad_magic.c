/* bad_magic.c: some other program's symbol of the same name. */
#include "minimal.h"

/* clang-format off */
PBXHOOK_PLUGIN = {
    .magic = 0x12345678,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 0,
    .struct_size = (uint32_t)sizeof(struct pbxhook_plugin),
    .flags = 0,
    .name = "bad_magic",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
