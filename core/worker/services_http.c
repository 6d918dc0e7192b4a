/*
 * services_http.c: service "pbxhook.http/1": posts to and downloads from the operator's targets, written
 * down in the event's transaction. Nothing is sent from here: core/http does that after the commit.
 */
#include "worker/services_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "http/deliveries.h"

#define PATH_MOST 4096
#define NAME_MOST 128

static const struct config_target *find_target(const struct services *services, const char *name)
{
    return name == NULL ? NULL : config_find_target(services->config, name);
}

static int32_t http_has_target(const struct pbxhook_context *ctx, const char *target)
{
    const struct plugin_context *context = ctx == NULL ? NULL : ctx->host;

    return context != NULL && find_target(context->services, target) != NULL;
}

/* How many bytes are there for one of these characters, escaped or not; 0: another is there. */
static size_t length_of(const char *at, const char *characters)
{
    char character = *at;
    size_t length = 1;

    if (*at == '%' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2])) {
        const char digits[] = {at[1], at[2], '\0'};

        character = (char)strtol(digits, NULL, 16);
        length = 3;
    }
    return character != '\0' && strchr(characters, character) != NULL ? length : 0;
}

/* "." and ".." lead out of the target, to where its login is nobody's to use. libcurl resolves them before it
 * sends; servers resolve the escaped ones too, take %2f and %5c for a slash, or look past a semicolon. */
static int has_dots(const char *path)
{
    static const char ends[] = "/\\;?";
    const char *const query = path + strcspn(path, "?");

    for (const char *at = path; at < query;) {
        size_t length = length_of(at, ends);
        int dots = 0;

        at += length == 0 ? 1 : length;
        if (length == 0)
            continue;
        for (; (length = length_of(at, ".")) > 0; at += length)
            dots++;
        if ((dots == 1 || dots == 2) && (*at == '\0' || length_of(at, ends) > 0))
            return 1;
    }
    return 0;
}

/* Behind the target's url; NULL for what won't do. A whole URL of the target is cut to that. */
static const char *find_path(const struct config_target *target, const char *path)
{
    size_t length = strlen(target->url);

    if (path == NULL)
        return NULL;
    if (strncmp(path, target->url, length) == 0)
        path += length;
    if (path[0] != '/' || strlen(path) > PATH_MOST)
        return NULL;
    /* As it is sent: what needs an escape has one. */
    for (const char *at = path; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || strchr("\"<>\\^`{|}#", *at) != NULL)
            return NULL;
    }
    return has_dots(path) ? NULL : path;
}

/* No way out of the directory, and none of the names that half a file has. */
static int is_file_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = name == NULL ? 0 : strspn(name, allowed);

    return length > 0 && length <= NAME_MOST && name[length] == '\0' && name[0] != '.';
}

static int is_json(const char *text)
{
    json_t *value = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    int is_value = value != NULL;

    json_decref(value);
    return is_value;
}

static int32_t admit(const struct pbxhook_context *ctx, struct plugin_context **out)
{
    int32_t result = services_admit(ctx, out);

    if (result != 0)
        return result;
    /* open() has no event to belong to. */
    return (*out)->services->view.event == NULL ? PBXHOOK_E_STATE : 0;
}

static int32_t add(const struct pbxhook_context *ctx, const char *name, const char *path,
                   const char *body, const char *file)
{
    struct plugin_context *context;
    const struct config_target *target;
    struct delivery_request request = {.target = name, .body = body, .file = file};
    int32_t result = admit(ctx, &context);

    if (result != 0)
        return result;
    if (name == NULL || (body != NULL ? !is_json(body) : !is_file_name(file)))
        return PBXHOOK_E_ARGUMENT;
    target = find_target(context->services, name);
    if (target == NULL)
        return PBXHOOK_E_NOT_FOUND;
    request.path = find_path(target, path);
    if (request.path == NULL)
        return PBXHOOK_E_ARGUMENT;
    request.plugin = context->plugin->descriptor.name;
    request.call_id = context->services->view.event->field[EVENT_CALL_ID];
    request.now_ms = clock_wall_ms();
    request.expires_ms = request.now_ms + target->deadline_ms;
    result = services_answer(context, deliveries_add(context->services->store, &request));
    return result > 0 ? 0 : result;
}

static int32_t http_post(const struct pbxhook_context *ctx, const char *target, const char *path,
                         const char *json)
{
    return json == NULL ? PBXHOOK_E_ARGUMENT : add(ctx, target, path, json, NULL);
}

static int32_t http_download(const struct pbxhook_context *ctx, const char *target,
                             const char *path, const char *name)
{
    return add(ctx, target, path, NULL, name);
}

const struct pbxhook_http_api services_http_api = {
    .struct_size = sizeof services_http_api,
    .has_target = http_has_target,
    .post = http_post,
    .download = http_download,
};
