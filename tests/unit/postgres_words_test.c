/* postgres_words_test.c: what is seen in the words of a plugin's SQL without asking a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
    {"CREATE TABLE mine (c TEXT REFERENCES calls (call_id))", NULL, 0, 1},
    {"CREATE TABLE mine AS SELECT * FROM events", NULL, 0, 1},
    {"CREATE VIEW busy AS SELECT * FROM calls JOIN users ON true", NULL, 0, 1},
    {"CREATE INDEX mine ON mine (calls)", NULL, 0, 1},
    {"CREATE INDEX ON calls (queue)", "pbxhook's own", 0, 1},
    {"ALTER TABLE mine RENAME TO counts", "pbxhook's own", 0, 1},
    {"DROP TABLE IF EXISTS mine, Events", "pbxhook's own", 0, 1},
    {"GRANT SELECT ON calls TO public", "pbxhook's own", 0, 1},
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
        const char *refused = pg_plugin_check(cases[i].sql, &words);
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
