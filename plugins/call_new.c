/*
 * call_new.c: call.new: a call begins. It is saved with the payload that the PBX sent.
 */
#include <pbxhook/plugin.h>

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    int32_t result = ctx->db->call_save(ctx, event);

    (void)state;
    if (result < 0) {
        ctx->set_error(ctx, "call_save() failed (%d)", result);
        return PBXHOOK_RETRY;
    }
    return PBXHOOK_OK;
}

static const char *const events[] = {"call.new", NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "call_new",
    .version = "1.0.0",
    .summary = "saves a new call with its payload",
    .events = events,
    .handle = handle,
};
