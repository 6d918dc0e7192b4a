/* hello.c: a handler for an event that the seven do not cover. See pbxhook-plugin(7). */
#include <pbxhook/plugin.h>

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    const char *url = event->get_string(event, "url");
    struct pbxhook_value params[] = {
        {.type = PBXHOOK_TEXT, .as = {.text = event->call_id}},
        {.type = PBXHOOK_TEXT, .as = {.text = url != NULL ? url : ""}},
    };
    (void)state;
    if (ctx->db->execute(ctx, "INSERT INTO recordings (call_id, url) VALUES ($1, $2)", params, 2,
                         NULL) < 0)
        return PBXHOOK_RETRY; /* undone, and tried again later */
    ctx->log->write(ctx, PBXHOOK_LOG_INFO, "recording noted");
    return PBXHOOK_OK; /* kept, together with the event */
}

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    (void)state;
    return ctx->db->execute(ctx, "CREATE TABLE IF NOT EXISTS recordings (call_id TEXT, url TEXT)",
                            NULL, 0, NULL) < 0
               ? PBXHOOK_REJECT
               : PBXHOOK_OK;
}

static const char *const events[] = {"call.recording-available", NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "hello",
    .version = "1.0.0",
    .summary = "notes where recordings are",
    .events = events,
    .open = open_plugin,
    .handle = handle,
};
