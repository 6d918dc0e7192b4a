/*
 * ring_back.c: keeps a list of callers who hung up before an agent was there, for somebody to ring back:
 *
 *     SELECT number, waited_s, hung_up_ms FROM ring_back_list WHERE done_ms IS NULL
 *
 * Shows a table of a plugin's own and how its shape changes from version to version (open_plugin), and
 * a handler for which the order of a call's events does not matter: each notes what it knows, and the
 * caller is on the list as soon as, and only if, all that is known says so.
 */
#include <pbxhook/plugin.h>

#include <string.h>

/* ---- The table's shape ----------------------------------------------------------------------- */

/* Each step is done once, in order, and never changed after it was released: add one instead. All of it
 * is plain enough for SQLite and PostgreSQL. */
static const char *const steps[] = {
    "CREATE TABLE ring_back_calls (call_id TEXT PRIMARY KEY, number TEXT NOT NULL DEFAULT '',"
    " began_ms BIGINT, ended_ms BIGINT, answered INTEGER NOT NULL DEFAULT 0)",
    "ALTER TABLE ring_back_calls ADD COLUMN done_ms BIGINT",
    "CREATE VIEW ring_back_list AS SELECT call_id, number, (ended_ms - began_ms) / 1000 AS waited_s,"
    " ended_ms AS hung_up_ms, done_ms FROM ring_back_calls"
    " WHERE answered = 0 AND began_ms IS NOT NULL AND ended_ms IS NOT NULL AND number <> ''",
};

#define STEP_COUNT ((int64_t)(sizeof steps / sizeof steps[0]))

static int32_t take_version(void *arg, const struct pbxhook_value *values, uint32_t count)
{
    if (count == 1 && values[0].type == PBXHOOK_INT64)
        *(int64_t *)arg = values[0].as.integer;
    return 0;
}

static int32_t run(const struct pbxhook_context *ctx, const char *sql)
{
    return ctx->db->execute(ctx, sql, NULL, 0, NULL);
}

/* Brings the table up to date. It runs in a transaction: a step that fails leaves nothing half done. */
static int32_t migrate(const struct pbxhook_context *ctx)
{
    struct pbxhook_value version = {.type = PBXHOOK_INT64, .as = {.integer = STEP_COUNT}};
    int64_t done = 0;
    int32_t result = run(ctx, "CREATE TABLE IF NOT EXISTS ring_back_version"
                              " (one INTEGER PRIMARY KEY, version BIGINT NOT NULL)");

    if (result >= 0)
        result = run(ctx, "INSERT INTO ring_back_version VALUES (1, 0) ON CONFLICT DO NOTHING");
    /* Writing first makes a second worker that starts at the same time wait here, on PostgreSQL. */
    if (result >= 0)
        result = run(ctx, "UPDATE ring_back_version SET version = version");
    if (result >= 0)
        result = ctx->db->query(ctx, "SELECT version FROM ring_back_version", NULL, 0, take_version,
                                &done);
    for (; result >= 0 && done < STEP_COUNT; done++)
        result = run(ctx, steps[done]);
    if (result >= 0)
        result =
            ctx->db->execute(ctx, "UPDATE ring_back_version SET version = $1", &version, 1, NULL);
    return result;
}

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    int32_t result = migrate(ctx);

    (void)state;
    if (result >= 0)
        return PBXHOOK_OK;
    ctx->set_error(ctx, "can't bring the table ring_back_calls up to date (%d): see the log",
                   (int)result);
    return PBXHOOK_RETRY;
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* What each type of event knows of its call. COALESCE and the like: events come late, and twice. */
static const struct {
    const char *type;
    const char *sql; /* $1 the call, $2 the number, $3 the time */
} notes[] = {
    {"call.standby",
     "INSERT INTO ring_back_calls (call_id, number, began_ms) VALUES ($1, $2, $3)"
     " ON CONFLICT (call_id) DO UPDATE SET began_ms = excluded.began_ms, number = excluded.number"},
    {"actor.entered",
     "INSERT INTO ring_back_calls (call_id, number, began_ms, answered) VALUES ($1, $2, $3, 1)"
     " ON CONFLICT (call_id) DO UPDATE SET answered = 1"},
    {"call.finished", "INSERT INTO ring_back_calls (call_id, number, ended_ms) VALUES ($1, $2, $3)"
                      " ON CONFLICT (call_id) DO UPDATE SET ended_ms = excluded.ended_ms"},
};

/* Who was answered, or gave up so soon that it was a wrong number, is forgotten when the call has ended. */
static int32_t tidy(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    int64_t least_wait_s = 0;
    struct pbxhook_value values[2];

    ctx->config->get_integer(ctx, "least_wait_s", &least_wait_s);
    values[0] = (struct pbxhook_value){.type = PBXHOOK_TEXT, .as = {.text = event->call_id}};
    values[1] =
        (struct pbxhook_value){.type = PBXHOOK_INT64, .as = {.integer = least_wait_s * 1000}};
    return ctx->db->execute(ctx,
                            "DELETE FROM ring_back_calls WHERE call_id = $1 AND"
                            " (answered = 1 OR ended_ms - began_ms < $2) AND ended_ms IS NOT NULL",
                            values, 2, NULL);
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    const struct pbxhook_value values[] = {
        {.type = PBXHOOK_TEXT, .as = {.text = event->call_id}},
        {.type = PBXHOOK_TEXT, .as = {.text = event->their_number}},
        {.type = PBXHOOK_INT64, .as = {.integer = event->time}},
    };
    int32_t result = 0;

    (void)state;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0] && result >= 0; i++) {
        if (strcmp(event->type, notes[i].type) == 0)
            result = ctx->db->execute(ctx, notes[i].sql, values, 3, NULL);
    }
    if (result >= 0)
        result = tidy(ctx, event);
    if (result >= 0)
        return PBXHOOK_OK;
    ctx->set_error(ctx, "the database failed (%d)", (int)result);
    return PBXHOOK_RETRY;
}

/* ---- The descriptor -------------------------------------------------------------------------- */

static const char *const events[] = {"call.standby", "actor.entered", "call.finished", NULL};

static const struct pbxhook_option options[] = {
    {.name = "least_wait_s",
     .default_value = "5",
     .help = "who hung up sooner, in seconds, is not rung back",
     .type = PBXHOOK_OPTION_INTEGER},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER, .name = "ring_back",
    .version = "1.0.0",    .summary = "lists callers who hung up before an agent was there",
    .events = events,      .options = options,
    .open = open_plugin,   .handle = handle,
};
