/*
 * call_ongoing.c: call.ongoing: caller and agent are speaking.
 * The call is advanced to it, and that is all.
 */
#include <pbxhook/plugin.h>

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    int32_t result = ctx->db->call_advance(ctx, event);

    (void)state;
    if (result < 0) {
        ctx->set_error(ctx, "call_advance() failed (%d)", result);
        return PBXHOOK_RETRY;
    }
    return PBXHOOK_OK;
}

static const char *const events[] = {"call.ongoing", NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "call_ongoing",
    .version = "1.0.0",
    .summary = "notes that the call is ongoing",
    .events = events,
    .handle = handle,
};
