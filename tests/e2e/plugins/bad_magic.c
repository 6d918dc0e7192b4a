/* bad_magic.c: a plugin of the tests whose descriptor is none: the server must refuse to start with it. */
#include <pbxhook/plugin.h>

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)ctx;
    (void)state;
    (void)event;
    return PBXHOOK_OK;
}

static const char *const events[] = {"call.new", NULL};

PBXHOOK_PLUGIN = {
    .magic = 0x12345678u,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .struct_size = (uint32_t)sizeof(struct pbxhook_plugin),
    .name = "bad_magic",
    .version = "1.0.0",
    .summary = "is refused",
    .events = events,
    .handle = handle,
};
