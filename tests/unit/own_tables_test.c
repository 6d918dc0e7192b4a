/*
 * own_tables_test.c: what a migrated store's catalogue has, on every backend, is what the guards know: a table, an
 * index or a sequence that a later schema adds fails here until it is in the list.
 */
#include "store_fixture.h"

#include <jansson.h>

#include "http/deliveries.h"
#include "sdk/try_store.h"

#define NAMES_MOST 128

struct relation {
    char kind[8]; /* PostgreSQL's relkind, or SQLite's type */
    char name[64];
    char schema[32]; /* "" on SQLite */
};

struct catalogue {
    struct relation relation[NAMES_MOST];
    int count;
};

static int take_relation(void *arg, const struct store_value *values, uint32_t count)
{
    struct catalogue *catalogue = arg;
    struct relation *relation = &catalogue->relation[catalogue->count++];
    assert_int_equal(count, 3);
    assert_true(catalogue->count < NAMES_MOST);
    snprintf(relation->kind, sizeof(relation->kind), "%s", values[0].as.text);
    snprintf(relation->name, sizeof(relation->name), "%s", values[1].as.text);
    snprintf(relation->schema, sizeof(relation->schema), "%s", values[2].as.text);
    return 0;
}

/* begin(), with all that pbxhook makes; what SQLite makes for itself is not ours. */
static void read_catalogue(struct fixture *fixture, struct catalogue *out)
{
    const char *sql = either(
        "SELECT type, name, '' FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        "SELECT relkind::text, relname::text, relnamespace::regnamespace::text FROM pg_class "
        "WHERE relnamespace IN ('pbxhook'::regnamespace, 'pbxhook_plugins'::regnamespace)");
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    check_ok(fixture, store_sql(fixture->store, sql, NULL, 0, take_relation, out, NULL));
    assert_true(out->count > 20);
}

/* What is tried with a relation of a kind; %s is its name. */
struct attempt {
    const char *kinds;
    const char *sql;
};

static const struct attempt sqlite_attempts[] = {
    {"table", "INSERT INTO %s DEFAULT VALUES"},
    {"table", "DELETE FROM %s"},
    {"table", "DROP TABLE %s"},
    {"table", "ALTER TABLE %s RENAME TO gone"},
    {"table", "CREATE INDEX mine ON %s (rowid)"},
    {"table", "CREATE TRIGGER mine AFTER INSERT ON %s BEGIN SELECT 1; END"},
    {"table", "CREATE TEMP TABLE %s (id INTEGER)"},
    {"table", "CREATE TEMP VIEW %s AS SELECT 1"},
    {"table", "CREATE VIRTUAL TABLE temp.%s USING fts5(word)"},
    {"index", "DROP INDEX %s"},
};

static const struct attempt postgres_attempts[] = {
    {"rp", "DELETE FROM %s"},
    {"rp", "TRUNCATE %s"},
    {"rp", "INSERT INTO %s DEFAULT VALUES"},
    {"rp", "DROP TABLE %s"},
    {"rp", "ALTER TABLE %s DISABLE TRIGGER ALL"},
    {"rp", "ALTER TABLE %s RENAME TO gone"},
    {"rp", "CREATE INDEX ON %s ((1))"},
    {"rp", "CREATE TRIGGER mine BEFORE INSERT ON %s EXECUTE FUNCTION mine()"},
    {"rp", "CREATE TABLE mine (id BIGINT REFERENCES %s)"},
    {"iI", "DROP INDEX %s"},
    {"iI", "ALTER INDEX %s RENAME TO gone"},
    {"S", "DROP SEQUENCE %s"},
    {"S", "ALTER SEQUENCE %s RESTART"},
};

static void try_one(struct fixture *fixture, const char *pattern, const char *name)
{
    char sql[256];
    const char *at = strstr(pattern, "%s");
    snprintf(sql, sizeof(sql), "%.*s%s%s", (int)(at - pattern), pattern, name, at + 2);
    int result = store_plugin_sql(fixture->store, sql, NULL, 0, NULL, NULL, NULL);
    if (result != STORE_E_SQL)
        fail_msg("%s: result %d", sql, result);
    assert_error_has(fixture, "pbxhook's own");
}

static int is_for(const struct attempt *attempt, const struct relation *relation)
{
    return strlen(relation->kind) == 1 ? strchr(attempt->kinds, relation->kind[0]) != NULL
                                       : strcmp(attempt->kinds, relation->kind) == 0;
}

/* Returns how many attempts there were. */
static int try_all(struct fixture *fixture, const struct relation *relation,
                   const struct attempt *attempts, size_t count)
{
    char qualified[128];
    int tried = 0;
    snprintf(qualified, sizeof(qualified), "%s.%s", relation->schema, relation->name);
    for (size_t i = 0; i < count; i++) {
        if (!is_for(&attempts[i], relation))
            continue;
        try_one(fixture, attempts[i].sql, relation->name);
        if (relation->schema[0] != '\0')
            try_one(fixture, attempts[i].sql, qualified);
        tried++;
    }
    return tried;
}

static void nothing_of_pbxhooks_is_changed_by_a_plugin(void **state)
{
    struct fixture *fixture = *state;
    struct catalogue catalogue = {.count = 0}, after = {.count = 0};
    int is_sqlite = either("", NULL) != NULL;
    const struct attempt *attempts = is_sqlite ? sqlite_attempts : postgres_attempts;
    size_t count = is_sqlite ? sizeof(sqlite_attempts) / sizeof(sqlite_attempts[0])
                             : sizeof(postgres_attempts) / sizeof(postgres_attempts[0]);
    read_catalogue(fixture, &catalogue);
    for (int i = 0; i < catalogue.count; i++) {
        if (try_all(fixture, &catalogue.relation[i], attempts, count) == 0)
            fail_msg("%s: nothing is tried with what is a %s", catalogue.relation[i].name,
                     catalogue.relation[i].kind);
    }
    commit(fixture);
    read_catalogue(fixture, &after);
    assert_memory_equal(&after, &catalogue, sizeof(after));
    commit(fixture);
}

/* ---- Tables of pbxhook's services ------------------------------------------------------------------------ */

static int add_delivery(void *arg, const struct store_value *values, uint32_t count)
{
    struct fixture *fixture = arg;
    const struct delivery_request request = {.target = "crm",
                                             .plugin = "mine",
                                             .call_id = "c1",
                                             .path = "/calls",
                                             .body = "{}",
                                             .now_ms = 1000,
                                             .expires_ms = 2000};
    (void)values;
    (void)count;
    check_ok(fixture, deliveries_add(fixture->store, &request));
    return 0;
}

/* The service may write while a plugin's query is under way, and the plugin may not afterwards, nor by a text that
 * the service has just used. */
static void services_write_where_plugins_may_not(void **state)
{
    static const char text[] = "UPDATE pbxhook_deliveries SET detail = 'x'";
    struct fixture *fixture = *state;
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    check_ok(fixture, store_plugin_sql(fixture->store, "SELECT 1 UNION ALL SELECT 2", NULL, 0,
                                       add_delivery, fixture, NULL));
    check_ok(fixture, store_sql(fixture->store, text, NULL, 0, NULL, NULL, NULL));
    assert_int_equal(store_plugin_sql(fixture->store, text, NULL, 0, NULL, NULL, NULL),
                     STORE_E_SQL);
    assert_error_has(fixture, "pbxhook's own");
    int64_t count = 0;
    check_ok(fixture, store_plugin_sql(fixture->store, "SELECT count(*) FROM pbxhook_deliveries",
                                       NULL, 0, take_integer, &count, NULL));
    assert_int_equal(count, 2);
    commit(fixture);
}

/* ---- What `pbxhook plugin try` shows --------------------------------------------------------------------- */

static void bookkeeping_is_not_shown(void **state)
{
    static const char *const shown[] = {
        "actions", "calls", "handlings", "mine", "pbxhook_deliveries", "users"};
    struct fixture *fixture = *state;
    char error[256] = "";
    begin(fixture);
    check_ok(fixture, deliveries_prepare(fixture->store));
    check_ok(fixture, store_plugin_sql(fixture->store, "CREATE TABLE mine (id INTEGER)", NULL, 0,
                                       NULL, NULL, NULL));
    commit(fixture);
    json_t *tables = try_store_read(fixture->url + strlen("sqlite:"), error, sizeof(error));
    if (tables == NULL)
        fail_msg("%s", error);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        assert_non_null(json_object_get(tables, shown[i]));
    assert_int_equal(json_object_size(tables), sizeof(shown) / sizeof(shown[0]));
    json_decref(tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(nothing_of_pbxhooks_is_changed_by_a_plugin),
        STORE_TEST(services_write_where_plugins_may_not),
    };
    const struct CMUnitTest sqlite_tests[] = {STORE_TEST(bookkeeping_is_not_shown)};
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0])) +
           run_for_backend("sqlite", sqlite_tests, 1);
}
