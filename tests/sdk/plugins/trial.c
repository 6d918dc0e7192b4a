/*
 * trial.c: does what the event's "do" says. For the tests of `pbxhook plugin try`.
 */
#include <pbxhook/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int32_t run(const struct pbxhook_context *ctx, const char *sql)
{
    if (ctx->db->execute(ctx, sql, NULL, 0, NULL) >= 0)
        return PBXHOOK_OK;
    ctx->set_error(ctx, "refused: %s", sql);
    return PBXHOOK_RETRY;
}

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    const char *at_open = ctx->config->get_string(ctx, "at_open");

    *state = (void *)(uintptr_t)ctx;
    if (strcmp(at_open, "crash") == 0)
        abort();
    if (strcmp(at_open, "reject") == 0) {
        ctx->set_error(ctx, "told to");
        return PBXHOOK_REJECT;
    }
    if (run(ctx, "CREATE TABLE IF NOT EXISTS trial_words (word TEXT, n INTEGER, share REAL)") !=
            0 ||
        run(ctx, "CREATE TABLE IF NOT EXISTS trial_pairs (\"a b\" TEXT, b TEXT, n INTEGER, "
                 "PRIMARY KEY (\"a b\", b)) WITHOUT ROWID") != 0)
        return PBXHOOK_REJECT;
    return strcmp(at_open, "row") == 0 ? run(ctx, "INSERT INTO trial_words (word) VALUES ('open')")
                                       : PBXHOOK_OK;
}

static void close_plugin(void *state)
{
    const struct pbxhook_context *ctx = state;

    if (strcmp(ctx->config->get_string(ctx, "at_close"), "crash") == 0)
        abort();
}

static void misbehave(const char *what)
{
    if (strcmp(what, "crash") == 0)
        abort();
    if (strcmp(what, "exit") == 0)
        exit(3);
    if (strcmp(what, "hang") == 0) {
        for (;;)
            pause();
    }
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    const char *what = event->get_string(event, "do");
    const char *json = event->get_string(event, "json");

    (void)state;
    if (what == NULL)
        return PBXHOOK_OK;
    ctx->db->call_advance(ctx, event);
    misbehave(what);
    if (strcmp(what, "retry") == 0)
        return PBXHOOK_RETRY;
    if (strcmp(what, "reject") == 0) {
        ctx->set_error(ctx, "told to, for good");
        return PBXHOOK_REJECT;
    }
    if (strcmp(what, "print") == 0)
        printf("printed\nin two lines\n");
    if (strcmp(what, "log") == 0)
        ctx->log->write(ctx, PBXHOOK_LOG_DEBUG, "logged");
    if (strcmp(what, "delegate") == 0)
        return ctx->pbx->delegate(ctx, event->call_id, "900") < 0 ? PBXHOOK_RETRY : PBXHOOK_OK;
    if (strcmp(what, "action") == 0)
        return ctx->pbx->action(ctx, "", json) < 0 ? PBXHOOK_REJECT : PBXHOOK_OK;
    return strcmp(what, "sql") == 0 ? run(ctx, event->get_string(event, "sql")) : PBXHOOK_OK;
}

static const char *const events[] = {"trial", "call.*", NULL};

static const struct pbxhook_option options[] = {
    {.name = "at_open", .default_value = "ok", .help = "ok, crash, reject, row"},
    {.name = "at_close", .default_value = "ok", .help = "ok, crash"},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER, .name = "trial",
    .version = "1.0.0",    .summary = "does what it is told",
    .events = events,      .options = options,
    .open = open_plugin,   .handle = handle,
    .close = close_plugin,
};
