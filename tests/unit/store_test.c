/*
 * store_test.c: events, calls, users, transactions and counts, on every backend. The outbox and the
 * failed handlings are in store_outbox_test.c, plugins' SQL in store_sql_test.c.
 */
#include "loop_length.h"
#include "store_fixture.h"

/* ---- Events -------------------------------------------------------------------------------------- */

static void event_is_new_once(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 1000);
    int64_t id = 0;
    int64_t again = 0;
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    commit(fixture);
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &event, &again), STORE_EVENT_REPLAY);
    assert_int_equal(again, id);
    event.seq++;
    again = 0;
    assert_int_equal(store_event_add(fixture->store, &event, &again), STORE_EVENT_DUPLICATE);
    assert_int_equal(again, id);
    event.seq--;
    event.received_ms++;
    assert_int_equal(store_event_add(fixture->store, &event, &again), STORE_EVENT_DUPLICATE);
    event.identity[15] ^= 1;
    assert_int_equal(store_event_add(fixture->store, &event, &again), STORE_EVENT_NEW);
    assert_int_not_equal(again, id);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM events"), 2);
    commit(fixture);
}

static void event_that_was_rolled_back_is_new_again(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 1000);
    int64_t id = 0;
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    store_rollback(fixture->store);
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    commit(fixture);
}

/* ---- A call's status ------------------------------------------------------------------------------- */

struct arrival {
    const char *type;
    int64_t time_ms;
};

struct status_case {
    const char *what;
    struct arrival arrivals[6];
    enum lifecycle state;
    int64_t status_ms;
    int64_t created_ms;
};

static const struct status_case status_cases[] = {
    {"in order",
     {{"call.new", 10}, {"call.standby", 20}, {"call.waiting", 30}},
     LIFECYCLE_WAITING,
     30,
     10},
    {"first heard of late", {{"call.ongoing", 50}}, LIFECYCLE_ONGOING, 50, 50},
    {"a late event does not move it back",
     {{"call.ongoing", 50}, {"call.standby", 20}},
     LIFECYCLE_ONGOING,
     50,
     20},
    {"of one time the later place wins",
     {{"call.standby", 20}, {"call.waiting", 20}},
     LIFECYCLE_WAITING,
     20,
     20},
    {"of one time the earlier place loses",
     {{"call.waiting", 20}, {"call.standby", 20}},
     LIFECYCLE_WAITING,
     20,
     20},
    {"time beats place", {{"call.finished", 20}, {"actor.left", 21}}, LIFECYCLE_LEFT, 21, 20},
    {"finished stays finished",
     {{"call.finished", 90}, {"call.new", 10}, {"actor.left", 80}},
     LIFECYCLE_FINISHED,
     90,
     10},
    {"again and again",
     {{"call.new", 10}, {"call.new", 10}, {"call.standby", 20}, {"call.new", 10}},
     LIFECYCLE_STANDBY,
     20,
     10},
    {"a type outside the seven", {{"call.cpf-provided", 15}}, LIFECYCLE_NONE, 0, 15},
    {"a type outside the seven leaves it",
     {{"call.new", 10}, {"call.cpf-provided", 99}},
     LIFECYCLE_NEW,
     10,
     10},
    {"any of the seven beats none",
     {{"call.cpf-provided", 99}, {"call.new", 10}},
     LIFECYCLE_NEW,
     10,
     10},
};

static void check_status(struct fixture *fixture, const struct status_case *expected,
                         const char *call_id)
{
    const struct store_call *call = find_call(fixture, call_id);
    if (call->state != expected->state || call->status_ms != expected->status_ms ||
        call->created_ms != expected->created_ms)
        fail_msg("%s: state %d at %lld, created %lld", expected->what, (int)call->state,
                 (long long)call->status_ms, (long long)call->created_ms);
    assert_string_equal(call->call_id, call_id);
}

static void status_is_the_greatest_time_and_place(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    for (size_t i = 0; i < sizeof(status_cases) / sizeof(status_cases[0]); i++) {
        const struct status_case *one = &status_cases[i];
        char call_id[32];
        snprintf(call_id, sizeof(call_id), "case-%zu", i);
        for (size_t k = 0; one->arrivals[k].type != NULL; k++)
            advance(fixture, one->arrivals[k].type, call_id, one->arrivals[k].time_ms);
        check_status(fixture, one, call_id);
    }
    commit(fixture);
    fixture_reopen(fixture);
    for (size_t i = 0; i < sizeof(status_cases) / sizeof(status_cases[0]); i++) {
        char call_id[32];
        snprintf(call_id, sizeof(call_id), "case-%zu", i);
        check_status(fixture, &status_cases[i], call_id);
    }
}

static void call_that_is_not_there_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    const struct store_call *call = NULL;
    assert_int_equal(store_call_find(fixture->store, "nobody", &call), 0);
    assert_null(call);
}

/* A call_id longer than what the store keeps at hand, and more calls than it keeps. */
static void calls_beyond_the_cache_are_the_same(void **state)
{
    struct fixture *fixture = *state;
    char call_id[256];
    const int many = loop_length(6000, 40);
    begin(fixture);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < many; i++) {
            snprintf(call_id, sizeof(call_id), "call-%d", i);
            advance(fixture, round == 0 ? "call.new" : "call.standby", call_id, 10 + round);
        }
    }
    memset(call_id, 'x', sizeof(call_id) - 1);
    call_id[sizeof(call_id) - 1] = '\0';
    advance(fixture, "call.new", call_id, 10);
    advance(fixture, "call.standby", call_id, 20);
    commit(fixture);
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 0);
    assert_int_equal(counts.calls[LIFECYCLE_STANDBY], many + 1);
    assert_string_equal(find_call(fixture, call_id)->call_id, call_id);
}

/* ---- A call's other fields -------------------------------------------------------------------------- */

static void first_value_of_a_field_stays(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.standby", "a", 20);
    event.field[EVENT_THEIR_NUMBER] = "11999";
    begin(fixture);
    check_ok(fixture, store_call_advance(fixture->store, &event));
    event = make_event("call.new", "a", 10);
    event.field[EVENT_THEIR_NUMBER] = "other";
    event.field[EVENT_OUR_NUMBER] = "0800";
    event.field[EVENT_DIRECTION] = "inbound";
    event.field[EVENT_CODE] = "7";
    check_ok(fixture, store_call_save(fixture->store, &event));
    const struct store_call *call = find_call(fixture, "a");
    assert_string_equal(call->their_number, "11999");
    assert_string_equal(call->our_number, "0800");
    assert_string_equal(call->direction, "inbound");
    assert_string_equal(call->code, "7");
    assert_string_equal(call->queue, "");
    commit(fixture);
}

static void send_with(struct fixture *fixture, const char *type, int64_t time_ms, const char *queue,
                      const char *actor)
{
    struct event event = make_event(type, "a", time_ms);
    event.field[EVENT_QUEUE] = queue;
    event.field[EVENT_ACTOR] = actor;
    check_ok(fixture, store_call_advance(fixture->store, &event));
}

static void queue_and_actor_follow_the_status(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    send_with(fixture, "call.new", 10, "", "");
    send_with(fixture, "call.waiting", 30, "900", "");
    send_with(fixture, "call.waiting", 30, "700", ""); /* the same event again: leaves it */
    assert_string_equal(find_call(fixture, "a")->queue, "900");
    send_with(fixture, "actor.entered", 40, "", "Ana");
    assert_string_equal(find_call(fixture, "a")->queue, "900");
    assert_string_equal(find_call(fixture, "a")->actor, "Ana");
    send_with(fixture, "call.waiting", 35, "800", "Old"); /* late: loses */
    assert_string_equal(find_call(fixture, "a")->queue, "900");
    assert_string_equal(find_call(fixture, "a")->actor, "Ana");
    send_with(fixture, "actor.left", 50, "901", "Bea");
    assert_string_equal(find_call(fixture, "a")->queue, "901");
    assert_string_equal(find_call(fixture, "a")->actor, "Bea");
    send_with(fixture, "call.finished", 60, "", "");
    assert_string_equal(find_call(fixture, "a")->queue, "901");
    assert_string_equal(find_call(fixture, "a")->actor, "Bea");
    commit(fixture);
}

static void late_event_fills_an_empty_queue(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    send_with(fixture, "call.ongoing", 50, "", "");
    send_with(fixture, "call.waiting", 30, "900", "");
    send_with(fixture, "call.waiting", 31, "800", "");
    assert_string_equal(find_call(fixture, "a")->queue, "900");
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_ONGOING);
    commit(fixture);
}

static int take_text(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 1);
    assert_int_equal(values[0].type, STORE_TEXT);
    snprintf(arg, 64, "%s", values[0].as.text);
    return 0;
}

static void payload_is_the_first_ones(void **state)
{
    struct fixture *fixture = *state;
    const char *sql = "SELECT payload FROM payloads JOIN calls ON calls.id = payloads.call";
    char text[64] = "none";
    begin(fixture);
    advance(fixture, "call.standby", "a", 20);
    check_ok(fixture, store_sql(fixture->store, sql, NULL, 0, take_text, text, NULL));
    assert_string_equal(text, "none");
    struct event event = make_event("call.new", "a", 10);
    event.body = "{\"first\":1} and what is behind";
    event.body_size = 11;
    check_ok(fixture, store_call_save(fixture->store, &event));
    event = make_event("call.new", "a", 30);
    check_ok(fixture, store_call_save(fixture->store, &event));
    check_ok(fixture, store_sql(fixture->store, sql, NULL, 0, take_text, text, NULL));
    assert_string_equal(text, either("{\"first\":1}", "{\"first\": 1}"));
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_NEW); /* and it advanced */
    commit(fixture);
}

/* ---- Users ----------------------------------------------------------------------------------------- */

static void user_is_made_once(void **state)
{
    struct fixture *fixture = *state;
    const struct store_user *user = NULL;
    begin(fixture);
    assert_int_equal(store_user_find(fixture->store, "119", &user), 0);
    assert_int_equal(store_user_create(fixture->store, "119", 1000, &user), 1);
    int64_t id = user->id;
    assert_string_equal(user->number, "119");
    assert_int_equal(store_user_create(fixture->store, "120", 1500, NULL), 1);
    assert_int_equal(store_user_create(fixture->store, "119", 2000, &user), 0);
    assert_int_equal(user->id, id);
    assert_int_equal(user->created_ms, 1000);
    commit(fixture);
    user = NULL;
    assert_int_equal(store_user_find(fixture->store, "119", &user), 1);
    assert_int_equal(user->id, id);
    assert_int_equal(user->created_ms, 1000);
    assert_string_equal(user->number, "119");
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.users, 2);
}

static void empty_number_is_nobodys(void **state)
{
    struct fixture *fixture = *state;
    const struct store_user *user = NULL;
    begin(fixture);
    assert_int_equal(store_user_find(fixture->store, "", &user), 0);
    assert_int_equal(store_user_create(fixture->store, "", 1, &user), STORE_E_ARGUMENT);
    assert_null(user);
    commit(fixture); /* a bad argument costs nothing */
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.users, 0);
}

/* ---- Transactions ----------------------------------------------------------------------------------- */

static void functions_are_refused_out_of_place(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 10);
    int64_t id;
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_E_ARGUMENT);
    assert_int_equal(store_call_save(fixture->store, &event), STORE_E_ARGUMENT);
    assert_int_equal(store_commit(fixture->store), STORE_E_ARGUMENT);
    assert_int_equal(store_savepoint(fixture->store), STORE_E_ARGUMENT);
    begin(fixture);
    assert_int_equal(store_begin(fixture->store, NULL, 0), STORE_E_ARGUMENT);
    assert_int_equal(store_undo(fixture->store), STORE_E_ARGUMENT);
    assert_int_equal(store_release(fixture->store), STORE_E_ARGUMENT);
    check_ok(fixture, store_savepoint(fixture->store));
    assert_int_equal(store_savepoint(fixture->store), STORE_E_ARGUMENT);
    assert_int_equal(store_commit(fixture->store), STORE_E_ARGUMENT);
    check_ok(fixture, store_release(fixture->store));
    commit(fixture);
    store_rollback(fixture->store); /* of nothing */
}

static void reader_can_not_write(void **state)
{
    struct fixture *fixture = *state;
    struct store *reader = fixture_open(fixture, STORE_READ);
    struct event event = make_event("call.new", "a", 10);
    assert_int_equal(store_begin(reader, NULL, 0), STORE_E_ARGUMENT);
    assert_int_equal(store_call_save(reader, &event), STORE_E_ARGUMENT);
    store_close(reader);
}

static void reader_sees_what_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct store *reader = fixture_open(fixture, STORE_READ);
    struct store_counts counts;
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 1); /* its own work is in it */
    assert_int_equal(store_counts(reader, &counts), 0);
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 0);
    commit(fixture);
    assert_int_equal(store_counts(reader, &counts), 0);
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 1);
    const struct store_call *call = NULL;
    assert_int_equal(store_call_find(reader, "a", &call), 1);
    assert_int_equal(call->state, LIFECYCLE_NEW);
    store_close(reader);
}

static void undo_takes_back_one_savepoint(void **state)
{
    struct fixture *fixture = *state;
    struct store_counts counts;
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    check_ok(fixture, store_savepoint(fixture->store));
    advance(fixture, "call.finished", "a", 90);
    advance(fixture, "call.new", "b", 10);
    assert_int_equal(store_user_create(fixture->store, "119", 1, NULL), 1);
    check_ok(fixture, store_undo(fixture->store));
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_NEW);
    const struct store_call *call = NULL;
    assert_int_equal(store_call_find(fixture->store, "b", &call), 0);
    /* What the store remembered of "a" and "b" is gone too. */
    check_ok(fixture, store_savepoint(fixture->store));
    advance(fixture, "call.standby", "a", 20);
    advance(fixture, "call.new", "b", 30);
    check_ok(fixture, store_release(fixture->store));
    commit(fixture);
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_int_equal(counts.users, 0);
    assert_int_equal(counts.calls[LIFECYCLE_NEW], 1);
    assert_int_equal(counts.calls[LIFECYCLE_STANDBY], 1);
    assert_int_equal(counts.calls[LIFECYCLE_FINISHED], 0);
    assert_int_equal(find_call(fixture, "b")->created_ms, 30);
}

static void close_rolls_back(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    fixture_reopen(fixture);
    const struct store_call *call = NULL;
    assert_int_equal(store_call_find(fixture->store, "a", &call), 0);
}

/* ---- Active calls ------------------------------------------------------------------------------------ */

struct listing {
    struct fixture *fixture;
    char text[256];
    int stop_after;
};

static int list_call(void *arg, const struct store_call *call)
{
    struct listing *listing = arg;
    size_t length = strlen(listing->text);
    /* Looking up another call does not disturb the one in hand. */
    find_call(listing->fixture, "done");
    snprintf(listing->text + length, sizeof(listing->text) - length, "%s:%s ", call->call_id,
             lifecycle_word(call->state));
    return --listing->stop_after == 0;
}

static void active_calls_are_those_not_finished(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    advance(fixture, "call.new", "c", 10);
    advance(fixture, "call.standby", "a", 10);
    advance(fixture, "call.ongoing", "b", 10);
    advance(fixture, "call.finished", "done", 10);
    advance(fixture, "call.finished", "back", 10);
    advance(fixture, "actor.left", "back", 11);
    advance(fixture, "call.ongoing", "ended", 10);
    advance(fixture, "call.finished", "ended", 11);
    advance(fixture, "call.cpf-provided", "none", 10);
    commit(fixture);
    struct listing all = {.fixture = fixture};
    check_ok(fixture, store_active_calls(fixture->store, list_call, &all));
    assert_string_equal(all.text, "a:standby b:ongoing back:left c:new ");
    struct listing two = {.fixture = fixture, .stop_after = 2};
    assert_int_equal(store_active_calls(fixture->store, list_call, &two), STORE_E_STOPPED);
    assert_string_equal(two.text, "a:standby b:ongoing ");
}

/* ---- Any sequence of operations ------------------------------------------------------------------------ */

#define MODEL_CALLS        40
#define MODEL_USERS        30
#define MODEL_TRANSACTIONS loop_length(300, 4)

struct model_call {
    int known;
    enum lifecycle state;
    int64_t status_ms;
    int64_t created_ms;
};

/* What the store should hold, by the rules of the contract alone. */
struct model {
    struct model_call call[MODEL_CALLS];
    int user[MODEL_USERS];
};

static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % bound;
}

static const char *const model_type[] = {"call.new",      "call.standby", "call.waiting",
                                         "actor.entered", "call.ongoing", "actor.left",
                                         "call.finished", "call.other"};

static void model_put_call(struct model *model, struct fixture *fixture)
{
    uint32_t index = random_below(MODEL_CALLS);
    const char *type = model_type[random_below(8)];
    int64_t time_ms = 1000 + random_below(12);
    char call_id[32];
    snprintf(call_id, sizeof(call_id), "call-%u", index);
    struct event event = make_event(type, call_id, time_ms);
    if (random_below(2))
        check_ok(fixture, store_call_save(fixture->store, &event));
    else
        check_ok(fixture, store_call_advance(fixture->store, &event));

    struct model_call *call = &model->call[index];
    if (!call->known)
        *call = (struct model_call){.known = 1, .state = LIFECYCLE_NONE, .created_ms = time_ms};
    if (time_ms < call->created_ms)
        call->created_ms = time_ms;
    if (event.state != LIFECYCLE_NONE &&
        (call->state == LIFECYCLE_NONE || time_ms > call->status_ms ||
         (time_ms == call->status_ms && event.state > call->state))) {
        call->state = event.state;
        call->status_ms = time_ms;
    }
}

static void model_put_user(struct model *model, struct fixture *fixture)
{
    uint32_t index = random_below(MODEL_USERS);
    char number[16];
    snprintf(number, sizeof(number), "11%u", index);
    int made = check_ok(fixture, store_user_create(fixture->store, number, 1, NULL));
    assert_int_equal(made, !model->user[index]);
    model->user[index] = 1;
}

static void check_model(const struct model *model, struct fixture *fixture)
{
    struct store_counts counts;
    struct store_counts expected = {0};
    for (int i = 0; i < MODEL_USERS; i++)
        expected.users += model->user[i];
    for (int i = 0; i < MODEL_CALLS; i++) {
        char call_id[32];
        const struct store_call *call = NULL;
        snprintf(call_id, sizeof(call_id), "call-%d", i);
        int found = check_ok(fixture, store_call_find(fixture->store, call_id, &call));
        assert_int_equal(found, model->call[i].known);
        if (!found)
            continue;
        assert_int_equal(call->state, model->call[i].state);
        assert_int_equal(call->status_ms, model->call[i].status_ms);
        assert_int_equal(call->created_ms, model->call[i].created_ms);
        if (call->state != LIFECYCLE_NONE)
            expected.calls[call->state]++;
    }
    check_ok(fixture, store_counts(fixture->store, &counts));
    assert_memory_equal(&counts, &expected, sizeof(counts));
}

/* The numbers that are kept are those that counting finds. */
static void check_recount(struct fixture *fixture)
{
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    begin(fixture);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM users"), counts.users);
    for (int state = 0; state < LIFECYCLE_COUNT; state++) {
        char sql[96];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM calls WHERE status = '%s'",
                 lifecycle_type((enum lifecycle)state));
        assert_int_equal(query_integer(fixture, sql), counts.calls[state]);
    }
    store_rollback(fixture->store);
}

/* A plugin's own statement sees what was done before it, in this savepoint and outside. */
static void model_ask(const struct model *model, struct fixture *fixture)
{
    int64_t calls = 0;
    int64_t users = 0;
    for (int i = 0; i < MODEL_CALLS; i++)
        calls += model->call[i].known;
    for (int i = 0; i < MODEL_USERS; i++)
        users += model->user[i];
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM calls"), calls);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM users"), users);
}

static void random_work(struct model *model, struct fixture *fixture)
{
    for (uint32_t i = random_below(6); i > 0; i--) {
        uint32_t what = random_below(20);
        if (what < 5)
            model_put_user(model, fixture);
        else if (what < 19)
            model_put_call(model, fixture);
        else
            model_ask(model, fixture);
    }
}

static void any_sequence_keeps_calls_and_counts_right(void **state)
{
    struct fixture *fixture = *state;
    struct model committed = {0};
    random_state = 20260701;
    for (int step = 0; step < MODEL_TRANSACTIONS; step++) {
        struct model model = committed;
        begin(fixture);
        for (uint32_t i = random_below(8); i > 0; i--) {
            struct model before = model;
            check_ok(fixture, store_savepoint(fixture->store));
            random_work(&model, fixture);
            int undone = random_below(3) == 0;
            check_ok(fixture, undone ? store_undo(fixture->store) : store_release(fixture->store));
            if (undone)
                model = before;
            random_work(&model, fixture);
        }
        check_model(&model, fixture);
        if (random_below(3) == 0) {
            store_rollback(fixture->store);
        } else {
            commit(fixture);
            committed = model;
        }
        check_model(&committed, fixture);
        if (step % 50 == 0)
            fixture_reopen(fixture);
    }
    check_recount(fixture);
    fixture_reopen(fixture);
    check_model(&committed, fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(event_is_new_once),
        STORE_TEST(event_that_was_rolled_back_is_new_again),
        STORE_TEST(status_is_the_greatest_time_and_place),
        STORE_TEST(call_that_is_not_there_is_not_found),
        STORE_TEST(calls_beyond_the_cache_are_the_same),
        STORE_TEST(first_value_of_a_field_stays),
        STORE_TEST(queue_and_actor_follow_the_status),
        STORE_TEST(late_event_fills_an_empty_queue),
        STORE_TEST(payload_is_the_first_ones),
        STORE_TEST(user_is_made_once),
        STORE_TEST(empty_number_is_nobodys),
        STORE_TEST(functions_are_refused_out_of_place),
        STORE_TEST(reader_can_not_write),
        STORE_TEST(reader_sees_what_is_committed),
        STORE_TEST(undo_takes_back_one_savepoint),
        STORE_TEST(close_rolls_back),
        STORE_TEST(active_calls_are_those_not_finished),
        STORE_TEST(any_sequence_keeps_calls_and_counts_right),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
