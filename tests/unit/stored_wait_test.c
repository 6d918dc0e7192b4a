/* stored_wait_test.c: who waits for the store is decided by the reports of the right worker, or by time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "receiver/stored_wait.h"

#define TIMEOUT_MS 100
#define MANY       40

struct fixture {
    struct stored_wait wait;
    struct event event[MANY];
    char call_id[MANY][16];
    struct spool_ticket ticket[MANY];
    int made;
    struct ticket_list decided;
};

static struct fixture fixture;

static int set_up(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    ticket_list_clear(&fixture.decided);
    stored_wait_init(&fixture.wait, 1, TIMEOUT_MS);
    return 0;
}

/* One more ticket, as the spool's commit leaves it: seq 1, 2, ... */
static struct spool_ticket *make_ticket(void)
{
    int i = fixture.made++;
    snprintf(fixture.call_id[i], sizeof fixture.call_id[i], "call-%d", i);
    fixture.event[i] =
        (struct event){.seq = i + 1, .field = {[EVENT_CALL_ID] = fixture.call_id[i]}};
    fixture.ticket[i] = (struct spool_ticket){.event = &fixture.event[i], .result = SPOOL_SAFE};
    return &fixture.ticket[i];
}

static void add(int count, int64_t now_us)
{
    struct ticket_list group;
    ticket_list_clear(&group);
    for (int i = 0; i < count; i++)
        ticket_list_append(&group, make_ticket());
    stored_wait_add(&fixture.wait, &group, now_us, &fixture.decided);
    assert_int_equal(group.count, 0);
}

/* The next decided ones, in this order, all with this result. */
static void check_decided(int64_t first_seq, int count, enum spool_result result)
{
    assert_int_equal(fixture.decided.count, count);
    for (int i = 0; i < count; i++) {
        struct spool_ticket *ticket = ticket_list_take(&fixture.decided);
        assert_non_null(ticket);
        assert_int_equal(ticket->event->seq, first_seq + i);
        assert_int_equal(ticket->result, result);
    }
    assert_null(ticket_list_take(&fixture.decided));
}

static void test_a_report_decides_all_up_to_it(void **state)
{
    (void)state;
    add(5, 0);
    check_decided(0, 0, SPOOL_SAFE);
    stored_wait_done(&fixture.wait, 0, 3, &fixture.decided);
    check_decided(1, 3, SPOOL_SAFE);
    stored_wait_done(&fixture.wait, 0, 2, &fixture.decided); /* an older one */
    check_decided(0, 0, SPOOL_SAFE);
    stored_wait_done(&fixture.wait, 0, 9, &fixture.decided);
    check_decided(4, 2, SPOOL_SAFE);
    assert_int_equal(stored_wait_next_us(&fixture.wait), INT64_MAX);
}

/* The worker was faster than the spool thread. */
static void test_a_report_before_its_tickets(void **state)
{
    (void)state;
    stored_wait_done(&fixture.wait, 0, 2, &fixture.decided);
    add(3, 0);
    check_decided(1, 2, SPOOL_SAFE);
    stored_wait_done(&fixture.wait, 0, 3, &fixture.decided);
    check_decided(3, 1, SPOOL_SAFE);
}

static void test_time_is_up_for_the_first_ones(void **state)
{
    (void)state;
    add(2, 1000);
    add(1, 2000);
    assert_int_equal(stored_wait_next_us(&fixture.wait), 1000 + TIMEOUT_MS * 1000);
    stored_wait_expire(&fixture.wait, 999 + TIMEOUT_MS * 1000, &fixture.decided);
    check_decided(0, 0, SPOOL_SAFE);
    stored_wait_expire(&fixture.wait, 1000 + TIMEOUT_MS * 1000, &fixture.decided);
    check_decided(1, 2, SPOOL_UNSTORED);
    assert_int_equal(stored_wait_next_us(&fixture.wait), 2000 + TIMEOUT_MS * 1000);
    stored_wait_done(&fixture.wait, 0, 3, &fixture.decided);
    check_decided(3, 1, SPOOL_SAFE);
}

/* A worker speaks for its own calls only. */
static void test_each_worker_for_its_own(void **state)
{
    int own[3] = {0, 0, 0};
    (void)state;
    stored_wait_init(&fixture.wait, 3, TIMEOUT_MS);
    add(MANY, 0);
    for (int i = 0; i < MANY; i++)
        own[event_call_hash(fixture.call_id[i]) % 3]++;
    for (int worker = 0; worker < 3; worker++) {
        assert_int_not_equal(own[worker], 0);
        stored_wait_done(&fixture.wait, worker, MANY, &fixture.decided);
        assert_int_equal(fixture.decided.count, own[worker]);
        struct spool_ticket *ticket;
        while ((ticket = ticket_list_take(&fixture.decided)) != NULL)
            assert_int_equal(event_call_hash(ticket->event->field[EVENT_CALL_ID]) % 3, worker);
    }
    assert_int_equal(stored_wait_next_us(&fixture.wait), INT64_MAX);
}

static void test_given_up(void **state)
{
    (void)state;
    add(2, 0);
    stored_wait_give_up(&fixture.wait, &fixture.decided);
    check_decided(1, 2, SPOOL_UNSTORED);
    add(1, 0);
    check_decided(3, 1, SPOOL_UNSTORED);
    stored_wait_done(&fixture.wait, 0, 4, &fixture.decided);
    add(1, 0); /* the store has it: that stays true */
    check_decided(4, 1, SPOOL_SAFE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_report_decides_all_up_to_it, set_up),
        cmocka_unit_test_setup(test_a_report_before_its_tickets, set_up),
        cmocka_unit_test_setup(test_time_is_up_for_the_first_ones, set_up),
        cmocka_unit_test_setup(test_each_worker_for_its_own, set_up),
        cmocka_unit_test_setup(test_given_up, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
