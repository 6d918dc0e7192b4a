/*
 * services_pbx.c: service "pbxhook.pbx/1": actions for the PBX, written into the outbox in the
 * event's transaction. Nothing is sent from here: core/pbx does that after the commit.
 */
#include "worker/services_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_BYTES  16
#define KEY_PREFIX "pbxhook-"
#define KEY_SIZE   (sizeof KEY_PREFIX + KEY_BYTES * 2)

/* The Idempotency-Key: unique without asking anyone. */
static int make_key(char key[KEY_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[KEY_BYTES];
    char *at = key + sizeof KEY_PREFIX - 1;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    memcpy(key, KEY_PREFIX, sizeof KEY_PREFIX - 1);
    for (size_t i = 0; i < sizeof random; i++) {
        *at++ = digits[random[i] >> 4];
        *at++ = digits[random[i] & 15];
    }
    *at = '\0';
    return 0;
}

static int32_t admit_action(const struct pbxhook_context *ctx, struct plugin_context **out)
{
    int32_t result = services_admit(ctx, out);

    if (result != 0)
        return result;
    /* open() has no event, and so no arrival that the deadline could be counted from. */
    return (*out)->services->view.event == NULL ? PBXHOOK_E_STATE : 0;
}

static int32_t add_action(struct plugin_context *context, const char *call_id, const char *body)
{
    const struct services *services = context->services;
    int64_t received_ms = services->view.event->received_ms;
    int64_t expires_ms = received_ms + services->config->pbx.deadline_ms;
    char key[KEY_SIZE];
    int32_t result;

    if (make_key(key) != 0)
        return PBXHOOK_E_MEMORY;
    result = services_answer(context,
                             store_action_add(services->store, key, call_id, body,
                                              services->view.event_id, received_ms, expires_ms));
    return result > 0 ? 0 : result;
}

/* 0 and *out, a new text; or PBXHOOK_E_ARGUMENT for what is not UTF-8, or PBXHOOK_E_MEMORY. */
static int32_t make_delegate(const char *type, const char *call_id, const char *destination,
                             char **out)
{
    json_error_t error;
    char *text;
    json_t *body = json_pack_ex(&error, 0, "{s:s,s:s,s:s}", "type", type, "call_id", call_id,
                                "destination", destination);

    if (body == NULL)
        return json_error_code(&error) == json_error_out_of_memory ? PBXHOOK_E_MEMORY
                                                                   : PBXHOOK_E_ARGUMENT;
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL)
        return PBXHOOK_E_MEMORY;
    *out = text;
    return 0;
}

static int32_t pbx_delegate(const struct pbxhook_context *ctx, const char *call_id,
                            const char *destination)
{
    struct plugin_context *context;
    char *body;
    int32_t result = admit_action(ctx, &context);

    if (result != 0)
        return result;
    if (call_id == NULL || call_id[0] == '\0' || destination == NULL || destination[0] == '\0')
        return PBXHOOK_E_ARGUMENT;
    result = make_delegate(context->services->config->pbx.action_type, call_id, destination, &body);
    if (result != 0)
        return result;
    result = add_action(context, call_id, body);
    free(body);
    return result;
}

static int32_t pbx_action(const struct pbxhook_context *ctx, const char *call_id, const char *json)
{
    struct plugin_context *context;
    json_t *parsed;
    int is_object;
    int32_t result = admit_action(ctx, &context);

    if (result != 0)
        return result;
    if (!services_is_text(call_id) || json == NULL)
        return PBXHOOK_E_ARGUMENT;
    parsed = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    is_object = json_is_object(parsed);
    json_decref(parsed);
    if (!is_object)
        return PBXHOOK_E_ARGUMENT;
    return add_action(context, call_id, json);
}

const struct pbxhook_pbx_api services_pbx_api = {
    .struct_size = sizeof services_pbx_api,
    .delegate = pbx_delegate,
    .action = pbx_action,
};
