/*
 * postgres_sql_test.c: plugins' SQL where only PostgreSQL can go wrong: statements that fail for what others did.
 */
#include "postgres_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(batch_that_collides_runs_again),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
