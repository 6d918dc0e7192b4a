/* auth_test.c: which credentials open which door, and in which company. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "receiver/auth.h"

#define NOW_S     1614265330
#define SENDER    "Basic cGJ4OnMzY3JldA==" /* pbx:s3cret */
#define READER    "Basic d2FsbDpyM2FkZXI=" /* wall:r3ader */
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static const struct signature_head signed_head = {
    .id = "msg_p5jXN8AQM9LWM0D4loKWxJek", .timestamp = "1614265330", .signatures = SIGNATURE};
static const unsigned char key[SIGNATURE_KEY_MIN] = {1};

static void set_up(struct auth_policy *policy)
{
    memset(policy, 0, sizeof *policy);
    policy->senders.user = "pbx";
    policy->readers.user = "wall";
}

static void add_passwords(struct auth_credentials *credentials, const char *one, const char *two)
{
    credentials->password[0] = (char *)one;
    credentials->password[1] = (char *)two;
    credentials->password_count = two == NULL ? 1 : 2;
}

static void add_token(struct auth_credentials *credentials, const char *token)
{
    credentials->token[credentials->token_count++] = (char *)token;
}

static void reads_authorization(void **state)
{
    static const struct {
        const char *authorization;
        int good;
    } cases[] = {
        {SENDER, 1},
        {"basic cGJ4OnMzY3JldA==", 1},
        {"Basic   cGJ4OnMzY3JldA==", 1},
        {"Basic cGJ4Om46dw==", 1}, /* pbx:n:w, a password with a colon; the second */
        {"Bearer t0ken", 1},
        {"BEARER  t0ken", 1},
        {NULL, 0},
        {"", 0},
        {"Basic", 0},
        {"Basic ", 0},
        {"Basic cGJ4OnMzY3JldA", 0},
        {"Basic cGJ4OnMzY3JldA== ", 0},
        {"BasiccGJ4OnMzY3JldA==", 0},
        {"Basic cGJ4", 0},             /* pbx         */
        {"Basic cGJ4Og==", 0},         /* pbx:        */
        {"Basic OnMzY3JldA==", 0},     /* :s3cret     */
        {"Basic UEJYOnMzY3JldA==", 0}, /* PBX:s3cret  */
        {"Basic cGJ4OnMzY3JldHg=", 0}, /* pbx:s3cretx */
        {"Basic cGJ4OnMzY3Jl", 0},     /* pbx:s3cre   */
        {"Basic t0ken", 0},
        {"Bearer s3cret", 0},
        {"Bearer cGJ4OnMzY3JldA==", 0},
        {"Bearer", 0},
        {"Bearer ", 0},
        {"Bearer t0ke", 0},
        {"Bearer t0ken2", 0},
        {"Bearer t0ken ", 0},
        {"Bearer T0KEN", 0},
        {"Digest t0ken", 0},
        {"t0ken", 0},
    };
    static char long_one[4096];
    struct auth_policy policy;

    (void)state;
    set_up(&policy);
    assert_int_equal(auth_has_any(&policy.senders), 0);
    assert_int_equal(auth_check_authorization(&policy.senders, SENDER), 0);
    assert_int_equal(auth_check_authorization(&policy.senders, "Bearer "), 0);
    add_passwords(&policy.senders, "s3cret", "n:w");
    add_token(&policy.senders, "t0ken");
    assert_int_equal(auth_has_any(&policy.senders), 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (auth_check_authorization(&policy.senders, cases[i].authorization) != cases[i].good)
            fail_msg("\"%s\": not %d", cases[i].authorization, cases[i].good);
    }
    memset(long_one, 'A', sizeof long_one - 1);
    memcpy(long_one, "Basic ", 6);
    assert_int_equal(auth_check_authorization(&policy.senders, long_one), 0);
}

/* Kinds that are configured, as bits. */
enum { BASIC = 1, BEARER = 2, SIGNED = 4, LISTED = 8 };

static void one_credential_suffices_and_the_address_must_hold(void **state)
{
    static const struct {
        int configured;
        const char *client, *authorization;
        int is_signed;
        enum auth_verdict verdict;
    } cases[] = {
        {0, "192.0.2.1", NULL, 0, AUTH_PASSED},
        {0, NULL, "Bearer whatever", 0, AUTH_PASSED},
        {BASIC, "192.0.2.1", NULL, 0, AUTH_UNAUTHORIZED},
        {BASIC, "192.0.2.1", SENDER, 0, AUTH_PASSED},
        {BASIC, "192.0.2.1", READER, 0, AUTH_UNAUTHORIZED},
        {BASIC, "192.0.2.1", NULL, 1, AUTH_UNAUTHORIZED}, /* signatures mean nothing here */
        {BEARER, "192.0.2.1", "Bearer t0ken", 0, AUTH_PASSED},
        {BEARER, "192.0.2.1", SENDER, 0, AUTH_UNAUTHORIZED},
        {SIGNED, "192.0.2.1", NULL, 1, AUTH_SIGNATURE_DUE},
        {SIGNED, "192.0.2.1", NULL, 0, AUTH_UNAUTHORIZED},
        {SIGNED, "192.0.2.1", "Bearer t0ken", 0, AUTH_UNAUTHORIZED},
        {BASIC | BEARER | SIGNED, "192.0.2.1", SENDER, 0, AUTH_PASSED},
        {BASIC | BEARER | SIGNED, "192.0.2.1", "Bearer t0ken", 0, AUTH_PASSED},
        {BASIC | BEARER | SIGNED, "192.0.2.1", NULL, 1, AUTH_SIGNATURE_DUE},
        {BASIC | BEARER | SIGNED, "192.0.2.1", "Bearer wrong", 1, AUTH_SIGNATURE_DUE},
        {BASIC | BEARER | SIGNED, "192.0.2.1", NULL, 0, AUTH_UNAUTHORIZED},
        {LISTED, "192.0.2.1", NULL, 0, AUTH_PASSED},
        {LISTED, "192.0.3.1", NULL, 0, AUTH_FORBIDDEN},
        {LISTED, NULL, NULL, 0, AUTH_FORBIDDEN},
        {LISTED | BASIC, "192.0.2.1", SENDER, 0, AUTH_PASSED},
        {LISTED | BASIC, "192.0.2.1", NULL, 0, AUTH_UNAUTHORIZED},
        {LISTED | BASIC, "192.0.3.1", SENDER, 0, AUTH_FORBIDDEN},
        {LISTED | SIGNED, "192.0.3.1", NULL, 1, AUTH_FORBIDDEN},
    };
    struct address_range range;

    (void)state;
    assert_int_equal(address_range_parse("192.0.2.0/24", &range), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct auth_policy policy;
        struct address client;
        const char *explanation = NULL;
        set_up(&policy);
        if (cases[i].configured & BASIC)
            add_passwords(&policy.senders, "s3cret", NULL);
        if (cases[i].configured & BEARER)
            add_token(&policy.senders, "t0ken");
        if (cases[i].configured & SIGNED)
            policy.senders.key[policy.senders.key_count++] =
                (struct signature_key){.bytes = key, .size = sizeof key};
        if (cases[i].configured & LISTED)
            policy.allow_from = (struct address_list){.range = &range, .count = 1};
        struct auth_attempt attempt = {.authorization = cases[i].authorization, .now_s = NOW_S};
        if (cases[i].client != NULL) {
            assert_int_equal(address_parse(cases[i].client, strlen(cases[i].client), &client), 0);
            attempt.client = &client;
        }
        if (cases[i].is_signed)
            attempt.signature = signed_head;
        enum auth_verdict verdict = auth_judge_sender(&policy, &attempt, &explanation);
        if (verdict != cases[i].verdict)
            fail_msg("case %zu: %d instead of %d", i, (int)verdict, (int)cases[i].verdict);
        int refused = verdict == AUTH_UNAUTHORIZED || verdict == AUTH_FORBIDDEN;
        assert_int_equal(explanation != NULL, refused);
    }
}

static void a_replay_is_seen_before_the_body_is_read(void **state)
{
    struct auth_policy policy;
    struct auth_attempt attempt = {.signature = signed_head, .now_s = NOW_S + 301};
    const char *explanation = NULL;

    (void)state;
    set_up(&policy);
    policy.senders.key[0] = (struct signature_key){.bytes = key, .size = sizeof key};
    policy.senders.key_count = 1;
    assert_int_equal(auth_judge_sender(&policy, &attempt, &explanation), AUTH_UNAUTHORIZED);
    assert_string_equal(explanation, signature_explain(SIGNATURE_TOO_OLD));
}

static void readers_are_a_group_of_their_own(void **state)
{
    static const struct {
        int protected, allowed;
        const char *client, *authorization;
        enum auth_verdict verdict;
    } cases[] = {
        {1, 0, "127.0.0.1", NULL, AUTH_UNAUTHORIZED},
        {1, 0, "127.0.0.1", READER, AUTH_PASSED},
        {1, 0, "192.0.2.1", READER, AUTH_PASSED},
        {1, 0, NULL, READER, AUTH_PASSED},
        {1, 0, "192.0.2.1", "Bearer r3ad", AUTH_PASSED},
        {1, 0, "192.0.2.1", SENDER, AUTH_UNAUTHORIZED},
        {1, 0, "192.0.2.1", "Bearer t0ken", AUTH_UNAUTHORIZED},
        {1, 1, "192.0.2.1", NULL, AUTH_UNAUTHORIZED},
        {0, 0, "127.0.0.1", NULL, AUTH_PASSED},
        {0, 0, "::1", NULL, AUTH_PASSED},
        {0, 0, "192.0.2.1", NULL, AUTH_FORBIDDEN},
        {0, 0, "192.0.2.1", SENDER, AUTH_FORBIDDEN},
        {0, 0, NULL, NULL, AUTH_FORBIDDEN},
        {0, 1, "192.0.2.1", NULL, AUTH_PASSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct auth_policy policy;
        struct address client;
        const char *explanation = NULL;
        set_up(&policy);
        add_passwords(&policy.senders, "s3cret", NULL);
        add_token(&policy.senders, "t0ken");
        policy.allow_unauthenticated = cases[i].allowed;
        if (cases[i].protected) {
            add_passwords(&policy.readers, "r3ader", NULL);
            add_token(&policy.readers, "r3ad");
        }
        struct auth_attempt attempt = {.authorization = cases[i].authorization, .now_s = NOW_S};
        if (cases[i].client != NULL) {
            assert_int_equal(address_parse(cases[i].client, strlen(cases[i].client), &client), 0);
            attempt.client = &client;
        }
        enum auth_verdict verdict = auth_judge_reader(&policy, &attempt, &explanation);
        if (verdict != cases[i].verdict)
            fail_msg("case %zu: %d instead of %d", i, (int)verdict, (int)cases[i].verdict);
    }
}

static void names_the_schemes_that_would_do(void **state)
{
    struct auth_policy policy;
    char challenge[AUTH_CHALLENGE_SIZE];

    (void)state;
    set_up(&policy);
    policy.senders.key_count = 1;
    auth_challenge(&policy.senders, challenge);
    assert_string_equal(challenge, "Standard-Webhooks realm=\"pbxhook\"");
    add_token(&policy.senders, "t0ken");
    auth_challenge(&policy.senders, challenge);
    assert_string_equal(challenge, "Bearer realm=\"pbxhook\"");
    add_passwords(&policy.senders, "s3cret", NULL);
    auth_challenge(&policy.senders, challenge);
    assert_string_equal(challenge,
                        "Basic realm=\"pbxhook\", charset=\"UTF-8\", Bearer realm=\"pbxhook\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_authorization),
        cmocka_unit_test(one_credential_suffices_and_the_address_must_hold),
        cmocka_unit_test(a_replay_is_seen_before_the_body_is_read),
        cmocka_unit_test(readers_are_a_group_of_their_own),
        cmocka_unit_test(names_the_schemes_that_would_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
