/*
 * @NAME@.c: handles @EVENT@: counts how often each number called, in a table of its own. Replace what
 * handle() does; everything a plugin may do is in <pbxhook/plugin.h>.
 */
#include <pbxhook/plugin.h>

/* Once in each worker, before the first event, in a transaction of its own. */
static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    (void)state;
    if (ctx->db->execute(ctx,
                         "CREATE TABLE IF NOT EXISTS @NAME@_callers"
                         " (number TEXT PRIMARY KEY, calls INTEGER NOT NULL)",
                         NULL, 0, NULL) < 0) {
        ctx->set_error(ctx, "can't make the table @NAME@_callers");
        return PBXHOOK_RETRY;
    }
    return PBXHOOK_OK;
}

/* For each event, inside the event's transaction: what is written here is kept with PBXHOOK_OK, and
 * undone otherwise. */
static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    int64_t step = 1;
    struct pbxhook_value params[2];

    (void)state;
    if (event->their_number[0] == '\0') {
        ctx->set_error(ctx, "the event has no their_number");
        return PBXHOOK_REJECT; /* never: kept as a dead letter, for a person to see */
    }
    ctx->config->get_integer(ctx, "step", &step);
    params[0] = (struct pbxhook_value){.type = PBXHOOK_TEXT, .as = {.text = event->their_number}};
    params[1] = (struct pbxhook_value){.type = PBXHOOK_INT64, .as = {.integer = step}};
    if (ctx->db->execute(ctx,
                         "INSERT INTO @NAME@_callers (number, calls) VALUES ($1, $2)"
                         " ON CONFLICT (number) DO UPDATE"
                         " SET calls = @NAME@_callers.calls + excluded.calls",
                         params, 2, NULL) < 0)
        return PBXHOOK_RETRY; /* later, with growing pauses */
    ctx->log->write(ctx, PBXHOOK_LOG_INFO, "counted by %d", (int)step);
    return PBXHOOK_OK;
}

static const char *const events[] = {"@EVENT@", NULL};

static const struct pbxhook_option options[] = {
    {.name = "step",
     .default_value = "1",
     .help = "by how much a call counts",
     .type = PBXHOOK_OPTION_INTEGER},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "@NAME@",
    .version = "1.0.0",
    .summary = "counts how often each number called",
    .events = events,
    .options = options,
    .open = open_plugin,
    .handle = handle,
};
