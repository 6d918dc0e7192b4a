/*
 * signature_test.c: Standard Webhooks: the published example, what its libraries' tests take and refuse,
 * rotation, replay and clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "receiver/signature.h"

/* The example of the standard's libraries. */
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP "1614265330"
#define TIME_S    1614265330
#define BODY      "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
/* Of the right form, and wrong. */
#define OTHER     "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
#define OTHER_KEY "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

struct signed_case {
    const char *id, *timestamp, *signatures, *body;
    int64_t now_s;
    enum signature_verdict verdict;
};

/* As access.c does: the head, and if it is good, the body. */
static enum signature_verdict judge(const char *const *secrets, int count,
                                    const struct signed_case *one)
{
    static char texts[4][128];
    struct signature_key keys[4];
    const struct signature_head head = {
        .id = one->id, .timestamp = one->timestamp, .signatures = one->signatures};

    for (int i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%s", secrets[i]);
        assert_int_equal(signature_key_read(texts[i], &keys[i]), 0);
    }
    enum signature_verdict verdict = signature_check_head(&head, one->now_s);
    return verdict != SIGNATURE_GOOD
               ? verdict
               : signature_check(keys, count, &head, one->body, strlen(one->body));
}

static void judges_requests(void **state)
{
    static const struct signed_case cases[] = {
        {ID, TIMESTAMP, SIGNATURE, BODY, TIME_S, SIGNATURE_GOOD},
        /* which is missing */
        {NULL, TIMESTAMP, SIGNATURE, BODY, TIME_S, SIGNATURE_MISSING},
        {ID, NULL, SIGNATURE, BODY, TIME_S, SIGNATURE_MISSING},
        {ID, TIMESTAMP, NULL, BODY, TIME_S, SIGNATURE_MISSING},
        {"", TIMESTAMP, SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        /* several, of several versions */
        {ID, TIMESTAMP, OTHER " v2," OTHER " " SIGNATURE " " OTHER, BODY, TIME_S, SIGNATURE_GOOD},
        {ID, TIMESTAMP, "v1a,xyz  " SIGNATURE, BODY, TIME_S, SIGNATURE_GOOD},
        {ID, TIMESTAMP, OTHER " " OTHER, BODY, TIME_S, SIGNATURE_WRONG},
        /* cut, empty, of another version, with more behind it */
        {ID, TIMESTAMP, "", BODY, TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, "v1,", BODY, TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, "v1,g0hM9", BODY, TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, "v1,dawfeoifkpqwoekfpqoekf", BODY, TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, TIME_S,
         SIGNATURE_WRONG},
        {ID, TIMESTAMP, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, TIME_S,
         SIGNATURE_WRONG},
        {ID, TIMESTAMP, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", BODY, TIME_S,
         SIGNATURE_WRONG},
        {ID, TIMESTAMP, SIGNATURE "=", BODY, TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, SIGNATURE "," SIGNATURE, BODY, TIME_S, SIGNATURE_WRONG},
        /* what is signed has changed */
        {ID, TIMESTAMP, SIGNATURE, "{\"test\": 2432232315}", TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, SIGNATURE, BODY "\n", TIME_S, SIGNATURE_WRONG},
        {ID, TIMESTAMP, SIGNATURE, "", TIME_S, SIGNATURE_WRONG},
        {ID "x", TIMESTAMP, SIGNATURE, BODY, TIME_S, SIGNATURE_WRONG},
        {ID, "1614265331", SIGNATURE, BODY, TIME_S, SIGNATURE_WRONG},
        {ID, "01614265330", SIGNATURE, BODY, TIME_S, SIGNATURE_WRONG},
        /* replayed, or the clocks differ */
        {ID, TIMESTAMP, SIGNATURE, BODY, TIME_S + 300, SIGNATURE_GOOD},
        {ID, TIMESTAMP, SIGNATURE, BODY, TIME_S + 301, SIGNATURE_TOO_OLD},
        {ID, TIMESTAMP, SIGNATURE, BODY, TIME_S - 300, SIGNATURE_GOOD},
        {ID, TIMESTAMP, SIGNATURE, BODY, TIME_S - 301, SIGNATURE_TOO_NEW},
        {ID, "0", SIGNATURE, BODY, TIME_S, SIGNATURE_TOO_OLD},
        {ID, "99999999999", SIGNATURE, BODY, TIME_S, SIGNATURE_TOO_NEW},
        /* no number of seconds */
        {ID, "hello", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, "", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, "-1", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, "+1614265330", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, " 1614265330", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, "1614265330.5", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, "1e9", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
        {ID, "18446744073709551616", SIGNATURE, BODY, TIME_S, SIGNATURE_MALFORMED},
    };
    static const char *const secrets[] = {SECRET};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum signature_verdict verdict = judge(secrets, 1, &cases[i]);
        if (verdict != cases[i].verdict)
            fail_msg("case %zu: %d instead of %d", i, (int)verdict, (int)cases[i].verdict);
    }
}

static void takes_any_of_its_secrets(void **state)
{
    static const struct signed_case good = {ID, TIMESTAMP, SIGNATURE, BODY, TIME_S, SIGNATURE_GOOD};
    static const char *const old_and_new[] = {"whsec_" OTHER_KEY, SECRET};
    static const char *const new_alone[] = {OTHER_KEY};
    (void)state;
    assert_int_equal(judge(old_and_new, 2, &good), SIGNATURE_GOOD);
    assert_int_equal(judge(new_alone, 1, &good), SIGNATURE_WRONG);
    assert_int_equal(judge(new_alone, 0, &good), SIGNATURE_WRONG);
}

static void takes_secrets_of_the_standard(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {SECRET, 0},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0}, /* without the prefix */
        {"", -1},
        {"whsec_", -1},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2Lalw==", -1},  /* 22 bytes */
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", -1},   /* cut      */
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", -1}, /* a blank  */
        {"WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", -1},
        /* 64 and 66 bytes */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
         0},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        struct signature_key key = {.size = 0};
        snprintf(text, sizeof text, "%s", cases[i].text);
        if (signature_key_read(text, &key) != cases[i].code)
            fail_msg("\"%s\": not %d", cases[i].text, cases[i].code);
        assert_int_equal(key.size > 0, cases[i].code == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_requests),
        cmocka_unit_test(takes_any_of_its_secrets),
        cmocka_unit_test(takes_secrets_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
