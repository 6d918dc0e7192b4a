/* postgres_words_test.c: what is seen in the words of a plugin's SQL without asking a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/own_tables.h"
#include "store/postgres_internal.h"

static const struct {
    const char *sql;
    const char *refused; /* part of why; NULL: it may run */
    uint32_t parameters;
    int is_ddl;
} cases[] = {
    {"SELECT 1", NULL, 0, 0},
    {"SELECT $1, $2 + $1", NULL, 2, 0},
    {"SELECT '$1', \"$2\", $$ $3 $$, $tag$ $4 $tag$, E'\\' $5' -- $6\n/* $7 /* */ $8 */", NULL, 0,
     0},
    {"SELECT a$1 FROM t", NULL, 0, 0}, /* part of a name */
    {"SELECT 1;", NULL, 0, 0},
    {";; SELECT 1 ; -- end", NULL, 0, 0},
    {"SELECT 1; SELECT 2", "more than one", 0, 0},
    {"SELECT 'it''s; one'", NULL, 0, 0},
    {"SELECT E'it\\'s; one'", NULL, 0, 0},
    {"SELECT 'not\\'; COMMIT", "more than one", 0, 0},
    {"  /* a */ -- b\n", "no statement", 0, 0},
    {"cOmMiT", "transaction", 0, 0},
    {"\"commit\"", "transaction", 0, 0}, /* no statement begins so; the server would refuse it */
    {"SET x = 1", "session", 0, 0},
    {"NOTIFY somebody", NULL, 0, 0},
    {"EXPLAIN SELECT 1", NULL, 0, 0},
    {"CREATE TABLE mine (calls INTEGER, users TEXT)", NULL, 0, 1},
    {"CREATE TABLE mine (c TEXT REFERENCES other (call_id))", NULL, 0, 1},
    {"CREATE TABLE mine (c TEXT REFERENCES calls (call_id))", "foreign key", 0, 1},
    {"CREATE TABLE mine (c BIGINT REFERENCES pbxhook.users (id))", "foreign key", 0, 1},
    {"ALTER TABLE mine ADD FOREIGN KEY (c) REFERENCES pbxhook_deliveries", "foreign key", 0, 1},
    {"CREATE TABLE mine AS SELECT * FROM events", NULL, 0, 1},
    {"CREATE VIEW busy AS SELECT * FROM calls JOIN users ON true", NULL, 0, 1},
    {"CREATE INDEX mine ON mine (calls)", NULL, 0, 1},
    {"CREATE INDEX ON calls (queue)", "pbxhook's own", 0, 1},
    {"ALTER TABLE mine RENAME TO counts", "pbxhook's own", 0, 1},
    {"DROP TABLE IF EXISTS mine, Events", "pbxhook's own", 0, 1},
    {"GRANT SELECT ON calls TO public", "pbxhook's own", 0, 1},
    {"ALTER TABLE kpi DISABLE TRIGGER ALL", "pbxhook's own", 0, 1},
    {"ALTER TABLE ONLY kpi_minutes RENAME TO minutes", "pbxhook's own", 0, 1},
    {"DROP INDEX CONCURRENTLY IF EXISTS calls_created", "pbxhook's own", 0, 1},
    {"CREATE TRIGGER mine BEFORE INSERT ON kpi EXECUTE FUNCTION x()", "pbxhook's own", 0, 1},
    {"CREATE RULE mine AS ON SELECT TO kpi DO INSTEAD NOTHING", "pbxhook's own", 0, 1},
    {"CREATE TABLE mine () INHERITS (calls)", "pbxhook's own", 0, 1},
    {"ALTER TABLE mine INHERIT calls", "pbxhook's own", 0, 1},
    {"CREATE TABLE mine PARTITION OF events DEFAULT", "pbxhook's own", 0, 1},
    {"DROP FUNCTION body(text)", "pbxhook's own", 0, 1},
    {"DROP TABLE mine, pbxhook_plugins.pbxhook_deliveries", "pbxhook's own", 0, 1},
    {"CREATE TABLE pbxhook_plugins.calls (id BIGINT)", "pbxhook's own", 0, 1},
    {"DROP SCHEMA pbxhook_plugins CASCADE", "pbxhook's own", 0, 1},
    {"CREATE TABLE pbxhook_plugins.mine (body TEXT)", NULL, 0, 1},
    {"ALTER TABLE mine ADD COLUMN IF NOT EXISTS calls INTEGER", NULL, 0, 1},
    {"CREATE VIEW busy AS SELECT * FROM calls c JOIN users ON users.number = c.their_number", NULL,
     0, 1},
    {"CREATE TABLE events_of_mine (id BIGINT)", NULL, 0, 1},
    {"DELETE FROM pbxhook_deliveries", "pbxhook's own", 0, 0},
    {"UPDATE ONLY pbxhook_plugins.pbxhook_deliveries SET state = ''", "pbxhook's own", 0, 0},
    {"WITH new AS (INSERT INTO pbxhook_deliveries SELECT 1) SELECT 1", "pbxhook's own", 0, 0},
    {"TRUNCATE TABLE ONLY mine, events_2026_11", "pbxhook's own", 0, 0},
    {"DELETE FROM events_timeless", "pbxhook's own", 0, 0},
    {"SELECT state FROM pbxhook_deliveries FOR UPDATE", NULL, 0, 0},
    {"INSERT INTO mine (calls) VALUES (1) ON CONFLICT DO UPDATE SET calls = mine.calls + 1", NULL,
     0, 0},
    {"INSERT INTO public.users VALUES (1)", NULL, 0, 0},
    {"SELECT set_config('timezone', 'America/Sao_Paulo', false)", "session", 0, 0},
    {"SELECT pg_catalog.Set_Config($1, $2, true)", "session", 0, 0},
    {"SELECT 'set_config'", NULL, 0, 0},
    {"SELECT 'unfinished", NULL, 0, 0}, /* the server tells */
    {"SELECT /* unfinished", NULL, 0, 0},
    {"SELECT $unfinished$ x", NULL, 0, 0},
    {"SELECT \"unfinished", NULL, 0, 0},
};

static void words_are_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pg_words words;
        const char *refused = pg_plugin_check(cases[i].sql, OWN_POSTGRESQL | OWN_SERVICES, &words);
        if ((refused == NULL) != (cases[i].refused == NULL) ||
            (refused != NULL && strstr(refused, cases[i].refused) == NULL))
            fail_msg("%s: %s", cases[i].sql, refused == NULL ? "passed" : refused);
        if (refused == NULL && words.parameters != cases[i].parameters)
            fail_msg("%s: %u parameters", cases[i].sql, words.parameters);
        if (refused == NULL)
            assert_int_equal(words.is_ddl, cases[i].is_ddl);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_are_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
