/*
 * deliveries_failed_test.c: what an operator does with deliveries that did not arrive, on every backend: which
 * they are, in what order, and what becomes of one that is sent again.
 */
#include "store_fixture.h"

#include "http/deliveries.h"
#include "http/deliveries_failed.h"

static int prepared_setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    struct fixture *fixture = *state;
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    commit(fixture);
    return 0;
}

static void add(struct fixture *fixture, const char *id, const char *body, const char *ended,
                int64_t ended_ms)
{
    const struct store_value params[] = {
        {.type = STORE_TEXT, .as = {.text = id}},
        {.type = body == NULL ? STORE_NULL : STORE_TEXT, .as = {.text = body}},
        {.type = STORE_TEXT, .as = {.text = ended}},
        {.type = STORE_INT64, .as = {.integer = ended_ms}},
    };
    begin(fixture);
    check_ok(
        fixture,
        store_sql(fixture->store,
                  "INSERT INTO pbxhook_deliveries (id, target, plugin, call_id, path, body,"
                  " file, state, created_ms, due_ms, expires_ms, attempts, doubtful, owner,"
                  " lease_ms, ended_ms, http_status, detail) VALUES ($1, 'crm', 'p', 'c', '/x',"
                  " $2, '', $3, 100, 200, 5100, 7, 0, 'w/0', 300, $4, 400, 'no')",
                  params, 4, NULL, NULL, NULL));
    commit(fixture);
}

#define IDS_SIZE 256

/* Their ids, "b a ". */
static int note_id(void *arg, const struct delivery_failed *failed)
{
    char *ids = arg;
    size_t length = strlen(ids);
    snprintf(ids + length, IDS_SIZE - length, "%s ", failed->id);
    return 0;
}

static const char *list(struct fixture *fixture, int64_t ended_ms, const char *id, int max)
{
    static char ids[IDS_SIZE];
    ids[0] = '\0';
    begin(fixture);
    check_ok(fixture, deliveries_failed_list(fixture->store, ended_ms, id, max, note_id, ids));
    commit(fixture);
    return ids;
}

static int64_t count_failed(struct fixture *fixture)
{
    int64_t count = -1;
    begin(fixture);
    check_ok(fixture, deliveries_failed_count(fixture->store, &count));
    commit(fixture);
    return count;
}

static void newest_first_page_by_page(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "a", "{}", "rejected", 1000);
    add(fixture, "b", "{}", "expired", 1001);
    add(fixture, "c", NULL, "expired", 1001);
    add(fixture, "d", "{}", "unknown", 1002);
    add(fixture, "e", "{}", "delivered", 1003);
    assert_int_equal(count_failed(fixture), 4);
    assert_string_equal(list(fixture, 0, NULL, 9), "d c b a ");
    assert_string_equal(list(fixture, 0, NULL, 2), "d c ");
    assert_string_equal(list(fixture, 1001, "c", 9), "b a ");
    assert_string_equal(list(fixture, 1000, "a", 9), "");
}

static int check_row(void *arg, const struct delivery_failed *failed)
{
    const char *wanted_body = arg;
    assert_string_equal(failed->target, "crm");
    assert_string_equal(failed->plugin, "p");
    assert_string_equal(failed->call_id, "c");
    assert_string_equal(failed->path, "/x");
    assert_string_equal(failed->detail, "no");
    assert_string_equal(failed->body, wanted_body);
    assert_int_equal(failed->is_download, wanted_body[0] == '\0');
    assert_int_equal(failed->created_ms, 100);
    assert_int_equal(failed->ended_ms, 1000);
    assert_int_equal(failed->attempts, 7);
    assert_int_equal(failed->http_status, 400);
    return 0;
}

static int find(struct fixture *fixture, const char *id, delivery_failed_fn fn, void *arg)
{
    begin(fixture);
    int found = check_ok(fixture, deliveries_failed_find(fixture->store, id, fn, arg));
    commit(fixture);
    return found;
}

static int check_long(void *arg, const struct delivery_failed *failed)
{
    (void)arg;
    assert_int_equal(failed->body_length, 2 * DELIVERIES_FAILED_BODY);
    assert_int_equal(strlen(failed->body), DELIVERIES_FAILED_BODY);
    return 0;
}

static int run_out_of_memory(void *arg, const struct delivery_failed *failed)
{
    (void)arg;
    (void)failed;
    return -1;
}

static void one_is_shown_with_its_body(void **state)
{
    struct fixture *fixture = *state;
    static char longest[2 * DELIVERIES_FAILED_BODY + 1];
    char post[] = "{\"a\":1}", none[] = "";
    memset(longest, 'x', sizeof(longest) - 1);
    add(fixture, "post", post, "rejected", 1000);
    add(fixture, "download", NULL, "expired", 1000);
    add(fixture, "done", post, "delivered", 1000);
    add(fixture, "long", longest, "rejected", 1000);
    assert_int_equal(find(fixture, "post", check_row, post), 1);
    assert_int_equal(find(fixture, "download", check_row, none), 1);
    assert_int_equal(find(fixture, "long", check_long, NULL), 1);
    assert_int_equal(find(fixture, "done", check_row, post), 0);
    begin(fixture);
    assert_int_equal(deliveries_failed_find(fixture->store, "post", run_out_of_memory, NULL),
                     STORE_E_MEMORY);
    store_rollback(fixture->store);
}

static int retry(struct fixture *fixture, const char *id, int64_t now_ms)
{
    begin(fixture);
    int done = check_ok(fixture, deliveries_failed_retry(fixture->store, id, now_ms));
    commit(fixture);
    return done;
}

static struct delivery *claim(struct fixture *fixture, int64_t now_ms)
{
    struct delivery *one = NULL;
    begin(fixture);
    check_ok(fixture, deliveries_claim(fixture->store, "crm", "w/1", now_ms, now_ms + 9, 9, &one));
    commit(fixture);
    return one;
}

/* As if it were asked for now. */
static void sent_again_with_all_its_time(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "a", "{}", "expired", 1000);
    assert_int_equal(retry(fixture, "a", 9000), 1);
    assert_int_equal(retry(fixture, "a", 9000), 0);
    assert_int_equal(count_failed(fixture), 0);
    assert_null(claim(fixture, 8999));
    struct delivery *one = claim(fixture, 9000);
    assert_non_null(one);
    assert_string_equal(one->id, "a");
    assert_int_equal(one->created_ms, 9000);
    assert_int_equal(one->expires_ms, 14000);
    assert_int_equal(one->attempts, 1);
    assert_int_equal(one->doubtful, 0);
    assert_null(one->next);
    deliveries_free(one);
}

static void what_was_unknown_stays_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "a", "{}", "unknown", 1000);
    assert_int_equal(retry(fixture, "a", 9000), 1);
    struct delivery *one = claim(fixture, 9000);
    assert_int_equal(one->doubtful, 1);
    deliveries_free(one);
}

static int retry_all(struct fixture *fixture, int64_t before_ms, int max)
{
    begin(fixture);
    int done = check_ok(fixture, deliveries_failed_retry_all(fixture->store, before_ms, max, 9000));
    commit(fixture);
    return done;
}

static void all_are_those_that_surely_did_not_arrive(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "a", "{}", "rejected", 1000);
    add(fixture, "b", "{}", "unknown", 1001);
    add(fixture, "c", "{}", "expired", 1002);
    add(fixture, "d", "{}", "expired", 1003);
    assert_int_equal(retry_all(fixture, 1003, 1), 1);
    assert_string_equal(list(fixture, 0, NULL, 9), "d c b ");
    assert_int_equal(retry_all(fixture, 1003, 9), 1);
    assert_int_equal(retry_all(fixture, 1003, 9), 0);
    assert_string_equal(list(fixture, 0, NULL, 9), "d b ");
}

static void only_what_failed_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "a", "{}", "rejected", 1000);
    add(fixture, "b", "{}", "delivered", 1000);
    begin(fixture);
    assert_int_equal(check_ok(fixture, deliveries_failed_drop(fixture->store, "a")), 1);
    assert_int_equal(check_ok(fixture, deliveries_failed_drop(fixture->store, "a")), 0);
    assert_int_equal(check_ok(fixture, deliveries_failed_drop(fixture->store, "b")), 0);
    commit(fixture);
    assert_int_equal(count_failed(fixture), 0);
}

#define PREPARED(function)                                                                         \
    cmocka_unit_test_setup_teardown(function, prepared_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PREPARED(newest_first_page_by_page),
        PREPARED(one_is_shown_with_its_body),
        PREPARED(sent_again_with_all_its_time),
        PREPARED(what_was_unknown_stays_in_doubt),
        PREPARED(all_are_those_that_surely_did_not_arrive),
        PREPARED(only_what_failed_is_dropped),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
