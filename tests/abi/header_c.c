/* header_c.c: the smallest plugin, with an option, under every warning. */
#include <pbxhook/plugin.h>

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)state;
    if (!PBXHOOK_HAS(ctx->db, query))
        return PBXHOOK_REJECT;
    ctx->log->write(ctx, PBXHOOK_LOG_DEBUG, "%s", event->call_id);
    return ctx->db->call_advance(ctx, event) < 0 ? PBXHOOK_RETRY : PBXHOOK_OK;
}

static const char *const events[] = {"call.ongoing", NULL};

static const struct pbxhook_option options[] = {
    {"limit", "1", "help", PBXHOOK_OPTION_INTEGER, 0, {NULL, NULL}},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "my_handler",
    .version = "1.0.0",
    .summary = "advances the call",
    .events = events,
    .options = options,
    .open = NULL,
    .handle = handle,
    .close = NULL,
};
