/*
 * deliveries_test.c: the table of what targets are asked, with the same SQL on every backend: two workers
 * claim different rows, a lease that is over is taken up, and only an owner settles.
 */
#include "store_fixture.h"

#include "http/deliveries.h"

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

static void add(struct fixture *fixture, const char *target, const char *path, const char *body,
                int64_t now_ms)
{
    const struct delivery_request request = {.target = target,
                                             .plugin = "p",
                                             .call_id = "c",
                                             .path = path,
                                             .body = body,
                                             .file = body == NULL ? "f.mp3" : NULL,
                                             .now_ms = now_ms,
                                             .expires_ms = now_ms + 5000};
    check_ok(fixture, deliveries_add(fixture->store, &request));
}

/* The paths of what is claimed, "/1 /2 ", in a transaction of its own; *list is the caller's. */
static const char *claim(struct fixture *fixture, const char *owner, int64_t now_ms, int max,
                         struct delivery **list)
{
    static char paths[256];
    size_t length = 0;
    *list = NULL;
    begin(fixture);
    check_ok(fixture,
             deliveries_claim(fixture->store, "crm", owner, now_ms, now_ms + 1000, max, list));
    commit(fixture);
    paths[0] = '\0';
    for (const struct delivery *one = *list; one != NULL; one = one->next)
        length += (size_t)snprintf(paths + length, sizeof(paths) - length, "%s ", one->path);
    return paths;
}

static int settle(struct fixture *fixture, const char *owner, struct delivery *delivery,
                  enum store_action_state state, int64_t due_ms)
{
    delivery->state = state;
    delivery->due_ms = due_ms;
    delivery->finished_ms = 2000;
    delivery->http_status = 503;
    snprintf(delivery->detail, sizeof(delivery->detail), "caf\xc3\xa9");
    begin(fixture);
    int changed = check_ok(fixture, deliveries_settle(fixture->store, owner, delivery));
    commit(fixture);
    return changed;
}

static int recover(struct fixture *fixture, const char *owner, int is_new, int64_t now_ms,
                   int repeatable)
{
    const struct delivery_recovery recovery = {.target = "crm",
                                               .owner = owner,
                                               .now_ms = now_ms,
                                               .repeatable = repeatable,
                                               .is_new = is_new};
    begin(fixture);
    int unknown = check_ok(fixture, deliveries_recover(fixture->store, &recovery));
    commit(fixture);
    return unknown;
}

static int64_t count(struct fixture *fixture, const char *where)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pbxhook_deliveries WHERE %s", where);
    begin(fixture);
    int64_t number = query_integer(fixture, sql);
    commit(fixture);
    return number;
}

/* ---- Tests ----------------------------------------------------------------------------------------- */

static void table_is_made_once(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add(fixture, "crm", "/1", "{}", 1000);
    check_ok(fixture, deliveries_prepare(fixture->store));
    commit(fixture);
    assert_int_equal(count(fixture, "state = 'pending'"), 1);
}

static void claimed_whole_in_order_and_once(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *first, *second;
    begin(fixture);
    add(fixture, "crm", "/2", "{\"a\":\"\xc3\xa9\"}", 1001);
    add(fixture, "crm", "/1", NULL, 1000);
    add(fixture, "crm", "/3", "{}", 1002);
    add(fixture, "other", "/4", "{}", 1000);
    add(fixture, "crm", "/5", "{}", 9000);
    commit(fixture);
    assert_string_equal(claim(fixture, "w/0", 1500, 2, &first), "/1 /2 ");
    assert_string_equal(claim(fixture, "w/1", 1500, 9, &second), "/3 ");
    assert_string_equal(first->target, "crm");
    assert_string_equal(first->plugin, "p");
    assert_string_equal(first->call_id, "c");
    assert_string_equal(first->file, "f.mp3");
    assert_null(first->body);
    assert_int_equal(first->attempts, 1);
    assert_int_equal(first->created_ms, 1000);
    assert_int_equal(first->expires_ms, 6000);
    assert_string_equal(first->next->body, "{\"a\":\"\xc3\xa9\"}");
    assert_string_equal(first->next->file, "");
    assert_string_not_equal(first->id, first->next->id);
    assert_int_equal(count(fixture, "state = 'sending' AND owner = 'w/0' AND lease_ms = 2500"), 2);
    deliveries_free(first);
    deliveries_free(second);
}

static void rolled_back_request_never_was(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    check_ok(fixture, store_savepoint(fixture->store));
    add(fixture, "crm", "/1", "{}", 1000);
    check_ok(fixture, store_undo(fixture->store));
    add(fixture, "crm", "/2", "{}", 1000);
    commit(fixture);
    assert_string_equal(claim(fixture, "w/0", 1500, 9, &list), "/2 ");
    deliveries_free(list);
}

static void settled_by_its_owner_only(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/1", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1500, 9, &list);
    assert_int_equal(settle(fixture, "w/1", list, STORE_ACTION_DELIVERED, 0), 0);
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_DELIVERED, 0), 1);
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_REJECTED, 0), 0);
    assert_int_equal(count(fixture, "state = 'delivered' AND ended_ms = 2000 AND "
                                    "http_status = 503 AND detail = 'caf\xc3\xa9'"),
                     1);
    deliveries_free(list);
}

static void tried_again_when_it_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/1", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1500, 9, &list);
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_DOUBTFUL, 3000), 1);
    deliveries_free(list);
    assert_string_equal(claim(fixture, "w/0", 2999, 9, &list), "");
    assert_string_equal(claim(fixture, "w/0", 3000, 9, &list), "/1 ");
    assert_int_equal(list->attempts, 2);
    assert_int_equal(list->doubtful, 1);
    /* Doubt stays. */
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_PENDING, 3000), 1);
    deliveries_free(list);
    claim(fixture, "w/0", 3000, 9, &list);
    assert_int_equal(list->doubtful, 1);
    deliveries_free(list);
}

/* A download is asked for again; a post may have been received. */
static void former_life_is_taken_up(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/post", "{}", 1000);
    add(fixture, "crm", "/file", NULL, 1001);
    commit(fixture);
    claim(fixture, "w/0", 1500, 9, &list);
    deliveries_free(list);
    assert_int_equal(recover(fixture, "w/1", 1, 2000, 0), 0); /* another's, and its lease runs */
    assert_int_equal(count(fixture, "state = 'sending'"), 2);
    assert_int_equal(recover(fixture, "w/0", 1, 2000, 0), 1);
    assert_int_equal(count(fixture, "state = 'unknown' AND ended_ms = 2000"), 1);
    assert_string_equal(claim(fixture, "w/0", 2000, 9, &list), "/file ");
    deliveries_free(list);
}

static void lease_that_is_over_is_anybodys(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list, *again;
    begin(fixture);
    add(fixture, "crm", "/post", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1500, 9, &list);
    assert_int_equal(recover(fixture, "w/1", 0, 2499, 1), 0);
    assert_string_equal(claim(fixture, "w/1", 2499, 9, &again), "");
    assert_int_equal(recover(fixture, "w/1", 0, 2500, 1), 0);
    assert_string_equal(claim(fixture, "w/1", 2500, 9, &again), "/post ");
    assert_int_equal(again->doubtful, 1);
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_DELIVERED, 0), 0); /* too late */
    deliveries_free(list);
    deliveries_free(again);
}

/* After a clock was put forward: he is alive, and settles it. */
static void lease_that_is_over_is_not_taken_from_oneself(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/post", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1500, 9, &list);
    assert_int_equal(recover(fixture, "w/0", 0, 9000, 0), 0);
    assert_int_equal(recover(fixture, "w/0", 0, 9000, 1), 0);
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_DELIVERED, 0), 1);
    deliveries_free(list);
}

static void bring_forward(struct fixture *fixture, int64_t now_ms)
{
    const struct delivery_forwarding forwarding = {.target = "crm",
                                                   .now_ms = now_ms,
                                                   .longest_ms = 300,
                                                   .deadline_ms = 5000,
                                                   .lease_ms = 1000};
    begin(fixture);
    check_ok(fixture, deliveries_bring_forward(fixture->store, &forwarding));
    commit(fixture);
}

/* The clock goes from 9000 back to 1500. */
static void what_waits_is_brought_forward(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/tried", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1000, 1, &list);
    settle(fixture, "w/0", list, STORE_ACTION_PENDING, 1801);
    deliveries_free(list);
    begin(fixture);
    add(fixture, "crm", "/new", "{}", 9000);
    add(fixture, "other", "/others", "{}", 9000);
    commit(fixture);
    bring_forward(fixture, 1500);
    assert_string_equal(claim(fixture, "w/0", 1500, 9, &list), "/tried /new ");
    assert_int_equal(list->created_ms, 1000);
    assert_int_equal(list->expires_ms, 6000);
    assert_int_equal(list->next->created_ms, 1500);
    assert_int_equal(list->next->expires_ms, 6500);
    assert_int_equal(count(fixture, "target = 'other' AND due_ms = 9000"), 1);
    deliveries_free(list);
}

/* Others' work of this moment, and pauses as long as they may be. */
static void nothing_else_is_brought_forward(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/paused", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1000, 1, &list);
    settle(fixture, "w/0", list, STORE_ACTION_PENDING, 1800);
    deliveries_free(list);
    begin(fixture);
    add(fixture, "crm", "/present", "{}", 1400);
    commit(fixture);
    bring_forward(fixture, 1500);
    assert_int_equal(count(fixture, "due_ms = 1800 AND expires_ms = 6000"), 1);
    assert_int_equal(count(fixture, "due_ms = 1400 AND expires_ms = 6400"), 1);
}

static void lease_ends_in_time_after_the_clock_was_put_back(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/post", "{}", 9000);
    commit(fixture);
    claim(fixture, "w/0", 9000, 1, &list);
    deliveries_free(list);
    bring_forward(fixture, 1500);
    assert_int_equal(recover(fixture, "w/1", 0, 2499, 0), 0);
    assert_int_equal(recover(fixture, "w/1", 0, 2500, 0), 1);
}

static void what_waits_is_counted(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    int64_t waiting = -1, oldest_ms = -1;
    begin(fixture);
    check_ok(fixture, deliveries_waiting(fixture->store, "crm", 9, &waiting, &oldest_ms));
    assert_true(waiting == 0 && oldest_ms == 0);
    add(fixture, "crm", "/1", "{}", 1000);
    add(fixture, "crm", "/2", "{}", 1001);
    add(fixture, "crm", "/3", NULL, 1002);
    add(fixture, "files", "/4", NULL, 999);
    commit(fixture);
    claim(fixture, "w/0", 1500, 1, &list); /* on its way: it does not wait */
    deliveries_free(list);
    begin(fixture);
    check_ok(fixture, deliveries_waiting(fixture->store, "crm", 9, &waiting, &oldest_ms));
    commit(fixture);
    assert_true(waiting == 2 && oldest_ms == 1001);
}

/* However many there are, no more than the first few are looked at. */
static void what_waits_is_counted_up_to_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    int64_t waiting = -1, oldest_ms = -1;
    begin(fixture);
    add(fixture, "crm", "/1", "{}", 1000);
    commit(fixture);
    claim(fixture, "w/0", 1000, 9, &list);
    assert_int_equal(settle(fixture, "w/0", list, STORE_ACTION_PENDING, 1003), 1);
    deliveries_free(list);
    begin(fixture);
    add(fixture, "crm", "/2", "{}", 1002);
    add(fixture, "crm", "/3", "{}", 1001);
    check_ok(fixture, deliveries_waiting(fixture->store, "crm", 3, &waiting, &oldest_ms));
    assert_true(waiting == 3 && oldest_ms == 1000);
    check_ok(fixture, deliveries_waiting(fixture->store, "crm", 2, &waiting, &oldest_ms));
    assert_true(waiting == 2 && oldest_ms == 1001);
    commit(fixture);
}

static void there_is_a_table_or_not(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    assert_int_equal(check_ok(fixture, deliveries_exist(fixture->store)), 0);
    check_ok(fixture, deliveries_prepare(fixture->store));
    assert_int_equal(check_ok(fixture, deliveries_exist(fixture->store)), 1);
    commit(fixture);
}

static void old_ones_are_removed_when_they_have_ended(void **state)
{
    struct fixture *fixture = *state;
    struct delivery *list;
    begin(fixture);
    add(fixture, "crm", "/1", "{}", 1000);
    add(fixture, "crm", "/2", "{}", 1001);
    add(fixture, "crm", "/3", "{}", 1002);
    commit(fixture);
    claim(fixture, "w/0", 1500, 2, &list);
    settle(fixture, "w/0", list, STORE_ACTION_DELIVERED, 0);
    settle(fixture, "w/0", list->next, STORE_ACTION_EXPIRED, 0);
    deliveries_free(list);
    begin(fixture);
    assert_int_equal(check_ok(fixture, deliveries_count_ended(fixture->store, 2000, 9)), 0);
    assert_int_equal(check_ok(fixture, deliveries_count_ended(fixture->store, 2001, 9)), 2);
    assert_int_equal(check_ok(fixture, deliveries_count_ended(fixture->store, 2001, 1)), 1);
    assert_int_equal(check_ok(fixture, deliveries_prune(fixture->store, 2000, 9)), 0);
    assert_int_equal(check_ok(fixture, deliveries_prune(fixture->store, 2001, 1)), 1);
    assert_int_equal(check_ok(fixture, deliveries_prune(fixture->store, 9999, 9)), 1);
    commit(fixture);
    assert_int_equal(count(fixture, "state = 'pending'"), 1);
}

#define PREPARED(function)                                                                         \
    cmocka_unit_test_setup_teardown(function, prepared_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PREPARED(table_is_made_once),
        PREPARED(claimed_whole_in_order_and_once),
        PREPARED(rolled_back_request_never_was),
        PREPARED(settled_by_its_owner_only),
        PREPARED(tried_again_when_it_is_due),
        PREPARED(former_life_is_taken_up),
        PREPARED(lease_that_is_over_is_anybodys),
        PREPARED(lease_that_is_over_is_not_taken_from_oneself),
        PREPARED(what_waits_is_brought_forward),
        PREPARED(nothing_else_is_brought_forward),
        PREPARED(lease_ends_in_time_after_the_clock_was_put_back),
        PREPARED(what_waits_is_counted),
        PREPARED(what_waits_is_counted_up_to_a_limit),
        STORE_TEST(there_is_a_table_or_not),
        PREPARED(old_ones_are_removed_when_they_have_ended),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
