/*
 * getters_fuzz.c: an event's members as a plugin asks for them, by path. The input is the path and, behind a
 * NUL, the body.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/event.h"
#include "fuzz.h"
#include "store/store.h"
#include "worker/plugin_host.h"
#include "worker/services.h"

static struct services *services;
static struct plugin_context *context;

static void open_services(void)
{
    static struct config config = {.pbx = {.action_type = "call.waiting", .deadline_ms = 10000}};
    static struct plugin plugin = {.descriptor = {.name = "probe"}};

    services = services_new(&config, NULL);
    context = services == NULL ? NULL : services_add_plugin(services, &plugin);
    fuzz_require(context != NULL);
}

/* Of the getters, as many answer as the value's type has; and as JSON it is the same value. */
static void check_value(const struct pbxhook_event *event, const char *path)
{
    int64_t integer = 0;
    double number = 0;
    int32_t boolean = -1;

    int32_t as_integer = event->get_int64(event, path, &integer);
    int32_t as_number = event->get_double(event, path, &number);
    int32_t as_boolean = event->get_bool(event, path, &boolean);
    const char *text = event->get_string(event, path);
    const char *json = event->get_json(event, path);
    json_t *value = json == NULL ? NULL : json_loads(json, JSON_DECODE_ANY, NULL);

    fuzz_require((json == NULL) == (as_integer == PBXHOOK_E_NOT_FOUND));
    fuzz_require((value == NULL) == (json == NULL));
    fuzz_require((text != NULL) == json_is_string(value));
    fuzz_require((as_integer == 0) == json_is_integer(value));
    fuzz_require((as_number == 0) == json_is_number(value));
    fuzz_require((as_boolean == 0) == json_is_boolean(value));
    if (text != NULL)
        fuzz_require(strcmp(text, json_string_value(value)) == 0);
    if (as_integer == 0)
        fuzz_require(integer == json_integer_value(value));
    if (as_boolean == 0)
        fuzz_require(boolean == json_is_true(value));
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};
    char *path = fuzz_take_text(&input);
    struct event_problem problem;
    struct event *event = NULL;

    if (services == NULL)
        open_services();
    if (event_parse((const char *)input.next, input.left, 1, &event, &problem) == 0) {
        services_begin_event(services, event, 1);
        services_enter(context); /* as around handle() */
        const struct pbxhook_event *shown = services_event(services, 1);
        fuzz_require(strcmp(shown->type, event->field[EVENT_TYPE]) == 0);
        check_value(shown, path);
        check_value(shown, "");
        services_leave(context);
        services_end_event(services);
        event_free(event);
    }
    free(path);
    return 0;
}
