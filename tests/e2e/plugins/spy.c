/*
 * spy.c: a plugin of the tests: writes down each event of "call.*" that it is given, in a table of its
 * own, so that a test sees which events were handled, how often, in which order and by which worker.
 */
#include <pbxhook/plugin.h>

#include <string.h>
#include <unistd.h>

static int32_t open_spy(const struct pbxhook_context *ctx, void **state)
{
    const char *sql = strcmp(ctx->db->dialect(ctx), "sqlite") == 0
                          ? "CREATE TABLE IF NOT EXISTS spy (id INTEGER PRIMARY KEY, "
                            "call_id TEXT, type TEXT, cpf TEXT, worker INTEGER)"
                          : "CREATE TABLE IF NOT EXISTS spy (id bigserial PRIMARY KEY, "
                            "call_id text, type text, cpf text, worker bigint)";
    (void)state;
    return ctx->db->execute(ctx, sql, NULL, 0, NULL) < 0 ? PBXHOOK_REJECT : PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    const char *cpf = event->get_string(event, "dados.cpf");
    const struct pbxhook_value values[] = {
        {.type = PBXHOOK_TEXT, .as = {.text = event->call_id}},
        {.type = PBXHOOK_TEXT, .as = {.text = event->type}},
        {.type = PBXHOOK_TEXT, .as = {.text = cpf != NULL ? cpf : ""}},
        {.type = PBXHOOK_INT64, .as = {.integer = getpid()}},
    };
    (void)state;
    return ctx->db->execute(ctx,
                            "INSERT INTO spy (call_id, type, cpf, worker) VALUES ($1, $2, $3, $4)",
                            values, 4, NULL) < 0
               ? PBXHOOK_RETRY
               : PBXHOOK_OK;
}

static const char *const events[] = {"call.*", NULL};

PBXHOOK_PLUGIN = {
    .name = "spy",
    .version = "1.0.0",
    .summary = "writes down what it sees",
    .events = events,
    .open = open_spy,
    .handle = handle,
    PBXHOOK_PLUGIN_HEADER,
};
