/*
 * postgres_store_test.c: what only PostgreSQL has: connections that are lost, partitions, who may make the tables, types
 * of columns. Several workers are in postgres_workers_test.c.
 */
#include "postgres_fixture.h"

#include <sys/stat.h>

#include "common/clock.h"
#include "cut_proxy.h"
#include "store/postgres_internal.h"

static void kill_connections(const struct fixture *fixture)
{
    database_ask(fixture->url,
                 "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                 "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

/* ---- Connections that are lost ------------------------------------------------------------------------------ */

static void lost_connection_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 1000);
    const struct event *events[] = {&event};
    int64_t id;
    assert_int_equal(store_begin(fixture->store, events, 1), 0);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    advance(fixture, "call.new", "a", 1000);
    kill_connections(fixture);
    assert_int_equal(store_commit(fixture->store), STORE_E_FAILED);
    assert_int_equal(store_begin(fixture->store, events, 1), 0);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_NEW);
    advance(fixture, "call.new", "a", 1000);
    commit(fixture);
    kill_connections(fixture);
    /* Between transactions, too: the first to notice fails, the next one works. */
    assert_int_equal(store_begin(fixture->store, events, 1), STORE_E_FAILED);
    assert_int_equal(store_begin(fixture->store, events, 1), 0);
    assert_int_equal(store_event_add(fixture->store, &event, &id), STORE_EVENT_REPLAY);
    commit(fixture);
    assert_asked(fixture, "SELECT sum(n) FROM pbxhook.counts", "1");
}

static void reader_connects_again(void **state)
{
    struct fixture *fixture = *state;
    struct store *reader = fixture_open(fixture, STORE_READ);
    struct store_counts counts;
    assert_int_equal(store_counts(reader, &counts), 0);
    kill_connections(fixture);
    assert_int_equal(store_counts(reader, &counts), STORE_E_FAILED);
    assert_int_equal(store_counts(reader, &counts), 0);
    store_close(reader);
}

struct cut_scene {
    struct cut_proxy *proxy;
    struct store *store;
};

static void open_through_proxy(struct fixture *fixture, struct cut_scene *scene)
{
    char url[DATABASE_URL_SIZE], error[512];
    const char *name = strstr(fixture->url, "@/") + 2;
    scene->proxy = cut_proxy_start(fixture->directory, database_socket_dir());
    snprintf(url, sizeof(url), "postgresql://pbxhook@/%.*s?host=%s", (int)strcspn(name, "?"), name,
             fixture->directory);
    scene->store = open_as(url, STORE_WRITE, "spool/1", 3600000, error);
    if (scene->store == NULL)
        fail_msg("%s", error);
}

/* One batch: an event, its call, an action, its claim. The claimed ones, or negative. */
static int run_cut_batch(struct cut_scene *scene, const struct event *event, enum cut cut,
                         int *stored, int *attempts)
{
    struct store *store = scene->store;
    struct store_action *actions = NULL;
    struct store_expired expired;
    int64_t id;
    int count = 0;
    assert_ok(store, store_begin(store, &event, 1));
    *stored = store_event_add(store, event, &id);
    if (*stored == STORE_EVENT_NEW) {
        assert_ok(store, store_call_save(store, event));
        assert_ok(store, store_action_add(store, "key", "a", "{\"destination\":\"900\"}", id, 1000,
                                          100000));
    }
    assert_ok(store, store_actions_claim(store, 2000, 10, &actions, &count, &expired));
    *attempts = count > 0 ? actions[0].attempts : 0;
    store_actions_free(actions, count);
    cut_proxy_arm(scene->proxy, cut);
    int result = store_commit(store);
    return result < 0 ? result : count;
}

/* Committed, and nobody heard of it: the event is not handled twice, and its action is sent. */
static void commit_without_an_answer_is_settled(void **state)
{
    static const enum cut cuts[] = {CUT_AFTER, CUT_BEFORE};
    static const int then[] = {STORE_EVENT_REPLAY, STORE_EVENT_NEW};
    struct fixture *fixture = *state;
    struct cut_scene scene;
    int stored, attempts;
    open_through_proxy(fixture, &scene);
    for (int i = 0; i < 2; i++) {
        struct event event = make_event("call.new", "a", 1000 + i);
        assert_int_equal(run_cut_batch(&scene, &event, cuts[i], &stored, &attempts),
                         STORE_E_FAILED);
        assert_int_equal(stored, STORE_EVENT_NEW);
        assert_int_equal(run_cut_batch(&scene, &event, CUT_NOTHING, &stored, &attempts), 1);
        assert_int_equal(stored, then[i]);
        assert_int_equal(attempts, 1);
        assert_int_equal(run_cut_batch(&scene, &event, CUT_NOTHING, &stored, &attempts), 0);
        assert_int_equal(stored, STORE_EVENT_REPLAY);
    }
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.actions WHERE state = 'sending'", "2");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "2");
    store_close(scene.store);
    cut_proxy_stop(scene.proxy);
}

/* A server that says nothing any more is given up, and what it did in silence is not done twice. */
static void silence_is_no_answer(void **state)
{
    struct fixture *fixture = *state;
    struct event event = make_event("call.new", "a", 1000);
    struct cut_scene scene;
    int stored, attempts;
    open_through_proxy(fixture, &scene);
    pg_of(scene.store)->silence_limit_ms = 200;
    assert_int_equal(run_cut_batch(&scene, &event, CUT_SILENT, &stored, &attempts), STORE_E_FAILED);
    assert_non_null(strstr(store_error(scene.store), "no word from the server"));
    pg_of(scene.store)->silence_limit_ms = PG_SILENCE_LIMIT_MS;
    assert_int_equal(run_cut_batch(&scene, &event, CUT_NOTHING, &stored, &attempts), 1);
    assert_int_equal(stored, STORE_EVENT_REPLAY);
    assert_int_equal(attempts, 1);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events", "1");
    store_close(scene.store);
    cut_proxy_stop(scene.proxy);
}

/* ---- Tables --------------------------------------------------------------------------------------------------- */

static void store_events(struct fixture *fixture, struct event *events, int count)
{
    int64_t id;
    begin(fixture);
    for (int i = 0; i < count; i++)
        check_ok(fixture, store_event_add(fixture->store, &events[i], &id));
    commit(fixture);
}

static void events_go_where_their_time_is(void **state)
{
    struct fixture *fixture = *state;
    int64_t now_ms = clock_wall_ms();
    struct event events[] = {event_of_time("now", now_ms), event_of_time("timeless", 0),
                             event_of_time("long ago", 86400000),
                             event_of_time("far ahead", now_ms + (int64_t)86400000 * 3650)};
    store_events(fixture, events, 4);
    assert_asked(fixture,
                 "SELECT count(*) FROM pbxhook.events JOIN pg_class c ON c.oid = events.tableoid "
                 "WHERE relname = 'events_' || to_char(happened_at AT TIME ZONE 'UTC', 'YYYY_MM')",
                 "1");
    assert_asked(fixture, "SELECT call_id FROM pbxhook.events_timeless", "timeless");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_other", "2");
}

/* A month that was not made ahead takes its events out of the default partition. */
static void late_partition_takes_its_events(void **state)
{
    struct fixture *fixture = *state;
    const int64_t in_2031_03 = 1930000000000;
    struct event events[] = {event_of_time("a", in_2031_03), event_of_time("b", in_2031_03 + 5),
                             event_of_time("c", in_2031_03 + (int64_t)86400000 * 400)};
    int64_t id;
    store_events(fixture, events, 3);
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_other", "3");
    assert_ok(fixture->store, pg_make_partitions(pg_of(fixture->store), in_2031_03));
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_other", "1");
    assert_asked(fixture, "SELECT count(*) FROM pbxhook.events_2031_02", "2");
    assert_ok(fixture->store, pg_make_partitions(pg_of(fixture->store), in_2031_03));
    begin(fixture);
    assert_int_equal(store_event_add(fixture->store, &events[0], &id), STORE_EVENT_REPLAY);
    commit(fixture);
}

static void unrun_events_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    struct event one = make_event("call.new", "a", 1000);
    struct event other = make_event("call.new", "b", 1000);
    const struct event *events[] = {&one, &other};
    int64_t id;
    assert_int_equal(store_begin(fixture->store, events, 2), 0);
    assert_int_equal(store_event_add(fixture->store, &one, &id), STORE_EVENT_NEW);
    commit(fixture);
    assert_asked(fixture, "SELECT string_agg(call_id, ' ') FROM pbxhook.events", "a");
    assert_int_equal(store_begin(fixture->store, events, 2), 0);
    assert_int_equal(store_event_add(fixture->store, &one, &id), STORE_EVENT_REPLAY);
    assert_int_equal(store_event_add(fixture->store, &other, &id), STORE_EVENT_NEW);
    commit(fixture);
}

static void newer_schema_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char error[512];
    database_ask(fixture->url, "INSERT INTO pbxhook.migrations VALUES (1000)");
    assert_null(open_as(fixture->url, STORE_WRITE, "spool/1", 1000, error));
    assert_non_null(strstr(error, "newer pbxhook"));
    assert_null(open_as(fixture->url, STORE_READ, NULL, 1000, error));
    assert_non_null(strstr(error, "newer pbxhook"));
}

static void failed_migration_changes_nothing(void **state)
{
    static const char *const scripts[] = {"CREATE TABLE pbxhook.first (id integer)",
                                          "CREATE TABLE pbxhook.second (id integer); SELECT 1 / 0",
                                          NULL};
    struct fixture *fixture = *state;
    struct pg_store *store = pg_of(fixture->store);
    database_ask(fixture->url, "DROP SCHEMA pbxhook CASCADE");
    assert_int_equal(PQexitPipelineMode(store->conn), 1);
    assert_int_equal(pg_migrate(store, scripts), STORE_E_FAILED);
    assert_error_has(fixture, "division by zero");
    assert_error_has(fixture, "nothing was changed");
    assert_int_equal(PQenterPipelineMode(store->conn), 1);
    assert_asked(fixture, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pbxhook'", "0");
}

static void reader_waits_for_the_tables(void **state)
{
    char url[DATABASE_URL_SIZE], error[512];
    (void)state;
    database_make(url);
    assert_null(open_as(url, STORE_READ, NULL, 1000, error));
    assert_non_null(strstr(error, "not ready yet"));
    database_drop(url);
}

/* For reports: to read all and write nothing. */
static void reading_can_be_granted(void **state)
{
    struct fixture *fixture = *state;
    char role[64], sql[512];
    snprintf(role, sizeof(role), "reports_%ld", (long)getpid());
    snprintf(sql, sizeof(sql),
             "CREATE ROLE %s; GRANT USAGE ON SCHEMA pbxhook TO %s; "
             "GRANT SELECT ON ALL TABLES IN SCHEMA pbxhook TO %s",
             role, role, role);
    database_ask(fixture->url, sql);
    snprintf(sql, sizeof(sql),
             "SET ROLE %s; SELECT count(*) FROM pbxhook.events JOIN pbxhook.calls USING (call_id)",
             role);
    assert_asked(fixture, sql, "0");
    snprintf(sql, sizeof(sql),
             "SELECT has_table_privilege('%s', 'pbxhook.calls', 'UPDATE') "
             "OR has_table_privilege('%s', 'pbxhook.events', 'INSERT')",
             role, role);
    assert_asked(fixture, sql, "f");
    snprintf(sql, sizeof(sql), "DROP OWNED BY %s; DROP ROLE %s", role, role);
    database_ask(fixture->url, sql);
}

/* The database is somebody else's, who made the schemas and gave away no more than these. */
static void schemas_may_be_made_by_a_dba(void **state)
{
    char role[64], sql[512], url[DATABASE_URL_SIZE], name[64] = "", error[512] = "";
    (void)state;
    database_make(url);
    snprintf(role, sizeof(role), "worker_%ld", (long)getpid());
    snprintf(sql, sizeof(sql),
             "CREATE ROLE %s LOGIN; CREATE SCHEMA pbxhook AUTHORIZATION %s; "
             "CREATE SCHEMA pbxhook_plugins AUTHORIZATION %s",
             role, role, role);
    database_ask(url, sql);
    assert_int_equal(sscanf(url, "postgresql://pbxhook@/%63[^?]", name), 1);
    char its_url[2 * DATABASE_URL_SIZE];
    snprintf(its_url, sizeof(its_url), "postgresql://%s@/%s?host=%s", role, name,
             database_socket_dir());
    struct store *store = open_as(its_url, STORE_WRITE, "spool/0", 1000, error);
    store_close(store);
    database_drop(url);
    snprintf(sql, sizeof(sql), "postgresql://pbxhook@/postgres?host=%s", database_socket_dir());
    snprintf(its_url, sizeof(its_url), "DROP ROLE %s", role);
    database_ask(sql, its_url);
    assert_string_equal(error, "");
}

static void password_is_in_no_error(void **state)
{
    char error[512];
    (void)state;
    assert_null(open_as("postgresql://pbx:s3cret@127.0.0.1:1/x", STORE_WRITE, "s/0", 1000, error));
    assert_null(strstr(error, "s3cret"));
    assert_non_null(strstr(error, "127.0.0.1"));
    assert_null(
        open_as("postgresql://pbx:s3cret@h/x?nonsense=s3cret", STORE_WRITE, "s/0", 1000, error));
    assert_null(strstr(error, "s3cret"));
}

static void password_file_must_be_good(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = NULL;
    char error[512];
    struct store_options options = {
        .url = fixture->url, .mode = STORE_READ, .password_file = "/nonexistent/password"};
    assert_int_equal(store_open(&options, &store, error, sizeof(error)), STORE_E_FAILED);
    assert_non_null(strstr(error, "store.password_file: /nonexistent/password"));
    char path[96];
    snprintf(path, sizeof(path), "%s/password", fixture->directory);
    options.password_file = path;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("\n", file) >= 0);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(store_open(&options, &store, error, sizeof(error)), STORE_E_FAILED);
    assert_non_null(strstr(error, "found nothing"));
    /* As every other file of secrets: not when others may read it. */
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(store_open(&options, &store, error, sizeof(error)), STORE_E_FAILED);
    assert_non_null(strstr(error, "store.password_file"));
    assert_non_null(strstr(error, path));
}

/* ---- Plugins ------------------------------------------------------------------------------------------------------ */

static int take_types(void *arg, const struct store_value *values, uint32_t count)
{
    char *text = arg;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = strlen(text);
        switch (values[i].type) {
        case STORE_NULL:
            snprintf(text + length, 256 - length, "null ");
            break;
        case STORE_INT64:
            snprintf(text + length, 256 - length, "%lld ", (long long)values[i].as.integer);
            break;
        case STORE_DOUBLE:
            snprintf(text + length, 256 - length, "%g ", values[i].as.number);
            break;
        case STORE_TEXT:
            snprintf(text + length, 256 - length, "'%.*s' ", (int)values[i].size,
                     values[i].as.text);
            break;
        }
    }
    return 0;
}

static void columns_have_their_types(void **state)
{
    struct fixture *fixture = *state;
    char text[256] = "";
    begin(fixture);
    check_ok(fixture,
             store_sql(fixture->store,
                       "SELECT true, 2::smallint, 3::integer, 4::bigint, 0.5::real, 0.25::float8, "
                       "sum(x), 1.5::numeric, 12345678901234567890::numeric, NULL, 'a'::text, "
                       "DATE '2026-11-01', '{\"a\":1}'::jsonb, '\\x6f6c61'::bytea "
                       "FROM (VALUES (1::bigint), (2)) AS v (x)",
                       NULL, 0, take_types, text, NULL));
    assert_string_equal(text, "1 2 3 4 0.5 0.25 3 1.5 1.23457e+19 null 'a' '2026-11-01' "
                              "'{\"a\": 1}' 'ola' ");
    commit(fixture);
}

/* A number for a text's column, a text for a number's: as the column wants it. */
static void parameters_fit_their_columns(void **state)
{
    struct fixture *fixture = *state;
    const struct store_value params[] = {{.type = STORE_INT64, .as = {.integer = 7}},
                                         {.type = STORE_TEXT, .as = {.text = "8"}},
                                         {.type = STORE_INT64, .as = {.integer = 1}},
                                         {.type = STORE_TEXT, .as = {.text = "2026-11-01"}},
                                         {.type = STORE_DOUBLE, .as = {.number = 2.5}}};
    char text[256] = "";
    begin(fixture);
    check_ok(fixture,
             store_sql(fixture->store,
                       "CREATE TABLE mixed (a TEXT, b INTEGER, c BOOLEAN, d DATE, e NUMERIC)", NULL,
                       0, NULL, NULL, NULL));
    for (int i = 0; i < 2; i++)
        check_ok(fixture, store_sql(fixture->store, "INSERT INTO mixed VALUES ($1, $2, $3, $4, $5)",
                                    params, 5, NULL, NULL, NULL));
    check_ok(fixture,
             store_sql(fixture->store, "SELECT a, b, c, d, e FROM mixed WHERE a = $1 LIMIT 1",
                       params, 1, take_types, text, NULL));
    assert_string_equal(text, "'7' 8 1 '2026-11-01' 2.5 ");
    /* One text with parameters of other types than before. */
    check_ok(fixture, store_sql(fixture->store, "SELECT count(*) FROM mixed WHERE b = $1",
                                &params[0], 1, NULL, NULL, NULL));
    check_ok(fixture, store_sql(fixture->store, "SELECT count(*) FROM mixed WHERE b = $1",
                                &params[1], 1, NULL, NULL, NULL));
    commit(fixture);
}

/* The columns of "*" are others now. */
static void statement_is_prepared_again_for_a_changed_table(void **state)
{
    struct fixture *fixture = *state;
    char text[256] = "";
    begin(fixture);
    check_ok(fixture, store_sql(fixture->store, "CREATE TABLE stars (a INTEGER)", NULL, 0, NULL,
                                NULL, NULL));
    check_ok(fixture,
             store_sql(fixture->store, "INSERT INTO stars VALUES (1)", NULL, 0, NULL, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        check_ok(fixture,
                 store_sql(fixture->store, "SELECT * FROM stars", NULL, 0, take_types, text, NULL));
        check_ok(fixture,
                 store_sql(fixture->store,
                           i == 0 ? "ALTER TABLE stars ADD COLUMN b INTEGER DEFAULT 2" : "SELECT 1",
                           NULL, 0, NULL, NULL, NULL));
    }
    assert_string_equal(text, "1 1 2 ");
    commit(fixture);
    assert_asked(fixture, "SELECT schemaname FROM pg_tables WHERE tablename = 'stars'",
                 "pbxhook_plugins");
}

/* A deferred constraint speaks up at the commit only: the batch is run apart then. */
static void what_fails_at_the_commit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    check_ok(fixture,
             store_sql(fixture->store,
                       "CREATE TABLE later (a INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)", NULL,
                       0, NULL, NULL, NULL));
    check_ok(fixture, store_sql(fixture->store, "INSERT INTO later VALUES (1), (1)", NULL, 0, NULL,
                                NULL, NULL));
    assert_int_equal(store_commit(fixture->store), STORE_E_REFUSED);
    begin(fixture);
    commit(fixture);
}

/* Of the statements that run with each batch: with the tables of a server that has been up for a while, each
 * goes by an index. */
static void statements_go_by_their_indexes(void **state)
{
    static const struct {
        enum pg_statement which;
        const char *arguments;
        const char *index; /* NULL: any */
    } statements[] = {
        {PG_EVENTS_FIND, "'{}'::bytea[], ''", NULL},
        {PG_CALLS_LOCK, "'{}'::text[]", NULL},
        {PG_CALL_FIND, "''", NULL},
        {PG_USERS_FIND, "'{}'::text[]", NULL},
        {PG_ACTIONS_UNSETTLED, "'{}'::text[]", "actions_unsettled"},
        {PG_ACTIONS_CLAIM, "now(), 1, '', now(), now()", "actions_pending"},
        {PG_ACTIONS_LEASES, "now(), true", "actions_sending"},
        {PG_ACTIONS_NEXT_DUE, NULL, "actions_pending"},
        {PG_ACTIONS_SETTLE, "'{}'::int8[], '{}', '{}', '{}', '{}', '{}', '{}', ''", "actions_pkey"},
        {PG_ACTIONS_ANNOTATE, "'{}'::int8[], '{}', '{}'", "actions_pkey"},
        {PG_ACTIONS_CONFIRM, "'{}'::int8[], '{}'", "actions_pkey"},
        {PG_RETRIES_DUE, "now(), 1", NULL},
        {PG_RETRIES_NEXT_DUE, NULL, NULL},
        {PG_PRUNE_CALLS, "now(), 1, now(), 1", "calls_finished"},
        {PG_PRUNE_ACTIONS, "now(), 1, now(), 1", "actions_ended"},
    };
    struct fixture *fixture = *state;
    PGconn *connection = database_connect(fixture->url);
    PQclear(database_run(connection,
                         "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
                         "SET enable_hashjoin = off; SET enable_mergejoin = off"));
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        char sql[4096];
        snprintf(sql, sizeof(sql), "PREPARE s%zu AS %s", i, pg_statement_sql(statements[i].which));
        PQclear(database_run(connection, sql));
        snprintf(sql, sizeof(sql), "EXPLAIN EXECUTE s%zu%s%s%s", i,
                 statements[i].arguments == NULL ? "" : "(",
                 statements[i].arguments == NULL ? "" : statements[i].arguments,
                 statements[i].arguments == NULL ? "" : ")");
        PGresult *plan = database_run(connection, sql);
        int goes_by_index = statements[i].index == NULL;
        for (int row = 0; row < PQntuples(plan); row++) {
            const char *line = PQgetvalue(plan, row, 0);
            if (strstr(line, "Seq Scan") != NULL)
                fail_msg("%s: %s", pg_statement_sql(statements[i].which), line);
            goes_by_index |= statements[i].index != NULL && strstr(line, statements[i].index);
        }
        if (!goes_by_index)
            fail_msg("%s: not by %s", pg_statement_sql(statements[i].which), statements[i].index);
        PQclear(plan);
    }
    PQfinish(connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(lost_connection_is_made_again),
        STORE_TEST(reader_connects_again),
        STORE_TEST(commit_without_an_answer_is_settled),
        STORE_TEST(silence_is_no_answer),
        STORE_TEST(events_go_where_their_time_is),
        STORE_TEST(late_partition_takes_its_events),
        STORE_TEST(unrun_events_are_not_kept),
        STORE_TEST(newer_schema_is_refused),
        STORE_TEST(failed_migration_changes_nothing),
        cmocka_unit_test(reader_waits_for_the_tables),
        STORE_TEST(reading_can_be_granted),
        cmocka_unit_test(schemas_may_be_made_by_a_dba),
        cmocka_unit_test(password_is_in_no_error),
        STORE_TEST(password_file_must_be_good),
        STORE_TEST(columns_have_their_types),
        STORE_TEST(parameters_fit_their_columns),
        STORE_TEST(statement_is_prepared_again_for_a_changed_table),
        STORE_TEST(what_fails_at_the_commit_is_refused),
        STORE_TEST(statements_go_by_their_indexes),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
