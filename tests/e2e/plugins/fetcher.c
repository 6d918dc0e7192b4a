/*
 * fetcher.c: a plugin of the tests that has a file downloaded for each "test.fetch", and writes down what came. Of
 * the call "fatal" it does not survive the news.
 */
#include <pbxhook/plugin.h>

#include <stdlib.h>
#include <string.h>

#define TARGET "pbx_files"

static const struct pbxhook_http_api *http;

static int32_t open_fetcher(const struct pbxhook_context *ctx, void **state)
{
    (void)state;
    http = (const struct pbxhook_http_api *)ctx->get_service(ctx, "pbxhook.http/1");
    if (http == NULL || !http->has_target(ctx, TARGET))
        return PBXHOOK_REJECT;
    return ctx->db->execute(ctx,
                            "CREATE TABLE IF NOT EXISTS fetcher_files (call_id TEXT PRIMARY KEY)",
                            NULL, 0, NULL) < 0
               ? PBXHOOK_RETRY
               : PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    struct pbxhook_value call_id = {.type = PBXHOOK_TEXT, .as = {.text = event->call_id}};
    int32_t result;

    (void)state;
    if (strcmp(event->type, "test.fetch") == 0) {
        result = http->download(ctx, TARGET, "/fetched", event->call_id);
    } else {
        if (strcmp(event->call_id, "fatal") == 0)
            abort();
        result = ctx->db->execute(ctx, "INSERT INTO fetcher_files (call_id) VALUES ($1)", &call_id,
                                  1, NULL);
    }
    return result < 0 ? PBXHOOK_RETRY : PBXHOOK_OK;
}

static const char *const events[] = {"test.fetch", "pbxhook.download.finished", NULL};

PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 1, /* pbxhook.http/1 */
    .struct_size = sizeof(struct pbxhook_plugin),
    .name = "fetcher",
    .version = "1.0.0",
    .summary = "downloads what it is told to",
    .events = events,
    .open = open_fetcher,
    .handle = handle,
};
