/*
 * services_test.c: options, errors and services by name, and the door that is open only to one
 * plugin, inside its open() and handle(), on the handler thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "services_scene.h"

/* ---- Options, errors, services --------------------------------------------------------------- */

static void test_config(void **state)
{
    const struct pbxhook_context *ctx = ((struct scene *)*state)->ctx;
    int64_t integer = -1;
    int32_t boolean = -1;
    double number = -1;

    assert_string_equal(ctx->config->get_string(ctx, "queue"), "900");
    assert_string_equal(ctx->config->get_string(ctx, "limit"), "7");
    assert_null(ctx->config->get_string(ctx, "nothing"));
    assert_int_equal(ctx->config->get_integer(ctx, "limit", &integer), 0);
    assert_int_equal(integer, 7);
    assert_int_equal(ctx->config->get_boolean(ctx, "loud", &boolean), 0);
    assert_int_equal(boolean, 1);
    assert_int_equal(ctx->config->get_number(ctx, "share", &number), 0);
    assert_true(number == 0.5);
    assert_int_equal(ctx->config->get_integer(ctx, "queue", &integer), PBXHOOK_E_TYPE);
    assert_int_equal(ctx->config->get_boolean(ctx, "limit", &boolean), PBXHOOK_E_TYPE);
    assert_int_equal(ctx->config->get_number(ctx, "nothing", &number), PBXHOOK_E_NOT_FOUND);
    assert_int_equal(ctx->config->get_integer(ctx, "limit", NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(integer, 7);
}

static void test_set_error(void **state)
{
    const struct scene *scene = *state;
    char long_text[2000];

    scene->ctx->set_error(scene->ctx, "no %s for %d", "queue", 7);
    assert_string_equal(services_error(scene->context), "no queue for 7");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    scene->ctx->set_error(scene->ctx, "%s", long_text);
    assert_int_equal(strlen(services_error(scene->context)), 511);
    services_leave(scene->context);
    services_enter(scene->context);
    assert_string_equal(services_error(scene->context), "");
}

static void test_get_service(void **state)
{
    const struct pbxhook_context *ctx = ((struct scene *)*state)->ctx;

    assert_ptr_equal(ctx->get_service(ctx, "pbxhook.log/1"), ctx->log);
    assert_ptr_equal(ctx->get_service(ctx, "pbxhook.config/1"), ctx->config);
    assert_ptr_equal(ctx->get_service(ctx, "pbxhook.db/1"), ctx->db);
    assert_ptr_equal(ctx->get_service(ctx, "pbxhook.pbx/1"), ctx->pbx);
    assert_null(ctx->get_service(ctx, "pbxhook.db/2"));
    assert_null(ctx->get_service(ctx, NULL));
    assert_true(PBXHOOK_HAS(ctx->db, query));
    assert_int_equal(ctx->struct_size, sizeof *ctx);
    assert_int_equal(ctx->db->struct_size, sizeof *ctx->db);
    assert_int_equal(ctx->pbx->struct_size, sizeof *ctx->pbx);
    assert_int_equal(ctx->log->struct_size, sizeof *ctx->log);
    assert_int_equal(ctx->config->struct_size, sizeof *ctx->config);
}

static void test_log_enabled(void **state)
{
    const struct pbxhook_context *ctx = ((struct scene *)*state)->ctx;

    assert_int_equal(ctx->log->enabled(ctx, PBXHOOK_LOG_ERROR), 1);
    assert_int_equal(ctx->log->enabled(ctx, PBXHOOK_LOG_DEBUG), 0);
    assert_int_equal(ctx->log->enabled(ctx, 99), 0);
}

static int32_t no_row(void *arg, const struct pbxhook_value *values, uint32_t count)
{
    (void)arg;
    (void)values;
    fail_msg("a row of %u columns", count);
    return 1;
}

/* ---- The door -------------------------------------------------------------------------------- */

static void assert_door_is_closed(const struct scene *scene, const struct pbxhook_context *ctx)
{
    struct pbxhook_user user = {.struct_size = sizeof user};
    struct pbxhook_call call = {.struct_size = sizeof call};

    assert_int_equal(ctx->db->call_save(ctx, scene->shown), PBXHOOK_E_STATE);
    assert_int_equal(ctx->db->call_advance(ctx, scene->shown), PBXHOOK_E_STATE);
    assert_int_equal(ctx->db->call_find(ctx, "c1", &call), PBXHOOK_E_STATE);
    assert_int_equal(ctx->db->user_find(ctx, "1", &user), PBXHOOK_E_STATE);
    assert_int_equal(ctx->db->user_create(ctx, "1", &user), PBXHOOK_E_STATE);
    assert_int_equal(ctx->db->execute(ctx, "SELECT 1", NULL, 0, NULL), PBXHOOK_E_STATE);
    assert_int_equal(ctx->db->query(ctx, "SELECT 1", NULL, 0, no_row, NULL), PBXHOOK_E_STATE);
    assert_int_equal(ctx->pbx->delegate(ctx, "c1", "900"), PBXHOOK_E_STATE);
    assert_int_equal(ctx->pbx->action(ctx, "", "{}"), PBXHOOK_E_STATE);
    ctx->set_error(ctx, "not to be kept");
    assert_string_equal(services_error(scene->context), "");
}

static void test_door_is_closed_outside(void **state)
{
    const struct scene *scene = *state;
    int64_t integer = 0;

    services_leave(scene->context);
    assert_door_is_closed(scene, scene->ctx);
    assert_null(scene->shown->get_string(scene->shown, "dados.cpf"));
    assert_null(scene->shown->get_json(scene->shown, ""));
    assert_int_equal(scene->shown->get_int64(scene->shown, "dados.age", &integer), PBXHOOK_E_STATE);
}

static void test_door_is_closed_to_other_plugins(void **state)
{
    const struct scene *scene = *state;

    assert_door_is_closed(scene, services_context(scene->other_context));
}

static void *try_the_door(void *arg)
{
    const struct scene *scene = arg;
    int64_t integer = 0;

    assert_door_is_closed(scene, scene->ctx);
    assert_int_equal(scene->shown->get_int64(scene->shown, "dados.age", &integer), PBXHOOK_E_STATE);
    /* These may be called on any thread. */
    assert_string_equal(scene->ctx->config->get_string(scene->ctx, "queue"), "900");
    scene->ctx->log->write(scene->ctx, PBXHOOK_LOG_DEBUG, "on a thread of the plugin's own");
    return arg;
}

static void test_door_is_closed_to_other_threads(void **state)
{
    pthread_t thread;
    void *result = NULL;

    assert_int_equal(pthread_create(&thread, NULL, try_the_door, *state), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, *state);
}

/* As in open(): the store may be used, and there is no event to save, advance or answer. */
static void test_without_an_event(void **state)
{
    const struct scene *scene = *state;

    services_end_event(scene->services);
    assert_int_equal(scene->ctx->db->user_create(scene->ctx, "1", NULL), 1);
    assert_int_equal(scene->ctx->db->call_advance(scene->ctx, scene->shown), PBXHOOK_E_STATE);
    assert_int_equal(scene->ctx->pbx->delegate(scene->ctx, "c1", "900"), PBXHOOK_E_STATE);
    assert_null(scene->shown->get_string(scene->shown, "dados.cpf"));
}

static void test_null_context(void **state)
{
    const struct pbxhook_context *ctx = ((struct scene *)*state)->ctx;

    assert_int_equal(ctx->db->user_create(NULL, "1", NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(ctx->pbx->delegate(NULL, "c1", "900"), PBXHOOK_E_ARGUMENT);
    assert_null(ctx->config->get_string(NULL, "queue"));
    ctx->set_error(NULL, "nowhere to keep it");
    ctx->log->write(NULL, PBXHOOK_LOG_ERROR, "not to be written");
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, services_set_up, services_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_config),
        TEST(test_set_error),
        TEST(test_get_service),
        TEST(test_log_enabled),
        TEST(test_door_is_closed_outside),
        TEST(test_door_is_closed_to_other_plugins),
        TEST(test_door_is_closed_to_other_threads),
        TEST(test_without_an_event),
        TEST(test_null_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
