/*
 * store_retries_test.c: the handlings that failed, and those given up as dead letters, on every backend.
 */
#include "store_fixture.h"

/* ---- Handlings that failed --------------------------------------------------------------------------- */

static const char envelope[] =
    "{\"chamada\":{\"call_id\":\"a\",\"code\":\"7\",\"type\":\"call.standby\","
    "\"direction\":\"inbound\",\"our_number\":\"0800\",\"their_number\":\"119\","
    "\"timestamp\":\"2018-02-15T20:07:32.562Z\"},\"dados\":{},\"atendente\":{},\"dialer\":{}}";

/* A stored event as the webhook would make it. */
static struct event *store_event(struct fixture *fixture, int64_t *id)
{
    struct event *event = NULL;
    struct event_problem problem;
    if (event_parse(envelope, sizeof(envelope) - 1, 5000, &event, &problem) < 0)
        fail_msg("%s", problem.detail);
    assert_int_equal(event_identify_by_content(event), 0);
    event->seq = 42;
    assert_int_equal(store_event_add(fixture->store, event, id), STORE_EVENT_NEW);
    return event;
}

static void put(struct fixture *fixture, int64_t event_id, const char *plugin, int attempts,
                int dead, int64_t due_ms)
{
    check_ok(fixture, store_retry_put(fixture->store, event_id, plugin, attempts, dead, due_ms,
                                      1000, "it said no"));
}

static void retry_brings_its_event_back(void **state)
{
    struct fixture *fixture = *state;
    struct store_retry *retries = NULL;
    int64_t id = 0;
    int count = 0;
    begin(fixture);
    struct event *event = store_event(fixture, &id);
    put(fixture, id, "call_standby", 1, 0, 2000);
    commit(fixture);
    check_ok(fixture, store_retries_due(fixture->store, 2000, 10, &retries, &count));
    assert_int_equal(count, 1);
    assert_int_equal(retries[0].event_id, id);
    assert_string_equal(retries[0].plugin, "call_standby");
    assert_int_equal(retries[0].attempts, 1);
    const struct event *again = retries[0].event;
    assert_int_equal(again->seq, 42);
    assert_int_equal(again->time_ms, event->time_ms);
    assert_int_equal(again->received_ms, 5000);
    assert_int_equal(again->state, LIFECYCLE_STANDBY);
    assert_memory_equal(again->identity, event->identity, EVENT_IDENTITY_SIZE);
    assert_int_equal(again->body_size, sizeof(envelope) - 1);
    assert_string_equal(again->body, envelope);
    for (int i = 0; i < EVENT_FIELD_COUNT; i++)
        assert_string_equal(again->field[i], event->field[i]);
    store_retries_free(retries, count);
    event_free(event);
}

/* Accepted by some pbxhook, not by this one: what the columns know is enough to go on. */
static void retry_of_an_unreadable_body_comes_back_too(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.standby", "a", 1000);
    struct store_retry *retries = NULL;
    int64_t id = 0;
    int count = 0;
    event.body = "<call/>";
    event.body_size = 7;
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    put(fixture, id, "p", 1, 0, 2000);
    commit(fixture);
    check_ok(fixture, store_retries_due(fixture->store, 2000, 10, &retries, &count));
    assert_int_equal(count, 1);
    assert_string_equal(retries[0].event->field[EVENT_CALL_ID], "a");
    assert_string_equal(retries[0].event->field[EVENT_TYPE], "call.standby");
    assert_int_equal(retries[0].event->state, LIFECYCLE_STANDBY);
    assert_string_equal(retries[0].event->body, "<call/>");
    assert_int_equal(retries[0].event->time_ms, 1000);
    store_retries_free(retries, count);
}

/* The plugins of what is due at now_ms, in order. */
static void assert_due(struct fixture *fixture, int64_t now_ms, int max, const char *expected)
{
    struct store_retry *retries = NULL;
    char text[128] = "";
    int count = 0;
    check_ok(fixture, store_retries_due(fixture->store, now_ms, max, &retries, &count));
    for (int i = 0; i < count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof(text) - length, "%s:%d ", retries[i].plugin,
                 retries[i].attempts);
    }
    store_retries_free(retries, count);
    assert_string_equal(text, expected);
}

static void retries_are_due_in_order_until_done_or_dead(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = 0;
    int64_t due_ms = -1;
    begin(fixture);
    event_free(store_event(fixture, &id));
    commit(fixture);
    assert_int_equal(check_ok(fixture, store_retry_next_due(fixture->store, &due_ms)), 0);
    begin(fixture);
    put(fixture, id, "late", 1, 0, 4000);
    put(fixture, id, "second", 1, 0, 3000);
    put(fixture, id, "first", 1, 0, 2000);
    put(fixture, id, "dead", 3, 1, 2000);
    commit(fixture);
    assert_int_equal(check_ok(fixture, store_retry_next_due(fixture->store, &due_ms)), 1);
    assert_int_equal(due_ms, 2000);
    assert_due(fixture, 1999, 10, "");
    assert_due(fixture, 3000, 10, "first:1 second:1 ");
    assert_due(fixture, 3000, 1, "first:1 ");
    begin(fixture);
    put(fixture, id, "first", 2, 0, 9000); /* again, later */
    check_ok(fixture, store_retry_done(fixture->store, id, "second"));
    commit(fixture);
    assert_due(fixture, 5000, 10, "late:1 ");
    begin(fixture);
    put(fixture, id, "late", 2, 1, 0);
    commit(fixture);
    assert_due(fixture, 10000, 10, "first:2 ");
    begin(fixture);
    assert_int_equal(
        query_integer(fixture, either("SELECT count(*) FROM handlings WHERE state = 'dead' "
                                      "AND error = 'it said no' AND failed_ms = 1000",
                                      "SELECT count(*) FROM handlings WHERE state = 'dead' "
                                      "AND error = 'it said no' AND failed_at = to_timestamp(1)")),
        2);
    commit(fixture);
}

static void claim_counts_before_the_try(void **state)
{
    struct fixture *fixture = *state;
    struct store_retry retry;
    int64_t id = 0;
    begin(fixture);
    event_free(store_event(fixture, &id));
    put(fixture, id, "p", 1, 0, 2000);
    commit(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_retry_claim(fixture->store, id, "p", 9000)), 1);
    assert_int_equal(check_ok(fixture, store_retry_claim(fixture->store, id, "q", 9000)), 0);
    commit(fixture);
    assert_due(fixture, 8999, 10, "");
    assert_int_equal(check_ok(fixture, store_retry_find(fixture->store, id, "p", &retry)), 1);
    assert_int_equal(retry.attempts, 2);
    assert_int_equal(retry.strikes, 1);
    assert_string_equal(retry.error, "it said no");
    assert_string_equal(retry.event->body, envelope);
    store_retry_clear(&retry);
    /* It came back: no strike is left. */
    begin(fixture);
    put(fixture, id, "p", 2, 0, 3000);
    commit(fixture);
    assert_int_equal(check_ok(fixture, store_retry_find(fixture->store, id, "p", &retry)), 1);
    assert_int_equal(retry.strikes, 0);
    store_retry_clear(&retry);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_retries_release(fixture->store, 2500, 0)), 0);
    put(fixture, id, "p", 3, 1, 3000);
    assert_int_equal(check_ok(fixture, store_retry_claim(fixture->store, id, "p", 9000)), 0);
    assert_int_equal(check_ok(fixture, store_retry_find(fixture->store, id, "p", &retry)), 0);
    commit(fixture);
}

static void what_a_worker_had_claimed_is_due_again(void **state)
{
    struct fixture *fixture = *state;
    struct store_retry *retries = NULL;
    int64_t id = 0;
    int count = 0;
    begin(fixture);
    event_free(store_event(fixture, &id));
    put(fixture, id, "waiting", 1, 0, 7000);
    check_ok(fixture, store_retry_suspect(fixture->store, id, "claimed", 4, 1, 2000, 1000, "gone"));
    assert_int_equal(check_ok(fixture, store_retry_claim(fixture->store, id, "claimed", 9000)), 1);
    commit(fixture);
    fixture_reopen(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_retries_release(fixture->store, 3000, 0)), 1);
    assert_int_equal(check_ok(fixture, store_retries_release(fixture->store, 3000, 0)), 0);
    commit(fixture);
    check_ok(fixture, store_retries_due(fixture->store, 3000, 10, &retries, &count));
    assert_int_equal(count, 1);
    assert_string_equal(retries[0].plugin, "claimed");
    assert_int_equal(retries[0].attempts, 5);
    assert_int_equal(retries[0].strikes, 2);
    assert_string_equal(retries[0].error, "gone");
    store_retries_free(retries, count);
}

static void what_was_claimed_and_not_tried_is_as_before(void **state)
{
    struct fixture *fixture = *state;
    struct store_retry retry;
    int64_t id = 0;
    begin(fixture);
    event_free(store_event(fixture, &id));
    check_ok(fixture, store_retry_suspect(fixture->store, id, "p", 4, 2, 2000, 1000, "gone"));
    commit(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_retry_claim(fixture->store, id, "p", 9000)), 1);
    commit(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_retries_release(fixture->store, 3000, 1)), 1);
    assert_int_equal(check_ok(fixture, store_retries_release(fixture->store, 3000, 1)), 0);
    commit(fixture);
    assert_int_equal(check_ok(fixture, store_retry_find(fixture->store, id, "p", &retry)), 1);
    assert_int_equal(retry.attempts, 4);
    assert_int_equal(retry.strikes, 2);
    store_retry_clear(&retry);
}

/* As with actions; what is in somebody's hand stays there for as long as if he had just taken it. */
static void retries_that_a_clock_put_back_puts_off_are_due_now(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = 0;
    begin(fixture);
    event_free(store_event(fixture, &id));
    put(fixture, id, "off", 1, 0, 90000);
    put(fixture, id, "near", 1, 0, 12000);
    put(fixture, id, "taken", 1, 0, 2000);
    commit(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_retry_claim(fixture->store, id, "taken", 95000)), 1);
    check_ok(fixture, store_retries_bring_forward(fixture->store, 2000, 10000, 5000));
    commit(fixture);
    assert_due(fixture, 1999, 10, "");
    assert_due(fixture, 2000, 10, "off:1 ");
    assert_due(fixture, 6999, 10, "off:1 ");
    assert_due(fixture, 7000, 10, "off:1 taken:2 ");
    assert_due(fixture, 12000, 10, "off:1 taken:2 near:1 ");
}

/* ---- Dead letters --------------------------------------------------------------------------------- */

static int note_letter(void *arg, const struct store_letter *letter)
{
    char *text = arg;
    size_t length = strlen(text);
    snprintf(text + length, 256 - length, "%s:%d%s ", letter->plugin, letter->attempts,
             letter->body != NULL ? letter->body : "");
    return 0;
}

static int stop_at_once(void *arg, const struct store_letter *letter)
{
    (void)letter;
    ++*(int *)arg;
    return 1;
}

static void bury(struct fixture *fixture, int64_t id, const char *plugin, int64_t failed_ms)
{
    check_ok(fixture, store_retry_put(fixture->store, id, plugin, 3, 1, 0, failed_ms, "gone"));
}

static void letters_are_listed_newest_first_page_by_page(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = 0, count = -1;
    char text[256] = "";
    int calls = 0;
    check_ok(fixture, store_letters_count(fixture->store, &count));
    assert_int_equal(count, 0);
    begin(fixture);
    event_free(store_event(fixture, &id));
    bury(fixture, id, "b", 2000);
    bury(fixture, id, "a", 2000);
    bury(fixture, id, "old", 1000);
    bury(fixture, id, "new", 3000);
    put(fixture, id, "alive", 1, 0, 2000);
    commit(fixture);
    check_ok(fixture, store_letters_count(fixture->store, &count));
    assert_int_equal(count, 4);
    check_ok(fixture, store_letters(fixture->store, NULL, 2, note_letter, text));
    assert_string_equal(text, "new:3 b:3 ");
    const struct store_letter before = {.failed_ms = 2000, .event_id = id, .plugin = "b"};
    text[0] = '\0';
    check_ok(fixture, store_letters(fixture->store, &before, 9, note_letter, text));
    assert_string_equal(text, "a:3 old:3 ");
    assert_int_equal(store_letters(fixture->store, NULL, 9, stop_at_once, &calls), STORE_E_STOPPED);
    assert_int_equal(calls, 1);
}

static void letter_is_found_with_its_body(void **state)
{
    struct fixture *fixture = *state;
    char text[256] = "";
    int64_t id = 0;
    begin(fixture);
    event_free(store_event(fixture, &id));
    bury(fixture, id, "p", 2000);
    put(fixture, id, "alive", 1, 0, 2000);
    commit(fixture);
    assert_int_equal(
        check_ok(fixture, store_letter_find(fixture->store, id, "p", note_letter, text)), 1);
    assert_non_null(strstr(text, "p:3{"));
    assert_int_equal(
        check_ok(fixture, store_letter_find(fixture->store, id, "alive", note_letter, text)), 0);
    assert_int_equal(
        check_ok(fixture, store_letter_find(fixture->store, id + 1, "p", note_letter, text)), 0);
}

static void letter_is_replayed_or_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    int64_t id = 0, count = 0;
    begin(fixture);
    event_free(store_event(fixture, &id));
    bury(fixture, id, "one", 1000);
    bury(fixture, id, "two", 2000);
    bury(fixture, id, "three", 3000);
    bury(fixture, id, "later", 4000);
    commit(fixture);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_letter_drop(store, id, "one")), 1);
    assert_int_equal(check_ok(fixture, store_letter_drop(store, id, "one")), 0);
    assert_int_equal(check_ok(fixture, store_letter_replay(store, id, "two", 7000)), 1);
    assert_int_equal(check_ok(fixture, store_letter_replay(store, id, "two", 7000)), 0);
    assert_int_equal(check_ok(fixture, store_letter_replay(store, id, "one", 7000)), 0);
    commit(fixture);
    assert_due(fixture, 6999, 10, "");
    assert_due(fixture, 7000, 10, "two:0 ");
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_letters_replay(store, 4000, 10, 8000)), 1);
    assert_int_equal(check_ok(fixture, store_letters_replay(store, 4000, 10, 8000)), 0);
    commit(fixture);
    assert_due(fixture, 8000, 10, "two:0 three:0 ");
    check_ok(fixture, store_letters_count(store, &count));
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(retry_brings_its_event_back),
        STORE_TEST(retry_of_an_unreadable_body_comes_back_too),
        STORE_TEST(retries_are_due_in_order_until_done_or_dead),
        STORE_TEST(claim_counts_before_the_try),
        STORE_TEST(what_a_worker_had_claimed_is_due_again),
        STORE_TEST(what_was_claimed_and_not_tried_is_as_before),
        STORE_TEST(retries_that_a_clock_put_back_puts_off_are_due_now),
        STORE_TEST(letters_are_listed_newest_first_page_by_page),
        STORE_TEST(letter_is_found_with_its_body),
        STORE_TEST(letter_is_replayed_or_dropped),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
