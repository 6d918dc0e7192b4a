/*
 * postgres_sql_test.c: plugins' SQL where only PostgreSQL can go wrong: statements that fail for what others did, errors
 * of extensions, its numbers and notices, and how many parameters it takes.
 */
#include "postgres_fixture.h"

#include "capture.h"
#include "common/log.h"

static int run(struct fixture *fixture, const char *sql)
{
    return store_plugin_sql(fixture->store, sql, NULL, 0, NULL, NULL, NULL);
}

/* fails_once(x): the first time with this SQLSTATE, whatever becomes of the transaction. */
static void make_failing(struct fixture *fixture, const char *sqlstate)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "CREATE SEQUENCE pbxhook_plugins.calls_of_it; "
             "CREATE FUNCTION pbxhook_plugins.fails_once(x bigint) RETURNS bigint LANGUAGE plpgsql "
             "AS $$ BEGIN IF nextval('pbxhook_plugins.calls_of_it') = 1 THEN "
             "RAISE EXCEPTION 'it failed' USING ERRCODE = '%s'; END IF; RETURN x; END $$; SELECT 1",
             sqlstate);
    database_ask(fixture->url, sql);
}

static int ask(struct fixture *fixture, int64_t *answer)
{
    const struct store_value param = {.type = STORE_INT64, .as = {.integer = 7}};
    return store_plugin_sql(fixture->store, "SELECT fails_once($1)", &param, 1, take_integer,
                            answer, NULL);
}

/* The statement was prepared, which the rollback does not take back. */
static void batch_that_collides_runs_again(void **state)
{
    struct fixture *fixture = *state;
    int64_t answer = 0;
    make_failing(fixture, "40P01");
    begin(fixture);
    assert_int_equal(ask(fixture, &answer), STORE_E_AGAIN);
    store_rollback(fixture->store);
    begin(fixture);
    check_ok(fixture, ask(fixture, &answer));
    assert_int_equal(answer, 7);
    check_ok(fixture, ask(fixture, &answer));
    commit(fixture);
    assert_asked(fixture, "SELECT last_value FROM pbxhook_plugins.calls_of_it", "3");
}

/* What C code says that found something odd, and no sign of a database that is broken. */
static void error_of_an_extension_is_the_statements(void **state)
{
    struct fixture *fixture = *state;
    int64_t answer = 0;
    make_failing(fixture, "XX000");
    begin(fixture);
    advance(fixture, "call.new", "a", 10);
    assert_int_equal(ask(fixture, &answer), STORE_E_SQL);
    assert_error_has(fixture, "it failed");
    assert_int_equal(run(fixture, "SELECT nextval(0)"), STORE_E_SQL);
    check_ok(fixture, ask(fixture, &answer));
    commit(fixture);
    assert_int_equal(find_call(fixture, "a")->state, LIFECYCLE_NEW);
}

static void broken_table_is_the_databases(void **state)
{
    struct fixture *fixture = *state;
    int64_t answer = 0;
    make_failing(fixture, "XX001");
    begin(fixture);
    assert_int_equal(ask(fixture, &answer), STORE_E_CORRUPT);
    store_rollback(fixture->store);
}

/* ---- Numbers ------------------------------------------------------------------------------------------------ */

static int check_numbers(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 6);
    assert_int_equal(values[0].type, STORE_INT64);
    assert_int_equal(values[0].as.integer, 1234567890123456789);
    assert_int_equal(values[1].type, STORE_INT64);
    assert_int_equal(values[1].as.integer, INT64_MAX);
    assert_int_equal(values[2].type, STORE_INT64);
    assert_int_equal(values[2].as.integer, INT64_MIN);
    assert_int_equal(values[3].type, STORE_DOUBLE); /* one more than fits */
    assert_true(values[3].as.number > 9.2e18);
    assert_int_equal(values[4].type, STORE_DOUBLE);
    assert_true(values[4].as.number == 1.0);
    assert_int_equal(values[5].type, STORE_DOUBLE);
    assert_true(values[5].as.number != values[5].as.number);
    ++*(int *)arg;
    return 0;
}

static void numeric_that_fits_is_an_integer(void **state)
{
    struct fixture *fixture = *state;
    int rows = 0;
    begin(fixture);
    check_ok(fixture, store_plugin_sql(fixture->store,
                                       "SELECT 1234567890123456789::numeric, "
                                       "sum(n), -9223372036854775808::numeric, sum(n) + 1, "
                                       "1.0::numeric, 'NaN'::numeric "
                                       "FROM (VALUES (9223372036854775807::bigint)) AS v (n)",
                                       NULL, 0, check_numbers, &rows, NULL));
    assert_int_equal(rows, 1);
    commit(fixture);
}

/* ---- The session -------------------------------------------------------------------------------------------- */

static void session_stays_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    assert_int_equal(run(fixture, "SELECT set_config('TimeZone', 'America/Sao_Paulo', false)"),
                     STORE_E_SQL);
    assert_error_has(fixture, "session");
    assert_int_equal(query_integer(fixture,
                                   "SELECT count(*) FROM pg_settings WHERE name = 'TimeZone' "
                                   "AND setting = 'UTC'"),
                     1);
    commit(fixture);
}

/* ---- Notices ------------------------------------------------------------------------------------------------ */

static void make_it_twice(struct fixture *fixture)
{
    begin(fixture);
    for (int i = 0; i < 2; i++)
        check_ok(fixture, run(fixture, "CREATE TABLE IF NOT EXISTS notes (id BIGINT)"));
    store_rollback(fixture->store);
}

/* Notices are lines of the log as all others are, for who debugs. */
static void notice_is_a_line_at_debug(void **state)
{
    struct fixture *fixture = *state;
    struct capture capture;
    capture_begin(&capture);
    log_open("test", LOG_LEVEL_INFO);
    make_it_twice(fixture);
    capture_end(&capture);
    assert_string_equal(capture.text, "");
    capture_begin(&capture);
    log_set_level(LOG_LEVEL_DEBUG);
    make_it_twice(fixture);
    log_set_level(LOG_LEVEL_INFO);
    capture_end(&capture);
    const char *line = strstr(capture.text, "level=debug");
    assert_non_null(line);
    assert_non_null(strstr(line, "already exists, skipping"));
    assert_string_equal(strchr(line, '\n'), "\n"); /* one line */
}

/* ---- Many parameters ------------------------------------------------------------------------------------------ */

/* Asks how many parameters there are. */
static int count_parameters(struct fixture *fixture, int count, int64_t *answer)
{
    struct store_value *params = calloc((size_t)count, sizeof(*params));
    char *sql = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&sql, &size);
    assert_true(params != NULL && out != NULL);
    fprintf(out, "SELECT count(*) FROM unnest(ARRAY[$1::bigint");
    for (int i = 1; i < count; i++)
        fprintf(out, ",$%d", i + 1);
    fprintf(out, "])");
    assert_int_equal(fclose(out), 0);
    for (int i = 0; i < count; i++)
        params[i] = (struct store_value){.type = STORE_INT64, .as = {.integer = i}};
    int result =
        store_plugin_sql(fixture->store, sql, params, (uint32_t)count, take_integer, answer, NULL);
    free(sql);
    free(params);
    return result;
}

/* As many as the protocol has room for; one more is no fault of the connection's. */
static void all_parameters_go_in(void **state)
{
    struct fixture *fixture = *state;
    int64_t answer = 0;
    begin(fixture);
    assert_int_equal(count_parameters(fixture, STORE_SQL_PARAMS_MOST + 1, &answer),
                     STORE_E_ARGUMENT);
    check_ok(fixture, count_parameters(fixture, STORE_SQL_PARAMS_MOST, &answer));
    assert_int_equal(answer, STORE_SQL_PARAMS_MOST);
    commit(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(batch_that_collides_runs_again),
        STORE_TEST(error_of_an_extension_is_the_statements),
        STORE_TEST(broken_table_is_the_databases),
        STORE_TEST(numeric_that_fits_is_an_integer),
        STORE_TEST(session_stays_as_it_is),
        STORE_TEST(notice_is_a_line_at_debug),
        STORE_TEST(all_parameters_go_in),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
