/* taxonomy_test.c: every way an attempt can end, and what is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pbx/taxonomy.h"

#define NOW     1000000
#define EXPIRES (NOW + 10000)

static struct verdict judge(CURLcode code, int status, int sent)
{
    struct attempt attempt = {.code = code,
                              .http_status = status,
                              .sent = sent,
                              .number = 1,
                              .now_ms = NOW,
                              .expires_ms = EXPIRES,
                              .random = 7};
    return taxonomy_judge(&attempt);
}

static void test_table(void **state)
{
    (void)state;
    static const struct {
        CURLcode code;
        int status;
        int sent;
        enum store_action_state expected;
    } cases[] = {
        {CURLE_OK, 200, 1, STORE_ACTION_DELIVERED},
        {CURLE_OK, 204, 1, STORE_ACTION_DELIVERED},
        {CURLE_OK, 301, 1, STORE_ACTION_REJECTED},
        {CURLE_OK, 400, 1, STORE_ACTION_REJECTED},
        {CURLE_OK, 404, 1, STORE_ACTION_REJECTED},
        {CURLE_OK, 408, 1, STORE_ACTION_PENDING},
        {CURLE_OK, 425, 1, STORE_ACTION_PENDING},
        {CURLE_OK, 429, 1, STORE_ACTION_PENDING},
        {CURLE_OK, 503, 1, STORE_ACTION_PENDING},
        {CURLE_OK, 500, 1, STORE_ACTION_UNKNOWN},
        {CURLE_OK, 502, 1, STORE_ACTION_UNKNOWN},
        {CURLE_OK, 504, 1, STORE_ACTION_UNKNOWN},
        {CURLE_COULDNT_CONNECT, 0, 0, STORE_ACTION_PENDING},
        /* a kept connection died, libcurl sent again by itself and found nobody */
        {CURLE_COULDNT_CONNECT, 0, 1, STORE_ACTION_UNKNOWN},
        {CURLE_COULDNT_RESOLVE_HOST, 0, 0, STORE_ACTION_PENDING},
        {CURLE_SSL_CONNECT_ERROR, 0, 0, STORE_ACTION_PENDING},
        {CURLE_OPERATION_TIMEDOUT, 0, 0, STORE_ACTION_PENDING},
        {CURLE_OPERATION_TIMEDOUT, 0, 1, STORE_ACTION_UNKNOWN},
        {CURLE_GOT_NOTHING, 0, 1, STORE_ACTION_UNKNOWN},
        {CURLE_RECV_ERROR, 0, 1, STORE_ACTION_UNKNOWN},
        {CURLE_SEND_ERROR, 0, 1, STORE_ACTION_UNKNOWN},
        /* the status came, then the body broke off or went on for ever */
        {CURLE_PARTIAL_FILE, 200, 1, STORE_ACTION_DELIVERED},
        {CURLE_WRITE_ERROR, 400, 1, STORE_ACTION_REJECTED},
        /* an informational answer is none */
        {CURLE_OPERATION_TIMEDOUT, 100, 1, STORE_ACTION_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict verdict = judge(cases[i].code, cases[i].status, cases[i].sent);
        if (verdict.state != cases[i].expected)
            fail_msg("curl %d, status %d, sent %d: found %d, wanted %d", (int)cases[i].code,
                     cases[i].status, cases[i].sent, (int)verdict.state, (int)cases[i].expected);
        if (verdict.state == STORE_ACTION_PENDING)
            assert_in_range(verdict.due_ms, NOW + 50, NOW + 100);
    }
}

static void test_delay_grows_and_is_bounded(void **state)
{
    (void)state;
    int64_t least = 0;
    for (int number = 1; number <= 40; number++) {
        struct attempt attempt = {.code = CURLE_COULDNT_CONNECT,
                                  .number = number,
                                  .now_ms = NOW,
                                  .expires_ms = NOW + 60000,
                                  .random = 0};
        int64_t delay = taxonomy_judge(&attempt).due_ms - NOW;
        assert_true(delay >= least && delay <= 2000);
        least = delay;
    }
    assert_int_equal(least, 1000); /* half of the longest, with no luck in the jitter */
}

static void test_retry_after_is_kept(void **state)
{
    (void)state;
    struct attempt attempt = {.http_status = 429,
                              .sent = 1,
                              .number = 1,
                              .retry_after_ms = 3000,
                              .now_ms = NOW,
                              .expires_ms = EXPIRES};
    assert_int_equal(taxonomy_judge(&attempt).due_ms, NOW + 3000);
}

static void test_no_retry_beyond_the_deadline(void **state)
{
    (void)state;
    struct attempt attempt = {.http_status = 503,
                              .sent = 1,
                              .number = 1,
                              .retry_after_ms = 10000,
                              .now_ms = NOW,
                              .expires_ms = EXPIRES};
    assert_int_equal(taxonomy_judge(&attempt).state, STORE_ACTION_EXPIRED);
}

static void test_the_last_chance_is_taken(void **state)
{
    (void)state;
    struct attempt attempt = {.code = CURLE_COULDNT_CONNECT,
                              .number = 10, /* 1 s at least */
                              .now_ms = EXPIRES - 900,
                              .expires_ms = EXPIRES};
    assert_int_equal(taxonomy_judge(&attempt).state, STORE_ACTION_PENDING);
    assert_int_equal(taxonomy_judge(&attempt).due_ms, EXPIRES - 250);
    attempt.now_ms = EXPIRES - 250;
    assert_int_equal(taxonomy_judge(&attempt).state, STORE_ACTION_EXPIRED);
}

static void test_unknown_is_repeated_only_when_the_pbx_is_idempotent(void **state)
{
    (void)state;
    struct attempt attempt = {.code = CURLE_OPERATION_TIMEDOUT,
                              .sent = 1,
                              .number = 1,
                              .now_ms = NOW,
                              .expires_ms = EXPIRES};
    assert_int_equal(taxonomy_judge(&attempt).state, STORE_ACTION_UNKNOWN);
    attempt.repeatable = 1;
    assert_int_equal(taxonomy_judge(&attempt).state, STORE_ACTION_DOUBTFUL);
    attempt.expires_ms = NOW + 10;
    assert_int_equal(taxonomy_judge(&attempt).state, STORE_ACTION_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_delay_grows_and_is_bounded),
        cmocka_unit_test(test_retry_after_is_kept),
        cmocka_unit_test(test_no_retry_beyond_the_deadline),
        cmocka_unit_test(test_the_last_chance_is_taken),
        cmocka_unit_test(test_unknown_is_repeated_only_when_the_pbx_is_idempotent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
