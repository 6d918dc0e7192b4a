/*
 * crm_notify.c: tells a CRM of each finished call. Where the CRM is and how one logs in there is the
 * operator's:
 *
 *     target "crm" { url = "https://crm.example/api" token_file = "/etc/pbxhook/crm.token" }
 *
 * The plugin has no retries, time-outs or connections of its own: the host posts after the event was
 * committed, again when the CRM was not there, and not at all when the event was not handled.
 */
#include <pbxhook/plugin.h>

#include <stdio.h>

/* Asked for once: it is the same for as long as the process lives. */
static const struct pbxhook_http_api *http;

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    const char *target = ctx->config->get_string(ctx, "target");

    (void)state;
    http = (const struct pbxhook_http_api *)ctx->get_service(ctx, "pbxhook.http/1");
    if (http != NULL && http->has_target(ctx, target))
        return PBXHOOK_OK;
    ctx->set_error(
        ctx, "found no target \"%s\", wanted target \"%s\" { url = ... } in the configuration",
        target, target);
    return PBXHOOK_REJECT;
}

/* The JSON text of a string of the event, quotes and all. */
static const char *json_of(const struct pbxhook_event *event, const char *inner, const char *flat)
{
    const char *text = event->get_json(event, inner);

    if (text == NULL)
        text = event->get_json(event, flat);
    return text != NULL ? text : "null";
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    struct pbxhook_call call = {.struct_size = sizeof call};
    char body[2048];
    int length;
    int32_t result = ctx->db->call_find(ctx, event->call_id, &call);

    (void)state;
    if (result < 0)
        return PBXHOOK_RETRY;
    /* Members are copied as JSON, so nothing needs an escape here. */
    length = snprintf(
        body, sizeof body, "{\"call\":%s,\"from\":%s,\"finished_ms\":%lld,\"began_ms\":%lld}",
        json_of(event, "chamada.call_id", "call_id"),
        json_of(event, "chamada.their_number", "their_number"), (long long)event->time,
        result == 1 ? (long long)call.created : (long long)event->time);
    if (length < 0 || (size_t)length >= sizeof body) {
        ctx->set_error(ctx, "the call's id or number is too long");
        return PBXHOOK_REJECT;
    }
    result = http->post(ctx, ctx->config->get_string(ctx, "target"),
                        ctx->config->get_string(ctx, "path"), body);
    if (result >= 0)
        return PBXHOOK_OK;
    ctx->set_error(ctx, "post() failed (%d)", (int)result);
    return result == PBXHOOK_E_ARGUMENT ? PBXHOOK_REJECT : PBXHOOK_RETRY;
}

static const char *const events[] = {"call.finished", NULL};

static const struct pbxhook_option options[] = {
    {.name = "target", .default_value = "crm", .help = "name of the CRM's target"},
    {.name = "path", .default_value = "/calls", .help = "what is posted to, behind its url"},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 1, /* pbxhook.http/1 */
    .struct_size = sizeof(struct pbxhook_plugin),
    .name = "crm_notify",
    .version = "1.0.0",
    .summary = "tells a CRM of each finished call",
    .events = events,
    .options = options,
    .open = open_plugin,
    .handle = handle,
};
