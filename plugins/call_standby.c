/*
 * call_standby.c: call.standby: the PBX asks where the call shall go. Callers that are known go to
 * one queue; new ones become known and go to the other.
 */
#include <pbxhook/plugin.h>

static int32_t failed(const struct pbxhook_context *ctx, const char *service, int32_t error)
{
    ctx->set_error(ctx, "%s() failed (%d)", service, error);
    return PBXHOOK_RETRY;
}

/* A queue without a number is found out now, not by the first caller. */
static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    static const char *const queues[] = {"known_queue", "new_queue"};

    (void)state;
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        if (ctx->config->get_string(ctx, queues[i])[0] == '\0') {
            ctx->set_error(ctx, "the option %s is empty: it is a queue's number", queues[i]);
            return PBXHOOK_REJECT;
        }
    }
    return PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    int32_t is_new = 1; /* as is a caller without a number, who is nobody's user */
    int32_t result;

    (void)state;
    result = ctx->db->call_advance(ctx, event);
    if (result < 0)
        return failed(ctx, "call_advance", result);
    if (event->their_number[0] != '\0') {
        /* Looks up and creates in one: of two first calls at a time one finds the other. */
        is_new = ctx->db->user_create(ctx, event->their_number, NULL);
        if (is_new < 0)
            return failed(ctx, "user_create", is_new);
    }
    result = ctx->pbx->delegate(ctx, event->call_id,
                                ctx->config->get_string(ctx, is_new ? "new_queue" : "known_queue"));
    if (result < 0)
        return failed(ctx, "delegate", result);
    return PBXHOOK_OK;
}

static const char *const events[] = {"call.standby", NULL};

static const struct pbxhook_option options[] = {
    {.name = "known_queue",
     .default_value = "900",
     .help = "queue of callers who called before",
     .type = PBXHOOK_OPTION_STRING},
    {.name = "new_queue",
     .default_value = "901",
     .help = "queue of callers who are new or hide their number",
     .type = PBXHOOK_OPTION_STRING},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "call_standby",
    .version = "1.0.0",
    .summary = "sends known and new callers to their queues",
    .events = events,
    .options = options,
    .open = open_plugin,
    .handle = handle,
};
