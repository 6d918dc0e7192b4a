/* needs_symbol.c: wants a function that nobody has. */
#include <pbxhook/plugin.h>

int32_t function_that_nobody_has(void);

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)ctx;
    (void)state;
    (void)event;
    return function_that_nobody_has();
}

static const char *const events[] = {"call.new", NULL};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = "needs_symbol",
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .handle = handle,
};
