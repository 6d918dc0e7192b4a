/*
 * services_db.c: service "pbxhook.db/1", the store as plugins see it. All of it runs in the event's
 * transaction, which dispatch.c and the worker open and end; nothing here begins or commits one.
 */
#include "worker/services_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/utf8.h"

/* Makes copies of the store's strings that live until handle() returns, in one block. */
static int32_t lend_texts(struct services *services, const char **const texts[], size_t count)
{
    size_t total = 0;
    char *block;

    for (size_t i = 0; i < count; i++) {
        if (*texts[i] == NULL)
            *texts[i] = "";
        total += strlen(*texts[i]) + 1;
    }
    block = services_lend(services, malloc(total));
    if (block == NULL)
        return PBXHOOK_E_MEMORY;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(*texts[i]) + 1;

        memcpy(block, *texts[i], size);
        *texts[i] = block;
        block += size;
    }
    return 0;
}

/* Only as much of a struct as the plugin knows of; its own struct_size stays. */
static void give(void *out, uint32_t out_size, const void *from, size_t from_size)
{
    size_t head = sizeof out_size;

    memcpy((char *)out + head, (const char *)from + head,
           (out_size < from_size ? out_size : from_size) - head);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static const char *db_dialect(const struct pbxhook_context *ctx)
{
    const struct plugin_context *context = ctx->host;

    return store_dialect(context->services->store);
}

/* A call is advanced by the event that the plugin was called with and by no other. */
static int32_t admit_event(const struct pbxhook_context *ctx, const struct pbxhook_event *event,
                           struct plugin_context **out)
{
    struct plugin_context *context;
    int32_t result = services_admit(ctx, &context);

    if (result != 0)
        return result;
    if (event != &context->services->view.shown)
        return PBXHOOK_E_ARGUMENT;
    if (context->services->view.event == NULL)
        return PBXHOOK_E_STATE;
    *out = context;
    return 0;
}

static int32_t db_call_save(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    struct plugin_context *context;
    int32_t result = admit_event(ctx, event, &context);

    if (result != 0)
        return result;
    return services_answer(
        context, store_call_save(context->services->store, context->services->view.event));
}

static int32_t db_call_advance(const struct pbxhook_context *ctx, const struct pbxhook_event *event)
{
    struct plugin_context *context;
    int32_t result = admit_event(ctx, event, &context);

    if (result != 0)
        return result;
    return services_answer(
        context, store_call_advance(context->services->store, context->services->view.event));
}

static int32_t give_call(struct services *services, const struct store_call *found,
                         struct pbxhook_call *out)
{
    struct pbxhook_call call = {
        .created = found->created_ms,
        .status_time = found->status_ms,
        .call_id = found->call_id,
        .status = lifecycle_type(found->state),
        .code = found->code,
        .direction = found->direction,
        .our_number = found->our_number,
        .their_number = found->their_number,
        .queue = found->queue,
        .actor = found->actor,
    };
    const char **const texts[] = {&call.call_id,    &call.code,         &call.direction,
                                  &call.our_number, &call.their_number, &call.queue,
                                  &call.actor};
    int32_t result = lend_texts(services, texts, sizeof texts / sizeof texts[0]);

    if (result != 0)
        return result;
    give(out, out->struct_size, &call, sizeof call);
    return 1;
}

static int32_t db_call_find(const struct pbxhook_context *ctx, const char *call_id,
                            struct pbxhook_call *out)
{
    const struct store_call *found;
    struct plugin_context *context;
    int32_t result = services_admit(ctx, &context);

    if (result != 0)
        return result;
    if (!services_is_text(call_id) || out == NULL ||
        out->struct_size < SIZE_UP_TO(struct pbxhook_call, actor))
        return PBXHOOK_E_ARGUMENT;
    result = services_answer(context, store_call_find(context->services->store, call_id, &found));
    return result == 1 ? give_call(context->services, found, out) : result;
}

/* ---- Users ----------------------------------------------------------------------------------- */

static int knows_user(const struct pbxhook_user *out)
{
    return out->struct_size >= SIZE_UP_TO(struct pbxhook_user, number);
}

/* 0 or a PBXHOOK_E_... */
static int32_t give_user(struct services *services, const struct store_user *found,
                         struct pbxhook_user *out)
{
    struct pbxhook_user user = {
        .id = found->id,
        .created = found->created_ms,
        .number = found->number,
    };
    const char **const texts[] = {&user.number};
    int32_t result = lend_texts(services, texts, 1);

    if (result == 0)
        give(out, out->struct_size, &user, sizeof user);
    return result;
}

static int32_t db_user_find(const struct pbxhook_context *ctx, const char *number,
                            struct pbxhook_user *out)
{
    const struct store_user *found;
    struct plugin_context *context;
    int32_t result = services_admit(ctx, &context);
    int32_t given;

    if (result != 0)
        return result;
    if (!services_is_text(number) || out == NULL || !knows_user(out))
        return PBXHOOK_E_ARGUMENT;
    if (number[0] == '\0')
        return 0;
    result = services_answer(context, store_user_find(context->services->store, number, &found));
    if (result != 1)
        return result;
    given = give_user(context->services, found, out);
    return given == 0 ? result : given;
}

static int32_t db_user_create(const struct pbxhook_context *ctx, const char *number,
                              struct pbxhook_user *out)
{
    const struct store_user *found;
    struct plugin_context *context;
    int32_t result = services_admit(ctx, &context);
    int32_t given;

    if (result != 0)
        return result;
    if (!services_is_text(number) || number[0] == '\0' || (out != NULL && !knows_user(out)))
        return PBXHOOK_E_ARGUMENT;
    result = services_answer(
        context, store_user_create(context->services->store, number, clock_wall_ms(), &found));
    if (result < 0 || out == NULL)
        return result;
    given = give_user(context->services, found, out);
    return given == 0 ? result : given;
}

/* ---- A plugin's own SQL ---------------------------------------------------------------------- */

static int take_value(const struct pbxhook_value *from, struct store_value *to)
{
    size_t size;

    switch (from->type) {
    case PBXHOOK_NULL:
        to->type = STORE_NULL;
        return 0;
    case PBXHOOK_INT64:
        to->type = STORE_INT64;
        to->as.integer = from->as.integer;
        return 0;
    case PBXHOOK_DOUBLE:
        to->type = STORE_DOUBLE;
        to->as.number = from->as.number;
        return 0;
    case PBXHOOK_TEXT:
        if (from->as.text == NULL)
            return -1;
        size = from->size != 0 ? from->size : strlen(from->as.text);
        if (size > INT_MAX || !utf8_is_text(from->as.text, size))
            return -1;
        to->type = STORE_TEXT;
        to->size = (uint32_t)size;
        to->as.text = from->as.text;
        return 0;
    default:
        return -1;
    }
}

/* 0 and a new array (NULL when count is 0), or a PBXHOOK_E_... */
static int32_t take_values(const struct pbxhook_value *params, uint32_t count,
                           struct store_value **out)
{
    struct store_value *values = NULL;

    if (count > 0) {
        if (params == NULL)
            return PBXHOOK_E_ARGUMENT;
        values = calloc(count, sizeof values[0]);
        if (values == NULL)
            return PBXHOOK_E_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (take_value(&params[i], &values[i]) != 0) {
            free(values);
            return PBXHOOK_E_ARGUMENT;
        }
    }
    *out = values;
    return 0;
}

/* A query in progress: the plugin's callback and the row in its own terms. */
struct rows {
    pbxhook_row_fn row;
    void *arg;
    struct pbxhook_value *values;
    uint32_t capacity;
    int no_memory;
};

static void give_value(const struct store_value *from, struct pbxhook_value *to)
{
    *to = (struct pbxhook_value){.type = PBXHOOK_NULL};
    switch (from->type) {
    case STORE_NULL:
        break;
    case STORE_INT64:
        to->type = PBXHOOK_INT64;
        to->as.integer = from->as.integer;
        break;
    case STORE_DOUBLE:
        to->type = PBXHOOK_DOUBLE;
        to->as.number = from->as.number;
        break;
    case STORE_TEXT:
        to->type = PBXHOOK_TEXT;
        to->size = from->size;
        to->as.text = from->as.text;
        break;
    }
}

static int on_row(void *arg, const struct store_value *values, uint32_t count)
{
    struct rows *rows = arg;

    if (count > rows->capacity) {
        struct pbxhook_value *grown = realloc(rows->values, count * sizeof grown[0]);

        if (grown == NULL) {
            rows->no_memory = 1;
            return 1;
        }
        rows->values = grown;
        rows->capacity = count;
    }
    for (uint32_t i = 0; i < count; i++)
        give_value(&values[i], &rows->values[i]);
    return rows->row(rows->arg, rows->values, count);
}

/* execute() and query(): rows NULL for the former. */
static int32_t run_sql(const struct pbxhook_context *ctx, const char *sql,
                       const struct pbxhook_value *params, uint32_t count, struct rows *rows,
                       int64_t *changed)
{
    struct store_value *values;
    struct plugin_context *context;
    int32_t result = services_admit(ctx, &context);

    if (result != 0)
        return result;
    if (sql == NULL || sql[0] == '\0')
        return PBXHOOK_E_ARGUMENT;
    result = take_values(params, count, &values);
    if (result != 0)
        return result;
    result =
        services_answer(context, store_plugin_sql(context->services->store, sql, values, count,
                                                  rows == NULL ? NULL : on_row, rows, changed));
    free(values);
    return result;
}

static int32_t db_execute(const struct pbxhook_context *ctx, const char *sql,
                          const struct pbxhook_value *params, uint32_t count, int64_t *changed)
{
    int32_t result = run_sql(ctx, sql, params, count, NULL, changed);

    return result > 0 ? 0 : result;
}

static int32_t db_query(const struct pbxhook_context *ctx, const char *sql,
                        const struct pbxhook_value *params, uint32_t count, pbxhook_row_fn row,
                        void *arg)
{
    struct rows rows = {.row = row, .arg = arg};
    int32_t result;

    if (row == NULL)
        return PBXHOOK_E_ARGUMENT;
    result = run_sql(ctx, sql, params, count, &rows, NULL);
    free(rows.values);
    if (rows.no_memory)
        return PBXHOOK_E_MEMORY;
    return result > 0 ? 0 : result;
}

const struct pbxhook_db_api services_db_api = {
    .struct_size = sizeof services_db_api,
    .dialect = db_dialect,
    .call_save = db_call_save,
    .call_advance = db_call_advance,
    .call_find = db_call_find,
    .user_find = db_user_find,
    .user_create = db_user_create,
    .execute = db_execute,
    .query = db_query,
};
