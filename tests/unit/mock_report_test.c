/* mock_report_test.c: the rate in mock-pbx's report for people is that of the calls it says were placed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "report.h"

/* As the program's, for options that were not read from a command line. */
bool options_place_calls(const struct options *options)
{
    return options->calls > 0;
}

/* It was stopped in the middle: none of the calls has come to its end. */
static void test_rate_of_calls_without_an_end(void **state)
{
    static struct tally tally;
    const struct options options = {.calls = 100};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)state;
    assert_non_null(file);
    tally.started_ns = 1;
    tally.ended_ns = 6000000001;
    tally.calls.placed = 33;
    report_print(file, &tally, &options);
    assert_int_equal(fclose(file), 0);
    if (strstr(text, "33 of 100 placed in 6.00 s (5.5/s)") == NULL)
        fail_msg("%s", text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate_of_calls_without_an_end)};

    return cmocka_run_group_tests_name("mock_report", tests, NULL, NULL);
}
