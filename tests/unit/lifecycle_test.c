/* lifecycle_test.c: the names of the states, both ways, and their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/lifecycle.h"

static const struct {
    enum lifecycle state;
    const char *type;
    const char *word;
} in_order[] = {
    {LIFECYCLE_NEW, "call.new", "new"},
    {LIFECYCLE_STANDBY, "call.standby", "standby"},
    {LIFECYCLE_WAITING, "call.waiting", "waiting"},
    {LIFECYCLE_ENTERED, "actor.entered", "entered"},
    {LIFECYCLE_ONGOING, "call.ongoing", "ongoing"},
    {LIFECYCLE_LEFT, "actor.left", "left"},
    {LIFECYCLE_FINISHED, "call.finished", "finished"},
};

static void names_go_both_ways(void **state)
{
    (void)state;
    assert_int_equal(sizeof in_order / sizeof in_order[0], LIFECYCLE_COUNT);
    for (int i = 0; i < LIFECYCLE_COUNT; i++) {
        assert_int_equal(in_order[i].state, i); /* the place in a call's life is the rank */
        assert_int_equal(lifecycle_from_type(in_order[i].type), i);
        assert_string_equal(lifecycle_type(in_order[i].state), in_order[i].type);
        assert_string_equal(lifecycle_word(in_order[i].state), in_order[i].word);
    }
}

static void other_types_have_no_state(void **state)
{
    static const char *const others[] = {"",          "call",          "call.", "call.newer",
                                         "CALL.NEW",  " call.new",     "new",   "call.cpf-provided",
                                         "actor.new", "call.finished "};

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(lifecycle_from_type(others[i]), LIFECYCLE_NONE);
}

static void no_state_has_no_name(void **state)
{
    (void)state;
    assert_string_equal(lifecycle_type(LIFECYCLE_NONE), "");
    assert_string_equal(lifecycle_word(LIFECYCLE_NONE), "");
    assert_string_equal(lifecycle_type(LIFECYCLE_COUNT), "");
    assert_string_equal(lifecycle_word(LIFECYCLE_COUNT), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(other_types_have_no_state),
        cmocka_unit_test(no_state_has_no_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
