/* worker_process_test.c: what is made of a worker's end: who is to blame, and what is suspected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control.h"
#include "common/log.h"
#include "receiver/worker_process.h"

#define TIMEOUT_MS 5000
#define SECOND     ((int64_t)1000000)

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
    worker_process_ended(&worker, number, &end);
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

/* How long after its end it is to be started again: at least, and at most. */
static int64_t least_wait_us, most_wait_us;

static void die_young(void)
{
    int64_t before_us = clock_mono_us();
    end_by(SIGSEGV, 0);
    least_wait_us = worker.restart_us - clock_mono_us();
    most_wait_us = worker.restart_us - before_us;
}

static void one_that_dies_young_waits_longer_each_time(void **state)
{
    (void)state;
    die_young(); /* forgiven */
    assert_true(least_wait_us <= 0);
    die_young();
    assert_true(most_wait_us >= 100000);
    die_young();
    assert_true(most_wait_us >= 200000);
    for (int i = 0; i < 20; i++)
        die_young();
    assert_true(most_wait_us >= 5000000);
    assert_true(least_wait_us <= 5000000);
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

/* A child of this process in the worker's place, which does nothing. */
static void start_idle_child(void)
{
    worker.started_us = clock_mono_us();
    worker.pid = fork();
    assert_in_range(worker.pid, 0, INT32_MAX);
    while (worker.pid == 0)
        pause();
}

static int wait_for_child(void)
{
    int status = 0;
    assert_int_equal(waitpid(worker.pid, &status, 0), worker.pid);
    return status;
}

/* It gets its minute, and that is what is said afterwards; a handler does not. */
static void open_has_a_limit_of_its_own(void **state)
{
    struct life *life = &worker.page->life;
    struct worker_end end;
    (void)state;
    start_idle_child();
    worker.started_us -= 61 * SECOND;
    life_enter(life, 0, 0, 0, clock_mono_us() - 59 * SECOND);
    worker_process_check(&worker, TIMEOUT_MS);
    assert_int_equal(worker.aborted_us, 0);
    worker.ready = 1; /* also one that is opened later */
    worker_process_check(&worker, TIMEOUT_MS);
    assert_int_equal(worker.aborted_us, 0);
    life_enter(life, 0, 0, 0, clock_mono_us() - 60 * SECOND);
    worker_process_check(&worker, TIMEOUT_MS);
    assert_int_not_equal(worker.aborted_us, 0);
    worker_process_ended(&worker, wait_for_child(), &end);
    assert_string_equal(end.reason, "did not come back within 60000 ms");
    assert_int_equal(end.in_plugin, 1);
    worker.aborted_us = 0;
    start_idle_child();
    worker.started_us -= 6 * SECOND;
    life_enter(life, 0, 3, 0, clock_mono_us() - 5 * SECOND);
    worker_process_check(&worker, TIMEOUT_MS);
    worker_process_ended(&worker, wait_for_child(), &end);
    assert_string_equal(end.reason, "did not come back within 5000 ms");
}

/* What the log has of an end. */
static char *log_of_end(int status)
{
    struct worker_end end;
    char *text = NULL;
    size_t size = 0;
    int file = memfd_create("log", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    worker_process_ended(&worker, status, &end);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(kept);
    size = (size_t)lseek(file, 0, SEEK_END);
    text = calloc(1, size + 1);
    assert_non_null(text);
    assert_int_equal(pread(file, text, size, 0), size);
    close(file);
    return text;
}

/* A kill of the receiver's own is nobody's death, nor is a refusal, which was told. A stranger's kill is one. */
static void dismissed_and_refused_ones_do_not_die(void **state)
{
    (void)state;
    start_idle_child();
    worker_process_dismiss(&worker);
    char *said = log_of_end(wait_for_child());
    assert_string_equal(said, "");
    free(said);
    said = log_of_end(W_EXITCODE(CONTROL_EXIT_REFUSED, 0));
    assert_string_equal(said, "");
    free(said);
    said = log_of_end(SIGKILL);
    assert_non_null(strstr(said, "worker died"));
    free(said);
}

/* And it is forgotten when it was told. */
static void file_that_was_loaded_is_named(void **state)
{
    struct worker_end end;
    (void)state;
    snprintf(worker.page->life.loading, LIFE_PATH, "/plugins/half.so");
    worker.started_us = clock_mono_us();
    worker_process_ended(&worker, SIGBUS, &end);
    assert_string_equal(end.loading, "/plugins/half.so");
    assert_string_equal(worker.page->life.loading, "");
    assert_int_equal(end.in_plugin, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(once_is_chance_and_twice_is_suspicious),
        TEST(one_that_dies_young_waits_longer_each_time),
        TEST(idle_end_is_nobodys_fault),
        TEST(sigkill_is_not_the_plugins_fault),
        TEST(open_has_a_limit_of_its_own),
        TEST(dismissed_and_refused_ones_do_not_die),
        TEST(file_that_was_loaded_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
