/* forgetting_test.c: which text is the number, and what is put in its place; nobody else's is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/forgetting.h"

static struct forgetting make(const char *number)
{
    struct forgetting forgetting;
    assert_int_equal(forgetting_init(&forgetting, number), 0);
    return forgetting;
}

static void test_tokens_are_random(void **state)
{
    const struct forgetting one = make("+5511987654321"), other = make("+5511987654321");
    (void)state;
    assert_int_equal(strlen(one.token), strlen("forgotten-01234567"));
    assert_int_equal(strncmp(one.token, "forgotten-", 10), 0);
    assert_string_not_equal(one.token, other.token);
}

static void test_no_number(void **state)
{
    char long_one[EVENT_MAX_FIELD + 2];
    struct forgetting forgetting;
    (void)state;
    memset(long_one, '1', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(forgetting_init(&forgetting, ""), -1);
    assert_int_equal(forgetting_init(&forgetting, " - ( )"), -1);
    assert_int_equal(forgetting_init(&forgetting, "caf\xe9"), -1);
    assert_int_equal(forgetting_init(&forgetting, long_one), -1);
    long_one[EVENT_MAX_FIELD] = '\0';
    assert_int_equal(forgetting_init(&forgetting, long_one), 0);
}

static void test_the_same_number(void **state)
{
    static const struct {
        const char *number, *text;
        int is;
    } cases[] = {
        {"5511987654321", "5511987654321", 1},
        {"+55 (11) 98765-4321", "+5511987654321", 1},
        {"+5511987654321", "+55 11.9876.54321 ", 1},
        {"+5511987654321", "5511987654321", 0}, /* local in some exchange */
        {"5511987654321", "+5511987654321", 0},
        {"5511987654321", "11987654321", 0}, /* a part is somebody else's */
        {"11987654321", "5511987654321", 0},
        {"5511987654321", "55119876543210", 0},
        {"5511987654321", "", 0},
        {"alice.b@sip", "alice.b@sip", 1},
        {"alice.b@sip", "aliceb@sip", 0}, /* no telephone number: byte by byte */
        {"Alice", "alice", 0},
        {"anonymous", "anonymous", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct forgetting forgetting = make(cases[i].number);
        if (forgetting_is(&forgetting, cases[i].text) != cases[i].is)
            fail_msg("%s and %s", cases[i].number, cases[i].text);
    }
}

static void test_in_a_text(void **state)
{
    const struct forgetting phone = make("551198"), name = make("a.b");
    (void)state;
    assert_true(forgetting_is_in(&phone, "no contact 551198 in the CRM"));
    assert_true(forgetting_is_in(&phone, "(55) 11-98"));
    assert_true(forgetting_is_in(&phone, "/contacts/551198"));
    assert_false(forgetting_is_in(&phone, "0551198"));
    assert_false(forgetting_is_in(&phone, "5511980"));
    assert_false(forgetting_is_in(&phone, ""));
    assert_true(forgetting_is_in(&name, "for a.b it failed"));
    assert_false(forgetting_is_in(&name, "for ab it failed"));
}

/* The cleaned text, with TOKEN for the token; NULL: nothing was in it. */
static char *clean(const char *number, const char *text)
{
    const struct forgetting forgetting = make(number);
    char *out = NULL;
    int found = forgetting_clean_json(&forgetting, text, &out);
    assert_true(found == (out != NULL));
    for (char *at = out; at != NULL && (at = strstr(at, forgetting.token)) != NULL;) {
        memcpy(at, "TOKEN", 5);
        memmove(at + 5, at + strlen(forgetting.token), strlen(at + strlen(forgetting.token)) + 1);
    }
    return out;
}

static void check_clean(const char *number, const char *text, const char *wanted)
{
    char *out = clean(number, text);
    if (wanted == NULL ? out != NULL : out == NULL || strcmp(out, wanted) != 0)
        fail_msg("%s became %s, wanted %s", text, out != NULL ? out : "nothing new",
                 wanted != NULL ? wanted : "nothing new");
    free(out);
}

static void test_json(void **state)
{
    (void)state;
    check_clean("5511987", "{\"a\":{\"b\":[1,\"5511987\",{\"c\":\"55 11-987\"}]},\"d\":\"x\"}",
                "{\"a\":{\"b\":[1,\"TOKEN\",{\"c\":\"TOKEN\"}]},\"d\":\"x\"}");
    check_clean("5511987", "{\"phone\":5511987,\"other\":55119870}",
                "{\"phone\":\"TOKEN\",\"other\":55119870}");
    check_clean("5511987", "{\"phone\":\"\\u0035511987\"}", "{\"phone\":\"TOKEN\"}");
    check_clean("5511987", "\"5511987\"", "\"TOKEN\"");
    check_clean("5511987", "{\"phone\":\"55119870\"}", NULL);
    check_clean("5511987", "{\"call_id\":\"5511987\",\"type\":\"5511987\"}", NULL);
    check_clean("5511987", "{\"destination\":\"5511987\"}", "{\"destination\":\"TOKEN\"}");
    check_clean("5511987", "phone=5511987", "TOKEN");
    check_clean("5511987", "phone=55119870", NULL);
}

/* Others' calls are in queues that have such a name. */
static void test_a_short_number_is_no_queues(void **state)
{
    (void)state;
    check_clean("901", "{\"queue\":\"901\",\"destination\":\"901\"}", NULL);
    check_clean("901", "{\"queue\":\"901\",\"number\":\"901\"}",
                "{\"queue\":\"901\",\"number\":\"TOKEN\"}");
}

static void test_an_event_of_the_callers(void **state)
{
    const struct forgetting forgetting = make("5511987");
    char wanted[256];
    (void)state;
    char *out = forgetting_reduce_event(
        &forgetting, "call.new", "c-1",
        "{\"chamada\":{\"type\":\"call.new\",\"call_id\":\"c-1\",\"code\":7,\"our_number\":\"3003\","
        "\"their_number\":\"5511987\",\"timestamp\":\"2018-02-15T20:07:32.562Z\"},"
        "\"dados\":{\"nome\":\"Maria\",\"cpf\":\"123\"},\"atendente\":{\"actor\":\"ana\","
        "\"number\":\"55 11987\"}}");
    assert_non_null(out);
    snprintf(wanted, sizeof wanted,
             "{\"type\":\"call.new\",\"call_id\":\"c-1\",\"code\":\"7\",\"our_number\":\"3003\","
             "\"actor\":\"ana\",\"number\":\"%s\",\"timestamp\":\"2018-02-15T20:07:32.562Z\","
             "\"forgotten\":\"%s\"}",
             forgetting.token, forgetting.token);
    assert_string_equal(out, wanted);
    free(out);
    out = forgetting_reduce_event(&forgetting, "call.new", "c-1", "no JSON of Maria's");
    assert_non_null(out);
    assert_null(strstr(out, "Maria"));
    free(out);
}

static void test_what_is_reduced_already(void **state)
{
    static const struct {
        const char *body;
        int is_reduced;
    } cases[] = {
        {"{\"type\":\"odd\",\"call_id\":\"c\",\"actor\":\"ana\",\"forgotten\":\"forgotten-0123abcd\"}",
         1},
        {"{\"type\":\"odd\",\"call_id\":\"c\"}", 0},
        {"{\"type\":\"odd\",\"forgotten\":\"forgotten-0123abcd\",\"nome\":\"Maria\"}", 0},
        {"{\"type\":{\"nome\":\"Maria\"},\"forgotten\":\"forgotten-0123abcd\"}", 0},
        {"{\"type\":\"odd\",\"forgotten\":\"forgotten-0123abcd Maria\"}", 0},
        {"{\"type\":\"odd\",\"forgotten\":\"forgotten-0123abc\"}", 0},
        {"[\"forgotten\"]", 0},
        {"no JSON", 0},
    };
    const struct forgetting forgetting = make("5511987");
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(forgetting_is_reduced(cases[i].body), cases[i].is_reduced);
    assert_int_equal(forgetting_is_token(forgetting.token), 1);
    char *out =
        forgetting_reduce_event(&forgetting, "call.new", "c-1",
                                "{\"type\":\"call.new\",\"call_id\":\"c-1\",\"nome\":\"Maria\"}");
    assert_non_null(out);
    assert_int_equal(forgetting_is_reduced(out), 1);
    free(out);
}

/* One of the caller's is reduced, in another one the number alone is replaced. */
static void test_an_event_of_anybodys(void **state)
{
    const struct forgetting forgetting = make("5511987");
    char *out = NULL;
    (void)state;
    assert_int_equal(
        forgetting_clean_event(&forgetting, "odd", "c-1",
                               "{\"type\":\"odd\",\"call_id\":\"c-1\",\"their_number\":\"5511987\","
                               "\"nome\":\"Maria\"}",
                               &out),
        1);
    assert_null(strstr(out, "Maria"));
    free(out);
    assert_int_equal(
        forgetting_clean_event(&forgetting, "odd", "c-1",
                               "{\"type\":\"odd\",\"call_id\":\"c-1\",\"their_number\":\"1\","
                               "\"ring_back\":\"5511987\",\"nome\":\"Jo\"}",
                               &out),
        1);
    assert_non_null(strstr(out, "\"nome\":\"Jo\""));
    assert_null(strstr(out, "5511987"));
    free(out);
    assert_int_equal(forgetting_clean_event(&forgetting, "odd", "c-1",
                                            "{\"type\":\"odd\",\"call_id\":\"c-1\"}", &out),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_random),
        cmocka_unit_test(test_no_number),
        cmocka_unit_test(test_the_same_number),
        cmocka_unit_test(test_in_a_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_a_short_number_is_no_queues),
        cmocka_unit_test(test_an_event_of_the_callers),
        cmocka_unit_test(test_what_is_reduced_already),
        cmocka_unit_test(test_an_event_of_anybodys),
    };
    return cmocka_run_group_tests_name("forgetting", tests, NULL, NULL);
}
