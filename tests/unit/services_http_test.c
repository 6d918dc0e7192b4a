/*
 * services_http_test.c: what plugins may ask of targets, and what is refused: another place than the
 * target's and a way to one, a name that leads out of the directory, what is no JSON, and open().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/deliveries.h"
#include "services_scene.h"

static struct config_target target = {
    .name = (char *)"crm", .url = (char *)"https://crm.example/api", .deadline_ms = 60000};

static const struct pbxhook_http_api *http;

static int set_up(void **state)
{
    if (services_set_up(state) != 0)
        return -1;
    struct scene *scene = *state;
    scene->config.targets = &target;
    scene->config.target_count = 1;
    http = scene->ctx->get_service(scene->ctx, "pbxhook.http/1");
    assert_non_null(http);
    assert_true(PBXHOOK_HAS(http, download));
    assert_int_equal(deliveries_prepare(scene->store), 0);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    scene->config.targets = NULL;
    scene->config.target_count = 0;
    return services_tear_down(state);
}

static int take_row(void *arg, const struct store_value *values, uint32_t count)
{
    FILE *out = arg;
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s ", values[i].type == STORE_TEXT ? values[i].as.text : "-");
    return 0;
}

/* All that was asked for, one behind the other. */
static void check_asked(struct scene *scene, const char *wanted)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(store_sql(scene->store,
                               "SELECT target, plugin, call_id, path, body, file FROM "
                               "pbxhook_deliveries ORDER BY rowid",
                               NULL, 0, take_row, out, NULL),
                     0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_asked_as_given(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(http->has_target(scene->ctx, "crm"), 1);
    assert_int_equal(http->post(scene->ctx, "crm", "/calls?x=%20", "{\"a\":1}"), 0);
    assert_int_equal(http->post(scene->ctx, "crm", "https://crm.example/api/v2", "[]"), 0);
    assert_int_equal(http->download(scene->ctx, "crm", "/f", "A-1_b.mp3"), 0);
    check_asked(scene, "crm probe c1 /calls?x=%20 {\"a\":1}  crm probe c1 /v2 []  "
                       "crm probe c1 /f - A-1_b.mp3 ");
}

static void test_no_such_target(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(http->has_target(scene->ctx, "erp"), 0);
    assert_int_equal(http->has_target(scene->ctx, NULL), 0);
    assert_int_equal(http->post(scene->ctx, "erp", "/", "{}"), PBXHOOK_E_NOT_FOUND);
    assert_int_equal(http->post(scene->ctx, NULL, "/", "{}"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(http->download(scene->ctx, "erp", "/", "f"), PBXHOOK_E_NOT_FOUND);
    check_asked(scene, "");
}

static void test_wrong_paths(void **state)
{
    static const char *const paths[] = {NULL,
                                        "",
                                        "calls",
                                        "/a b",
                                        "/a\nHost: x",
                                        "/a#b",
                                        "/\xc3\xa9",
                                        "/a\\b",
                                        "http://crm.example/api/1",
                                        "https://crm.example/other",
                                        "https://crm.example/api.evil/1",
                                        "https://crm.example/api",
                                        "https://crm.example/api@evil/1",
                                        "https://crm.example/apievil",
                                        "https://crm.example/api?x=1"};
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(http->post(scene->ctx, "crm", paths[i], "{}"), PBXHOOK_E_ARGUMENT);
        assert_int_equal(http->download(scene->ctx, "crm", paths[i], "f"), PBXHOOK_E_ARGUMENT);
    }
    char *longest = calloc(1, 4098);
    assert_non_null(longest);
    memset(longest, '/', 4097);
    assert_int_equal(http->post(scene->ctx, "crm", longest, "{}"), PBXHOOK_E_ARGUMENT);
    longest[4096] = '\0';
    assert_int_equal(http->post(scene->ctx, "crm", longest, "{}"), 0);
    free(longest);
}

/* The login is for what is below the target's url, whoever resolves the path. */
static void test_no_way_out_of_the_target(void **state)
{
    static const char *const ways[] = {
        "/..",        "/.",         "/../",        "/../../admin",  "/a/../../admin", "/a/./b",
        "/a/..?x=1",  "/.?x",       "/a//..",      "/%2e%2e/admin", "/%2E%2e/a",      "/.%2e/admin",
        "/%2e",       "/a/%2e./b",  "/..%2fadmin", "/a%2F../b",     "/a%2f%2e%2e",    "/..%5cadmin",
        "/a%5C..%5c", "/..;/admin", "/..;x=1/ad",  "/..%3b/a",      "/%2e%2e%3f/a",
    };
    static const char *const inside[] = {
        "/...",       "/.a",    "/..a", "/a..", "/a../b", "/a.b/.c", "/%2ea",
        "/a?x=/../b", "/a%2fb", "/a;b", "/%",   "/%2",    "/.%",
    };
    struct scene *scene = *state;
    char whole[128];
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        snprintf(whole, sizeof whole, "https://crm.example/api%s", ways[i]);
        if (http->post(scene->ctx, "crm", ways[i], "{}") != PBXHOOK_E_ARGUMENT ||
            http->download(scene->ctx, "crm", whole, "f") != PBXHOOK_E_ARGUMENT)
            fail_msg("%s leads out", ways[i]);
    }
    check_asked(scene, "");
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        if (http->post(scene->ctx, "crm", inside[i], "{}") != 0)
            fail_msg("%s stays inside", inside[i]);
    }
}

static void test_wrong_names(void **state)
{
    static const char *const names[] = {NULL,  "",     ".",   "..",      ".part-1",
                                        "a/b", "../a", "a b", "\xc3\xa9"};
    struct scene *scene = *state;
    char longest[130];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(http->download(scene->ctx, "crm", "/f", names[i]), PBXHOOK_E_ARGUMENT);
    memset(longest, 'a', 129);
    longest[129] = '\0';
    assert_int_equal(http->download(scene->ctx, "crm", "/f", longest), PBXHOOK_E_ARGUMENT);
    check_asked(scene, "");
    longest[128] = '\0';
    assert_int_equal(http->download(scene->ctx, "crm", "/f", longest), 0);
}

static void test_wrong_json(void **state)
{
    static const char *const texts[] = {NULL, "", "{", "{}{}", "a=1"};
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(http->post(scene->ctx, "crm", "/", texts[i]), PBXHOOK_E_ARGUMENT);
    check_asked(scene, "");
}

static void test_closed_door(void **state)
{
    struct scene *scene = *state;
    services_leave(scene->context);
    assert_int_equal(http->post(scene->ctx, "crm", "/", "{}"), PBXHOOK_E_STATE);
    services_end_event(scene->services); /* as in open() */
    services_enter(scene->context);
    assert_int_equal(http->has_target(scene->ctx, "crm"), 1);
    assert_int_equal(http->post(scene->ctx, "crm", "/", "{}"), PBXHOOK_E_STATE);
    assert_int_equal(http->download(scene->ctx, "crm", "/", "f"), PBXHOOK_E_STATE);
    assert_int_equal(http->post(NULL, "crm", "/", "{}"), PBXHOOK_E_ARGUMENT);
    check_asked(scene, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_asked_as_given), TEST(test_no_such_target),
        TEST(test_wrong_paths),    TEST(test_no_way_out_of_the_target),
        TEST(test_wrong_names),    TEST(test_wrong_json),
        TEST(test_closed_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
