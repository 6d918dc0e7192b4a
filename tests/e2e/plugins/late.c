/*
 * late.c: a plugin of the tests that lets itself be opened only when the file is there that its option names.
 */
#include <pbxhook/plugin.h>

#include <time.h>
#include <unistd.h>

static int32_t open_late(const struct pbxhook_context *ctx, void **state)
{
    const char *gate = ctx->config->get_string(ctx, "gate");
    int32_t refuse = 0;
    (void)state;
    while (access(gate, F_OK) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    if (ctx->config->get_boolean(ctx, "refuse", &refuse) != 0 || !refuse)
        return PBXHOOK_OK;
    ctx->set_error(ctx, "refused on purpose");
    return PBXHOOK_REJECT;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)ctx;
    (void)state;
    (void)event;
    return PBXHOOK_OK;
}

/* As long as a pattern may be. */
#define TEN   "xxxxxxxxxx"
#define FIFTY TEN TEN TEN TEN TEN
static const char *const events[] = {"late." FIFTY FIFTY FIFTY FIFTY FIFTY, NULL};

static const struct pbxhook_option options[] = {
    {.name = "gate",
     .default_value = "/",
     .help = "a file that is waited for",
     .type = PBXHOOK_OPTION_STRING},
    {.name = "refuse",
     .default_value = "false",
     .help = "true: it does not let itself be opened",
     .type = PBXHOOK_OPTION_BOOLEAN},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    .name = "late",
    .version = "1.0.0",
    .summary = "waits for a file",
    .events = events,
    .options = options,
    .open = open_late,
    .handle = handle,
    PBXHOOK_PLUGIN_HEADER,
};
