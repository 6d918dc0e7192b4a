/*
 * actor_left.c: actor.left: the agent hung up.
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

static const char *const events[] = {"actor.left", NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "actor_left",
    .version = "1.0.0",
    .summary = "notes that the agent has left the call",
    .events = events,
    .handle = handle,
};
