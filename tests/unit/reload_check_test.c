/* reload_check_test.c: what becomes of a check whose process nobody can be asked about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "receiver/reload_check.h"

/* Not as one that has found all valid, as the status 0 of nobody says. */
static void test_a_lost_process_has_failed(void **state)
{
    (void)state;
    struct config *next = NULL;
    char error[RELOAD_ERROR_SIZE] = "";
    struct reload_check check = {.pid = getpid(), /* no child of this one */
                                 .config_fd = memfd_create("config", MFD_CLOEXEC),
                                 .errors_fd = memfd_create("errors", MFD_CLOEXEC),
                                 .until_us = INT64_MAX};
    assert_true(check.config_fd >= 0 && check.errors_fd >= 0);
    assert_int_equal(reload_check_poll(&check, &next, error), -1);
    assert_null(next);
    assert_non_null(strstr(error, "lost"));
    assert_int_equal(check.pid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_lost_process_has_failed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
