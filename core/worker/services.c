/*
 * services.c: the contexts of the plugins: who may call when, what is lent, the log, the options
 * and get_service(). The database is in services_db.c, the PBX in services_pbx.c, the event in
 * services_event.c. Nothing here calls a plugin.
 */
#include "worker/services_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/utf8.h"

#define LOG_TEXT 2048 /* longest line of a plugin, bytes */

/* ---- Who may call ---------------------------------------------------------------------------- */

int services_are_open(const struct services *services)
{
    /* The thread first: `active` belongs to it. */
    return pthread_equal(pthread_self(), services->thread) && services->active != NULL;
}

int32_t services_admit(const struct pbxhook_context *ctx, struct plugin_context **out)
{
    struct plugin_context *context;

    if (ctx == NULL)
        return PBXHOOK_E_ARGUMENT;
    context = ctx->host;
    if (!services_are_open(context->services) || context->services->active != context)
        return PBXHOOK_E_STATE;
    *out = context;
    return 0;
}

int services_is_text(const char *text)
{
    return text != NULL && utf8_is_text(text, strlen(text));
}

int32_t services_answer(struct plugin_context *context, int result)
{
    struct store *store = context->services->store;

    if (result >= 0)
        return result;
    switch (result) {
    case STORE_E_STOPPED:
        return 0;
    case STORE_E_ARGUMENT:
        return PBXHOOK_E_ARGUMENT;
    case STORE_E_MEMORY:
        return PBXHOOK_E_MEMORY;
    case STORE_E_SQL:
        log_warning("statement of a plugin refused",
                    log_text("plugin", context->plugin->descriptor.name),
                    log_text("error", store_error(store)));
        return PBXHOOK_E_SQL;
    default:
        context->store_failed = 1;
        return PBXHOOK_E_STORE;
    }
}

/* ---- What is lent ---------------------------------------------------------------------------- */

void *services_lend(struct services *services, void *block)
{
    if (block == NULL)
        return NULL;
    if (services->loan_count == services->loan_capacity) {
        size_t capacity = services->loan_capacity == 0 ? 16 : services->loan_capacity * 2;
        void **loans = realloc(services->loans, capacity * sizeof loans[0]);

        if (loans == NULL) {
            free(block);
            return NULL;
        }
        services->loans = loans;
        services->loan_capacity = capacity;
    }
    services->loans[services->loan_count++] = block;
    return block;
}

static void take_back_loans(struct services *services)
{
    while (services->loan_count > 0)
        free(services->loans[--services->loan_count]);
}

/* ---- Service "pbxhook.log/1" ----------------------------------------------------------------- */

static enum log_level level_of(int32_t level)
{
    if (level <= PBXHOOK_LOG_ERROR)
        return LOG_LEVEL_ERROR;
    if (level == PBXHOOK_LOG_WARNING)
        return LOG_LEVEL_WARNING;
    return level == PBXHOOK_LOG_INFO ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static int32_t log_api_enabled(const struct pbxhook_context *ctx, int32_t level)
{
    (void)ctx;
    return log_enabled(level_of(level)) != 0;
}

static void PBXHOOK_PRINTF(3, 4)
    log_api_write(const struct pbxhook_context *ctx, int32_t level, const char *format, ...)
{
    const struct plugin_context *context = ctx == NULL ? NULL : ctx->host;
    struct log_field fields[5];
    char text[LOG_TEXT];
    va_list values;
    int count = 0;

    if (context == NULL || format == NULL || !log_enabled(level_of(level)))
        return;
    va_start(values, format);
    if (vsnprintf(text, sizeof text, format, values) < 0)
        text[0] = '\0';
    va_end(values);
    fields[count++] = log_text("msg", text);
    fields[count++] = log_text("plugin", context->plugin->descriptor.name);
    /* A thread of the plugin's own works on no event. */
    if (services_are_open(context->services) && context->services->view.event != NULL) {
        fields[count++] = log_text("event", context->services->view.shown.type);
        fields[count++] = log_text("call_id", context->services->view.shown.call_id);
    }
    fields[count] = LOG_END;
    log_write(level_of(level), fields);
}

static const struct pbxhook_log_api log_api = {
    .struct_size = sizeof log_api,
    .enabled = log_api_enabled,
    .write = log_api_write,
};

/* ---- Service "pbxhook.config/1" -------------------------------------------------------------- */

static const struct plugin_setting *find_setting(const struct pbxhook_context *ctx,
                                                 const char *option)
{
    const struct plugin_context *context = ctx == NULL ? NULL : ctx->host;

    if (context == NULL || option == NULL)
        return NULL;
    for (size_t i = 0; i < context->plugin->setting_count; i++) {
        const struct plugin_setting *setting = &context->plugin->settings[i];

        if (strcmp(setting->option->name, option) == 0)
            return setting;
    }
    return NULL;
}

/* 0 and *out when there is such an option and it is of this type. `value` is where the caller has
 * to put it. */
static int32_t find_typed(const struct pbxhook_context *ctx, const char *option, uint32_t type,
                          const void *value, const struct plugin_setting **out)
{
    const struct plugin_setting *setting = find_setting(ctx, option);

    if (ctx == NULL || option == NULL || value == NULL)
        return PBXHOOK_E_ARGUMENT;
    if (setting == NULL)
        return PBXHOOK_E_NOT_FOUND;
    if (setting->option->type != type)
        return PBXHOOK_E_TYPE;
    *out = setting;
    return 0;
}

static const char *config_get_string(const struct pbxhook_context *ctx, const char *option)
{
    const struct plugin_setting *setting = find_setting(ctx, option);

    return setting == NULL ? NULL : setting->text;
}

static int32_t config_get_integer(const struct pbxhook_context *ctx, const char *option,
                                  int64_t *out)
{
    const struct plugin_setting *setting;
    int32_t result = find_typed(ctx, option, PBXHOOK_OPTION_INTEGER, out, &setting);

    if (result == 0)
        *out = setting->integer;
    return result;
}

static int32_t config_get_boolean(const struct pbxhook_context *ctx, const char *option,
                                  int32_t *out)
{
    const struct plugin_setting *setting;
    int32_t result = find_typed(ctx, option, PBXHOOK_OPTION_BOOLEAN, out, &setting);

    if (result == 0)
        *out = (int32_t)setting->integer;
    return result;
}

static int32_t config_get_number(const struct pbxhook_context *ctx, const char *option, double *out)
{
    const struct plugin_setting *setting;
    int32_t result = find_typed(ctx, option, PBXHOOK_OPTION_NUMBER, out, &setting);

    if (result == 0)
        *out = setting->number;
    return result;
}

static const struct pbxhook_config_api config_api = {
    .struct_size = sizeof config_api,
    .get_string = config_get_string,
    .get_integer = config_get_integer,
    .get_boolean = config_get_boolean,
    .get_number = config_get_number,
};

/* ---- The context itself ---------------------------------------------------------------------- */

static void PBXHOOK_PRINTF(2, 3)
    set_error(const struct pbxhook_context *ctx, const char *format, ...)
{
    struct plugin_context *context = ctx == NULL ? NULL : ctx->host;
    va_list values;

    /* Not services_admit(): that the store failed is just what it may want to say. */
    if (context == NULL || format == NULL || !services_are_open(context->services) ||
        context->services->active != context)
        return;
    va_start(values, format);
    if (vsnprintf(context->error, sizeof context->error, format, values) < 0)
        context->error[0] = '\0';
    va_end(values);
    utf8_repair(context->error); /* it may have been cut within a character */
}

static const void *get_service(const struct pbxhook_context *ctx, const char *id)
{
    const struct {
        const char *id;
        const void *api;
    } services[] = {
        {"pbxhook.log/1", &log_api},
        {"pbxhook.config/1", &config_api},
        {"pbxhook.db/1", &services_db_api},
        {"pbxhook.pbx/1", &services_pbx_api},
        {"pbxhook.http/1", &services_http_api},
    };

    (void)ctx;
    for (size_t i = 0; id != NULL && i < sizeof services / sizeof services[0]; i++) {
        if (strcmp(id, services[i].id) == 0)
            return services[i].api;
    }
    return NULL;
}

struct services *services_new(const struct config *config, struct store *store)
{
    struct services *services = calloc(1, sizeof *services);

    if (services == NULL)
        return NULL;
    services->config = config;
    services->store = store;
    services->thread = pthread_self();
    services_event_init(services);
    return services;
}

void services_free(struct services *services)
{
    if (services == NULL)
        return;
    services_end_event(services);
    take_back_loans(services);
    free(services->loans);
    free(services);
}

struct plugin_context *services_add_plugin(struct services *services, const struct plugin *plugin)
{
    struct plugin_context *context = calloc(1, sizeof *context);

    if (context == NULL)
        return NULL;
    context->services = services;
    context->plugin = plugin;
    context->shown = (struct pbxhook_context){
        .struct_size = sizeof context->shown,
        .abi_major = PBXHOOK_ABI_MAJOR,
        .abi_minor = PBXHOOK_ABI_MINOR,
        .host = context,
        .log = &log_api,
        .config = &config_api,
        .db = &services_db_api,
        .pbx = &services_pbx_api,
        .set_error = set_error,
        .get_service = get_service,
    };
    return context;
}

void services_free_plugin(struct plugin_context *context)
{
    free(context);
}

const struct pbxhook_context *services_context(const struct plugin_context *context)
{
    return &context->shown;
}

void services_enter(struct plugin_context *context)
{
    context->error[0] = '\0';
    context->store_failed = 0;
    context->services->active = context;
}

void services_leave(struct plugin_context *context)
{
    context->services->active = NULL;
    take_back_loans(context->services);
}

const char *services_error(const struct plugin_context *context)
{
    return context->error;
}

void services_fail(struct plugin_context *context, const char *text)
{
    snprintf(context->error, sizeof context->error, "%s", text);
    utf8_repair(context->error);
}

int services_store_failed(const struct plugin_context *context)
{
    return context->store_failed;
}
