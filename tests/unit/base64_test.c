/* base64_test.c: the examples of RFC 4648, and what is refused though many decoders take it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base64.h"

static void decodes_the_examples_of_the_rfc(void **state)
{
    static const struct {
        const char *text, *bytes;
    } cases[] = {{"", ""},
                 {"Zg==", "f"},
                 {"Zm8=", "fo"},
                 {"Zm9v", "foo"},
                 {"Zm9vYg==", "foob"},
                 {"Zm9vYmE=", "fooba"},
                 {"Zm9vYmFy", "foobar"},
                 {"+/+/", "\xfb\xff\xbf"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char out[16];
        ssize_t size = base64_decode(cases[i].text, strlen(cases[i].text), out);
        assert_int_equal(size, strlen(cases[i].bytes));
        assert_memory_equal(out, cases[i].bytes, (size_t)size);
    }
}

static void refuses_what_has_another_text(void **state)
{
    static const char *const texts[] = {"Z",        "Zg",   "Zg=",  "Zh==",   "Zm9=",
                                        "====",     "=Zg=", "Zg=a", "Zm 9v",  "Zg==Zm9v",
                                        "Zm9v\n\n", "Zm9-", "Zm9_", "Zm9\xc3"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        unsigned char out[16];
        if (base64_decode(texts[i], strlen(texts[i]), out) != -1)
            fail_msg("decoded \"%s\"", texts[i]);
    }
}

static void decodes_in_place(void **state)
{
    char text[] = "Zm9vYmFyZm9v";
    (void)state;
    assert_int_equal(base64_decode(text, strlen(text), (unsigned char *)text), 9);
    assert_memory_equal(text, "foobarfoo", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_examples_of_the_rfc),
        cmocka_unit_test(refuses_what_has_another_text),
        cmocka_unit_test(decodes_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
