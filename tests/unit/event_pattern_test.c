/* event_pattern_test.c: which types a pattern covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/event_pattern.h"

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *type;
        int matches;
    } cases[] = {
        {"call.new", "call.new", 1},
        {"call.new", "call.news", 0},
        {"call.new", "call.ne", 0},
        {"call.*", "call.new", 1},
        {"call.*", "call.cpf-x", 1},
        {"call.*", "call.a.b", 1},
        {"call.*", "call.", 0},
        {"call.*", "call", 0},
        {"call.*", "caller.new", 0},
        {"call.*", "actor.left", 0},
        {"*", "anything", 1},
        {"*", "call.new", 1},
        {"*", "", 0},
        {"Call.new", "call.new", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (event_pattern_matches(cases[i].pattern, cases[i].type) != cases[i].matches)
            fail_msg("%s and %s", cases[i].pattern, cases[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
