/*
 * openapi_test.c: docs/openapi.json against the running server: the same routes and methods, and answers that
 * fit what it says of them.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static json_t *document;

/* What a schema stands for: itself, or what its $ref names. Borrowed. */
static const json_t *resolve(const json_t *schema)
{
    static const char prefix[] = "#/components/schemas/";
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (ref == NULL)
        return schema;
    assert_int_equal(strncmp(ref, prefix, strlen(prefix)), 0);
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    const json_t *found = json_object_get(schemas, ref + strlen(prefix));
    assert_non_null(found);
    return found;
}

static int is_of_type(const json_t *value, const char *type)
{
    return (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "number") == 0 && json_is_number(value)) ||
           (strcmp(type, "null") == 0 && json_is_null(value));
}

static int fits(const json_t *value, const json_t *schema, char *where, size_t size);

static int fits_type(const json_t *value, const json_t *type)
{
    if (type == NULL)
        return 1;
    if (json_is_string(type))
        return is_of_type(value, json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++) {
        if (is_of_type(value, json_string_value(json_array_get(type, i))))
            return 1;
    }
    return 0;
}

static int is_listed(const json_t *value, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_equal(value, json_array_get(list, i)))
            return 1;
    }
    return list == NULL;
}

/* Its members are all there, all known, and each fits. An unknown one is undocumented: that is wrong, too. */
static int fits_object(const json_t *value, const json_t *schema, char *where, size_t size)
{
    const json_t *required = json_object_get(schema, "required");
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *others = json_object_get(schema, "additionalProperties");
    const char *name;
    json_t *member;

    for (size_t i = 0; i < json_array_size(required); i++) {
        name = json_string_value(json_array_get(required, i));
        if (json_object_get(value, name) == NULL) {
            snprintf(where, size, "%s is missing", name);
            return 0;
        }
    }
    json_object_foreach((json_t *)value, name, member)
    {
        const json_t *wanted = json_object_get(properties, name);
        if (wanted == NULL && json_is_object(others))
            wanted = others;
        if (wanted == NULL) {
            snprintf(where, size, "%s is not documented", name);
            return 0;
        }
        if (!fits(member, wanted, where, size)) {
            if (where[0] == '\0')
                snprintf(where, size, "%s does not fit", name);
            return 0;
        }
    }
    return 1;
}

static int fits(const json_t *value, const json_t *schema, char *where, size_t size)
{
    schema = resolve(schema);
    const json_t *choices = json_object_get(schema, "oneOf");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        where[0] = '\0';
        if (fits(value, json_array_get(choices, i), where, size))
            return 1;
    }
    if (choices != NULL || !fits_type(value, json_object_get(schema, "type")) ||
        !is_listed(value, json_object_get(schema, "enum")))
        return 0;
    const json_t *items = json_object_get(schema, "items");
    for (size_t i = 0; items != NULL && i < json_array_size(value); i++) {
        if (!fits(json_array_get(value, i), items, where, size))
            return 0;
    }
    if (json_object_get(schema, "properties") == NULL &&
        json_object_get(schema, "additionalProperties") == NULL)
        return 1;
    return fits_object(value, schema, where, size);
}

/* Asks `target` and wants what the document says of GET `path`. */
static void check_answer(struct world *world, const char *path, const char *target)
{
    const json_t *get =
        json_object_get(json_object_get(json_object_get(document, "paths"), path), "get");
    char status[8], where[128] = "";

    snprintf(status, sizeof status, "%d", client_get(world->client, target));
    const json_t *response = json_object_get(json_object_get(get, "responses"), status);
    if (response == NULL)
        fail_msg("%s: %s is not documented", target, status);
    const char *type = client_header(world->client, "Content-Type");
    const json_t *schema =
        json_object_get(json_object_get(json_object_get(response, "content"), type), "schema");
    if (schema == NULL)
        fail_msg("%s: %s is not documented", target, type);
    json_t *answer = json_loads(world->client->body, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(answer);
    if (!fits(answer, schema, where, sizeof where))
        fail_msg("%s: %s: %s", target, where, world->client->body);
    json_decref(answer);
}

static void load_document(void)
{
    json_error_t error;
    document =
        json_load_file(PBXHOOK_SOURCE_DIR "/docs/openapi.json", JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        fail_msg("%s:%d: %s", error.source, error.line, error.text);
    assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.1.0");
}

/* "/api/calls/" of the server's list is "/api/calls/{call_id}". Borrowed; NULL: not documented. */
static const json_t *find_path(const char *path)
{
    const json_t *paths = json_object_get(document, "paths");
    const char *name;
    json_t *item;
    size_t length = strlen(path);

    if (length == 1 || path[length - 1] != '/')
        return json_object_get(paths, path);
    json_object_foreach((json_t *)paths, name, item)
    {
        if (strncmp(name, path, length) == 0 && name[length] == '{')
            return item;
    }
    return NULL;
}

static void test_the_same_routes(struct world *world)
{
    load_document();
    world_start(world);
    assert_int_equal(client_get(world->client, "/api"), 200);
    json_t *index = json_loads(world->client->body, 0, NULL);
    const json_t *routes = json_object_get(index, "routes");

    assert_int_equal(json_array_size(routes), json_object_size(json_object_get(document, "paths")));
    for (size_t i = 0; i < json_array_size(routes); i++) {
        const json_t *route = json_array_get(routes, i);
        const char *path = json_string_value(json_object_get(route, "path"));
        const char *methods = json_string_value(json_object_get(route, "methods"));
        const json_t *item = find_path(path);
        if (item == NULL)
            fail_msg("%s is not documented", path);
        assert_int_equal(json_object_get(item, "get") != NULL, strstr(methods, "GET") != NULL);
        assert_int_equal(json_object_get(item, "post") != NULL, strstr(methods, "POST") != NULL);
    }
    json_decref(index);
    json_decref(document);
}

static void test_answers_are_as_documented(struct world *world)
{
    static const char *const targets[][2] = {
        {"/api/dashboard/count", "/api/dashboard/count"},
        {"/api/dashboard/kpi",
         "/api/dashboard/kpi?from=2026-11-01T10:00:00Z&to=2026-11-01T11:00:00Z"},
        {"/api/dashboard/kpi", "/api/dashboard/kpi"},
        {"/api/dashboard/kpi", "/api/dashboard/kpi?bucket=1"},
        {"/api/calls", "/api/calls"},
        {"/api/calls", "/api/calls?limit=1"},
        {"/api/calls", "/api/calls?limit=0"},
        {"/api/calls/active", "/api/calls/active"},
        {"/api/calls/{call_id}", "/api/calls/one"},
        {"/api/calls/{call_id}", "/api/calls/strange"},
        {"/api/calls/{call_id}", "/api/calls/none"},
        {"/api/events", "/api/events"},
        {"/api/events", "/api/events?after=x"},
        {"/api/dead-letters", "/api/dead-letters"},
        {"/healthz", "/healthz"},
        {"/readyz", "/readyz"},
        {"/api", "/api"},
    };
    static const char *const plugins[] = {"crasher", NULL};
    load_document();
    world_add_plugins(world, plugins);
    world_start(world);
    for (int i = 0; i < EVENTS_OF_CALL; i++) {
        char time[EVENT_TIME_SIZE];
        event_time(i, time);
        world_post(world, &(struct event_text){.type = event_types[i],
                                               .call_id = "one",
                                               .timestamp = time,
                                               .their_number = "11",
                                               .queue = i == 2 ? "901" : NULL});
    }
    world_post(world, &(struct event_text){.type = "call.new", .call_id = "two"});
    world_post(world, &(struct event_text){.type = "call.strange", .call_id = "strange"});
    world_post(world, &(struct event_text){.type = "test.reject", .call_id = "two"});
    store_await_events(world, 10);
    await(store_int(world, "SELECT count(*) FROM handlings WHERE state = 'dead'", NULL) == 1);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        check_answer(world, targets[i][0], targets[i][1]);
    json_decref(document);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"the same routes", test_the_same_routes},
        {"answers are as documented", test_answers_are_as_documented},
    };
    return WORLD_RUN("openapi", tests);
}
