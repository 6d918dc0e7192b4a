/*
 * services_db_test.c: calls, users, SQL and the outbox as a plugin uses them, over a real store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "common/log.h"
#include "services_scene.h"

/* ---- Calls and users ------------------------------------------------------------------------- */

static void test_calls(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    struct pbxhook_call call = {.struct_size = sizeof call};

    assert_int_equal(db->call_find(scene->ctx, "c1", &call), 0);
    assert_null(call.call_id);
    assert_int_equal(db->call_advance(scene->ctx, scene->shown), 0);
    assert_int_equal(db->call_save(scene->ctx, scene->shown), 0);
    assert_int_equal(db->call_find(scene->ctx, "c1", &call), 1);
    assert_string_equal(call.call_id, "c1");
    assert_string_equal(call.status, "call.standby");
    assert_string_equal(call.our_number, "0800");
    assert_string_equal(call.their_number, "1199");
    assert_string_equal(call.direction, "inbound");
    assert_string_equal(call.queue, "");
    assert_int_equal(call.status_time, TIME_MS);
    assert_int_equal(call.struct_size, sizeof call);
}

/* What was found stays, whatever is looked for next. */
static void test_found_is_lent_until_the_end(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    struct pbxhook_user first = {.struct_size = sizeof first};
    struct pbxhook_user second = {.struct_size = sizeof second};

    assert_int_equal(db->user_create(scene->ctx, "111", &first), 1);
    assert_int_equal(db->user_create(scene->ctx, "222", &second), 1);
    assert_int_equal(db->user_find(scene->ctx, "222", &second), 1);
    assert_string_equal(first.number, "111");
    assert_string_equal(second.number, "222");
    assert_int_not_equal(first.id, second.id);
}

static void test_users(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    struct pbxhook_user user = {.struct_size = sizeof user};
    int64_t id;

    assert_int_equal(db->user_find(scene->ctx, "1199", &user), 0);
    assert_int_equal(db->user_find(scene->ctx, "", &user), 0);
    assert_int_equal(db->user_create(scene->ctx, "1199", &user), 1);
    id = user.id;
    assert_true(user.created > 0);
    assert_int_equal(db->user_create(scene->ctx, "1199", NULL), 0);
    assert_int_equal(db->user_create(scene->ctx, "1199", &user), 0);
    assert_int_equal(user.id, id);
    assert_int_equal(db->user_find(scene->ctx, "1199", &user), 1);
    assert_int_equal(user.id, id);
    assert_int_equal(db->user_create(scene->ctx, "", NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->user_create(scene->ctx, NULL, NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->user_find(scene->ctx, "1199", NULL), PBXHOOK_E_ARGUMENT);
}

/* A plugin of a later header brings a longer struct: what this host does not know stays as it
 * was. */
static void test_only_the_known_part_is_written(void **state)
{
    const struct scene *scene = *state;
    struct {
        struct pbxhook_user known;
        int64_t later;
    } longer = {.known = {.struct_size = sizeof longer}, .later = 77};
    struct pbxhook_user shorter = {.struct_size = offsetof(struct pbxhook_user, number)};
    struct pbxhook_call forgotten = {.struct_size = 0};

    assert_int_equal(scene->ctx->db->user_create(scene->ctx, "5", &longer.known), 1);
    assert_int_equal(longer.known.struct_size, sizeof longer);
    assert_string_equal(longer.known.number, "5");
    assert_int_equal(longer.later, 77);
    assert_int_equal(scene->ctx->db->user_find(scene->ctx, "5", &shorter), PBXHOOK_E_ARGUMENT);
    assert_int_equal(scene->ctx->db->call_find(scene->ctx, "c1", &forgotten), PBXHOOK_E_ARGUMENT);
}

static void test_only_this_event_advances(void **state)
{
    const struct scene *scene = *state;
    struct pbxhook_event copy = *scene->shown;

    assert_int_equal(scene->ctx->db->call_advance(scene->ctx, &copy), PBXHOOK_E_ARGUMENT);
    assert_int_equal(scene->ctx->db->call_save(scene->ctx, NULL), PBXHOOK_E_ARGUMENT);
}

/* What no database may be given is told on every one of them, and costs nothing. */
static void test_texts_are_utf8(void **state)
{
    static const char *const bad[] = {"\xff", "ol\xe1", "cut \xc3", "\xed\xa0\x80"};
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    struct pbxhook_user user = {.struct_size = sizeof user};
    struct pbxhook_call call = {.struct_size = sizeof call};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct pbxhook_value param = {PBXHOOK_TEXT, 0, {.text = bad[i]}};

        assert_int_equal(db->call_find(scene->ctx, bad[i], &call), PBXHOOK_E_ARGUMENT);
        assert_int_equal(db->user_find(scene->ctx, bad[i], &user), PBXHOOK_E_ARGUMENT);
        assert_int_equal(db->user_create(scene->ctx, bad[i], &user), PBXHOOK_E_ARGUMENT);
        assert_int_equal(scene->ctx->pbx->action(scene->ctx, bad[i], "{}"), PBXHOOK_E_ARGUMENT);
        assert_int_equal(scene->ctx->pbx->delegate(scene->ctx, bad[i], "900"), PBXHOOK_E_ARGUMENT);
        assert_int_equal(db->execute(scene->ctx, "SELECT $1", &param, 1, NULL), PBXHOOK_E_ARGUMENT);
    }
    assert_false(services_store_failed(scene->context));
    assert_int_equal(db->user_create(scene->ctx, "ol\xc3\xa1", &user), 1);
}

/* ---- SQL ------------------------------------------------------------------------------------- */

struct seen {
    int rows, stop_after;
    char text[64];
};

static int32_t see_row(void *arg, const struct pbxhook_value *values, uint32_t count)
{
    struct seen *seen = arg;

    assert_int_equal(count, 4);
    assert_int_equal(values[0].type, PBXHOOK_INT64);
    assert_int_equal(values[1].type, PBXHOOK_DOUBLE);
    assert_int_equal(values[2].type, PBXHOOK_TEXT);
    assert_int_equal(values[3].type, PBXHOOK_NULL);
    assert_int_equal(values[2].size, strlen(values[2].as.text));
    snprintf(seen->text, sizeof seen->text, "%lld %.2f %s", (long long)values[0].as.integer,
             values[1].as.number, values[2].as.text);
    return ++seen->rows == seen->stop_after;
}

static void test_sql(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    const struct pbxhook_value row[] = {
        {PBXHOOK_INT64, 0, {.integer = 5}},
        {PBXHOOK_DOUBLE, 0, {.number = 1.25}},
        {PBXHOOK_TEXT, 3, {.text = "abcdef"}}, /* three bytes of it */
        {PBXHOOK_NULL, 0, {.integer = 0}},
    };
    struct seen seen = {.stop_after = 0};
    int64_t changed = -1;

    assert_string_equal(db->dialect(scene->ctx), "sqlite");
    assert_int_equal(db->execute(scene->ctx, "CREATE TABLE t (a, b, c, d)", NULL, 0, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            db->execute(scene->ctx, "INSERT INTO t VALUES ($1, $2, $3, $4)", row, 4, &changed), 0);
    assert_int_equal(changed, 1);
    assert_int_equal(db->query(scene->ctx, "SELECT a, b, c, d FROM t", NULL, 0, see_row, &seen), 0);
    assert_int_equal(seen.rows, 3);
    assert_string_equal(seen.text, "5 1.25 abc");
    seen = (struct seen){.stop_after = 2};
    assert_int_equal(db->query(scene->ctx, "SELECT a, b, c, d FROM t", NULL, 0, see_row, &seen), 0);
    assert_int_equal(seen.rows, 2);
}

/* PostgreSQL's texts can't hold a NUL, so no text of a plugin's has one: it was cut there. */
static void test_texts_have_no_end_within(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_value cut_character = {PBXHOOK_TEXT, 3, {.text = "ol\xc3\xa1"}};
    const struct pbxhook_value with_nul = {PBXHOOK_TEXT, 5, {.text = "ab\0cd"}};
    const struct pbxhook_value its_end = {PBXHOOK_TEXT, 3, {.text = "ab"}};
    const struct pbxhook_value whole = {PBXHOOK_TEXT, 4, {.text = "ol\xc3\xa1 and more"}};

    assert_int_equal(scene->ctx->db->execute(scene->ctx, "SELECT $1", &with_nul, 1, NULL),
                     PBXHOOK_E_ARGUMENT);
    assert_int_equal(scene->ctx->db->execute(scene->ctx, "SELECT $1", &its_end, 1, NULL),
                     PBXHOOK_E_ARGUMENT);
    assert_int_equal(scene->ctx->db->execute(scene->ctx, "SELECT $1", &cut_character, 1, NULL),
                     PBXHOOK_E_ARGUMENT);
    assert_int_equal(scene->ctx->db->execute(scene->ctx, "SELECT $1", &whole, 1, NULL), 0);
}

static void test_bad_sql(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    const struct pbxhook_value strange = {.type = 9};
    const struct pbxhook_value no_text = {.type = PBXHOOK_TEXT};

    assert_int_equal(db->execute(scene->ctx, "COMMIT", NULL, 0, NULL), PBXHOOK_E_SQL);
    assert_int_equal(db->execute(scene->ctx, "SELEKT 1", NULL, 0, NULL), PBXHOOK_E_SQL);
    assert_int_equal(db->execute(scene->ctx, "", NULL, 0, NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->execute(scene->ctx, NULL, NULL, 0, NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->execute(scene->ctx, "SELECT $1", NULL, 1, NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->execute(scene->ctx, "SELECT $1", &strange, 1, NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->execute(scene->ctx, "SELECT $1", &no_text, 1, NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(db->query(scene->ctx, "SELECT 1", NULL, 0, NULL, NULL), PBXHOOK_E_ARGUMENT);
    /* None of it cost the transaction. */
    assert_false(services_store_failed(scene->context));
    assert_int_equal(db->call_advance(scene->ctx, scene->shown), 0);
}

/* ---- The outbox ------------------------------------------------------------------------------ */

static struct store_action claim_one(const struct scene *scene, struct store_action **actions)
{
    struct store_expired expired = {0, 0};
    int count = 0;

    assert_int_equal(store_actions_claim(scene->store, RECEIVED_MS, 10, actions, &count, &expired),
                     0);
    assert_int_equal(count, 1);
    assert_int_equal(expired.expired + expired.unknown, 0);
    return (*actions)[0];
}

static void test_delegate(void **state)
{
    const struct scene *scene = *state;
    struct store_action *actions = NULL;
    struct store_action action;

    assert_int_equal(scene->ctx->pbx->delegate(scene->ctx, "c1", "9\"00"), 0);
    action = claim_one(scene, &actions);
    assert_string_equal(
        action.body, "{\"type\":\"call.waiting\",\"call_id\":\"c1\",\"destination\":\"9\\\"00\"}");
    assert_string_equal(action.call_id, "c1");
    assert_int_equal(action.received_ms, RECEIVED_MS);
    assert_int_equal(action.expires_ms, RECEIVED_MS + DEADLINE_MS);
    assert_true(strncmp(action.key, "pbxhook-", 8) == 0);
    assert_int_equal(strlen(action.key), 40);
    assert_int_equal(strspn(action.key + 8, "0123456789abcdef"), 32);
    store_actions_free(actions, 1);
}

static void test_delegate_wants_a_destination(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_pbx_api *pbx = scene->ctx->pbx;

    assert_int_equal(pbx->delegate(scene->ctx, "c1", ""), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->delegate(scene->ctx, "c1", NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->delegate(scene->ctx, "", "900"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->delegate(scene->ctx, NULL, "900"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->delegate(scene->ctx, "c1", "\xff\xfe"), PBXHOOK_E_ARGUMENT);
}

static void test_action(void **state)
{
    const struct scene *scene = *state;
    const struct pbxhook_pbx_api *pbx = scene->ctx->pbx;
    struct store_action *actions = NULL;

    assert_int_equal(pbx->action(scene->ctx, "", "[1]"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->action(scene->ctx, "", "{\"a\":1} x"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->action(scene->ctx, "", "{\"a\":1,\"a\":2}"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->action(scene->ctx, "", NULL), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->action(scene->ctx, NULL, "{}"), PBXHOOK_E_ARGUMENT);
    assert_int_equal(pbx->action(scene->ctx, "", "{ \"type\": \"hangup\" }"), 0);
    assert_string_equal(claim_one(scene, &actions).body, "{ \"type\": \"hangup\" }");
    store_actions_free(actions, 1);
}

/* A database that fails stays failed until the call ends, whatever the plugin goes on to do. No
 * file may grow any more: the next page that does not fit the cache can't be written. */
static void test_store_failure_sticks(void **state)
{
    static const char fill[] = "INSERT INTO t SELECT hex(randomblob(1000000)) FROM "
                               "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < 64) SELECT i FROM n)";
    const struct scene *scene = *state;
    const struct pbxhook_db_api *db = scene->ctx->db;
    struct rlimit before, none;

    assert_int_equal(db->execute(scene->ctx, "CREATE TABLE t (a)", NULL, 0, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 100000;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(db->execute(scene->ctx, fill, NULL, 0, NULL), PBXHOOK_E_STORE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(services_store_failed(scene->context));
    assert_int_equal(db->user_create(scene->ctx, "1", NULL), PBXHOOK_E_STORE);
    scene->ctx->set_error(scene->ctx, "the disk is full");
    assert_string_equal(services_error(scene->context), "the disk is full");
    services_leave(scene->context);
    services_enter(scene->context);
    assert_false(services_store_failed(scene->context));
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, services_set_up, services_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),
        TEST(test_found_is_lent_until_the_end),
        TEST(test_users),
        TEST(test_only_the_known_part_is_written),
        TEST(test_only_this_event_advances),
        TEST(test_texts_are_utf8),
        TEST(test_sql),
        TEST(test_texts_have_no_end_within),
        TEST(test_bad_sql),
        TEST(test_delegate),
        TEST(test_delegate_wants_a_destination),
        TEST(test_action),
        TEST(test_store_failure_sticks),
    };

    log_open("test", LOG_LEVEL_ERROR); /* refused statements are logged */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
