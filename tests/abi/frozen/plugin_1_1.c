/*
 * plugin_1_1.c: a plugin of ABI 1.1 that uses every member and function which that version has added, and
 * rejects the event at the first one that does not do what the header of 1.1 says. Built with that header;
 * never changed.
 */
#include <pbxhook/plugin.h>

#include <string.h>

/* A step that must hold; the error names it. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ctx->set_error(ctx, "line %d: %s", __LINE__, #condition);                              \
            return PBXHOOK_REJECT;                                                                 \
        }                                                                                          \
    } while (0)

static const struct pbxhook_http_api *http;

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    (void)state;
    MUST(ctx->abi_major == 1 && ctx->abi_minor >= 1);
    http = (const struct pbxhook_http_api *)ctx->get_service(ctx, "pbxhook.http/1");
    MUST(http != NULL && http->struct_size >= sizeof *http);
    MUST(PBXHOOK_HAS(http, has_target) && PBXHOOK_HAS(http, post) && PBXHOOK_HAS(http, download));
    MUST(http->has_target(ctx, "crm") == 1);
    MUST(http->has_target(ctx, "erp") == 0);
    MUST(http->post(ctx, "crm", "/calls", "{}") == PBXHOOK_E_STATE);
    MUST(http->download(ctx, "crm", "/1", "1.mp3") == PBXHOOK_E_STATE);
    return PBXHOOK_OK;
}

static int32_t check_refusals(const struct pbxhook_context *ctx)
{
    MUST(http->post(ctx, "erp", "/calls", "{}") == PBXHOOK_E_NOT_FOUND);
    MUST(http->download(ctx, "erp", "/1", "1.mp3") == PBXHOOK_E_NOT_FOUND);
    MUST(http->post(ctx, "crm", "calls", "{}") == PBXHOOK_E_ARGUMENT);
    MUST(http->post(ctx, "crm", NULL, "{}") == PBXHOOK_E_ARGUMENT);
    MUST(http->post(ctx, "crm", "/calls", "{") == PBXHOOK_E_ARGUMENT);
    MUST(http->post(ctx, "crm", "/calls", NULL) == PBXHOOK_E_ARGUMENT);
    MUST(http->download(ctx, "crm", "/1", ".hidden") == PBXHOOK_E_ARGUMENT);
    MUST(http->download(ctx, "crm", "/1", "a/b") == PBXHOOK_E_ARGUMENT);
    MUST(http->download(ctx, "crm", "http://elsewhere/1", "1.mp3") == PBXHOOK_E_ARGUMENT);
    return PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    int32_t result = check_refusals(ctx);

    (void)state;
    (void)event;
    if (result != PBXHOOK_OK)
        return result;
    MUST(http->post(ctx, "crm", "/calls", "[1]") == 0);
    MUST(http->download(ctx, "crm", "/recordings/1?part=1", "c1.mp3") == 0);
    return PBXHOOK_OK;
}

static const char *const events[] = {"call.finished", "pbxhook.download.finished",
                                     "pbxhook.download.failed", NULL};

PBXHOOK_PLUGIN = {
    .magic = PBXHOOK_PLUGIN_MAGIC,
    .abi_major = PBXHOOK_ABI_MAJOR,
    .needs_minor = 1,
    .struct_size = sizeof(struct pbxhook_plugin),
    .name = "frozen_1_1",
    .version = "1.1.0",
    .summary = "uses all that ABI 1.1 has added",
    .events = events,
    .open = open_plugin,
    .handle = handle,
};
