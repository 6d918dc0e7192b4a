/*
 * recordings.c: keeps the recordings that a PBX announces with call.recording-available, an event outside
 * the seven of a call's life cycle:
 *
 *     {"type":"call.recording-available","call_id":"...","url":"https://pbx.example/recordings/1.mp3"}
 *
 * They are large, come slowly and want a password, so nothing of that is done here: the host downloads
 * them from the target into download_dir, off the handling path, and tells of each end with an event.
 *
 *     target "pbx_files" { url = "https://pbx.example" user = "pbxhook" password_file = "..." }
 *     SELECT call_id, state, file, size FROM recordings_list
 */
#include <pbxhook/plugin.h>

#include <stdio.h>
#include <string.h>

#define TARGET "pbx_files"

static const struct pbxhook_http_api *http;

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    (void)state;
    http = (const struct pbxhook_http_api *)ctx->get_service(ctx, "pbxhook.http/1");
    if (http == NULL || !http->has_target(ctx, TARGET)) {
        ctx->set_error(ctx,
                       "found no target \"" TARGET "\", wanted one with the PBX's url and login");
        return PBXHOOK_REJECT;
    }
    if (ctx->db->execute(
            ctx,
            "CREATE TABLE IF NOT EXISTS recordings_list (call_id TEXT PRIMARY KEY,"
            " url TEXT NOT NULL, state TEXT NOT NULL, file TEXT, size BIGINT, error TEXT)",
            NULL, 0, NULL) < 0)
        return PBXHOOK_RETRY;
    return PBXHOOK_OK;
}

static struct pbxhook_value text(const char *value)
{
    return value == NULL ? (struct pbxhook_value){.type = PBXHOOK_NULL}
                         : (struct pbxhook_value){.type = PBXHOOK_TEXT, .as = {.text = value}};
}

/* A call's id is the PBX's, and no file name: what is not a letter, digit or dash becomes a dash. */
static void name_file(const struct pbxhook_event *event, char *out, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    char call[64];
    size_t length = 0;

    for (const char *at = event->call_id; *at != '\0' && length + 1 < sizeof call; at++)
        call[length++] = strchr(plain, *at) != NULL ? *at : '-';
    call[length] = '\0';
    /* The event's identity keeps two calls whose ids look alike apart. */
    snprintf(out, size, "%s-%.12s.mp3", call, event->id + strlen(event->id) - 12);
}

static int32_t take_announced(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    const char *url = event->get_string(event, "url");
    struct pbxhook_value values[] = {text(event->call_id), text(url)};
    char name[128];
    int32_t result;

    if (url == NULL) {
        ctx->set_error(ctx, "the event has no url");
        return PBXHOOK_REJECT;
    }
    name_file(event, name, sizeof name);
    result = http->download(ctx, TARGET, url, name);
    if (result == PBXHOOK_E_ARGUMENT) {
        ctx->set_error(ctx, "the url is not one of the target " TARGET);
        return PBXHOOK_REJECT;
    }
    if (result >= 0)
        result = ctx->db->execute(ctx,
                                  "INSERT INTO recordings_list (call_id, url, state)"
                                  " VALUES ($1, $2, 'announced') ON CONFLICT (call_id) DO UPDATE"
                                  " SET url = excluded.url, state = excluded.state",
                                  values, 2, NULL);
    return result < 0 ? PBXHOOK_RETRY : PBXHOOK_OK;
}

static int32_t take_end(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    int finished = strcmp(event->type, "pbxhook.download.finished") == 0;
    int64_t size = 0;
    struct pbxhook_value values[] = {
        text(event->call_id),
        text(finished ? "kept" : "lost"),
        text(finished ? event->get_string(event, "file") : NULL),
        {.type = PBXHOOK_INT64},
        text(finished ? NULL : event->get_string(event, "error")),
    };

    event->get_int64(event, "size", &size);
    values[3].as.integer = size;
    if (ctx->db->execute(ctx,
                         "UPDATE recordings_list SET state = $2, file = $3, size = $4, error = $5"
                         " WHERE call_id = $1",
                         values, 5, NULL) < 0)
        return PBXHOOK_RETRY;
    return PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)state;
    if (strcmp(event->type, "call.recording-available") == 0)
        return take_announced(ctx, event);
    return take_end(ctx, event);
}

static const char *const events[] = {"call.recording-available", "pbxhook.download.finished",
                                     "pbxhook.download.failed", NULL};

PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 1, /* pbxhook.http/1 */
    .struct_size = sizeof(struct pbxhook_plugin),
    .name = "recordings",
    .version = "1.0.0",
    .summary = "downloads the recordings that the PBX announces",
    .events = events,
    .open = open_plugin,
    .handle = handle,
};
