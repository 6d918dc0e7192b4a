/* operation_test.c: requests that are taken or refused, the lines of an answer, and what prune leaves. */
#include "store_fixture.h"

#include "common/clock.h"
#include "http/deliveries.h"
#include "operator/operation.h"
#include "store/store_backend.h"

#define DAY_MS ((int64_t)86400000)

static struct operation *begin_prune(int64_t older_than_ms, int dry_run)
{
    struct operation *operation = NULL;
    char error[OPERATION_ERROR_SIZE] = "";
    json_t *request = operation_prune_request(older_than_ms, dry_run);
    assert_non_null(request);
    if (operation_begin(request, &operation, error) < 0)
        fail_msg("%s", error);
    json_decref(request);
    return operation;
}

/* Steps to the end; how many events its report counts. */
static int64_t run_prune(struct fixture *fixture, struct spool_reader *spool, int dry_run)
{
    const struct operation_parts parts = {.store = fixture->store, .spool = spool};
    struct operation *operation = begin_prune(DAY_MS, dry_run);
    char error[OPERATION_ERROR_SIZE] = "";
    int more;
    while ((more = operation_step(operation, &parts, error)) == 1)
        continue;
    if (more < 0)
        fail_msg("%s", error);
    json_t *report = operation_report(operation);
    int64_t events = json_integer_value(json_object_get(report, "events"));
    assert_int_equal(json_is_true(json_object_get(report, "dry_run")), dry_run);
    json_decref(report);
    operation_free(operation);
    return events;
}

static void add_event(struct fixture *fixture, int64_t received_ms)
{
    struct event event = make_event("x.y", "c", received_ms);
    int64_t id = 0;
    event.received_ms = received_ms;
    begin(fixture);
    check_ok(fixture, store_event_add(fixture->store, &event, &id));
    commit(fixture);
}

static void requests_are_checked(void **state)
{
    static const struct {
        const char *request, *wanted; /* NULL: it is taken */
    } cases[] = {
        {"{\"command\":\"prune\",\"older_than_ms\":3600000}", NULL},
        {"{\"command\":\"prune\",\"older_than_ms\":3153600000000,\"dry_run\":true}", NULL},
        {"{\"command\":\"prune\",\"older_than_ms\":3599999}", "older_than_ms"},
        {"{\"command\":\"prune\",\"older_than_ms\":3153600000001}", "older_than_ms"},
        {"{\"command\":\"prune\",\"older_than_ms\":1e9}", "older_than_ms"},
        {"{\"command\":\"prune\"}", "older_than_ms"},
        {"{\"command\":\"deliveries\",\"action\":\"list\"}", NULL},
        {"{\"command\":\"deliveries\",\"action\":\"retry-all\"}", NULL},
        {"{\"command\":\"deliveries\",\"action\":\"retry\",\"id\":\"pbxhook-1\"}", NULL},
        {"{\"command\":\"deliveries\",\"action\":\"retry\"}", "wanted one as the list"},
        {"{\"command\":\"deliveries\",\"action\":\"drop\",\"id\":\"\"}", "wanted one as the list"},
        {"{\"command\":\"deliveries\",\"action\":\"burn\"}", "wanted list, show, retry"},
        {"{\"command\":\"deliveries\"}", "wanted list, show, retry"},
        {"{\"command\":\"forget\",\"number\":\"5511\"}", NULL},
        {"{\"command\":\"forget\"}", "wanted a caller's number"},
        {"{\"command\":\"forget\",\"number\":\" - \"}", "wanted a caller's number"},
        {"{\"command\":\"forget\",\"number\":5511}", "wanted a caller's number"},
        {"{\"command\":\"dig\"}", "no such command: \"dig\""},
        {"{\"command\":7}", "no such command: \"\""},
        {"{}", "no such command: \"\""},
        {"[]", "no such command: \"\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char error[OPERATION_ERROR_SIZE] = "";
        struct operation *operation = NULL;
        json_t *request = json_loads(cases[i].request, 0, NULL);
        int result = operation_begin(request, &operation, error);
        assert_int_equal(result, cases[i].wanted == NULL ? 0 : -1);
        if (cases[i].wanted != NULL && strstr(error, cases[i].wanted) == NULL)
            fail_msg("\"%s\" is not in: %s", cases[i].wanted, error);
        operation_free(operation);
        json_decref(request);
    }
    assert_int_equal(operation_exists("prune"), 1);
    assert_int_equal(operation_exists("pru"), 0);
}

/* A number is no matter for the log; the rest of the requests is. */
static void what_is_shown_of_a_request(void **state)
{
    (void)state;
    assert_string_equal(operation_shown("forget", "{\"number\":\"5511\"}"), "forget");
    assert_string_equal(operation_shown("prune", "{\"older_than_ms\":1}"), "{\"older_than_ms\":1}");
    assert_string_equal(operation_shown("dig", "{}"), "{}");
}

static void check_line(char *line, const char *wanted)
{
    assert_string_equal(line, wanted);
    free(line);
}

static void lines_are_json(void **state)
{
    (void)state;
    check_line(operation_progress_line(json_pack("{s:i}", "n", 1)), "{\"progress\":{\"n\":1}}");
    check_line(operation_ok_line(NULL), "{\"ok\":{}}");
    check_line(operation_error_line("a \"b\"\n"), "{\"error\":\"a \\\"b\\\"\\n\"}");
    check_line(operation_error_line("\xff"), "{\"error\":\"failed; the log says why\"}");
}

/* Ended deliveries go too, once there is a table of them. */
static void deliveries_are_pruned(void **state)
{
    struct fixture *fixture = *state;
    const struct operation_parts parts = {.store = fixture->store};
    const struct delivery_request request = {
        .target = "crm", .plugin = "p", .call_id = "c", .path = "/", .expires_ms = 2000};
    struct delivery *one = NULL;
    char error[OPERATION_ERROR_SIZE] = "";
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    check_ok(fixture, deliveries_add(fixture->store, &request));
    check_ok(fixture, deliveries_add(fixture->store, &request));
    check_ok(fixture, deliveries_claim(fixture->store, "crm", "w", 1, 2, 1, &one));
    one->state = STORE_ACTION_DELIVERED;
    one->finished_ms = 1500;
    assert_int_equal(check_ok(fixture, deliveries_settle(fixture->store, "w", one)), 1);
    commit(fixture);
    deliveries_free(one);
    for (int dry_run = 1; dry_run >= 0; dry_run--) {
        struct operation *operation = begin_prune(DAY_MS, dry_run);
        while (operation_step(operation, &parts, error) == 1)
            continue;
        json_t *report = operation_report(operation);
        assert_int_equal(json_integer_value(json_object_get(report, "deliveries")), 1);
        json_decref(report);
        operation_free(operation);
    }
    begin(fixture);
    assert_int_equal(check_ok(fixture, deliveries_count_ended(fixture->store, 9999, 9)), 0);
    commit(fixture);
}

/* 1/p, of just now. */
static void add_letter(struct fixture *fixture)
{
    int64_t now_ms = clock_wall_ms();
    add_event(fixture, now_ms);
    begin(fixture);
    check_ok(fixture, store_retry_put(fixture->store, 1, "p", 1, 1, now_ms, now_ms, "no"));
    commit(fixture);
}

static void old_is_by_the_clock(void **state)
{
    struct fixture *fixture = *state;
    add_event(fixture, clock_wall_ms() - DAY_MS - 60000);
    add_event(fixture, clock_wall_ms() - DAY_MS + 60000);
    assert_int_equal(run_prune(fixture, NULL, 1), 1);
    assert_int_equal(run_prune(fixture, NULL, 0), 1);
    assert_int_equal(run_prune(fixture, NULL, 0), 0);
}

/* A spool with one event, received at that time. */
static struct spool_reader *make_spool(const struct fixture *fixture, int64_t received_ms,
                                       struct spool_writer **writer)
{
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = "x.y", [EVENT_CALL_ID] = "c"};
    const int64_t done[1] = {0};
    struct spool_reader *reader = NULL;
    char error[256] = "";
    struct event *event = event_new(field, "{}", 2);
    assert_non_null(event);
    event->received_ms = received_ms;
    if (spool_writer_open(fixture->directory, writer, error, sizeof(error)) < 0 ||
        spool_reader_open(fixture->directory, 0, 1, &reader, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    assert_int_equal(spool_writer_commit(*writer, &event, 1, done, 1), 0);
    event_free(event);
    return reader;
}

/* What waits in the spool is known by its record, and so is what came with it. */
static void spool_is_not_overtaken(void **state)
{
    struct fixture *fixture = *state;
    struct spool_writer *writer = NULL;
    const int64_t done[1] = {1};
    struct spool_reader *reader = make_spool(fixture, 5000, &writer);
    add_event(fixture, 4999);
    add_event(fixture, 5000);
    add_event(fixture, 5001);
    add_event(fixture, clock_wall_ms());
    assert_int_equal(run_prune(fixture, reader, 0), 1);
    assert_int_equal(spool_writer_commit(writer, NULL, 0, done, 1), 0);
    assert_int_equal(run_prune(fixture, reader, 0), 2);
    spool_reader_close(reader);
    spool_writer_close(writer);
}

static struct operation *begin_forget(void)
{
    struct operation *operation = NULL;
    char error[OPERATION_ERROR_SIZE] = "";
    json_t *request = operation_forget_request("5511987654321", 0);
    assert_non_null(request);
    if (operation_begin(request, &operation, error) < 0)
        fail_msg("%s", error);
    json_decref(request);
    return operation;
}

/* What came before the command is handled before it goes on; what comes later is not waited for. */
static void forgetting_waits_for_the_spool(void **state)
{
    struct fixture *fixture = *state;
    struct spool_writer *writer = NULL;
    const int64_t none[1] = {0}, first[1] = {1};
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = "x.y", [EVENT_CALL_ID] = "c"};
    char error[OPERATION_ERROR_SIZE] = "";
    struct spool_reader *reader = make_spool(fixture, 5000, &writer);
    struct operation_parts parts = {.store = fixture->store, .spool = reader};
    struct operation *operation = begin_forget();
    struct event *later = event_new(field, "{}", 2);
    assert_non_null(later);
    assert_int_equal(operation_step(operation, &parts, error), OPERATION_WAIT);
    assert_int_equal(spool_writer_commit(writer, &later, 1, none, 1), 0);
    assert_int_equal(operation_step(operation, &parts, error), OPERATION_WAIT);
    assert_int_equal(spool_writer_commit(writer, NULL, 0, first, 1), 0);
    for (int more = 1, steps = 0; more != 0; steps++) {
        more = operation_step(operation, &parts, error);
        assert_true(more == 0 || more == 1);
        assert_true(steps < 100);
    }
    json_t *report = operation_report(operation);
    assert_int_equal(json_integer_value(json_object_get(report, "calls")), 0);
    assert_true(json_is_true(json_object_get(report, "scrubbed")));
    json_decref(report);
    operation_free(operation);
    event_free(later);

    operation = begin_forget();
    parts.is_alone = 1;
    assert_int_equal(operation_step(operation, &parts, error), -1);
    assert_non_null(strstr(error, "no server runs"));
    operation_free(operation);
    spool_reader_close(reader);
    spool_writer_close(writer);
}

static int give_way(struct store *store)
{
    store->backend->rollback(store);
    return store_fail(store, STORE_E_AGAIN, "another transaction was in the way");
}

/* Another transaction is in the way of the first commit: the step is done once more, and nothing is there twice. */
static void steps_that_give_way_are_done_again(void **state)
{
    static const char *const requests[] = {
        "{\"command\":\"prune\",\"older_than_ms\":3600000}",
        "{\"command\":\"dead-letters\",\"action\":\"list\"}",
        "{\"command\":\"dead-letters\",\"action\":\"replay\",\"id\":\"1/p\"}",
        "{\"command\":\"deliveries\",\"action\":\"list\"}",
        "{\"command\":\"deliveries\",\"action\":\"retry-all\"}",
    };
    struct fixture *fixture = *state;
    const struct store_backend *real = fixture->store->backend;
    struct store_backend in_the_way = *real;
    const struct operation_parts parts = {.store = fixture->store};
    in_the_way.commit = give_way;
    add_letter(fixture);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct operation *operation = NULL;
        char error[OPERATION_ERROR_SIZE] = "";
        json_t *request = json_loads(requests[i], 0, NULL);
        assert_int_equal(operation_begin(request, &operation, error), 0);
        fixture->store->backend = &in_the_way;
        assert_int_equal(operation_step(operation, &parts, error), OPERATION_WAIT);
        fixture->store->backend = real;
        int more;
        while ((more = operation_step(operation, &parts, error)) == 1)
            continue;
        assert_int_equal(more, 0);
        json_t *report = operation_report(operation);
        if (i == 1)
            assert_int_equal(json_array_size(json_object_get(report, "letters")), 1);
        json_decref(report);
        operation_free(operation);
        json_decref(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_checked),     cmocka_unit_test(what_is_shown_of_a_request),
        cmocka_unit_test(lines_are_json),           STORE_TEST(old_is_by_the_clock),
        STORE_TEST(deliveries_are_pruned),          STORE_TEST(spool_is_not_overtaken),
        STORE_TEST(forgetting_waits_for_the_spool), STORE_TEST(steps_that_give_way_are_done_again),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
