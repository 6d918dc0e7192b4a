/*
 * history_test.c: calls, timelines and the feed of events out of a real store, as the JSON that the
 * dashboard reads.
 */
#include "store_fixture.h"

#include <jansson.h>

#include "common/clock.h"
#include "receiver/history_json.h"
#include "receiver/reader_thread.h"

/* What the writer writes, parsed; NULL when there is no such thing. */
static json_t *read_json(struct fixture *fixture, reader_write_fn write, const void *question)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    int result = check_ok(fixture, write(fixture->store, question, out));
    assert_int_equal(fclose(out), 0);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        fail_msg("no JSON: %s", text);
    free(text);
    if (result == 0)
        return json;
    json_decref(json);
    return NULL;
}

static void store(struct fixture *fixture, const char *type, const char *call_id, int64_t time_ms,
                  const char *queue, const char *number)
{
    struct event event = make_event(type, call_id, time_ms);
    int64_t id;
    event.field[EVENT_QUEUE] = queue;
    event.field[EVENT_THEIR_NUMBER] = number;
    check_ok(fixture, store_event_add(fixture->store, &event, &id));
    check_ok(fixture, store_call_advance(fixture->store, &event));
}

/* c0 ... c9, a second between two; the odd ones finished; queues 900 and 901 in turn; three callers. */
static void store_ten_calls(struct fixture *fixture)
{
    begin(fixture);
    for (int i = 0; i < 10; i++) {
        char call_id[8], number[8];
        snprintf(call_id, sizeof call_id, "c%d", i);
        snprintf(number, sizeof number, "11%d", i % 3);
        store(fixture, "call.new", call_id, 1000 * i, "", number);
        store(fixture, "call.waiting", call_id, 1000 * i + 100, i % 2 == 0 ? "900" : "901", "");
        if (i % 2 == 1)
            store(fixture, "call.finished", call_id, 1000 * i + 900, "", "");
    }
    commit(fixture);
}

/* The ids of the calls of an answer: "c9 c7 ". */
static void list_ids(const json_t *answer, char out[64])
{
    const json_t *data = json_object_get(answer, "data");
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(data); i++)
        used += (size_t)snprintf(
            out + used, 64 - used, "%s ",
            json_string_value(json_object_get(json_array_get(data, i), "call_id")));
}

static void expect_calls(struct fixture *fixture, struct history_calls question, const char *ids)
{
    char got[64];
    if (question.limit == 0)
        question.limit = 50;
    if (question.to_ms == 0)
        question.to_ms = INT64_MAX;
    json_t *answer = read_json(fixture, history_json_calls, &question);
    list_ids(answer, got);
    assert_string_equal(got, ids);
    json_decref(answer);
}

static void finds_calls_by_what_is_asked(void **state)
{
    struct fixture *fixture = *state;
    const unsigned finished = 1u << LIFECYCLE_FINISHED, waiting = 1u << LIFECYCLE_WAITING;

    store_ten_calls(fixture);
    expect_calls(fixture, (struct history_calls){.limit = 3}, "c9 c8 c7 ");
    expect_calls(fixture, (struct history_calls){.states = finished}, "c9 c7 c5 c3 c1 ");
    expect_calls(fixture, (struct history_calls){.states = waiting}, "c8 c6 c4 c2 c0 ");
    expect_calls(fixture, (struct history_calls){.states = waiting | finished, .limit = 2},
                 "c9 c8 ");
    expect_calls(fixture, (struct history_calls){.states = 1u << LIFECYCLE_NEW}, "");
    expect_calls(fixture, (struct history_calls){.from_ms = 7000}, "c9 c8 c7 ");
    expect_calls(fixture, (struct history_calls){.to_ms = 2000}, "c1 c0 ");
    expect_calls(fixture, (struct history_calls){.from_ms = 2000, .to_ms = 4000}, "c3 c2 ");
    expect_calls(fixture, (struct history_calls){.queue = "901", .limit = 2}, "c9 c7 ");
    expect_calls(fixture, (struct history_calls){.queue = "902"}, "");
    expect_calls(fixture, (struct history_calls){.number = "112"}, "c8 c5 c2 ");
    expect_calls(fixture, (struct history_calls){.number = "112", .queue = "900"}, "c8 c2 ");
    expect_calls(fixture, (struct history_calls){.number = "112", .states = finished}, "c5 ");
    expect_calls(fixture, (struct history_calls){.queue = "900", .states = waiting, .to_ms = 5000},
                 "c4 c2 c0 ");
}

/* Each call once, with calls of the same time and with new ones coming in between. */
static void turns_pages(void **state)
{
    struct fixture *fixture = *state;
    struct history_calls question = {.to_ms = INT64_MAX, .limit = 3};
    char seen[256] = "", page[64];
    int pages = 0;

    begin(fixture);
    for (int i = 0; i < 8; i++) {
        char call_id[8];
        snprintf(call_id, sizeof call_id, "c%d", i);
        store(fixture, "call.new", call_id, i < 6 ? 5000 : 6000, "", "");
    }
    commit(fixture);
    for (;;) {
        json_t *answer = read_json(fixture, history_json_calls, &question);
        const char *next = json_string_value(json_object_get(answer, "next"));
        list_ids(answer, page);
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s", page);
        long long cursor_ms = 0, cursor_id = 0;
        if (next != NULL)
            assert_int_equal(sscanf(next, "%lld.%lld", &cursor_ms, &cursor_id), 2);
        json_decref(answer);
        if (cursor_id == 0)
            break;
        question.cursor_ms = cursor_ms;
        question.cursor_id = cursor_id;
        begin(fixture);
        char call_id[16];
        snprintf(call_id, sizeof call_id, "late%d", pages++);
        store(fixture, "call.new", call_id, 7000, "", "");
        commit(fixture);
    }
    assert_string_equal(seen, "c7 c6 c5 c4 c3 c2 c1 c0 ");
    assert_int_equal(pages, 2);
}

/* ---- One call --------------------------------------------------------------------------------------- */

static const char *text_at(const json_t *array, size_t index, const char *name)
{
    return json_string_value(json_object_get(json_array_get(array, index), name));
}

static void shows_a_call_with_its_timeline(void **state)
{
    struct fixture *fixture = *state;
    struct event late = make_event("call.new", "c", 1000);
    struct event standby = make_event("call.standby", "c", 2000);
    struct event other = make_event("call.new", "d", 1500);
    struct store_action *claimed = NULL;
    struct store_expired expired;
    int64_t id, standby_id;
    int count = 0;

    late.body = "{\"dados\":{\"cpf\":\"\xc3\xa9\"}}";
    late.body_size = strlen(late.body);
    begin(fixture);
    check_ok(fixture, store_event_add(fixture->store, &standby, &standby_id));
    check_ok(fixture, store_event_add(fixture->store, &late, &id));
    check_ok(fixture, store_event_add(fixture->store, &other, &id));
    check_ok(fixture, store_call_advance(fixture->store, &standby));
    check_ok(fixture, store_call_advance(fixture->store, &late));
    check_ok(fixture, store_action_add(fixture->store, "key", "c", "{\"destination\":\"900\"}",
                                       standby_id, 2005, 12005));
    check_ok(fixture, store_actions_claim(fixture->store, 2010, 10, &claimed, &count, &expired));
    assert_int_equal(count, 1);
    assert_int_equal(
        settle_action(fixture->store, claimed[0].id, STORE_ACTION_DELIVERED, 0, 2500, 204, NULL),
        1);
    store_actions_free(claimed, count);
    commit(fixture);

    json_t *answer = read_json(fixture, history_json_call, &(struct history_call){.call_id = "c"});
    const json_t *data = json_object_get(answer, "data");
    const json_t *events = json_object_get(data, "events");
    const json_t *actions = json_object_get(data, "actions");
    assert_string_equal(json_string_value(json_object_get(json_object_get(data, "call"), "status")),
                        "call.standby");
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(text_at(events, 0, "type"), "call.new"); /* by when they happened */
    assert_string_equal(text_at(events, 0, "time"), "1970-01-01T00:00:01.000Z");
    assert_string_equal(text_at(events, 0, "received"), "1970-01-01T00:00:01.005Z");
    const json_t *body = json_object_get(json_array_get(events, 0), "body");
    assert_string_equal(json_string_value(json_object_get(json_object_get(body, "dados"), "cpf")),
                        "\xc3\xa9");
    assert_string_equal(text_at(events, 1, "type"), "call.standby");
    assert_int_equal(json_array_size(actions), 1);
    assert_string_equal(text_at(actions, 0, "state"), "delivered");
    assert_string_equal(text_at(actions, 0, "state_time"), "1970-01-01T00:00:02.500Z");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(actions, 0), "http_status")),
                     204);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(actions, 0), "event")),
                     standby_id);
    json_decref(answer);
}

static int add_id(void *arg, const struct store_past_action *action)
{
    *(int64_t *)arg = *(int64_t *)arg * 100 + action->id;
    return 0;
}

/* A plugin may act for a call that nothing is known of, and later for the same. */
static void finds_actions_from_before_the_call(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "c", 1000);
    const char *const call_id[] = {"c", "other", "c", ""};
    int64_t id, ids = 0;

    begin(fixture);
    for (int i = 0; i < 4; i++) {
        if (i == 2) {
            check_ok(fixture, store_event_add(fixture->store, &event, &id));
            check_ok(fixture, store_call_advance(fixture->store, &event));
        }
        check_ok(fixture, store_action_add(fixture->store, "key", call_id[i], "{}", 1, 5, 12005));
    }
    commit(fixture);
    check_ok(fixture, store_call_actions(fixture->store, "c", 10, add_id, &ids));
    assert_int_equal(ids, 103); /* 1, then 3 */
    ids = 0;
    check_ok(fixture, store_call_actions(fixture->store, "c", 1, add_id, &ids));
    assert_int_equal(ids, 1);
}

static void shows_what_is_no_call_by_its_events(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.strange", "x", 1000);
    int64_t id;

    begin(fixture);
    check_ok(fixture, store_event_add(fixture->store, &event, &id));
    commit(fixture);
    json_t *answer = read_json(fixture, history_json_call, &(struct history_call){.call_id = "x"});
    assert_true(json_is_null(json_object_get(json_object_get(answer, "data"), "call")));
    json_decref(answer);
    assert_null(read_json(fixture, history_json_call, &(struct history_call){.call_id = "y"}));
}

/* ---- Events ----------------------------------------------------------------------------------------- */

static void take_next(const json_t *answer, struct store_place *out)
{
    long long tx, id;
    const char *next = json_string_value(json_object_get(answer, "next"));
    assert_non_null(next);
    assert_int_equal(sscanf(next, "%lld.%lld", &tx, &id), 2);
    *out = (struct store_place){.tx = tx, .id = id};
}

/*
 * Waits until so many events are handed out: PostgreSQL holds them back while any transaction that is older
 * runs in its cluster, and other tests have theirs there.
 */
static void await_events(struct fixture *fixture, size_t count)
{
    const struct history_events question = {.limit = 500};
    int64_t until_us = clock_mono_us() + 20000000;
    size_t got = 0;
    while (got != count) {
        json_t *answer = read_json(fixture, history_json_events, &question);
        got = json_array_size(json_object_get(answer, "data"));
        json_decref(answer);
        if (clock_mono_us() > until_us)
            fail_msg("%zu events in 20 s, not %zu", got, count);
    }
}

static void feeds_every_event_once_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct history_events question = {.limit = 4};
    int64_t last = 0;
    int seen = 0;

    store_ten_calls(fixture);
    await_events(fixture, 25);
    for (;;) {
        json_t *answer = read_json(fixture, history_json_events, &question);
        const json_t *data = json_object_get(answer, "data");
        size_t count = json_array_size(data);
        for (size_t i = 0; i < count; i++) {
            int64_t id = json_integer_value(json_object_get(json_array_get(data, i), "id"));
            assert_true(id > last);
            last = id;
            seen++;
        }
        take_next(answer, &question.after);
        json_decref(answer);
        if (count == 0)
            break;
    }
    assert_int_equal(seen, 25);
    assert_int_equal(question.after.id, last); /* where to go on later */

    question = (struct history_events){.newest = 1, .limit = 2};
    json_t *answer = read_json(fixture, history_json_events, &question);
    assert_int_equal(json_array_size(json_object_get(answer, "data")), 2);
    take_next(answer, &question.after);
    assert_int_equal(question.after.id, last);
    json_decref(answer);
}

static void an_empty_store_has_an_empty_history(void **state)
{
    struct fixture *fixture = *state;
    struct history_events question = {.newest = 1, .limit = 2};

    json_t *answer = read_json(fixture, history_json_events, &question);
    assert_int_equal(json_array_size(json_object_get(answer, "data")), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "next")), "0.0");
    json_decref(answer);
    expect_calls(fixture, (struct history_calls){.limit = 1}, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(finds_calls_by_what_is_asked),
        STORE_TEST(turns_pages),
        STORE_TEST(shows_a_call_with_its_timeline),
        STORE_TEST(finds_actions_from_before_the_call),
        STORE_TEST(shows_what_is_no_call_by_its_events),
        STORE_TEST(feeds_every_event_once_and_in_order),
        STORE_TEST(an_empty_store_has_an_empty_history),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
