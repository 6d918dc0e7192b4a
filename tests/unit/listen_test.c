/* listen_test.c: addresses that are bound, and those that are refused with advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receiver/listen.h"

static void names_the_real_port(void **state)
{
    static const struct {
        const char *address, *prefix;
    } cases[] = {
        {"127.0.0.1:0", "127.0.0.1:"},
        {"0.0.0.0:0", "0.0.0.0:"},
        {":0", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bound[LISTEN_ADDRESS_SIZE], error[256] = "";
        int fd = listen_open(cases[i].address, bound, error, sizeof error);
        assert_true(fd >= 0);
        assert_int_equal(strncmp(bound, cases[i].prefix, strlen(cases[i].prefix)), 0);
        assert_true(atoi(strrchr(bound, ':') + 1) > 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        close(fd);
    }
}

static void understands_ipv6(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE], error[256] = "";
    (void)state;
    int fd = listen_open("[::1]:0", bound, error, sizeof error);
    if (fd < 0) { /* a machine without IPv6: refused as an address that it has not */
        assert_non_null(strstr(error, "[::1]:0"));
        skip();
    }
    assert_int_equal(strncmp(bound, "[::1]:", 6), 0);
    close(fd);
}

static void refuses_a_port_in_use(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE], other[LISTEN_ADDRESS_SIZE] = "", error[256] = "";
    (void)state;
    int fd = listen_open("127.0.0.1:0", bound, error, sizeof error);
    assert_true(fd >= 0);
    assert_int_equal(listen_open(bound, other, error, sizeof error), -1);
    assert_non_null(strstr(error, bound));
    assert_non_null(strstr(error, "Address already in use"));
    assert_non_null(strstr(error, "PBXHOOK_LISTEN"));
    close(fd);
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const wrong[] = {
        "",          "127.0.0.1", "127.0.0.1:",
        "::1:3000",  "[::1:3000", "[::1]3000",
        "host:port", "[:3000",    "127.0.0.1:99999999999999999999999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char bound[LISTEN_ADDRESS_SIZE] = "untouched", error[256] = "";
        assert_int_equal(listen_open(wrong[i], bound, error, sizeof error), -1);
        assert_non_null(strstr(error, wrong[i]));
        assert_string_equal(bound, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_real_port),
        cmocka_unit_test(understands_ipv6),
        cmocka_unit_test(refuses_a_port_in_use),
        cmocka_unit_test(refuses_what_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
