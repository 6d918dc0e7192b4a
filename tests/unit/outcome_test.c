/* outcome_test.c: what the end of a delivery's attempt means, where that differs from the PBX's actions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/clock.h"
#include "http/outcome.h"

static char body[] = "{}";

/* How it ends; left_ms until its deadline. */
static struct delivery judge(const struct transfer_answer *answer, int is_download, int idempotent,
                             int doubtful, int64_t left_ms)
{
    const struct config_target target = {.idempotent = idempotent};
    struct delivery delivery = {.body = is_download ? NULL : body,
                                .attempts = 1,
                                .doubtful = doubtful,
                                .expires_ms = clock_wall_ms() + left_ms};
    outcome_judge(&target, &delivery, answer);
    return delivery;
}

#define HOUR 3600000

static void ends_are_told_apart(void **state)
{
    static const struct {
        struct transfer_answer answer;
        int is_download, idempotent, doubtful;
        int64_t left_ms;
        enum store_action_state wanted;
    } cases[] = {
        {{.code = CURLE_OK, .http_status = 200, .sent = 1}, 0, 0, 0, HOUR, STORE_ACTION_DELIVERED},
        {{.code = CURLE_OK, .http_status = 404, .sent = 1}, 1, 0, 0, HOUR, STORE_ACTION_REJECTED},
        {{.code = CURLE_OK, .http_status = 503, .sent = 1}, 0, 0, 0, HOUR, STORE_ACTION_PENDING},
        /* a login that the operator can mend */
        {{.code = CURLE_OK, .http_status = 401, .sent = 1}, 0, 0, 0, HOUR, STORE_ACTION_PENDING},
        {{.code = CURLE_OK, .http_status = 407, .sent = 1}, 1, 0, 0, HOUR, STORE_ACTION_PENDING},
        /* nobody knows; but asking for a file again does no harm */
        {{.code = CURLE_GOT_NOTHING, .sent = 1}, 0, 0, 0, HOUR, STORE_ACTION_UNKNOWN},
        {{.code = CURLE_GOT_NOTHING, .sent = 1}, 0, 1, 0, HOUR, STORE_ACTION_DOUBTFUL},
        {{.code = CURLE_GOT_NOTHING, .sent = 1}, 1, 0, 0, HOUR, STORE_ACTION_DOUBTFUL},
        /* half a file, whatever its status */
        {{.code = CURLE_PARTIAL_FILE, .http_status = 200, .sent = 1},
         1,
         0,
         0,
         HOUR,
         STORE_ACTION_DOUBTFUL},
        {{.code = CURLE_WRITE_ERROR, .http_status = 200, .sent = 1, .too_large = 1},
         1,
         0,
         0,
         HOUR,
         STORE_ACTION_REJECTED},
        /* past the deadline: a download has expired, a post that may have arrived is unknown */
        {{.code = CURLE_GOT_NOTHING, .sent = 1}, 1, 0, 0, 0, STORE_ACTION_EXPIRED},
        {{.code = CURLE_COULDNT_CONNECT}, 0, 0, 0, 0, STORE_ACTION_EXPIRED},
        {{.code = CURLE_COULDNT_CONNECT}, 0, 1, 1, 0, STORE_ACTION_UNKNOWN},
        {{.code = CURLE_COULDNT_CONNECT}, 1, 0, 1, 0, STORE_ACTION_EXPIRED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct delivery end = judge(&cases[i].answer, cases[i].is_download, cases[i].idempotent,
                                    cases[i].doubtful, cases[i].left_ms);
        if (end.state != cases[i].wanted)
            fail_msg("case %zu: found %d, wanted %d", i, (int)end.state, (int)cases[i].wanted);
        assert_true(end.finished_ms > 0);
    }
}

static struct delivery put_off(int attempts, int is_download, int doubtful, int64_t left_ms)
{
    struct delivery delivery = {.body = is_download ? NULL : body,
                                .attempts = attempts,
                                .doubtful = doubtful,
                                .took_us = 7,
                                .expires_ms = 1000000 + left_ms};
    outcome_put_off(&delivery, 1000000);
    return delivery;
}

static void what_never_began_comes_back_later_and_later(void **state)
{
    (void)state;
    assert_int_equal(put_off(1, 0, 0, HOUR).state, STORE_ACTION_PENDING);
    assert_int_equal(put_off(1, 0, 0, HOUR).due_ms, 1000000 + 2000);
    assert_int_equal(put_off(2, 0, 0, HOUR).due_ms, 1000000 + 4000);
    assert_int_equal(put_off(8, 0, 0, HOUR).due_ms, 1000000 + 256000);
    assert_int_equal(put_off(80, 0, 0, HOUR).due_ms, 1000000 + 256000);
    assert_int_equal(put_off(8, 0, 0, 500).due_ms, 1000000 + 500); /* for its end to be told */
    assert_int_equal(put_off(1, 0, 0, HOUR).took_us, 0);
}

static void what_is_too_late_to_begin_has_ended(void **state)
{
    (void)state;
    assert_int_equal(put_off(1, 0, 0, 0).state, STORE_ACTION_EXPIRED);
    assert_int_equal(put_off(1, 0, 1, 0).state, STORE_ACTION_UNKNOWN);
    assert_int_equal(put_off(1, 1, 1, 0).state, STORE_ACTION_EXPIRED);
    assert_string_equal(put_off(1, 0, 0, -5).detail, "its deadline has passed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(what_never_began_comes_back_later_and_later),
        cmocka_unit_test(what_is_too_late_to_begin_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
