/* routes_test.c: the routes of DESIGN.md, section 5, are there with their methods, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "receiver/routes.h"

static const struct {
    const char *path, *allow;
    unsigned success;
    int cors;
    enum route_access access;
} expected[] = {
    {"/api/client/webhook", "POST", 204, 0, ROUTE_SENDERS},
    {"/webhook", "POST", 200, 0, ROUTE_SENDERS},
    {"/api/dashboard/count", "GET, HEAD, POST, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/calls/active", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/dead-letters", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/calls", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/calls/", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/events", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/dashboard/kpi", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/api/dashboard/stream", "GET, HEAD, OPTIONS", 0, 1, ROUTE_READERS},
    {"/healthz", "GET, HEAD", 0, 0, ROUTE_OPEN},
    {"/readyz", "GET, HEAD", 0, 0, ROUTE_OPEN},
    {"/metrics", "GET, HEAD", 0, 0, ROUTE_METRICS},
    {"/api", "GET, HEAD", 0, 0, ROUTE_OPEN},
    {"/", "GET, HEAD", 0, 0, ROUTE_OPEN},
    {"/assets/", "GET, HEAD", 0, 0, ROUTE_OPEN},
};
#define EXPECTED_COUNT (sizeof expected / sizeof expected[0])

static void has_the_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXPECTED_COUNT; i++) {
        char allow[ROUTE_ALLOW_SIZE];
        char path[64];
        size_t length = strlen(expected[i].path);
        int has_name = length > 1 && expected[i].path[length - 1] == '/';
        snprintf(path, sizeof path, "%s%s", expected[i].path, has_name ? "name%2f" : "");
        const struct route *route = routes_find(path);
        assert_non_null(route);
        assert_string_equal(route->path, expected[i].path);
        assert_non_null(route->handle);
        assert_string_equal(routes_name(route, path), has_name ? "name%2f" : "");
        routes_allow(route, allow);
        assert_string_equal(allow, expected[i].allow);
        assert_int_equal(route->success, expected[i].success);
        assert_int_equal(route->cors, expected[i].cors);
        assert_int_equal(route->access, expected[i].access);
    }
}

static void has_nothing_else(void **state)
{
    static const char *const strangers[] = {
        "",
        "*",
        "/webhook/",
        "/webhook%00",
        "/Webhook",
        "//webhook",
        "/apix",
        "/webhookx",
        "webhook",
        "/../webhook",
        "http://",
        "http://host/nothing",
        "/metrics ",
        "ftp://host/",
        "/api/",
        "/api/calls/",
        "/api/calls/a/b",
        "/assets/",
        NULL,
    };
    (void)state;
    for (size_t i = 0; strangers[i] != NULL; i++) {
        const struct route *route = routes_find(strangers[i]);
        if (strcmp(strangers[i], "http://") == 0)
            assert_string_equal(route->path, "/");
        else
            assert_null(route);
    }
}

static void understands_the_absolute_form(void **state)
{
    (void)state;
    assert_ptr_equal(routes_find("http://127.0.0.1:3000/webhook"), routes_find("/webhook"));
    assert_ptr_equal(routes_find("HTTP://host/healthz"), routes_find("/healthz"));
    assert_ptr_equal(routes_find("http://host"), routes_find("/"));
}

static void tells_methods_apart(void **state)
{
    (void)state;
    assert_int_equal(routes_method("GET"), ROUTE_GET);
    assert_int_equal(routes_method("HEAD"), ROUTE_HEAD);
    assert_int_equal(routes_method("POST"), ROUTE_POST);
    assert_int_equal(routes_method("OPTIONS"), ROUTE_OPTIONS);
    assert_int_equal(routes_method("post"), ROUTE_OTHER);
    assert_int_equal(routes_method("PUT"), ROUTE_OTHER);
    assert_int_equal(routes_method(""), ROUTE_OTHER);
}

static void lists_itself(void **state)
{
    (void)state;
    size_t size = 0;
    char *text = routes_index(&size);
    assert_non_null(text);
    assert_int_equal(size, strlen(text));
    json_t *index = json_loads(text, 0, NULL);
    json_t *list = json_object_get(index, "routes");
    assert_int_equal(json_array_size(list), EXPECTED_COUNT);
    for (size_t i = 0; i < EXPECTED_COUNT; i++) {
        const json_t *route = json_array_get(list, i);
        assert_string_equal(json_string_value(json_object_get(route, "path")), expected[i].path);
        assert_string_equal(json_string_value(json_object_get(route, "methods")),
                            expected[i].allow);
    }
    json_decref(index);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_routes),
        cmocka_unit_test(has_nothing_else),
        cmocka_unit_test(understands_the_absolute_form),
        cmocka_unit_test(tells_methods_apart),
        cmocka_unit_test(lists_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
