/*
 * store_outbox_test.c: the outbox's actions, on every backend.
 */
#include "loop_length.h"
#include "store_fixture.h"

#define DELEGATE "{\"type\":\"call.waiting\",\"call_id\":\"a\",\"destination\":\"900\"}"

/* ---- What these tests say often -------------------------------------------------------------------- */

static void add(struct fixture *fixture, const char *key, const char *call_id, const char *body,
                int64_t received_ms)
{
    check_ok(fixture, store_action_add(fixture->store, key, call_id, body, 7, received_ms,
                                       received_ms + 10000));
}

/* Claims in a transaction of its own; the array is the caller's. */
static int claim(struct fixture *fixture, int64_t now_ms, int max, struct store_action **out,
                 struct store_expired *expired)
{
    int count = -1;
    begin(fixture);
    check_ok(fixture, store_actions_claim(fixture->store, now_ms, max, out, &count, expired));
    commit(fixture);
    return count;
}

static int64_t claim_one(struct fixture *fixture, int64_t now_ms)
{
    struct store_action *actions = NULL;
    struct store_expired expired = {-1, -1};
    assert_int_equal(claim(fixture, now_ms, 10, &actions, &expired), 1);
    assert_int_equal(expired.expired, 0);
    int64_t id = actions[0].id;
    store_actions_free(actions, 1);
    return id;
}

static int settle(struct fixture *fixture, int64_t id, enum store_action_state state,
                  int64_t due_ms, int http_status, const char *detail)
{
    begin(fixture);
    int changed = check_ok(
        fixture, settle_action(fixture->store, id, state, due_ms, 2000, http_status, detail));
    commit(fixture);
    return changed;
}

static int confirm(struct fixture *fixture, const char *call_id)
{
    begin(fixture);
    int confirmed = check_ok(fixture, store_actions_confirm(fixture->store, call_id, 2000));
    commit(fixture);
    return confirmed;
}

static int take_state(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 2);
    snprintf(arg, 64, "%s %lld", values[0].as.text, (long long)values[1].as.integer);
    return 0;
}

/* "state http_status" of an action, 0 when there was no answer. */
static void assert_state(struct fixture *fixture, int64_t id, const char *expected)
{
    char text[64] = "";
    const struct store_value param = {.type = STORE_INT64, .as = {.integer = id}};
    begin(fixture);
    check_ok(fixture, store_sql(fixture->store,
                                "SELECT state, coalesce(http_status, 0) FROM actions WHERE id = $1",
                                &param, 1, take_state, text, NULL));
    commit(fixture);
    assert_string_equal(text, expected);
}

/* ---- Claiming --------------------------------------------------------------------------------------- */

static void action_is_claimed_whole_and_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {-1, -1};
    begin(fixture);
    add(fixture, "key-1", "a", DELEGATE, 1000);
    commit(fixture);
    assert_int_equal(claim(fixture, 1000, 10, &actions, &expired), 1);
    assert_int_equal(expired.expired, 0);
    assert_string_equal(actions[0].key, "key-1");
    assert_string_equal(actions[0].call_id, "a");
    assert_string_equal(actions[0].body, DELEGATE);
    assert_int_equal(actions[0].received_ms, 1000);
    assert_int_equal(actions[0].expires_ms, 11000);
    assert_int_equal(actions[0].attempts, 1);
    store_actions_free(actions, 1);
    actions = NULL;
    assert_int_equal(claim(fixture, 1000, 10, &actions, &expired), 0);
    store_actions_free(actions, 0);
}

static void claim_that_was_rolled_back_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    int count = 0;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "key-1", "a", DELEGATE, 1000);
    commit(fixture);
    begin(fixture);
    check_ok(fixture, store_actions_claim(fixture->store, 1000, 10, &actions, &count, &expired));
    assert_int_equal(count, 1);
    store_actions_free(actions, count);
    store_rollback(fixture->store);
    assert_int_equal(claim(fixture, 1000, 10, &actions, &expired), 1);
    assert_int_equal(actions[0].attempts, 1);
    store_actions_free(actions, 1);
}

static void oldest_are_claimed_first_up_to_max(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "second", "b", DELEGATE, 1001);
    add(fixture, "first", "a", DELEGATE, 1000);
    add(fixture, "third", "c", DELEGATE, 1001);
    add(fixture, "not yet", "d", DELEGATE, 1002);
    commit(fixture);
    assert_int_equal(claim(fixture, 1001, 0, &actions, &expired), 0);
    store_actions_free(actions, 0);
    assert_int_equal(claim(fixture, 1001, 2, &actions, &expired), 2);
    assert_string_equal(actions[0].key, "first");
    assert_string_equal(actions[1].key, "second");
    store_actions_free(actions, 2);
    assert_int_equal(claim(fixture, 1001, 2, &actions, &expired), 1);
    assert_string_equal(actions[0].key, "third");
    store_actions_free(actions, 1);
}

static void older_one_is_claimed_before_a_new_one(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    int count = 0;
    begin(fixture);
    add(fixture, "older", "a", DELEGATE, 1000);
    commit(fixture);
    begin(fixture);
    add(fixture, "new", "b", DELEGATE, 1001);
    check_ok(fixture, store_actions_claim(fixture->store, 1001, 1, &actions, &count, &expired));
    commit(fixture);
    assert_int_equal(count, 1);
    assert_string_equal(actions[0].key, "older");
    store_actions_free(actions, 1);
}

static void action_past_its_deadline_expires(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "old", "a", DELEGATE, 1000);
    add(fixture, "new", "b", DELEGATE, 5000);
    commit(fixture);
    assert_int_equal(claim(fixture, 11000, 10, &actions, &expired), 1);
    assert_int_equal(expired.expired, 1);
    assert_string_equal(actions[0].key, "new");
    store_actions_free(actions, 1);
    begin(fixture);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM actions WHERE state = 'expired' "
                                            "AND key = 'old' AND attempts = 0"),
                     1);
    commit(fixture);
}

/* After a long outage: no claim is endless, none is lost, and the next one is due at once. */
static void long_backlog_expires_in_steps(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    int64_t due_ms = 0;
    struct store_expired expired = {0};
    int total = 0;
    const int many = loop_length(2500, 50);
    begin(fixture);
    for (int i = 0; i < many; i++)
        add(fixture, "old", "a", DELEGATE, 1000);
    commit(fixture);
    while (check_ok(fixture, store_action_next_due(fixture->store, &due_ms)) == STORE_DUE_ACTION) {
        assert_int_equal(due_ms, 1000);
        assert_int_equal(claim(fixture, 20000, 10, &actions, &expired), 0);
        store_actions_free(actions, 0);
        assert_in_range(expired.expired, 1, 1000);
        total += expired.expired;
    }
    assert_int_equal(total, many);
}

static void next_due_is_the_earliest(void **state)
{
    struct fixture *fixture = *state;
    int64_t due_ms = -1;
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)), 0);
    assert_int_equal(due_ms, -1);
    begin(fixture);
    add(fixture, "b", "b", DELEGATE, 2000);
    add(fixture, "a", "a", DELEGATE, 1000);
    commit(fixture);
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_ACTION);
    assert_int_equal(due_ms, 1000);
    int64_t id = claim_one(fixture, 1500);
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_ACTION);
    assert_int_equal(due_ms, 2000);
    assert_int_equal(settle(fixture, id, STORE_ACTION_PENDING, 1700, 0, NULL), 1);
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_ACTION);
    assert_int_equal(due_ms, 1700);
}

static int64_t add_and_claim(struct fixture *fixture, const char *call_id, int64_t received_ms)
{
    begin(fixture);
    add(fixture, "key", call_id, DELEGATE, received_ms);
    commit(fixture);
    return claim_one(fixture, received_ms);
}

/* ---- Settling --------------------------------------------------------------------------------------- */

/* The clock was put back to 2000 when all were put off to 90000 or so. */
static void what_a_clock_put_back_puts_off_is_due_now(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "off", "a", DELEGATE, 90000);
    add(fixture, "near", "b", DELEGATE, 12000); /* no later than may be */
    check_ok(fixture, store_actions_bring_forward(fixture->store, 2000, 0));
    add(fixture, "fresh", "c", DELEGATE, 2001);
    commit(fixture);
    assert_int_equal(claim(fixture, 2000, 10, &actions, &expired), 1);
    assert_string_equal(actions[0].key, "off");
    store_actions_free(actions, 1);
    /* What is made by the clock as it is now is no part of it. */
    assert_int_equal(claim(fixture, 2001, 10, &actions, &expired), 1);
    assert_string_equal(actions[0].key, "fresh");
    store_actions_free(actions, 1);
    assert_int_equal(expired.expired, 0);
    assert_int_equal(claim(fixture, 11999, 10, &actions, &expired), 0);
    store_actions_free(actions, 0);
}

/* Its caller is not told where to go half an hour later. */
static void deadline_of_a_clock_put_back_is_no_further_away(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "sent", "a", DELEGATE, 90000);
    add(fixture, "left", "b", DELEGATE, 90000);
    check_ok(fixture, store_actions_bring_forward(fixture->store, 2000, 0));
    commit(fixture);
    assert_int_equal(claim(fixture, 2000, 1, &actions, &expired), 1);
    assert_string_equal(actions[0].key, "sent");
    assert_int_equal(actions[0].expires_ms, 12000);
    store_actions_free(actions, 1);
    assert_int_equal(claim(fixture, 12000, 10, &actions, &expired), 0);
    assert_int_equal(expired.expired, 1);
    store_actions_free(actions, 0);
}

/* The clock was put back while it was being sent: the next try is within the deadline as it is now. */
static void deadline_is_no_further_away_for_what_was_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    int64_t id = add_and_claim(fixture, "a", 90000);
    settle(fixture, id, STORE_ACTION_PENDING, 2100, 503, "busy");
    assert_int_equal(claim(fixture, 2100, 10, &actions, &expired), 1);
    assert_int_equal(actions[0].expires_ms, 12100);
    store_actions_free(actions, 1);
    settle(fixture, id, STORE_ACTION_PENDING, 13000, 503, "busy");
    assert_int_equal(claim(fixture, 12100, 10, &actions, &expired), 0);
    assert_int_equal(expired.expired, 1);
    store_actions_free(actions, 0);
}

static void action_that_is_tried_again_counts_its_attempts(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "key", "a", DELEGATE, 1000);
    commit(fixture);
    int64_t id = claim_one(fixture, 1000);
    assert_int_equal(settle(fixture, id, STORE_ACTION_PENDING, 3000, 503, "busy"), 1);
    assert_int_equal(claim(fixture, 2999, 10, &actions, &expired), 0);
    store_actions_free(actions, 0);
    assert_int_equal(claim(fixture, 3000, 10, &actions, &expired), 1);
    assert_int_equal(actions[0].id, id);
    assert_int_equal(actions[0].attempts, 2);
    store_actions_free(actions, 1);
    assert_int_equal(settle(fixture, id, STORE_ACTION_DELIVERED, 0, 200, NULL), 1);
    assert_state(fixture, id, "delivered 200");
    assert_int_equal(settle(fixture, id, STORE_ACTION_UNKNOWN, 0, 0, NULL), 0);
    assert_state(fixture, id, "delivered 200");
}

/* Backing off beyond the deadline is no way to stay pending for ever. */
static void retry_beyond_the_deadline_is_due_at_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    int64_t due_ms = 0;
    struct store_expired expired = {0};
    begin(fixture);
    add(fixture, "key", "a", DELEGATE, 1000);
    commit(fixture);
    settle(fixture, claim_one(fixture, 1000), STORE_ACTION_PENDING, 99000, 503, "busy");
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_ACTION);
    assert_int_equal(due_ms, 11000);
    assert_int_equal(claim(fixture, 11000, 10, &actions, &expired), 0);
    assert_int_equal(expired.expired, 1);
    store_actions_free(actions, 0);
}

static void each_end_is_written_down(void **state)
{
    static const struct {
        enum store_action_state state;
        int http_status;
        const char *expected;
    } ends[] = {{STORE_ACTION_DELIVERED, 204, "delivered 204"},
                {STORE_ACTION_REJECTED, 422, "rejected 422"},
                {STORE_ACTION_EXPIRED, 0, "expired 0"},
                {STORE_ACTION_UNKNOWN, 0, "unknown 0"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        begin(fixture);
        add(fixture, "key", "a", DELEGATE, 1000);
        commit(fixture);
        int64_t id = claim_one(fixture, 1000);
        assert_int_equal(settle(fixture, id, ends[i].state, 0, ends[i].http_status, "why"), 1);
        assert_state(fixture, id, ends[i].expected);
    }
    begin(fixture);
    assert_int_equal(settle_action(fixture->store, 1, STORE_ACTION_SENDING, 0, 0, 0, ""),
                     STORE_E_ARGUMENT);
    assert_int_equal(settle_action(fixture->store, 1, STORE_ACTION_CONFIRMED, 0, 0, 0, ""),
                     STORE_E_ARGUMENT);
    assert_int_equal(settle_action(fixture->store, 999, STORE_ACTION_DELIVERED, 0, 0, 200, ""), 0);
    commit(fixture);
}

/* ---- Confirming ------------------------------------------------------------------------------------- */

static void waiting_confirms_what_is_on_its_way(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add(fixture, "sending", "a", DELEGATE, 1000);
    commit(fixture);
    int64_t sending = claim_one(fixture, 1000);
    begin(fixture);
    add(fixture, "unknown", "a", DELEGATE, 1000);
    commit(fixture);
    int64_t unknown = claim_one(fixture, 1000);
    settle(fixture, unknown, STORE_ACTION_UNKNOWN, 0, 0, "timed out");
    begin(fixture);
    add(fixture, "other call", "b", DELEGATE, 1000);
    commit(fixture);
    int64_t other = claim_one(fixture, 1000);
    assert_int_equal(confirm(fixture, "a"), 2);
    assert_state(fixture, sending, "confirmed 0");
    assert_state(fixture, unknown, "confirmed 0");
    assert_state(fixture, other, "sending 0");
    assert_int_equal(confirm(fixture, "a"), 0);
}

static void waiting_confirms_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add(fixture, "hang up", "a", "{\"type\":\"hangup\",\"call_id\":\"a\"}", 1000);
    commit(fixture);
    int64_t hang_up = claim_one(fixture, 1000);
    begin(fixture);
    add(fixture, "no json", "a", "\"destination\"}", 1000);
    commit(fixture);
    int64_t no_json = claim_one(fixture, 1000);
    begin(fixture);
    add(fixture, "delivered", "a", DELEGATE, 1000);
    commit(fixture);
    int64_t delivered = claim_one(fixture, 1000);
    settle(fixture, delivered, STORE_ACTION_DELIVERED, 0, 200, NULL);
    begin(fixture);
    add(fixture, "pending", "a", DELEGATE, 1000);
    commit(fixture);
    assert_int_equal(confirm(fixture, "a"), 0);
    assert_state(fixture, hang_up, "sending 0");
    assert_state(fixture, no_json, "sending 0");
    assert_state(fixture, delivered, "delivered 200");
    claim_one(fixture, 1000); /* it was still pending */
}

static void confirmed_stays_confirmed(void **state)
{
    static const struct {
        enum store_action_state end;
        int http_status;
        const char *expected;
    } ends[] = {{STORE_ACTION_UNKNOWN, 0, "confirmed 0"},
                {STORE_ACTION_PENDING, 0, "confirmed 0"},
                {STORE_ACTION_PENDING, 503, "confirmed 503"},
                {STORE_ACTION_DELIVERED, 200, "confirmed 200"},
                {STORE_ACTION_REJECTED, 409, "confirmed 409"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        begin(fixture);
        add(fixture, "key", "a", DELEGATE, 1000);
        commit(fixture);
        int64_t id = claim_one(fixture, 1000);
        assert_int_equal(confirm(fixture, "a"), 1);
        assert_int_equal(settle(fixture, id, ends[i].end, 2000, ends[i].http_status, "late"), 0);
        assert_state(fixture, id, ends[i].expected);
    }
}

static int64_t answers_counted(struct fixture *fixture)
{
    begin(fixture);
    int64_t answers = query_integer(fixture, "SELECT CAST(coalesce(sum(n), 0) AS bigint) "
                                             "FROM kpi_actions");
    commit(fixture);
    return answers;
}

/* A plugin that fails undoes its own work, not what was confirmed before it; what it has undone is not counted. */
static void confirmed_is_counted_as_it_stands(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add(fixture, "key", "a", DELEGATE, 1000);
    add(fixture, "key", "b", DELEGATE, 1000);
    commit(fixture);
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    assert_int_equal(claim(fixture, 1000, 10, &actions, &expired), 2);
    store_actions_free(actions, 2);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_actions_confirm(fixture->store, "a", 2000)), 1);
    check_ok(fixture, store_savepoint(fixture->store));
    assert_int_equal(check_ok(fixture, store_actions_confirm(fixture->store, "b", 2000)), 1);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM actions "
                                            "WHERE state = 'confirmed'"),
                     2);
    check_ok(fixture, store_undo(fixture->store));
    commit(fixture);
    assert_int_equal(store_confirmed(fixture->store), 1);
    assert_int_equal(answers_counted(fixture), 1);
    assert_int_equal(confirm(fixture, "a"), 0);
    assert_int_equal(confirm(fixture, "b"), 1);
    assert_int_equal(store_confirmed(fixture->store), 1);
    assert_int_equal(answers_counted(fixture), 2);
}

static void what_a_worker_left_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add(fixture, "sending", "a", DELEGATE, 1000);
    commit(fixture);
    int64_t id = claim_one(fixture, 1000);
    begin(fixture);
    add(fixture, "pending", "a", DELEGATE, 1000);
    commit(fixture);
    fixture_reopen(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_actions_abandon(fixture->store, 3000, 0, NULL)), 1);
    assert_int_equal(check_ok(fixture, store_actions_abandon(fixture->store, 3000, 0, NULL)), 0);
    commit(fixture);
    assert_state(fixture, id, "unknown 0");
    assert_int_equal(confirm(fixture, "a"), 1);
    claim_one(fixture, 1000); /* the pending one */
}

/* ---- What may have been received and is sent again --------------------------------------------------- */

static int abandon(struct fixture *fixture, int64_t now_ms, int repeatable)
{
    begin(fixture);
    int unknown =
        check_ok(fixture, store_actions_abandon(fixture->store, now_ms, repeatable, NULL));
    commit(fixture);
    return unknown;
}

/* Nothing is left to send or to wait for. */
static void assert_nothing_due(struct fixture *fixture)
{
    int64_t due_ms;
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)), 0);
}

static void doubtful_is_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    int64_t due_ms = 0;
    int64_t id = add_and_claim(fixture, "a", 1000);
    assert_int_equal(settle(fixture, id, STORE_ACTION_DOUBTFUL, 3000, 0, "timed out"), 1);
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_ACTION);
    assert_int_equal(due_ms, 3000);
    assert_int_equal(claim(fixture, 2999, 10, &actions, &expired), 0);
    store_actions_free(actions, 0);
    assert_int_equal(claim(fixture, 3000, 10, &actions, &expired), 1);
    assert_int_equal(actions[0].id, id);
    assert_int_equal(actions[0].attempts, 2);
    store_actions_free(actions, 1);
    assert_int_equal(settle(fixture, id, STORE_ACTION_DELIVERED, 0, 200, NULL), 1);
    assert_state(fixture, id, "delivered 200");
    assert_int_equal(confirm(fixture, "a"), 0);
    assert_nothing_due(fixture);
}

static void waiting_confirms_a_doubtful_one(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_and_claim(fixture, "a", 1000);
    settle(fixture, id, STORE_ACTION_DOUBTFUL, 3000, 0, "timed out");
    assert_int_equal(confirm(fixture, "a"), 1);
    assert_state(fixture, id, "confirmed 0");
    assert_nothing_due(fixture);
    assert_int_equal(confirm(fixture, "a"), 0);
}

/* A later answer that says "not now" does not say what became of the first try. */
static void doubt_stays_through_further_tries(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_and_claim(fixture, "a", 1000);
    settle(fixture, id, STORE_ACTION_DOUBTFUL, 3000, 0, "timed out");
    assert_int_equal(claim_one(fixture, 3000), id);
    settle(fixture, id, STORE_ACTION_PENDING, 4000, 503, "busy");
    fixture_reopen(fixture);
    assert_int_equal(confirm(fixture, "a"), 1);
    assert_state(fixture, id, "confirmed 503");
}

static void doubtful_past_its_deadline_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    int64_t due_ms = 0;
    int64_t id = add_and_claim(fixture, "a", 1000);
    settle(fixture, id, STORE_ACTION_DOUBTFUL, 99000, 0, "timed out");
    begin(fixture);
    add(fixture, "never sent", "b", DELEGATE, 1000);
    commit(fixture);
    assert_int_equal(check_ok(fixture, store_action_next_due(fixture->store, &due_ms)),
                     STORE_DUE_ACTION);
    assert_int_equal(due_ms, 1000);
    assert_int_equal(claim(fixture, 11000, 10, &actions, &expired), 0);
    store_actions_free(actions, 0);
    assert_int_equal(expired.expired, 1);
    assert_int_equal(expired.unknown, 1);
    assert_state(fixture, id, "unknown 0");
    assert_int_equal(confirm(fixture, "b"), 0);
    assert_int_equal(confirm(fixture, "a"), 1);
}

static void doubtful_that_is_settled_as_expired_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_and_claim(fixture, "a", 1000);
    settle(fixture, id, STORE_ACTION_DOUBTFUL, 3000, 0, "timed out");
    assert_int_equal(claim_one(fixture, 3000), id);
    assert_int_equal(settle(fixture, id, STORE_ACTION_EXPIRED, 0, 503, "busy"), 1);
    assert_state(fixture, id, "unknown 503");
    assert_int_equal(confirm(fixture, "a"), 1);
}

static void what_a_worker_left_is_sent_again_if_repeatable(void **state)
{
    struct fixture *fixture = *state;
    int64_t late = add_and_claim(fixture, "late", 1000);
    int64_t id = add_and_claim(fixture, "a", 5000);
    fixture_reopen(fixture);
    assert_int_equal(abandon(fixture, 11000, 1), 1);
    assert_state(fixture, late, "unknown 0");
    assert_int_equal(claim_one(fixture, 11000), id); /* due at once */
    assert_int_equal(abandon(fixture, 11001, 1), 0); /* left once more */
    assert_int_equal(confirm(fixture, "a"), 1);
    assert_state(fixture, id, "confirmed 0");
    assert_int_equal(confirm(fixture, "late"), 1);
}

/* The operator has found out that the PBX does not look at the key. */
static void doubtful_is_given_up_when_no_longer_repeatable(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_and_claim(fixture, "a", 1000);
    settle(fixture, id, STORE_ACTION_DOUBTFUL, 3000, 0, "timed out");
    begin(fixture);
    add(fixture, "never sent", "b", DELEGATE, 2000);
    commit(fixture);
    assert_int_equal(abandon(fixture, 2500, 1), 0);
    assert_int_equal(abandon(fixture, 2500, 0), 1);
    assert_state(fixture, id, "unknown 0");
    claim_one(fixture, 3000); /* the other one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(action_is_claimed_whole_and_once),
        STORE_TEST(claim_that_was_rolled_back_is_made_again),
        STORE_TEST(oldest_are_claimed_first_up_to_max),
        STORE_TEST(older_one_is_claimed_before_a_new_one),
        STORE_TEST(action_past_its_deadline_expires),
        STORE_TEST(long_backlog_expires_in_steps),
        STORE_TEST(next_due_is_the_earliest),
        STORE_TEST(what_a_clock_put_back_puts_off_is_due_now),
        STORE_TEST(deadline_of_a_clock_put_back_is_no_further_away),
        STORE_TEST(deadline_is_no_further_away_for_what_was_under_way),
        STORE_TEST(action_that_is_tried_again_counts_its_attempts),
        STORE_TEST(retry_beyond_the_deadline_is_due_at_the_deadline),
        STORE_TEST(each_end_is_written_down),
        STORE_TEST(waiting_confirms_what_is_on_its_way),
        STORE_TEST(waiting_confirms_nothing_else),
        STORE_TEST(confirmed_stays_confirmed),
        STORE_TEST(confirmed_is_counted_as_it_stands),
        STORE_TEST(what_a_worker_left_is_unknown),
        STORE_TEST(doubtful_is_sent_again),
        STORE_TEST(waiting_confirms_a_doubtful_one),
        STORE_TEST(doubt_stays_through_further_tries),
        STORE_TEST(doubtful_past_its_deadline_is_unknown),
        STORE_TEST(doubtful_that_is_settled_as_expired_is_unknown),
        STORE_TEST(what_a_worker_left_is_sent_again_if_repeatable),
        STORE_TEST(doubtful_is_given_up_when_no_longer_repeatable),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
