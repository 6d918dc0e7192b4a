/*
 * mock_call_test.c: one call of mock-pbx as a state machine: what it posts, which actions are
 * right, and that every kind of misbehaviour leaves a well-defined call. Also the small parts it
 * stands on: plan, recall and timer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "recall.h"
#include "timer.h"

static struct call begin_call(void)
{
    const struct plan_misdeeds none = {0};
    struct call call = {.queue = "901"};
    struct dice dice;

    dice_open(&dice, 1);
    call_make_id(call.call_id, &dice);
    plan_make(&call.plan, &none, &dice);
    return call;
}

static void post_one(struct call *call, enum event_kind kind)
{
    assert_int_equal(call_get_next(call), CALL_POSTS);
    assert_int_equal(call_get_kind(call), kind);
    call_note_posted(call);
    call_note_acknowledged(call);
}

/* A call that waits for its action. */
static struct call begin_waiting_call(void)
{
    struct call call = begin_call();

    post_one(&call, EVENT_NEW);
    post_one(&call, EVENT_STANDBY);
    assert_int_equal(call_get_next(&call), CALL_AWAITS_ACTION);
    return call;
}

static void finish_call(struct call *call)
{
    for (int kind = EVENT_WAITING; kind <= EVENT_FINISHED; kind++)
        post_one(call, (enum event_kind)kind);
    assert_int_equal(call_get_next(call), CALL_IS_OVER);
}

/* ---- expectations ---------------------------------------------------------------------------- */

static void test_right_call(void **state)
{
    struct call call = begin_waiting_call();

    (void)state;
    call_note_action(&call, "call.waiting", "901", NULL);
    finish_call(&call);
    assert_int_equal(call.fault, CALL_FINE);
}

static void test_action_before_standby_was_answered(void **state)
{
    struct call call = begin_call();

    (void)state;
    post_one(&call, EVENT_NEW);
    call_note_posted(&call);
    call_note_action(&call, "delegate", "901", NULL);
    call_note_acknowledged(&call);
    finish_call(&call);
    assert_int_equal(call.fault, CALL_FINE);
}

static void test_wrong_actions(void **state)
{
    static const struct {
        const char *type, *destination, *accepted;
        enum call_fault fault;
    } cases[] = {
        {"call.waiting", "900", NULL, CALL_WRONG_QUEUE},
        {"call.waiting", "9010", NULL, CALL_WRONG_QUEUE},
        {"hangup", "901", NULL, CALL_WRONG_TYPE},
        {"call.waiting", "901", "delegate", CALL_WRONG_TYPE},
        {"delegate", "901", "delegate", CALL_FINE},
        {"delegate", "901", NULL, CALL_FINE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct call call = begin_waiting_call();

        call_note_action(&call, cases[i].type, cases[i].destination, cases[i].accepted);
        assert_int_equal(call.fault, cases[i].fault);
        finish_call(&call); /* a wrong action is one nevertheless: the call goes on */
        assert_int_equal(call.fault, cases[i].fault);
    }
}

static void test_second_action_is_wrong(void **state)
{
    struct call call = begin_waiting_call();

    (void)state;
    call_note_action(&call, "call.waiting", "901", NULL);
    call_note_action(&call, "call.waiting", "901", NULL);
    assert_int_equal(call.fault, CALL_SECOND_ACTION);
    finish_call(&call);
}

static void test_repeated_action_is_wrong(void **state)
{
    struct call call = begin_waiting_call();

    (void)state;
    call_note_action(&call, "call.waiting", "901", NULL);
    assert_int_equal(call.fault, CALL_FINE);
    call_note_repeated_action(&call);
    assert_int_equal(call.fault, CALL_REPEATED_ACTION);
    assert_string_equal(call_get_fault_name(call.fault), "repeated_action");
    finish_call(&call);
}

static void test_early_action_is_wrong(void **state)
{
    struct call call = begin_call();

    (void)state;
    post_one(&call, EVENT_NEW);
    call_note_action(&call, "call.waiting", "901", NULL);
    assert_int_equal(call.fault, CALL_EARLY_ACTION);
}

static void test_first_fault_is_the_reason(void **state)
{
    struct call call = begin_waiting_call();

    (void)state;
    call_note_bad_action(&call, "\"destination\" must be a string, not an integer");
    assert_int_equal(call_get_next(&call), CALL_AWAITS_ACTION);
    call_note_action(&call, "call.waiting", "900", NULL);
    assert_int_equal(call.fault, CALL_BAD_ACTION);
    assert_non_null(strstr(call.detail, "destination"));
    finish_call(&call);
}

static void test_no_action_ends_with_finished(void **state)
{
    struct call call = begin_waiting_call();

    (void)state;
    call_note_no_action(&call);
    assert_int_equal(call.fault, CALL_NO_ACTION);
    post_one(&call, EVENT_FINISHED);
    assert_int_equal(call_get_next(&call), CALL_IS_OVER);
    /* One that comes too late changes nothing. */
    call_note_action(&call, "call.waiting", "901", NULL);
    assert_int_equal(call.fault, CALL_NO_ACTION);
}

static void test_no_action_after_a_bad_one_ends_too(void **state)
{
    struct call call = begin_waiting_call();

    (void)state;
    call_note_bad_action(&call, "not JSON");
    call_note_no_action(&call);
    assert_int_equal(call.fault, CALL_BAD_ACTION);
    post_one(&call, EVENT_FINISHED);
    assert_int_equal(call_get_next(&call), CALL_IS_OVER);
}

static void test_undelivered_event_ends_the_call(void **state)
{
    struct call call = begin_call();

    (void)state;
    call_note_posted(&call);
    call_note_undelivered(&call, CALL_REFUSED, "422");
    assert_int_equal(call_get_next(&call), CALL_IS_OVER);
    assert_int_equal(call.fault, CALL_REFUSED);
}

static void test_duplicate_is_posted_twice(void **state)
{
    struct call call = begin_call();

    (void)state;
    call.plan.steps[EVENT_STANDBY].twice = true;
    post_one(&call, EVENT_NEW);
    post_one(&call, EVENT_STANDBY);
    assert_true(call.repeated);
    call_note_action(&call, "call.waiting", "901", NULL);
    post_one(&call, EVENT_STANDBY);
    assert_false(call.repeated);
    finish_call(&call);
    assert_int_equal(call.fault, CALL_FINE);
}

/* ---- timestamps and ids ---------------------------------------------------------------------- */

static void test_timestamps_rise_within_one_millisecond(void **state)
{
    struct call call = begin_call();

    (void)state;
    for (int kind = 0; kind < EVENT_KINDS; kind++)
        assert_int_equal(call_get_stamp(&call, (enum event_kind)kind, 1000), 1000 + kind);
    assert_int_equal(call_get_stamp(&call, EVENT_NEW, 2000), 1000);
}

static void test_timestamps_survive_a_clock_set_back(void **state)
{
    struct call call = begin_call();

    (void)state;
    assert_int_equal(call_get_stamp(&call, EVENT_NEW, 5000), 5000);
    assert_int_equal(call_get_stamp(&call, EVENT_STANDBY, 100), 5001);
}

static void test_late_event_keeps_its_place_in_time(void **state)
{
    struct call call = begin_call();
    int64_t finished;

    (void)state;
    finished = call_get_stamp(&call, EVENT_FINISHED, 1000);
    assert_true(call_get_stamp(&call, EVENT_ONGOING, 9000) < finished);
    assert_true(call_get_stamp(&call, EVENT_NEW, 9000) <
                call_get_stamp(&call, EVENT_STANDBY, 9000));
}

static void test_ids_are_uuids(void **state)
{
    char one[CALL_ID_SIZE], other[CALL_ID_SIZE];
    struct dice dice;

    (void)state;
    dice_open(&dice, 7);
    for (int i = 0; i < 1000; i++) {
        call_make_id(one, &dice);
        call_make_id(other, &dice);
        assert_int_equal(strlen(one), 36);
        assert_int_equal(one[14], '4');
        assert_non_null(strchr("89ab", one[19]));
        assert_string_not_equal(one, other);
    }
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* Every plan has call.standby, no event twice, and only what was asked for. */
static void check_plan(const struct plan *plan, const struct plan_misdeeds *misdeeds)
{
    unsigned seen = 0, twice = 0, disorder = 0;

    for (size_t i = 0; i < plan->count; i++) {
        assert_int_equal(seen & 1u << plan->steps[i].kind, 0);
        disorder += (seen >> plan->steps[i].kind) != 0 ? 1 : 0;
        seen |= 1u << plan->steps[i].kind;
        twice += plan->steps[i].twice ? 1 : 0;
    }
    assert_int_not_equal(seen & 1u << EVENT_STANDBY, 0);
    assert_int_equal(plan->count, plan->missing ? EVENT_KINDS - 1 : EVENT_KINDS);
    assert_int_equal(twice, plan->duplicates);
    if (!misdeeds->shuffle && !plan->late)
        assert_int_equal(disorder, 0);
    if (!misdeeds->shuffle && plan->late && !plan->missing)
        assert_int_not_equal(disorder, 0);
}

static void test_plans(void **state)
{
    /* duplicate, late and missing per cent; shuffle */
    static const struct plan_misdeeds cases[] = {
        {0, 0, 0, false},   {100, 0, 0, false}, {0, 100, 0, false},
        {0, 0, 100, false}, {0, 0, 0, true},    {30, 50, 50, true},
    };
    struct dice dice;

    (void)state;
    dice_open(&dice, 42);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int round = 0; round < 2000; round++) {
            struct plan plan;

            plan_make(&plan, &cases[i], &dice);
            check_plan(&plan, &cases[i]);
        }
    }
}

/* Whatever the plan, a call that gets its action posts all of it and ends. */
static void test_every_plan_ends(void **state)
{
    const struct plan_misdeeds all = {30, 50, 50, true};
    struct dice dice;

    (void)state;
    dice_open(&dice, 3);
    for (int round = 0; round < 2000; round++) {
        struct call call = {.queue = "900"};
        size_t posted = 0;

        plan_make(&call.plan, &all, &dice);
        while (call_get_next(&call) != CALL_IS_OVER && posted < 100) {
            if (call_get_next(&call) == CALL_AWAITS_ACTION) {
                assert_true(call.standby_posted);
                call_note_action(&call, "delegate", "900", NULL);
            }
            call_note_posted(&call);
            call_note_acknowledged(&call);
            posted++;
        }
        assert_int_equal(posted, call.plan.count + call.plan.duplicates);
        assert_int_equal(call.fault, CALL_FINE);
        assert_true(call.acted);
    }
}

/* ---- recall and timers ----------------------------------------------------------------------- */

static void test_recall_forgets_the_oldest(void **state)
{
    struct recall *recall = recall_new(100);
    char text[32];

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "call-%u", (unsigned)i);
        recall_put(recall, text)->note = i;
    }
    for (uint64_t i = 0; i < 1000; i++) {
        const struct recall_value *value;

        snprintf(text, sizeof text, "call-%u", (unsigned)i);
        value = recall_find(recall, text);
        assert_int_equal(value != NULL, i >= 900);
        if (value != NULL)
            assert_int_equal(value->note, i);
    }
    recall_free(recall);
}

struct fired {
    struct timer timer;
    struct timer_heap *heap;
    uint64_t *last_ns;
    int times;
};

static void note_fired(void *context)
{
    struct fired *fired = context;

    assert_true(fired->timer.due_ns >= *fired->last_ns);
    *fired->last_ns = fired->timer.due_ns;
    fired->times++;
}

static void test_timers_fire_in_order(void **state)
{
    static struct fired all[500];
    struct timer_heap heap = {0};
    uint64_t last_ns = 0;
    struct dice dice;

    (void)state;
    dice_open(&dice, 5);
    for (size_t i = 0; i < 500; i++) {
        all[i] =
            (struct fired){.timer = {.fire = note_fired, .context = &all[i]}, .last_ns = &last_ns};
        timer_arm(&heap, &all[i].timer, dice_roll_below(&dice, 1000));
    }
    for (size_t i = 0; i < 500; i += 3)
        timer_disarm(&heap, &all[i].timer);
    for (size_t i = 1; i < 500; i += 3)
        timer_arm(&heap, &all[i].timer, dice_roll_below(&dice, 1000));
    timer_run(&heap, 499);
    assert_true(timer_get_next_ns(&heap) > 499);
    timer_run(&heap, 1000);
    assert_int_equal(timer_get_next_ns(&heap), TIMER_NEVER);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(all[i].times, i % 3 == 0 ? 0 : 1);
        assert_false(timer_is_armed(&all[i].timer));
    }
    timer_heap_close(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_call),
        cmocka_unit_test(test_action_before_standby_was_answered),
        cmocka_unit_test(test_wrong_actions),
        cmocka_unit_test(test_second_action_is_wrong),
        cmocka_unit_test(test_repeated_action_is_wrong),
        cmocka_unit_test(test_early_action_is_wrong),
        cmocka_unit_test(test_first_fault_is_the_reason),
        cmocka_unit_test(test_no_action_ends_with_finished),
        cmocka_unit_test(test_no_action_after_a_bad_one_ends_too),
        cmocka_unit_test(test_undelivered_event_ends_the_call),
        cmocka_unit_test(test_duplicate_is_posted_twice),
        cmocka_unit_test(test_timestamps_rise_within_one_millisecond),
        cmocka_unit_test(test_timestamps_survive_a_clock_set_back),
        cmocka_unit_test(test_late_event_keeps_its_place_in_time),
        cmocka_unit_test(test_ids_are_uuids),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_every_plan_ends),
        cmocka_unit_test(test_recall_forgets_the_oldest),
        cmocka_unit_test(test_timers_fire_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
