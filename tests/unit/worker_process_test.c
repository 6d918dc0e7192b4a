/* worker_process_test.c: what is made of a worker's end: who is to blame, and what is suspected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/worker_process.h"

#define TIMEOUT_MS 5000

static struct worker_process worker;

static int set_up(void **state)
{
    (void)state;
    log_open("test", LOG_LEVEL_ERROR);
    return worker_process_init(&worker, 0);
}

static int tear_down(void **state)
{
    (void)state;
    worker_process_clear(&worker);
    return 0;
}

/* It ended with this signal, with its batch up to this event under way. */
static struct worker_end end_by(int number, int64_t batch_seq)
{
    struct worker_end end;
    worker.started_us = clock_mono_us();
    atomic_store(&worker.page->life.batch_seq, batch_seq);
    worker_process_ended(&worker, number, TIMEOUT_MS, &end);
    return end;
}

static void once_is_chance_and_twice_is_suspicious(void **state)
{
    const struct life *life = &worker.page->life;
    (void)state;
    end_by(SIGKILL, 7);
    assert_int_equal(life->doubt_until, 7);
    assert_int_equal(life->suspect_until, 0);
    assert_int_equal(atomic_load(&life->batch_seq), 0);
    end_by(SIGKILL, 9);
    assert_int_equal(life->suspect_until, 9);
}

static void idle_end_is_nobodys_fault(void **state)
{
    const struct life *life = &worker.page->life;
    (void)state;
    end_by(SIGKILL, 0);
    end_by(SIGKILL, 0);
    assert_int_equal(life->doubt_until, 0);
    assert_int_equal(life->suspect_until, 0);
}

/* In a handler, and by a signal from outside: not the handler's fault. By one of its own: it is. */
static void sigkill_is_not_the_plugins_fault(void **state)
{
    struct life *life = &worker.page->life;
    (void)state;
    worker.started_us = clock_mono_us();
    life_enter(life, 0, 5, 0, clock_mono_us() + 1000000);
    struct worker_end end = end_by(SIGKILL, 5);
    assert_int_equal(end.in_plugin, 0);
    assert_int_equal(life->culprit_seq, 0);
    life_enter(life, 0, 5, 0, clock_mono_us() + 1000000);
    end = end_by(SIGSEGV, 5);
    assert_int_equal(end.in_plugin, 1);
    assert_string_equal(end.reason, "killed by SIGSEGV");
    assert_int_equal(life->culprit_seq, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(once_is_chance_and_twice_is_suspicious),
        TEST(idle_end_is_nobodys_fault),
        TEST(sigkill_is_not_the_plugins_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
