/* suspects_test.c: whom the next worker is careful with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "worker/suspects.h"

static struct event numbered(int64_t seq)
{
    return (struct event){.seq = seq};
}

static const struct dispatch_blame *judge(struct suspects *suspects, int64_t seq)
{
    struct event event = numbered(seq);
    return suspects_judge(suspects, &event);
}

static void test_nobody_after_a_good_end(void **state)
{
    struct life life = {.suspect_until = 0};
    struct suspects suspects;
    (void)state;
    suspects_init(&suspects, &life, 512);
    assert_null(judge(&suspects, 1));
    suspects_committed(&suspects, 1);
}

static void test_the_culprit_ends_its_batch(void **state)
{
    struct life life = {.culprit_seq = 7, .culprit_plugin = "p", .reason = "killed by SIGSEGV"};
    struct event events[] = {numbered(5), numbered(7), numbered(9)};
    struct event *list[] = {&events[0], &events[1], &events[2]};
    struct suspects suspects;
    (void)state;
    suspects_init(&suspects, &life, 512);
    assert_int_equal(suspects_limit(&suspects, list, 3), 2);
    assert_int_equal(suspects_limit(&suspects, list, 1), 1);
    assert_null(judge(&suspects, 5));
    const struct dispatch_blame *blame = judge(&suspects, 7);
    assert_non_null(blame);
    assert_string_equal(blame->plugin, "p");
    assert_string_equal(blame->reason, "killed by SIGSEGV");
    suspects_rolled_back(&suspects);
    assert_non_null(judge(&suspects, 7));
    suspects_committed(&suspects, 5);
    assert_int_equal(life.culprit_seq, 7);
    suspects_committed(&suspects, 7);
    assert_int_equal(life.culprit_seq, 0);
    assert_int_equal(suspects_limit(&suspects, list, 3), 3);
    assert_null(judge(&suspects, 9));
}

static void test_a_plugin_without_a_name_is_any(void **state)
{
    struct life life = {.culprit_seq = 7, .reason = "r"};
    struct suspects suspects;
    (void)state;
    suspects_init(&suspects, &life, 512);
    assert_null(judge(&suspects, 7)->plugin);
}

static void test_the_batch_under_way_is_suspected(void **state)
{
    struct life life = {.suspect_until = 3, .doubt_until = 3};
    struct suspects suspects;
    (void)state;
    suspects_init(&suspects, &life, 512);
    for (int64_t seq = 1; seq <= 3; seq++) {
        assert_non_null(judge(&suspects, seq));
        assert_null(judge(&suspects, seq)->plugin);
        assert_int_equal(judge(&suspects, seq)->strikes, 2);
    }
    assert_null(judge(&suspects, 4));
    suspects_committed(&suspects, 2);
    assert_int_equal(life.suspect_until, 3);
    assert_int_equal(life.doubt_until, 3);
    suspects_committed(&suspects, 4);
    assert_int_equal(life.suspect_until, 0);
    assert_int_equal(life.doubt_until, 0);
}

/* Once may have been chance. */
static void test_doubt_is_no_suspicion(void **state)
{
    struct life life = {.doubt_until = 3};
    struct suspects suspects;
    (void)state;
    suspects_init(&suspects, &life, 512);
    assert_null(judge(&suspects, 1));
    suspects_committed(&suspects, 2);
    assert_int_equal(life.doubt_until, 3);
    suspects_committed(&suspects, 3);
    assert_int_equal(life.doubt_until, 0);
}

/* No more than can have been under way, however much waits. What is rolled back is judged anew. */
static void test_suspicion_has_an_end(void **state)
{
    struct life life = {.suspect_until = 1000};
    struct suspects suspects;
    (void)state;
    suspects_init(&suspects, &life, 2);
    assert_non_null(judge(&suspects, 1));
    assert_non_null(judge(&suspects, 2));
    assert_null(judge(&suspects, 3));
    suspects_rolled_back(&suspects);
    assert_non_null(judge(&suspects, 1));
    suspects_committed(&suspects, 1);
    assert_non_null(judge(&suspects, 2));
    assert_null(judge(&suspects, 3));
    suspects_committed(&suspects, 3);
    assert_int_equal(life.suspect_until, 0);
}

static void test_texts_that_were_written_over_are_bounded(void **state)
{
    struct life life = {.culprit_seq = 1};
    struct suspects suspects;
    (void)state;
    memset(life.culprit_plugin, 'x', sizeof life.culprit_plugin);
    memset(life.reason, 'x', sizeof life.reason);
    suspects_init(&suspects, &life, 2);
    assert_int_equal(strlen(judge(&suspects, 1)->plugin), LIFE_PLUGIN - 1);
    assert_int_equal(strlen(judge(&suspects, 1)->reason), LIFE_REASON - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_after_a_good_end),
        cmocka_unit_test(test_the_culprit_ends_its_batch),
        cmocka_unit_test(test_a_plugin_without_a_name_is_any),
        cmocka_unit_test(test_the_batch_under_way_is_suspected),
        cmocka_unit_test(test_doubt_is_no_suspicion),
        cmocka_unit_test(test_suspicion_has_an_end),
        cmocka_unit_test(test_texts_that_were_written_over_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
