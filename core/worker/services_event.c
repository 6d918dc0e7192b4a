/*
 * services_event.c: one event as plugins see it, and its getters by path. The body is parsed once,
 * when a getter asks first, and kept for all plugins that take the event.
 */
#include "worker/services_private.h"

#include <string.h>

/* What the receiver accepted it by. */
#define PARSE_FLAGS JSON_REJECT_DUPLICATES

static json_t *view_root(struct event_view *view)
{
    if (!view->parsed) {
        view->root = json_loadb(view->shown.body, (size_t)view->shown.body_size, PARSE_FLAGS, NULL);
        view->parsed = 1;
    }
    return view->root;
}

/* The element whose index is written in `digits`; NULL when that is no number or too large. */
static json_t *array_element(json_t *array, const char *digits, size_t length)
{
    size_t index = 0;

    if (length == 0)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9' || index > UINT32_MAX)
            return NULL;
        index = index * 10 + (size_t)(digits[i] - '0');
    }
    return json_array_get(array, index);
}

static json_t *walk(json_t *value, const char *path)
{
    if (path[0] == '\0')
        return value;
    while (value != NULL) {
        size_t length = strcspn(path, ".");

        if (json_is_array(value))
            value = array_element(value, path, length);
        else
            value = json_object_getn(value, path, length);
        if (path[length] == '\0')
            break;
        path += length + 1;
    }
    return value;
}

/* The value at the path: 0 and *out, borrowed; else a PBXHOOK_E_... */
static int32_t find(const struct pbxhook_event *event, const char *path, json_t **out)
{
    struct services *services;
    json_t *value;

    if (event == NULL || path == NULL)
        return PBXHOOK_E_ARGUMENT;
    services = event->host;
    if (!services_are_open(services) || services->view.event == NULL)
        return PBXHOOK_E_STATE;
    value = walk(view_root(&services->view), path);
    if (value == NULL)
        return PBXHOOK_E_NOT_FOUND;
    *out = value;
    return 0;
}

static const char *get_string(const struct pbxhook_event *event, const char *path)
{
    json_t *value;

    return find(event, path, &value) == 0 ? json_string_value(value) : NULL;
}

static int32_t get_int64(const struct pbxhook_event *event, const char *path, int64_t *out)
{
    json_t *value;
    int32_t result = out == NULL ? PBXHOOK_E_ARGUMENT : find(event, path, &value);

    if (result != 0)
        return result;
    if (!json_is_integer(value))
        return PBXHOOK_E_TYPE;
    *out = json_integer_value(value);
    return 0;
}

static int32_t get_double(const struct pbxhook_event *event, const char *path, double *out)
{
    json_t *value;
    int32_t result = out == NULL ? PBXHOOK_E_ARGUMENT : find(event, path, &value);

    if (result != 0)
        return result;
    if (!json_is_number(value))
        return PBXHOOK_E_TYPE;
    *out = json_number_value(value);
    return 0;
}

static int32_t get_bool(const struct pbxhook_event *event, const char *path, int32_t *out)
{
    json_t *value;
    int32_t result = out == NULL ? PBXHOOK_E_ARGUMENT : find(event, path, &value);

    if (result != 0)
        return result;
    if (!json_is_boolean(value))
        return PBXHOOK_E_TYPE;
    *out = json_is_true(value);
    return 0;
}

static const char *get_json(const struct pbxhook_event *event, const char *path)
{
    json_t *value;

    if (find(event, path, &value) != 0)
        return NULL;
    return services_lend(event->host, json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
}

void services_event_init(struct services *services)
{
    services->view.shown = (struct pbxhook_event){
        .struct_size = sizeof services->view.shown,
        .host = services,
        .get_string = get_string,
        .get_int64 = get_int64,
        .get_double = get_double,
        .get_bool = get_bool,
        .get_json = get_json,
    };
}

void services_begin_event(struct services *services, const struct event *event, int64_t event_id)
{
    struct event_view *view = &services->view;
    struct pbxhook_event *shown = &view->shown;

    view->event = event;
    view->event_id = event_id;
    event_identity_hex(event, view->identity);
    shown->time = event->time_ms;
    shown->received = event->received_ms;
    shown->type = event->field[EVENT_TYPE];
    shown->call_id = event->field[EVENT_CALL_ID];
    shown->code = event->field[EVENT_CODE];
    shown->direction = event->field[EVENT_DIRECTION];
    shown->our_number = event->field[EVENT_OUR_NUMBER];
    shown->their_number = event->field[EVENT_THEIR_NUMBER];
    shown->actor = event->field[EVENT_ACTOR];
    shown->number = event->field[EVENT_NUMBER];
    shown->queue = event->field[EVENT_QUEUE];
    shown->id = view->identity;
    shown->body = event->body;
    shown->body_size = event->body_size;
}

void services_end_event(struct services *services)
{
    json_decref(services->view.root);
    services->view.root = NULL;
    services->view.parsed = 0;
    services->view.event = NULL;
}

const struct pbxhook_event *services_event(struct services *services, int attempt)
{
    services->view.shown.attempt = (uint32_t)attempt;
    return &services->view.shown;
}
