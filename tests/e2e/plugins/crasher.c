/*
 * crasher.c: a plugin of the tests that does what an event's type says: "test.crash" kills the worker
 * the first time (the file named by its option remembers), "test.hang" stops it that once, "test.slow"
 * takes 30 ms, "test.reject" and "test.retry" answer so;
 * a retried event is taken the second time. While the file named by its option `door` is there, it does not open:
 * it refuses, or dies when the file says "abort". So it is as if another file had been put in its place.
 */
#include <pbxhook/plugin.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int32_t crash_once(const struct pbxhook_context *ctx, int hang)
{
    const char *path = ctx->config->get_string(ctx, "memory");
    if (access(path, F_OK) == 0)
        return PBXHOOK_OK;
    FILE *file = fopen(path, "w");
    if (file == NULL || fclose(file) != 0)
        return PBXHOOK_REJECT;
    while (hang)
        pause();
    raise(SIGKILL);
    return PBXHOOK_REJECT;
}

static int is_mended(const struct pbxhook_context *ctx)
{
    int32_t mended = 0;
    return ctx->config->get_boolean(ctx, "mended", &mended) == 0 && mended;
}

static int32_t refuse_to_open(const struct pbxhook_context *ctx)
{
    ctx->set_error(ctx, "refused on purpose");
    return PBXHOOK_REJECT;
}

static int32_t try_door(const struct pbxhook_context *ctx)
{
    char word[16] = "";
    FILE *file = fopen(ctx->config->get_string(ctx, "door"), "r");
    if (file == NULL)
        return PBXHOOK_OK;
    if (fgets(word, sizeof word, file) == NULL)
        word[0] = '\0';
    fclose(file);
    if (strcmp(word, "abort") == 0) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    return refuse_to_open(ctx);
}

static int32_t open_crasher(const struct pbxhook_context *ctx, void **state)
{
    int32_t refuse = 0;
    (void)state;
    if (ctx->config->get_boolean(ctx, "refuse", &refuse) != 0 || !refuse)
        return try_door(ctx);
    return refuse_to_open(ctx);
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)state;
    /* What it wrote is to be undone when it fails. */
    int hang = strcmp(event->type, "test.hang") == 0;
    int crash = strcmp(event->type, "test.crash") == 0;
    if (!crash && !hang && ctx->db->user_create(ctx, event->call_id, NULL) < 0)
        return PBXHOOK_RETRY;
    if (strcmp(event->type, "test.slow") == 0)
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    if (crash || hang)
        return crash_once(ctx, hang);
    if (strcmp(event->type, "test.reject") == 0 && !is_mended(ctx)) {
        ctx->set_error(ctx, "rejected on purpose");
        return PBXHOOK_REJECT;
    }
    if (strcmp(event->type, "test.retry") == 0 && event->attempt < 2) {
        ctx->set_error(ctx, "not now");
        return PBXHOOK_RETRY;
    }
    return PBXHOOK_OK;
}

static const char *const events[] = {"test.*", NULL};

static const struct pbxhook_option options[] = {
    {.name = "memory",
     .default_value = "/nonexistent",
     .help = "a file that is there once it has crashed",
     .type = PBXHOOK_OPTION_STRING},
    {.name = "refuse",
     .default_value = "false",
     .help = "true: it does not let itself be opened",
     .type = PBXHOOK_OPTION_BOOLEAN},
    {.name = "door",
     .default_value = "/nonexistent",
     .help = "a file: while it is there it does not open",
     .type = PBXHOOK_OPTION_STRING},
    {.name = "mended",
     .default_value = "false",
     .help = "true: it rejects nothing any more",
     .type = PBXHOOK_OPTION_BOOLEAN},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    .name = "crasher",
    .version = "1.0.0",
    .summary = "fails as it is told",
    .events = events,
    .options = options,
    .open = open_crasher,
    .handle = handle,
    PBXHOOK_PLUGIN_HEADER,
};
