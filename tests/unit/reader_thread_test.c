/* reader_thread_test.c: jobs that wait together cost one read; a store that fails is opened again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <semaphore.h>
#include <time.h>

#include "http_fakes.h"
#include "receiver/reader_thread.h"

#define MANY 20

static sem_t answered;

static void notify(void *arg)
{
    (void)arg;
    sem_post(&answered);
}

static void await_answer(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    assert_int_equal(sem_timedwait(&answered, &until), 0);
}

static int set_up(void **state)
{
    fakes_reset();
    sem_init(&answered, 0, 0);
    struct reader_thread *thread = reader_thread_new("sqlite:nowhere", "", notify, NULL);
    if (thread == NULL)
        return -1;
    *state = thread;
    return reader_thread_start(thread);
}

static int tear_down(void **state)
{
    reader_thread_stop(*state);
    reader_thread_free(*state);
    sem_destroy(&answered);
    return 0;
}

/* Takes `count` answers; each must have the text, or none when it is NULL. */
static void take_answers(struct reader_thread *thread, int count, const char *text)
{
    while (count > 0) {
        await_answer();
        for (struct reader_job *job = reader_thread_take(thread); job != NULL; job = job->next) {
            if (text == NULL) {
                assert_null(job->text);
            } else {
                assert_non_null(job->text);
                assert_non_null(strstr(job->text->data, text));
                assert_int_equal(job->text->size, strlen(job->text->data));
            }
            reader_text_release(job->text);
            count--;
        }
    }
    assert_int_equal(count, 0);
}

static void one_read_answers_all_that_wait(void **state)
{
    struct reader_thread *thread = *state;
    struct reader_job first = {.kind = READER_COUNTS}, rest[MANY];

    fakes_set_counts(&(struct store_counts){.users = 7});
    fakes_hold_store(1);
    assert_int_equal(reader_thread_submit(thread, &first), 0);
    fakes_await_read();
    for (int i = 0; i < MANY; i++) {
        rest[i] = (struct reader_job){.kind = READER_COUNTS};
        assert_int_equal(reader_thread_submit(thread, &rest[i]), 0);
    }
    fakes_hold_store(0);
    take_answers(thread, 1 + MANY, "\"userCount\":7");
    assert_int_equal(fakes_store_reads(), 2);
    assert_int_equal(fakes_store_opens(), 1);
}

static void opens_the_store_again_after_a_failure(void **state)
{
    struct reader_thread *thread = *state;
    struct reader_job job = {.kind = READER_COUNTS};

    fakes_set_store_works(0);
    assert_int_equal(reader_thread_submit(thread, &job), 0);
    take_answers(thread, 1, NULL);
    fakes_set_store_works(1);
    assert_int_equal(reader_thread_submit(thread, &job), 0);
    take_answers(thread, 1, "\"data\"");
    assert_int_equal(fakes_store_opens(), 2);

    fakes_set_store_works(0); /* now while it is open */
    assert_int_equal(reader_thread_submit(thread, &job), 0);
    take_answers(thread, 1, NULL);
    fakes_set_store_works(1);
    assert_int_equal(reader_thread_submit(thread, &job), 0);
    take_answers(thread, 1, "\"data\"");
    assert_int_equal(fakes_store_opens(), 3);
}

static void takes_no_more_than_its_queue(void **state)
{
    static struct reader_job jobs[READER_QUEUE_MAX + 1];
    struct reader_thread *thread = *state;

    fakes_hold_store(1);
    for (int i = 0; i <= READER_QUEUE_MAX; i++)
        jobs[i] = (struct reader_job){.kind = READER_ACTIVE_CALLS};
    for (int i = 0; i < READER_QUEUE_MAX; i++)
        assert_int_equal(reader_thread_submit(thread, &jobs[i]), 0);
    assert_int_equal(reader_thread_submit(thread, &jobs[READER_QUEUE_MAX]), -1);
    fakes_hold_store(0);
    take_answers(thread, READER_QUEUE_MAX, "{\"data\":{}}");
    assert_int_equal(reader_thread_submit(thread, &jobs[READER_QUEUE_MAX]), 0);
    take_answers(thread, 1, "{\"data\":{}}");
}

static void stops_with_jobs_waiting(void **state)
{
    static struct reader_job first, second;
    struct reader_thread *thread = *state;

    first = second = (struct reader_job){.kind = READER_COUNTS};
    fakes_hold_store(1);
    assert_int_equal(reader_thread_submit(thread, &first), 0);
    fakes_await_read();
    assert_int_equal(reader_thread_submit(thread, &second), 0);
    fakes_hold_store(0);
    reader_thread_stop(thread);
    reader_text_release(first.text);
    reader_text_release(second.text);
    reader_thread_stop(thread); /* twice is once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_read_answers_all_that_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opens_the_store_again_after_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_no_more_than_its_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_with_jobs_waiting, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
