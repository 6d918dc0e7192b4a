// header_cxx.cc: a plugin in C++20, compiled with every warning there is.
#include <pbxhook/plugin.h>

namespace
{
int32_t handle(const pbxhook_context *ctx, void *, const pbxhook_event *event)
{
    if (!PBXHOOK_HAS(ctx->db, query))
        return PBXHOOK_REJECT;
    ctx->log->write(ctx, PBXHOOK_LOG_DEBUG, "%s", event->call_id);
    return ctx->db->call_advance(ctx, event) < 0 ? PBXHOOK_RETRY : PBXHOOK_OK;
}

const char *const events[] = {"call.ongoing", nullptr};

const pbxhook_option options[] = {
    {"limit", "1", "help", PBXHOOK_OPTION_INTEGER, 0, {nullptr, nullptr}},
    PBXHOOK_OPTION_END,
};
} // namespace

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "my_handler",
    .version = "1.0.0",
    .summary = "advances the call",
    .events = events,
    .options = options,
    .open = nullptr,
    .handle = handle,
    .close = nullptr,
};
