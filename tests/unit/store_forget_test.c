/*
 * store_forget_test.c: a caller's number is nowhere any more, what counts stays right, and nobody else is
 * touched; on every backend.
 */
#include "loop_length.h"
#include "store_fixture.h"

#include "http/deliveries.h"

#define HIS   "5511987654321"
#define OTHER "5511900000000"
#define SOON  ((int64_t)100000)

/* ---- What these tests say often -------------------------------------------------------------------- */

struct input {
    const char *type, *call_id, *number, *body;
    int64_t time_ms;
};

/* Stores an event and what it makes of its call and its user; its row. */
static int64_t receive(struct fixture *fixture, const struct input *input)
{
    struct event event = make_event(input->type, input->call_id, input->time_ms);
    int64_t id = 0;
    event.field[EVENT_THEIR_NUMBER] = input->number;
    event.field[EVENT_OUR_NUMBER] = "3003";
    event.body = input->body;
    event.body_size = strlen(input->body);
    assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                     STORE_EVENT_NEW);
    if (event.state == LIFECYCLE_NONE)
        return id;
    check_ok(fixture, strcmp(input->type, "call.new") == 0
                          ? store_call_save(fixture->store, &event)
                          : store_call_advance(fixture->store, &event));
    if (input->number[0] != '\0')
        check_ok(fixture, store_user_create(fixture->store, input->number, 1, NULL));
    return id;
}

static int64_t receive_of(struct fixture *fixture, const char *type, const char *call_id,
                          const char *number, int64_t time_ms)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"type\":\"%s\",\"call_id\":\"%s\",\"their_number\":\"%s\",\"nome\":\"Maria\"}",
             type, call_id, number);
    return receive(fixture, &(struct input){type, call_id, number, body, time_ms});
}

/* Steps of so many rows, each in a transaction of its own, to the end; how many there were. */
static int forget_all(struct fixture *fixture, const struct forgetting *forgetting, int max_rows,
                      int dry_run, struct store_forgotten *forgotten)
{
    int steps = 0;
    *forgotten = (struct store_forgotten){0};
    for (int more = 1; more == 1; steps++) {
        begin(fixture);
        more = check_ok(fixture,
                        store_forget(fixture->store, forgetting, max_rows, dry_run, forgotten));
        commit(fixture);
        assert_true(steps < 1000);
    }
    return steps;
}

static struct forgetting make(const char *number)
{
    struct forgetting forgetting;
    assert_int_equal(forgetting_init(&forgetting, number), 0);
    return forgetting;
}

static int64_t count_of(struct fixture *fixture, const char *sql)
{
    begin(fixture);
    int64_t count = query_integer(fixture, sql);
    commit(fixture);
    return count;
}

/* In how many rows of all tables a text is. */
static int64_t places_of(struct fixture *fixture, const char *text)
{
    static const char *const tables[] = {"users",   "calls",     "events", "payloads",
                                         "actions", "handlings", "counts"};
    int64_t places = 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        static const char *const columns[] = {
            "number",
            "their_number || ' ' || our_number || ' ' || actor || ' ' || code",
            "CAST(body AS text)",
            "CAST(payload AS text)",
            "body || ' ' || coalesce(detail, '')",
            NULL,
            "name"};
        char sql[256];
        const char *column =
            columns[i] != NULL ? columns[i] : either("error", "error || ' ' || coalesce(body, '')");
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE %s LIKE '%%%s%%'", tables[i],
                 column, text);
        places += count_of(fixture, sql);
    }
    return places;
}

static int is_nothing(const struct store_forgotten *found)
{
    return found->users + found->calls + found->events + found->payloads + found->actions +
               found->handlings + found->under_way ==
           0;
}

static int64_t users_counted(struct fixture *fixture)
{
    struct store_counts counts;
    check_ok(fixture, store_counts(fixture->store, &counts));
    return counts.users;
}

/* An action that has ended, or with PENDING has not. */
static void act(struct fixture *fixture, const char *call_id, const char *body,
                enum store_action_state state, const char *detail)
{
    struct store_action *actions = NULL;
    struct store_expired expired = {0};
    int count = 0;
    check_ok(fixture, store_action_add(fixture->store, "key", call_id, body, 1, 1, SOON));
    if (state == STORE_ACTION_PENDING)
        return;
    check_ok(fixture, store_actions_claim(fixture->store, 2, 10, &actions, &count, &expired));
    assert_int_equal(count, 1);
    check_ok(fixture, settle_action(fixture->store, actions[0].id, state, 0, 3, 500, detail));
    store_actions_free(actions, count);
}

/* ---- Tests ------------------------------------------------------------------------------------------ */

static void nobody_is_known(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found;
    begin(fixture);
    receive_of(fixture, "call.new", "c-2", OTHER, 1000);
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 0, &found);
    assert_true(is_nothing(&found));
    assert_int_equal(users_counted(fixture), 1);
}

/* Everything that may hold a number, in one store; returns the row of an event of his with a dead letter. */
static int64_t fill(struct fixture *fixture)
{
    begin(fixture);
    receive_of(fixture, "call.new", "c-1", HIS, 1000);
    int64_t dead = receive_of(fixture, "call.standby", "c-1", HIS, 1001);
    receive(fixture, &(struct input){
                         "actor.left", "c-1", "",
                         "{\"type\":\"actor.left\",\"call_id\":\"c-1\",\"nome\":\"Maria\"}", 1002});
    receive_of(fixture, "call.finished", "c-1", "55 11 98765-4321", 1003);
    receive_of(fixture, "call.new", "c-2", OTHER, 1000);
    receive(fixture,
            &(struct input){"call.finished", "c-2", OTHER,
                            "{\"type\":\"call.finished\",\"call_id\":\"c-2\",\"nome\":\"Jo\","
                            "\"their_number\":\"" OTHER "\",\"spoke_of\":[\"" HIS "\"]}",
                            1001});
    receive(fixture, &(struct input){"odd", "c-3", HIS,
                                     "{\"type\":\"odd\",\"call_id\":\"c-3\",\"nome\":\"Maria\","
                                     "\"their_number\":\"\\u0035511987654321\"}",
                                     1002});
    check_ok(fixture, store_retry_put(fixture->store, dead, "crm", 3, 1, 0, 5, "no contact Maria"));
    check_ok(fixture,
             store_retry_put(fixture->store, dead + 2, "crm", 3, 1, 0, 5, "busy with " HIS));
    act(fixture, "c-1", "{\"type\":\"x\",\"to\":\"" HIS "\"}", STORE_ACTION_REJECTED, "Maria?");
    act(fixture, "c-2", "{\"type\":\"x\",\"destination\":\"" HIS "\"}", STORE_ACTION_DELIVERED,
        "ok");
    act(fixture, "c-2", "{\"type\":\"x\",\"destination\":\"900\"}", STORE_ACTION_DELIVERED,
        HIS " is busy");
    act(fixture, "c-2", "{\"type\":\"x\",\"destination\":\"901\"}", STORE_ACTION_DELIVERED, "fine");
    commit(fixture);
    return dead;
}

static void he_is_nowhere_any_more(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found;
    fill(fixture);
    int64_t users = users_counted(fixture);
    forget_all(fixture, &forgetting, 3, 0, &found);
    assert_int_equal(places_of(fixture, HIS), 0);
    assert_int_equal(places_of(fixture, "5511987654321"), 0);
    assert_int_equal(places_of(fixture, "98765-4321"), 0);
    assert_int_equal(places_of(fixture, "Maria"), count_of(fixture, "SELECT count(*) FROM calls "
                                                                    "WHERE call_id = 'c-2'") *
                                                      2);
    assert_int_equal(found.users, 2); /* as it was written with separators, too */
    assert_int_equal(found.calls, 1);
    assert_int_equal(found.active, 0);
    assert_int_equal(found.events, 6);
    assert_int_equal(found.payloads, 1);
    assert_int_equal(found.actions, 3);
    assert_int_equal(found.handlings, 2);
    assert_int_equal(found.under_way, 0);
    assert_int_equal(users_counted(fixture), users - 2);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM users"), users - 2);
}

/* What counts stays: calls by state, what others have, and an event's identity. */
static void what_counts_stays(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found;
    struct store_counts before, after;
    int64_t id = 0;
    fill(fixture);
    check_ok(fixture, store_counts(fixture->store, &before));
    forget_all(fixture, &forgetting, 100, 0, &found);
    check_ok(fixture, store_counts(fixture->store, &after));
    assert_memory_equal(before.calls, after.calls, sizeof before.calls);
    begin(fixture);
    const struct store_call *call = find_call(fixture, "c-1");
    assert_string_equal(call->their_number, forgetting.token);
    assert_string_equal(call->our_number, "3003");
    assert_int_equal(call->state, LIFECYCLE_FINISHED);
    assert_string_equal(find_call(fixture, "c-2")->their_number, OTHER);
    struct event again = make_event("call.new", "c-9", 5000);
    check_ok(fixture, store_event_add(fixture->store, &again, &id));
    commit(fixture);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events"), 8);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM events WHERE call_id = 'c-2' AND "
                                       "CAST(body AS text) LIKE '%Jo%'"),
                     1);
    assert_int_equal(count_of(fixture, "SELECT count(*) FROM actions WHERE detail = 'fine'"), 1);
}

/* A plugin may have kept it: what it knows of him must not become the next caller's. */
static void his_id_is_nobody_elses(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    const struct store_user *user = NULL;
    struct store_forgotten forgotten;
    begin(fixture);
    check_ok(fixture, store_user_create(fixture->store, OTHER, 1, NULL));
    check_ok(fixture, store_user_create(fixture->store, HIS, 2, &user));
    const int64_t his = user->id;
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 0, &forgotten);
    assert_int_equal(forgotten.users, 1);
    fixture_reopen(fixture);
    begin(fixture);
    check_ok(fixture, store_user_create(fixture->store, "5511911112222", 3, &user));
    assert_true(user->id > his);
    commit(fixture);
}

static void a_repeated_event_is_recognised(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found;
    struct event event = make_event("call.new", "c-1", 1000);
    int64_t id = 0;
    event.field[EVENT_THEIR_NUMBER] = HIS;
    event.body = "{\"their_number\":\"" HIS "\",\"type\":\"call.new\",\"call_id\":\"c-1\"}";
    event.body_size = strlen(event.body);
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                     STORE_EVENT_NEW);
    check_ok(fixture, store_call_save(fixture->store, &event));
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 0, &found);
    event.seq++;
    begin(fixture);
    assert_int_equal(check_ok(fixture, store_event_add(fixture->store, &event, &id)),
                     STORE_EVENT_DUPLICATE);
    commit(fixture);
    assert_int_equal(places_of(fixture, HIS), 0);
}

static void a_dry_run_counts_the_same_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten dry, wet;
    fill(fixture);
    int64_t places = places_of(fixture, HIS);
    forget_all(fixture, &forgetting, 4, 1, &dry);
    assert_int_equal(places_of(fixture, HIS), places);
    assert_int_equal(places_of(fixture, forgetting.token), 0);
    forget_all(fixture, &forgetting, 5, 0, &wet);
    assert_memory_equal(&dry, &wet, offsetof(struct store_forgotten, kind));
}

/* However small the steps are; and what is given up in the middle is found again. */
static void in_small_steps_and_begun_again(void **state)
{
    struct fixture *fixture = *state;
    struct store_forgotten found = {0};
    const struct forgetting first = make(HIS), second = make("55 1198765 4321");
    begin(fixture);
    const int rows = loop_length(30, 8);
    for (int i = 0; i < rows; i++)
        receive_of(fixture, "odd.step", "c-1", HIS, 1000 + i);
    receive_of(fixture, "call.new", "c-1", HIS, 2000);
    commit(fixture);
    for (int i = 0; i < loop_length(12, 4); i++) {
        begin(fixture);
        check_ok(fixture, store_forget(fixture->store, &first, 2, 0, &found));
        commit(fixture);
    }
    assert_in_range(places_of(fixture, HIS), 1, rows);
    assert_true(forget_all(fixture, &second, 2, 0, &found) > rows / 2);
    assert_int_equal(found.calls, 1);
    assert_int_equal(places_of(fixture, HIS), 0);
}

/* A step that is rolled back is as if it had not been. */
static void a_step_that_is_rolled_back(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found = {0};
    fill(fixture);
    int64_t places = places_of(fixture, HIS), users = users_counted(fixture);
    begin(fixture);
    check_ok(fixture, store_forget(fixture->store, &forgetting, 100, 0, &found));
    store_rollback(fixture->store);
    assert_int_equal(places_of(fixture, HIS), places);
    assert_int_equal(users_counted(fixture), users);
}

static void what_is_to_be_sent_is_sent(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten dry, found;
    begin(fixture);
    receive_of(fixture, "call.standby", "c-1", HIS, 1000);
    act(fixture, "c-1", "{\"type\":\"x\",\"to\":\"" HIS "\"}", STORE_ACTION_PENDING, NULL);
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 1, &dry);
    forget_all(fixture, &forgetting, 10, 0, &found);
    assert_int_equal(found.under_way, 1);
    assert_int_equal(dry.under_way, 1);
    assert_int_equal(found.active, 1);
    assert_int_equal(found.actions, 0);
    assert_int_equal(places_of(fixture, HIS), 1);
}

/* What came after he was forgotten goes when it is asked again, with his number in it or without. */
static void a_call_that_went_on(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS), again = make(HIS);
    struct store_forgotten dry, found;
    begin(fixture);
    receive_of(fixture, "call.new", "c-1", HIS, 1000);
    receive_of(fixture, "call.new", "c-2", OTHER, 1000);
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 0, &found);
    assert_int_equal(found.active, 1);
    begin(fixture);
    int64_t dead = receive(
        fixture,
        &(struct input){"actor.left", "c-1", "",
                        "{\"type\":\"actor.left\",\"call_id\":\"c-1\",\"nome\":\"Rosa\"}", 1002});
    check_ok(fixture, store_retry_put(fixture->store, dead, "crm", 3, 1, 0, 5, "no contact Rosa"));
    act(fixture, "c-1", "{\"type\":\"x\"}", STORE_ACTION_REJECTED, "Rosa?");
    commit(fixture);
    assert_int_equal(places_of(fixture, "Rosa"), 3);
    forget_all(fixture, &again, 10, 1, &dry);
    forget_all(fixture, &again, 10, 0, &found);
    assert_memory_equal(&dry, &found, offsetof(struct store_forgotten, kind));
    assert_int_equal(places_of(fixture, "Rosa"), 0);
    assert_int_equal(places_of(fixture, "Maria"), 2); /* the other's */
    assert_true(is_nothing(&found));                  /* nothing of it says whose it was */
    assert_int_equal(found.came_since, 3);
    forget_all(fixture, &again, 10, 0, &found);
    assert_int_equal(found.came_since, 0);
}

/* No telephone's, and JSON may write it in another way in each event. */
static void a_number_that_is_escaped(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make("\"\u0141ukasz\" <l@pbx>");
    struct store_forgotten found;
    begin(fixture);
    receive(fixture, &(struct input){"odd", "c-1", "",
                                     "{\"type\":\"odd\",\"call_id\":\"c-1\","
                                     "\"from\":\"\\\"\u0141ukasz\\\" <l@pbx>\"}",
                                     1000});
    receive(fixture, &(struct input){"odd", "c-2", "",
                                     "{\"type\":\"odd\",\"call_id\":\"c-2\","
                                     "\"from\":\"\\u0022\\u0141ukasz\\u0022 <l@pbx>\"}",
                                     1001});
    receive(fixture,
            &(struct input){"odd", "c-3", "",
                            "{\"type\":\"odd\",\"call_id\":\"c-3\",\"from\":\"l@pbx\"}", 1002});
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 0, &found);
    assert_int_equal(found.events, 2);
    assert_int_equal(places_of(fixture, "ukasz"), 0);
    assert_int_equal(places_of(fixture, "l@pbx"), 1);
}

/* A call to his line, or by him as an agent: the column alone is his. */
static void another_column(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make("3003");
    struct store_forgotten found;
    begin(fixture);
    receive_of(fixture, "call.new", "c-1", OTHER, 1000);
    commit(fixture);
    forget_all(fixture, &forgetting, 10, 0, &found);
    assert_int_equal(found.calls, 1);
    assert_int_equal(found.users + found.events + found.active, 0);
    begin(fixture);
    assert_string_equal(find_call(fixture, "c-1")->our_number, forgetting.token);
    assert_string_equal(find_call(fixture, "c-1")->their_number, OTHER);
    commit(fixture);
    assert_int_equal(places_of(fixture, "Maria"), 2);
}

/* What a plugin asks with the same words is still a plugin's. */
static void a_plugin_may_not_what_this_may(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found;
    fill(fixture);
    forget_all(fixture, &forgetting, 100, 0, &found);
    const struct store_value one = {.type = STORE_INT64, .as = {.integer = 1}};
    begin(fixture);
    assert_int_equal(store_sql(fixture->store,
                               either("DELETE FROM users WHERE id = $1",
                                      "DELETE FROM pbxhook.users WHERE id = $1"),
                               &one, 1, NULL, NULL, NULL),
                     STORE_E_SQL);
    assert_error_has(fixture, "pbxhook's own");
    commit(fixture);
}

/* ---- Deliveries ------------------------------------------------------------------------------------- */

static void deliver(struct fixture *fixture, const char *call_id, const char *path,
                    const char *body)
{
    check_ok(fixture,
             deliveries_add(fixture->store, &(struct delivery_request){.target = "crm",
                                                                       .plugin = "p",
                                                                       .call_id = call_id,
                                                                       .path = path,
                                                                       .body = body,
                                                                       .now_ms = 1,
                                                                       .expires_ms = SOON}));
}

static int64_t deliveries_with(struct fixture *fixture, const char *text)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pbxhook_deliveries WHERE coalesce(body, '') || path || "
             "coalesce(detail, '') LIKE '%%%s%%'",
             text);
    return count_of(fixture, sql);
}

static void forget_deliveries(struct fixture *fixture, const struct forgetting *forgetting,
                              int dry_run, struct deliveries_forgotten *found)
{
    *found = (struct deliveries_forgotten){0};
    for (int more = 1; more == 1;) {
        begin(fixture);
        more = check_ok(fixture, deliveries_forget(fixture->store, forgetting, 2, dry_run, found));
        commit(fixture);
    }
}

static void deliveries_that_have_ended(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct deliveries_forgotten found;
    forget_deliveries(fixture, &forgetting, 0, &found); /* no table yet */
    assert_int_equal(found.deliveries, 0);
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    receive_of(fixture, "call.new", "c-1", HIS, 1000);
    receive_of(fixture, "call.new", "c-2", OTHER, 1000);
    deliver(fixture, "c-1", "/notes", "{\"nome\":\"Maria\"}");
    deliver(fixture, "c-2", "/notes", "{\"nome\":\"Jo\",\"about\":\"" HIS "\"}");
    deliver(fixture, "c-2", "/people/" HIS, "{\"nome\":\"Jo\"}");
    deliver(fixture, "c-2", "/people", "{\"nome\":\"Jo\"}");
    commit(fixture);
    forget_deliveries(fixture, &forgetting, 0, &found);
    assert_int_equal(found.under_way, 3);
    assert_int_equal(found.deliveries, 0);
    assert_int_equal(deliveries_with(fixture, HIS), 2);
    begin(fixture);
    check_ok(fixture, store_sql(fixture->store,
                                "UPDATE pbxhook_deliveries SET state = 'delivered', "
                                "detail = 'said Maria' WHERE call_id = 'c-1'",
                                NULL, 0, NULL, NULL, NULL));
    check_ok(fixture, store_sql(fixture->store,
                                "UPDATE pbxhook_deliveries SET state = 'unknown' "
                                "WHERE call_id = 'c-2'",
                                NULL, 0, NULL, NULL, NULL));
    commit(fixture);
    forget_deliveries(fixture, &forgetting, 1, &found);
    assert_int_equal(found.deliveries, 3);
    assert_int_equal(deliveries_with(fixture, HIS), 2);
    forget_deliveries(fixture, &forgetting, 0, &found);
    assert_int_equal(found.deliveries, 3);
    assert_int_equal(found.under_way, 0);
    assert_int_equal(deliveries_with(fixture, HIS), 0);
    assert_int_equal(deliveries_with(fixture, "Maria"), 0);
    assert_int_equal(deliveries_with(fixture, "Jo"), 3);
}

/* Its call has his number no longer by then. */
static void deliveries_that_end_afterwards(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS), again = make(HIS);
    struct deliveries_forgotten found;
    struct store_forgotten in_store;
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    receive_of(fixture, "call.new", "c-1", HIS, 1000);
    deliver(fixture, "c-1", "/notes", "{\"nome\":\"Maria\"}");
    commit(fixture);
    forget_deliveries(fixture, &forgetting, 0, &found);
    assert_int_equal(found.under_way, 1);
    forget_all(fixture, &forgetting, 10, 0, &in_store);
    begin(fixture);
    check_ok(fixture, store_sql(fixture->store,
                                "UPDATE pbxhook_deliveries SET state = 'delivered', "
                                "detail = 'said Maria'",
                                NULL, 0, NULL, NULL, NULL));
    commit(fixture);
    forget_deliveries(fixture, &again, 0, &found);
    assert_int_equal(found.deliveries, 0);
    assert_int_equal(found.came_since, 1);
    assert_int_equal(deliveries_with(fixture, "Maria"), 0);
    forget_deliveries(fixture, &again, 0, &found);
    assert_int_equal(found.came_since, 0);
}

/* ---- The files of SQLite ---------------------------------------------------------------------------- */

/* How often a text is in a file; 0 when there is none. */
static int occurrences(const char *path, const char *text)
{
    int found = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    fclose(file);
    for (size_t i = 0; i + strlen(text) <= size; i++)
        found += memcmp(bytes + i, text, strlen(text)) == 0;
    free(bytes);
    return found;
}

/* Not in free pages, not in free parts of pages, not in the log. */
static void nothing_is_left_in_the_files(void **state)
{
    struct fixture *fixture = *state;
    const struct forgetting forgetting = make(HIS);
    struct store_forgotten found;
    char path[128], wal[136];
    if (strcmp(current_backend->name, "sqlite") != 0) {
        assert_int_equal(check_ok(fixture, store_scrub(fixture->store)), 1);
        return;
    }
    snprintf(path, sizeof path, "%s/store.db", fixture->directory);
    snprintf(wal, sizeof wal, "%s-wal", path);
    fill(fixture);
    assert_true(occurrences(wal, HIS) > 0);
    forget_all(fixture, &forgetting, 10, 0, &found);
    assert_true(occurrences(path, HIS) + occurrences(wal, HIS) > 0);
    struct store *reader = fixture_open(fixture, STORE_READ);
    assert_int_equal(check_ok(fixture, store_scrub(fixture->store)), 1);
    store_close(reader);
    assert_int_equal(occurrences(path, HIS), 0);
    assert_int_equal(occurrences(wal, HIS), 0);
    assert_int_equal(occurrences(path, "98765-4321"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(nobody_is_known),
        STORE_TEST(he_is_nowhere_any_more),
        STORE_TEST(what_counts_stays),
        STORE_TEST(his_id_is_nobody_elses),
        STORE_TEST(a_repeated_event_is_recognised),
        STORE_TEST(a_dry_run_counts_the_same_and_changes_nothing),
        STORE_TEST(in_small_steps_and_begun_again),
        STORE_TEST(a_step_that_is_rolled_back),
        STORE_TEST(what_is_to_be_sent_is_sent),
        STORE_TEST(a_call_that_went_on),
        STORE_TEST(a_number_that_is_escaped),
        STORE_TEST(another_column),
        STORE_TEST(a_plugin_may_not_what_this_may),
        STORE_TEST(deliveries_that_have_ended),
        STORE_TEST(deliveries_that_end_afterwards),
        STORE_TEST(nothing_is_left_in_the_files),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
