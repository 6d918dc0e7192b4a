/*
 * store_sql_test.c: what plugins do with SQL of their own, on every backend: their tables work, and
 * nothing they write ends the transaction or touches pbxhook's tables.
 */
#include "loop_length.h"
#include "store_fixture.h"

static struct store_value integer(int64_t value)
{
    return (struct store_value){.type = STORE_INT64, .as = {.integer = value}};
}

static struct store_value text(const char *value)
{
    return (struct store_value){.type = STORE_TEXT, .as = {.text = value}};
}

static int run(struct fixture *fixture, const char *sql)
{
    return store_plugin_sql(fixture->store, sql, NULL, 0, NULL, NULL, NULL);
}

/* begin(), and a table of a plugin's own. */
static void begin_with_table(struct fixture *fixture)
{
    begin(fixture);
    check_ok(
        fixture,
        run(fixture,
            either(
                "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, weight DOUBLE PRECISION)",
                "CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT, weight DOUBLE PRECISION)")));
    check_ok(fixture, run(fixture, "INSERT INTO notes VALUES (1, 'one', 1.5), (2, 'two', 2.5), "
                                   "(3, NULL, NULL)"));
}

/* ---- Values ----------------------------------------------------------------------------------------- */

static int check_first_row(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 3);
    assert_int_equal(values[0].type, STORE_INT64);
    assert_int_equal(values[0].as.integer, INT64_MIN);
    assert_int_equal(values[1].type, STORE_TEXT);
    assert_int_equal(values[1].size, 4);
    assert_string_equal(values[1].as.text, "ol\xc3\xa1");
    assert_int_equal(values[2].type, STORE_DOUBLE);
    assert_true(values[2].as.number == 0.25);
    ++*(int *)arg;
    return 0;
}

static void values_go_in_and_come_out(void **state)
{
    struct fixture *fixture = *state;
    struct store_value number = {.type = STORE_DOUBLE, .as = {.number = 0.25}};
    const struct store_value params[] = {integer(INT64_MIN), text("ol\xc3\xa1"), number};
    int rows = 0;
    int64_t changed = -1;
    begin_with_table(fixture);
    check_ok(fixture, store_sql(fixture->store, "INSERT INTO notes VALUES ($1, $2, $3)", params, 3,
                                NULL, NULL, &changed));
    assert_int_equal(changed, 1);
    check_ok(fixture, store_sql(fixture->store, "SELECT id, body, weight FROM notes WHERE id = $1",
                                params, 1, check_first_row, &rows, &changed));
    assert_int_equal(rows, 1);
    assert_int_equal(changed, 0); /* of the query, not of the insert before it */
    commit(fixture);
}

static int check_null(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 2);
    assert_int_equal(values[0].type, STORE_NULL);
    assert_int_equal(values[1].type, STORE_TEXT);
    assert_int_equal(values[1].size, 0);
    ++*(int *)arg;
    return 0;
}

static void null_is_not_an_empty_text(void **state)
{
    struct fixture *fixture = *state;
    const struct store_value params[] = {{.type = STORE_NULL}, text("")};
    int rows = 0;
    begin_with_table(fixture);
    check_ok(fixture,
             store_sql(fixture->store, "INSERT INTO notes (id, body) VALUES (10, $1), (11, $2)",
                       params, 2, NULL, NULL, NULL));
    check_ok(fixture, store_sql(fixture->store,
                                "SELECT a.body, b.body FROM notes a, notes b "
                                "WHERE a.id = 10 AND b.id = 11",
                                NULL, 0, check_null, &rows, NULL));
    assert_int_equal(rows, 1);
    commit(fixture);
}

static void text_is_as_long_as_its_size(void **state)
{
    struct fixture *fixture = *state;
    const struct store_value param = {
        .type = STORE_TEXT, .size = 3, .as = {.text = "abc and what is behind"}};
    begin_with_table(fixture);
    check_ok(fixture, store_sql(fixture->store, "UPDATE notes SET body = $1 WHERE id = 1", &param,
                                1, NULL, NULL, NULL));
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM notes WHERE body = 'abc'"), 1);
    commit(fixture);
}

static void parameters_are_told_apart_by_number(void **state)
{
    struct fixture *fixture = *state;
    const struct store_value params[] = {integer(2), integer(30)};
    int64_t result = 0;
    begin(fixture);
    check_ok(fixture, store_sql(fixture->store, "SELECT $2 - $1 + $2", params, 2, take_integer,
                                &result, NULL));
    assert_int_equal(result, 58);
    commit(fixture);
}

static void changed_is_the_number_of_rows(void **state)
{
    struct fixture *fixture = *state;
    int64_t changed = -1;
    begin_with_table(fixture);
    check_ok(fixture, store_sql(fixture->store, "UPDATE notes SET weight = 9 WHERE id < 3", NULL, 0,
                                NULL, NULL, &changed));
    assert_int_equal(changed, 2);
    check_ok(fixture, store_sql(fixture->store, "DELETE FROM notes WHERE id = 77", NULL, 0, NULL,
                                NULL, &changed));
    assert_int_equal(changed, 0);
    check_ok(fixture, store_sql(fixture->store, "CREATE TABLE more (id INTEGER)", NULL, 0, NULL,
                                NULL, &changed));
    assert_int_equal(changed, 0);
    commit(fixture);
}

/* ---- Rows -------------------------------------------------------------------------------------------- */

static int stop_at_second(void *arg, const struct store_value *values, uint32_t count)
{
    (void)values;
    (void)count;
    return ++*(int *)arg == 2;
}

static void row_may_stop_the_query(void **state)
{
    struct fixture *fixture = *state;
    const char *sql = "SELECT id FROM notes ORDER BY id";
    int rows = 0;
    begin_with_table(fixture);
    assert_int_equal(store_sql(fixture->store, sql, NULL, 0, stop_at_second, &rows, NULL),
                     STORE_E_STOPPED);
    assert_int_equal(rows, 2);
    rows = 10; /* and the same statement runs again, from the start */
    check_ok(fixture, store_sql(fixture->store, sql, NULL, 0, stop_at_second, &rows, NULL));
    assert_int_equal(rows, 13);
    commit(fixture);
}

struct nested {
    struct fixture *fixture;
    int depth;
    int rows;
};

static int query_again(void *arg, const struct store_value *values, uint32_t count)
{
    struct nested *nested = arg;
    int64_t id = values[0].as.integer;
    nested->rows++;
    if (nested->depth < 2) {
        struct nested inner = {.fixture = nested->fixture, .depth = nested->depth + 1};
        check_ok(nested->fixture, store_sql(nested->fixture->store, "SELECT id FROM notes", NULL, 0,
                                            query_again, &inner, NULL));
        nested->rows += inner.rows;
    }
    advance(nested->fixture, "call.new", "from a row", 10);
    assert_int_equal(count, 1);
    assert_int_equal(values[0].as.integer, id); /* undisturbed */
    return 0;
}

static void row_may_ask_the_same_again(void **state)
{
    struct fixture *fixture = *state;
    struct nested nested = {.fixture = fixture};
    begin_with_table(fixture);
    check_ok(fixture, store_sql(fixture->store, "SELECT id FROM notes", NULL, 0, query_again,
                                &nested, NULL));
    assert_int_equal(nested.rows, 3 + 9 + 27);
    commit(fixture);
    assert_int_equal(find_call(fixture, "from a row")->state, LIFECYCLE_NEW);
}

static int ask_many_others(void *arg, const struct store_value *values, uint32_t count)
{
    struct nested *nested = arg;
    assert_int_equal(count, 1);
    assert_int_equal(values[0].as.integer, ++nested->rows);
    const int from = nested->rows == 1 ? 0 : loop_length(0, 64); /* once is enough to fill it */
    for (int i = from; i < 70; i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT %d + count(*) FROM notes", i);
        assert_int_equal(query_integer(nested->fixture, sql), i + 3);
    }
    return 0;
}

/* The one that is running is not thrown out for the newer ones. */
static void row_may_ask_many_others(void **state)
{
    struct fixture *fixture = *state;
    struct nested nested = {.fixture = fixture};
    begin_with_table(fixture);
    check_ok(fixture, store_sql(fixture->store, "SELECT id FROM notes ORDER BY id", NULL, 0,
                                ask_many_others, &nested, NULL));
    assert_int_equal(nested.rows, 3);
    commit(fixture);
}

/* More statements than are kept prepared, in an order in which each one was just thrown out. */
static void many_statements_all_work(void **state)
{
    struct fixture *fixture = *state;
    begin_with_table(fixture);
    for (int round = 0; round < loop_length(3, 2); round++) {
        for (int i = 0; i < 70; i++) {
            char sql[64];
            snprintf(sql, sizeof(sql), "SELECT %d + count(*) FROM notes", i);
            assert_int_equal(query_integer(fixture, sql), i + 3);
        }
    }
    commit(fixture);
}

static void statement_outlives_a_change_of_its_table(void **state)
{
    struct fixture *fixture = *state;
    begin_with_table(fixture);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM notes"), 3);
    check_ok(fixture, run(fixture, "ALTER TABLE notes ADD COLUMN author TEXT"));
    check_ok(fixture, run(fixture, "DELETE FROM notes WHERE id = 1"));
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM notes"), 2);
    store_rollback(fixture->store);
    begin(fixture);
    assert_int_equal(run(fixture, "SELECT count(*) FROM notes"), STORE_E_SQL);
    store_rollback(fixture->store);
}

/* ---- Refusals ------------------------------------------------------------------------------------------ */

struct refusal {
    const char *sql;
    const char *told; /* part of the text for the plugin's author */
};

static const struct refusal refusals[] = {
    {"BEGIN", "transaction"},
    {"COMMIT", "transaction"},
    {"END", "transaction"},
    {"SAVEPOINT mine", "transaction"},
    {"RELEASE handling", "transaction"},
    {"ROLLBACK", "ROLLBACK"},
    {"rollback to handling", "ROLLBACK"},
    {"VACUUM", "transaction"},
    {"UPDATE calls SET queue = '1'", "pbxhook's own"},
    {"UPDATE notes SET body = 'x' WHERE id IN (SELECT 1); DELETE FROM events", "more than one"},
    {"DROP TABLE counts", "pbxhook's own"},
    {"ALTER TABLE handlings ADD COLUMN x TEXT", "pbxhook's own"},
    {"CREATE INDEX mine ON payloads (payload)", "pbxhook's own"},
    {"DROP INDEX calls_active", "pbxhook's own"},
    {"CREATE TEMP TABLE calls (id INTEGER)", "pbxhook's own"},
    {"SELECT 1; SELECT 2", "more than one"},
    {"SELECT 1; nonsense", "more than one"},
    {"", "no statement"},
    {" -- only a comment", "no statement"},
    {"SELECT * FROM nowhere", "nowhere"},
    {"SELEC 1", "SELEC"},
    {"INSERT INTO notes (id) VALUES (1)", "notes"},
    {"SELECT $1", "parameters"},
};

static const struct refusal sqlite_refusals[] = {
    {"INSERT OR ROLLBACK INTO notes (id) VALUES (1)", "ROLLBACK"},
    {"CREATE TABLE bad (id INTEGER UNIQUE ON CONFLICT RollBack)", "ROLLBACK"},
    {"PRAGMA user_version = 7", "PRAGMA"},
    {"ATTACH ':memory:' AS other", "ATTACH"},
    {"DETACH main", "DETACH"},
    {"INSERT INTO users (number, created_ms) VALUES ('1', 1)", "pbxhook's own"},
    {"DELETE FROM \"Events\"", "pbxhook's own"},
    {"DELETE FROM main.actions", "pbxhook's own"},
    {"CREATE TRIGGER mine AFTER INSERT ON calls BEGIN SELECT 1; END", "pbxhook's own"},
    {"SELECT ?", "parameters"},
};

static const struct refusal postgres_refusals[] = {
    {"/* it /* nests */ */ start transaction", "transaction"},
    {"ABORT", "transaction"},
    {"PREPARE TRANSACTION 'x'", "transaction"},
    {"SET search_path = public", "session"},
    {"RESET ALL", "session"},
    {"DISCARD ALL", "session"},
    {"DEALLOCATE ALL", "session"},
    {"LISTEN somebody", "session"},
    {"COPY notes FROM stdin", "COPY"},
    {"LOCK TABLE calls", "LOCK"},
    {"DO $$ BEGIN DELETE FROM calls; END $$", "DO"},
    {"INSERT INTO users (number, created_at) VALUES ('1', now())", "pbxhook's own"},
    {"DELETE FROM events", "pbxhook's own"},
    {"DELETE FROM pbxhook.actions", "pbxhook's own"},
    {"WITH gone AS (DELETE FROM calls RETURNING id) SELECT count(*) FROM gone", "pbxhook's own"},
    {"TRUNCATE counts", "pbxhook's own"},
    {"DROP TABLE notes, pbxhook.users", "pbxhook's own"},
    {"ALTER TABLE IF EXISTS pbxhook.calls DROP COLUMN queue", "pbxhook's own"},
    {"DROP SCHEMA pbxhook CASCADE", "pbxhook's own"},
    {"CREATE TRIGGER mine AFTER INSERT ON calls EXECUTE FUNCTION x()", "pbxhook's own"},
    {"SELECT 1 / 0", "division by zero"},
    {"SELECT 'a'::integer", "invalid input"},
    {"INSERT INTO notes (body) VALUES ('no id')", "null value"},
};

static void check_refusals(struct fixture *fixture, const struct refusal *refused, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int result = run(fixture, refused[i].sql);
        if (result != STORE_E_SQL)
            fail_msg("%s: result %d", refused[i].sql, result);
        assert_error_has(fixture, refused[i].told);
    }
}

static void refused_statement_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    begin_with_table(fixture);
    advance(fixture, "call.new", "a", 10);
    check_refusals(fixture, refusals, sizeof(refusals) / sizeof(refusals[0]));
    if (either("", NULL) != NULL)
        check_refusals(fixture, sqlite_refusals,
                       sizeof(sqlite_refusals) / sizeof(sqlite_refusals[0]));
    else
        check_refusals(fixture, postgres_refusals,
                       sizeof(postgres_refusals) / sizeof(postgres_refusals[0]));
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM notes"), 3);
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM calls WHERE queue = ''"), 1);
    commit(fixture);
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_NEW);
}

/* A statement that was prepared before the trigger was there is prepared once more as it runs. */
static void guard_holds_after_a_change_of_the_schema(void **state)
{
    struct fixture *fixture = *state;
    const char *insert = "INSERT INTO notes (id) SELECT max(id) + 1 FROM notes";
    begin_with_table(fixture);
    advance(fixture, "call.new", "a", 10);
    check_ok(fixture, run(fixture, insert));
    check_ok(fixture, store_savepoint(fixture->store));
    check_ok(fixture, run(fixture, either("SELECT 1", "CREATE FUNCTION mine() RETURNS trigger "
                                                      "LANGUAGE plpgsql AS $$ BEGIN "
                                                      "DELETE FROM calls; RETURN NULL; END $$")));
    check_ok(fixture, run(fixture, either("CREATE TRIGGER mine AFTER INSERT ON notes "
                                          "BEGIN DELETE FROM calls; END",
                                          "CREATE TRIGGER mine AFTER INSERT ON notes "
                                          "EXECUTE FUNCTION mine()")));
    assert_int_equal(run(fixture, insert), STORE_E_SQL);
    assert_error_has(fixture, "pbxhook's own");
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM calls"), 1);
    check_ok(fixture, store_undo(fixture->store));
    check_ok(fixture, run(fixture, insert));
    commit(fixture);
}

static void wrong_number_of_parameters_is_told(void **state)
{
    struct fixture *fixture = *state;
    const struct store_value params[] = {integer(1), integer(2)};
    begin(fixture);
    assert_int_equal(store_sql(fixture->store, "SELECT $1", params, 2, NULL, NULL, NULL),
                     STORE_E_SQL);
    assert_error_has(fixture, "$2");
    assert_int_equal(store_sql(fixture->store, "SELECT $1 + $2 + $3", params, 2, NULL, NULL, NULL),
                     STORE_E_SQL);
    assert_error_has(fixture, "has 3");
    assert_int_equal(store_sql(fixture->store, "SELECT $1, ?2", params, 2, NULL, NULL, NULL),
                     STORE_E_SQL);
    assert_int_equal(store_sql(fixture->store, "SELECT 1", params, 2, NULL, NULL, NULL),
                     STORE_E_SQL);
    assert_int_equal(store_sql(fixture->store, NULL, NULL, 0, NULL, NULL, NULL), STORE_E_ARGUMENT);
    assert_int_equal(store_sql(fixture->store, "SELECT $1", NULL, 1, NULL, NULL, NULL),
                     STORE_E_ARGUMENT);
    assert_int_equal(
        store_sql(fixture->store, "SELECT $1", params, STORE_SQL_PARAMS_MOST + 1, NULL, NULL, NULL),
        STORE_E_ARGUMENT);
    commit(fixture);
}

/* Words that only look like what is refused. */
static void innocent_statements_pass(void **state)
{
    static const char *const sql[] = {
        "CREATE TABLE rollbacks (rollback_count INTEGER)",
        "SELECT rollback_count FROM rollbacks;",
        "CREATE TABLE words (word TEXT)",
        "SELECT 1; -- and a comment",
        "SELECT count(*) FROM calls",
        "CREATE TABLE calls_of_mine (call_id TEXT)",
        "INSERT INTO calls_of_mine SELECT call_id FROM calls",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
    };
    struct fixture *fixture = *state;
    begin(fixture);
    for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
        check_ok(fixture, run(fixture, sql[i]));
    check_ok(fixture, run(fixture, either("SELECT name FROM pragma_table_info('calls')",
                                          "SELECT '; COMMIT', $$; ROLLBACK $$, E'\\'; END' "
                                          "FROM pbxhook.calls /* ; */")));
    const struct store_value param = text("ROLLBACK; DELETE FROM calls");
    check_ok(fixture, store_sql(fixture->store, "INSERT INTO words VALUES ($1)", &param, 1, NULL,
                                NULL, NULL));
    commit(fixture);
}

static void undo_takes_back_a_plugins_rows(void **state)
{
    struct fixture *fixture = *state;
    begin_with_table(fixture);
    check_ok(fixture, store_savepoint(fixture->store));
    check_ok(fixture, run(fixture, "DELETE FROM notes"));
    assert_int_equal(run(fixture, "SELECT nonsense FROM notes"), STORE_E_SQL);
    check_ok(fixture, store_undo(fixture->store));
    assert_int_equal(query_integer(fixture, "SELECT count(*) FROM notes"), 3);
    commit(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(values_go_in_and_come_out),
        STORE_TEST(null_is_not_an_empty_text),
        STORE_TEST(text_is_as_long_as_its_size),
        STORE_TEST(parameters_are_told_apart_by_number),
        STORE_TEST(changed_is_the_number_of_rows),
        STORE_TEST(row_may_stop_the_query),
        STORE_TEST(row_may_ask_the_same_again),
        STORE_TEST(row_may_ask_many_others),
        STORE_TEST(many_statements_all_work),
        STORE_TEST(statement_outlives_a_change_of_its_table),
        STORE_TEST(refused_statement_costs_nothing),
        STORE_TEST(guard_holds_after_a_change_of_the_schema),
        STORE_TEST(wrong_number_of_parameters_is_told),
        STORE_TEST(innocent_statements_pass),
        STORE_TEST(undo_takes_back_a_plugins_rows),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
