/*
 * plugin_1_0.c: a plugin of ABI 1.0 that uses every member and function which that version has, and rejects
 * the event at the first one that does not do what the header of 1.0 says. Built with that header; never
 * changed.
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

static int opened = 7; /* its address is the state */

static struct pbxhook_value text(const char *value)
{
    struct pbxhook_value result = {.type = PBXHOOK_TEXT, .size = 0, .as = {.text = value}};

    return result;
}

static int32_t open_plugin(const struct pbxhook_context *ctx, void **state)
{
    MUST(ctx->struct_size >= sizeof *ctx);
    MUST(ctx->abi_major == 1);
    MUST(PBXHOOK_HAS(ctx, get_service));
    MUST(PBXHOOK_HAS(ctx->log, write) && PBXHOOK_HAS(ctx->config, get_number));
    MUST(PBXHOOK_HAS(ctx->db, query) && PBXHOOK_HAS(ctx->pbx, action));
    MUST(ctx->get_service(ctx, "pbxhook.log/1") == ctx->log);
    MUST(ctx->get_service(ctx, "pbxhook.config/1") == ctx->config);
    MUST(ctx->get_service(ctx, "pbxhook.db/1") == ctx->db);
    MUST(ctx->get_service(ctx, "pbxhook.pbx/1") == ctx->pbx);
    MUST(ctx->get_service(ctx, "pbxhook.nothing/1") == NULL);
    MUST(ctx->pbx->delegate(ctx, "c1", "900") == PBXHOOK_E_STATE);
    MUST(ctx->db->execute(ctx,
                          "CREATE TABLE IF NOT EXISTS frozen_rows"
                          " (name TEXT, n INTEGER, share DOUBLE PRECISION)",
                          NULL, 0, NULL) >= 0);
    *state = &opened;
    return PBXHOOK_OK;
}

static int32_t check_event(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    int64_t integer = 0;
    double number = 0;
    int32_t boolean = 0;

    MUST(PBXHOOK_HAS(event, get_json));
    MUST(event->attempt == 1 && event->time == INT64_C(1767323045000) && event->received > 0);
    MUST(strcmp(event->type, "call.ongoing") == 0 && strcmp(event->call_id, "c1") == 0);
    MUST(strcmp(event->code, "code") == 0 && strcmp(event->direction, "inbound") == 0);
    MUST(strcmp(event->our_number, "100") == 0 && strcmp(event->their_number, "200") == 0);
    MUST(strcmp(event->actor, "ann") == 0 && strcmp(event->number, "300") == 0);
    MUST(strcmp(event->queue, "900") == 0 && strlen(event->id) == 32);
    MUST(strlen(event->body) == event->body_size && event->body[0] == '{');
    MUST(strcmp(event->get_string(event, "more.word"), "w") == 0);
    MUST(event->get_string(event, "more.nothing") == NULL);
    MUST(event->get_int64(event, "more.list.1", &integer) == 0 && integer == 20);
    MUST(event->get_int64(event, "more.word", &integer) == PBXHOOK_E_TYPE);
    MUST(event->get_double(event, "more.half", &number) == 0 && number == 0.5);
    MUST(event->get_bool(event, "more.yes", &boolean) == 0 && boolean == 1);
    MUST(event->get_bool(event, "more.no", &boolean) == PBXHOOK_E_NOT_FOUND);
    MUST(strcmp(event->get_json(event, "more.list"), "[10,20]") == 0);
    return PBXHOOK_OK;
}

static int32_t check_config(const struct pbxhook_context *ctx)
{
    int64_t integer = 0;
    double number = 0;
    int32_t boolean = 0;

    MUST(strcmp(ctx->config->get_string(ctx, "word"), "given") == 0);
    MUST(ctx->config->get_string(ctx, "nothing") == NULL);
    MUST(ctx->config->get_integer(ctx, "count", &integer) == 0 && integer == 12);
    MUST(ctx->config->get_boolean(ctx, "loud", &boolean) == 0 && boolean == 1);
    MUST(ctx->config->get_number(ctx, "share", &number) == 0 && number == 1.5);
    MUST(ctx->config->get_number(ctx, "count", &number) == PBXHOOK_E_TYPE);
    return PBXHOOK_OK;
}

static int32_t check_calls(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    struct pbxhook_call call = {.struct_size = sizeof call};
    struct pbxhook_user user = {.struct_size = sizeof user};

    MUST(ctx->db->call_find(ctx, event->call_id, &call) == 0);
    MUST(ctx->db->call_save(ctx, event) >= 0 && ctx->db->call_advance(ctx, event) >= 0);
    MUST(ctx->db->call_find(ctx, event->call_id, &call) == 1);
    MUST(strcmp(call.call_id, "c1") == 0 && strcmp(call.status, "call.ongoing") == 0);
    MUST(strcmp(call.code, "code") == 0 && strcmp(call.direction, "inbound") == 0);
    MUST(strcmp(call.our_number, "100") == 0 && strcmp(call.their_number, "200") == 0);
    MUST(call.created == event->time && call.status_time == event->time);
    MUST(strcmp(call.queue, "900") == 0 && strcmp(call.actor, "ann") == 0);
    MUST(ctx->db->user_find(ctx, "200", &user) == 0);
    MUST(ctx->db->user_create(ctx, "200", &user) == 1 && user.id > 0 && user.created > 0);
    MUST(ctx->db->user_create(ctx, "200", NULL) == 0);
    MUST(ctx->db->user_find(ctx, "200", &user) == 1 && strcmp(user.number, "200") == 0);
    MUST(ctx->db->user_create(ctx, "", NULL) == PBXHOOK_E_ARGUMENT);
    return PBXHOOK_OK;
}

static int32_t see_row(void *arg, const struct pbxhook_value *values, uint32_t count)
{
    int *seen = arg;

    if (count == 3 && values[0].type == PBXHOOK_TEXT && values[0].size == 3 &&
        strcmp(values[0].as.text, "one") == 0 && values[1].type == PBXHOOK_INT64 &&
        values[1].as.integer == 1 && values[2].type == PBXHOOK_DOUBLE && values[2].as.number == 0.5)
        ++*seen;
    return 1; /* the second row is not wanted */
}

static int32_t check_sql(const struct pbxhook_context *ctx)
{
    struct pbxhook_value values[] = {
        text("one"),
        {.type = PBXHOOK_INT64, .size = 0, .as = {.integer = 1}},
        {.type = PBXHOOK_DOUBLE, .size = 0, .as = {.number = 0.5}},
    };
    const struct pbxhook_value nothing = {.type = PBXHOOK_NULL, .size = 0, .as = {.integer = 0}};
    int64_t changed = 0;
    int seen = 0;

    MUST(strcmp(ctx->db->dialect(ctx), "sqlite") == 0 ||
         strcmp(ctx->db->dialect(ctx), "postgresql") == 0);
    MUST(ctx->db->execute(ctx, "INSERT INTO frozen_rows VALUES ($1, $2, $3)", values, 3,
                          &changed) >= 0);
    MUST(changed == 1);
    values[0] = nothing;
    MUST(ctx->db->execute(ctx, "INSERT INTO frozen_rows VALUES ($1, $2, $3)", values, 3, NULL) >=
         0);
    MUST(ctx->db->query(ctx, "SELECT name, n, share FROM frozen_rows WHERE name IS NOT NULL", NULL,
                        0, see_row, &seen) == 0);
    MUST(seen == 1);
    MUST(ctx->db->execute(ctx, "COMMIT", NULL, 0, NULL) == PBXHOOK_E_SQL);
    return PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    int32_t result;

    MUST(state == &opened);
    MUST(ctx->log->enabled(ctx, PBXHOOK_LOG_ERROR) == 1);
    ctx->log->write(ctx, PBXHOOK_LOG_INFO, "a line of %s", "1.0");
    if ((result = check_event(ctx, event)) != PBXHOOK_OK ||
        (result = check_config(ctx)) != PBXHOOK_OK ||
        (result = check_calls(ctx, event)) != PBXHOOK_OK || (result = check_sql(ctx)) != PBXHOOK_OK)
        return result;
    MUST(ctx->pbx->delegate(ctx, event->call_id, "901") == 0);
    MUST(ctx->pbx->action(ctx, "", "{\"type\":\"play\"}") == 0);
    MUST(ctx->pbx->action(ctx, "", "[]") == PBXHOOK_E_ARGUMENT);
    return PBXHOOK_OK;
}

static void close_plugin(void *state)
{
    *(int *)state = 0;
}

static const char *const events[] = {"call.ongoing", NULL};

static const struct pbxhook_option options[] = {
    {.name = "word", .help = "a text that must be given", .type = PBXHOOK_OPTION_STRING},
    {.name = "count", .default_value = "12", .help = "a number", .type = PBXHOOK_OPTION_INTEGER},
    {.name = "loud", .default_value = "yes", .help = "or not", .type = PBXHOOK_OPTION_BOOLEAN},
    {.name = "share", .default_value = "1.5", .help = "of it", .type = PBXHOOK_OPTION_NUMBER},
    PBXHOOK_OPTION_END,
};

PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER, .name = "frozen_1_0",
    .version = "1.0.0",    .summary = "uses all of ABI 1.0",
    .events = events,      .options = options,
    .open = open_plugin,   .handle = handle,
    .close = close_plugin,
};
