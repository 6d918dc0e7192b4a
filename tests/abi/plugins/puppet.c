/*
 * puppet.c: does what the event's body tells it, under the member that has its name:
 *
 *     {"puppet_one": {"answer": 1, "until": 3, "error": "not today", "sql": "..."}, ...}
 *
 * It notes each call in a table of its own, runs the SQL, and answers 1 until the third attempt. It
 * is built as puppet_one and puppet_two (PUPPET_NAME), and does not open when its option `stage`
 * says "closed".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pbxhook/plugin.h>

struct puppet {
    const struct pbxhook_context *ctx;
    int64_t calls;
};

static int32_t say(const struct pbxhook_context *ctx, const char *what, int64_t attempt)
{
    const struct pbxhook_value params[] = {
        {PBXHOOK_TEXT, 0, {.text = PUPPET_NAME}},
        {PBXHOOK_TEXT, 0, {.text = what}},
        {PBXHOOK_INT64, 0, {.integer = attempt}},
    };

    return ctx->db->execute(ctx,
                            "INSERT INTO puppet_says (puppet, what, attempt) VALUES ($1, $2, $3)",
                            params, 3, NULL);
}

static int32_t open_puppet(const struct pbxhook_context *ctx, void **state)
{
    struct puppet *puppet;

    if (ctx->db->execute(ctx,
                         "CREATE TABLE IF NOT EXISTS puppet_says (puppet TEXT, what TEXT, "
                         "attempt INTEGER)",
                         NULL, 0, NULL) != 0 ||
        say(ctx, "open", 0) != 0)
        return PBXHOOK_RETRY;
    if (strcmp(ctx->config->get_string(ctx, "stage"), "closed") == 0) {
        ctx->set_error(ctx, "the stage of %s is closed", PUPPET_NAME);
        return PBXHOOK_REJECT;
    }
    puppet = calloc(1, sizeof *puppet);
    if (puppet == NULL)
        return PBXHOOK_RETRY;
    puppet->ctx = ctx;
    *state = puppet;
    return PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    struct puppet *puppet = state;
    int64_t answer = PBXHOOK_OK;
    int64_t until = INT64_MAX;
    const char *error = event->get_string(event, PUPPET_NAME ".error");
    const char *sql = event->get_string(event, PUPPET_NAME ".sql");

    puppet->calls++;
    event->get_int64(event, PUPPET_NAME ".answer", &answer);
    event->get_int64(event, PUPPET_NAME ".until", &until);
    if (say(ctx, event->type, event->attempt) != 0)
        return PBXHOOK_RETRY;
    if (error != NULL)
        ctx->set_error(ctx, "%s", error);
    if (sql != NULL)
        ctx->db->execute(ctx, sql, NULL, 0, NULL);
    return event->attempt < until ? (int32_t)answer : PBXHOOK_OK;
}

/* The services are closed by now. The test reads the file. */
static void close_puppet(void *state)
{
    struct puppet *puppet = state;
    const char *path = puppet->ctx->config->get_string(puppet->ctx, "farewell");
    FILE *file = path[0] == '\0' ? NULL : fopen(path, "a");

    if (file != NULL) {
        fprintf(file, "%s %lld %d\n", PUPPET_NAME, (long long)puppet->calls,
                say(puppet->ctx, "close", 0));
        fclose(file);
    }
    free(puppet);
}

static const char *const events[] = {"call.*", "puppet.play", NULL};

static const struct pbxhook_option options[] = {
    {"stage", "open", "open or closed", PBXHOOK_OPTION_STRING, 0, {NULL, NULL}},
    {"farewell", "", "file to write to at the end", PBXHOOK_OPTION_STRING, 0, {NULL, NULL}},
    PBXHOOK_OPTION_END,
};

/* clang-format off */
PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER,
    .name = PUPPET_NAME,
    .version = "1.0.0",
    .summary = "for the tests",
    .events = events,
    .options = options,
    .open = open_puppet,
    .handle = handle,
    .close = close_puppet,
};
