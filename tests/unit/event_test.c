/* event_test.c: making events, their identities and the hash of a call: values that are stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "common/event.h"

static struct event *new_event(const char *body)
{
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = "call.new", [EVENT_CALL_ID] = "1"};
    struct event *event = event_new(field, body, strlen(body));

    assert_non_null(event);
    return event;
}

static void copies_what_it_is_given(void **state)
{
    char text[EVENT_FIELD_COUNT][16];
    const char *field[EVENT_FIELD_COUNT];
    char body[] = "{\"a\":1}trailing";

    (void)state;
    for (int i = 0; i < EVENT_FIELD_COUNT; i++) {
        memset(text[i], 0, sizeof text[i]);
        memset(text[i], 'a' + i, (size_t)i + 1);
        field[i] = text[i];
    }
    struct event *event = event_new(field, body, 7);
    assert_non_null(event);
    for (int i = 0; i < EVENT_FIELD_COUNT; i++) {
        assert_string_equal(event->field[i], text[i]);
        assert_ptr_not_equal(event->field[i], text[i]);
    }
    memset(body, 'x', sizeof body);
    assert_string_equal(event->body, "{\"a\":1}");
    assert_int_equal(event->body_size, 7);
    assert_int_equal(event->seq, 0);
    assert_int_equal(event->time_ms, 0);
    assert_int_equal(event->received_ms, 0);
    assert_int_equal(event->state, LIFECYCLE_NONE);
    event_free(event);
}

static void absent_fields_are_empty(void **state)
{
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = "actor.left"};
    struct event *event = event_new(field, NULL, 0);

    (void)state;
    assert_non_null(event);
    assert_string_equal(event->field[EVENT_TYPE], "actor.left");
    for (int i = EVENT_TYPE + 1; i < EVENT_FIELD_COUNT; i++)
        assert_string_equal(event->field[i], "");
    assert_string_equal(event->body, "");
    assert_int_equal(event->state, LIFECYCLE_LEFT);
    event_free(event);
    event_free(NULL);
}

static void refuses_a_size_that_does_not_fit(void **state)
{
    const char *field[EVENT_FIELD_COUNT] = {0};

    (void)state;
    assert_null(event_new(field, "", SIZE_MAX));
    assert_null(event_new(field, "", SIZE_MAX - sizeof(struct event)));
}

static void body_may_hold_any_byte(void **state)
{
    const char *field[EVENT_FIELD_COUNT] = {0};
    struct event *event = event_new(field, "a\0b", 3);

    (void)state;
    assert_non_null(event);
    assert_memory_equal(event->body, "a\0b", 4);
    event_free(event);
}

/*
 * Identities are in stores out there: these values never change. SHA-256 of "kevt-1", "cevt-1", "c", with
 * zeros in the place of its first six bytes: these events have no time of their own.
 */
static void identities_are_stable(void **state)
{
    struct event *event = new_event("evt-1");
    struct event *empty = new_event("");
    char hex[EVENT_IDENTITY_SIZE * 2 + 1];

    (void)state;
    assert_int_equal(event_identify_by_key(event, "evt-1"), 0);
    event_identity_hex(event, hex);
    assert_string_equal(hex, "00000000000005bc613da4e9fa0078e7");
    assert_int_equal(event_identify_by_content(event), 0);
    event_identity_hex(event, hex);
    assert_string_equal(hex, "00000000000023bb2dac104a23a496d7");
    assert_int_equal(event_identify_by_content(empty), 0);
    event_identity_hex(empty, hex);
    assert_string_equal(hex, "0000000000007ae265ecf5b5356885a5");
    /* With a time of its own: its milliseconds, 0x1619b1c2b52, then the digest from its 7th byte. */
    event->has_time = 1;
    event->time_ms = 0x1619b1c2b52;
    assert_int_equal(event_identify_by_content(event), 0);
    event_identity_hex(event, hex);
    assert_string_equal(hex, "01619b1c2b5223bb2dac104a23a496d7");
    assert_int_equal(event_identify_by_key(event, "evt-1"), 0);
    event_identity_hex(event, hex);
    assert_string_equal(hex, "01619b1c2b5205bc613da4e9fa0078e7");
    event_free(event);
    event_free(empty);
}

static void unique_identities_differ(void **state)
{
    struct event *one = new_event("{}");
    struct event *other = new_event("{}");

    (void)state;
    assert_int_equal(event_identify_uniquely(one), 0);
    assert_int_equal(event_identify_uniquely(other), 0);
    assert_memory_not_equal(one->identity, other->identity, EVENT_IDENTITY_SIZE);
    event_free(one);
    event_free(other);
}

static void *identify_often(void *arg)
{
    static const uint8_t expected[] = {0,    0,    0,    0,    0,    0,    0x23, 0xbb,
                                       0x2d, 0xac, 0x10, 0x4a, 0x23, 0xa4, 0x96, 0xd7};
    const char *field[EVENT_FIELD_COUNT] = {0};
    intptr_t wrong = 0;

    (void)arg;
    for (int i = 0; i < 500; i++) {
        struct event *event = event_new(field, "evt-1", 5);

        if (event == NULL || event_identify_by_content(event) != 0 ||
            memcmp(event->identity, expected, sizeof expected) != 0)
            wrong++;
        event_free(event);
    }
    return (void *)wrong;
}

static void threads_identify_at_once(void **state)
{
    pthread_t thread[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, identify_often, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
}

/* Spools out there are split by these values: they never change. */
static void call_hash_is_stable(void **state)
{
    static const struct {
        const char *call_id;
        int64_t hash;
    } vectors[] = {
        {"", INT64_C(5472609001614131137)},
        {"a", INT64_C(3414815162146894016)},
        {"0bc692b0-128a-11e8-807b-e3acc2b0c13d", INT64_C(896279895774831158)},
        {"eba893c0-11d5-11e8-bcfa-7f3bb08150aa", INT64_C(3947846138838371181)},
        {"a\xc3\xa7\xc3\xa3o", INT64_C(8409037489843676226)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_int_equal(event_call_hash(vectors[i].call_id), vectors[i].hash);
}

/* Every worker gets its share, also of ids that differ in their last digits only. */
static void call_hash_spreads(void **state)
{
    enum { CALLS = 4096, WORKERS = 8 };
    int share[WORKERS] = {0};

    (void)state;
    for (int i = 0; i < CALLS; i++) {
        char call_id[] = "0bc692b0-0000";
        int64_t hash;

        for (size_t at = sizeof call_id - 2, left = (size_t)i; left > 0; left /= 16, at--)
            call_id[at] = "0123456789abcdef"[left % 16];
        hash = event_call_hash(call_id);
        assert_true(hash >= 0);
        share[hash % WORKERS]++;
    }
    for (int i = 0; i < WORKERS; i++)
        assert_in_range(share[i], CALLS / WORKERS * 3 / 4, CALLS / WORKERS * 5 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_what_it_is_given),
        cmocka_unit_test(absent_fields_are_empty),
        cmocka_unit_test(refuses_a_size_that_does_not_fit),
        cmocka_unit_test(body_may_hold_any_byte),
        cmocka_unit_test(identities_are_stable),
        cmocka_unit_test(unique_identities_differ),
        cmocka_unit_test(threads_identify_at_once),
        cmocka_unit_test(call_hash_is_stable),
        cmocka_unit_test(call_hash_spreads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
