/* short_slice_test.c: the thread gets its short turns, where the kernel knows how, and nothing else of
 * its scheduling changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/short_slice.h"

#define ATTRIBUTES_SIZE 48 /* of sched_getattr(2), first version */

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

static struct attributes read_attributes(void)
{
    struct attributes found = {.size = 0};
    assert_int_equal(sizeof found, ATTRIBUTES_SIZE);
    assert_int_equal(syscall(SYS_sched_getattr, 0, &found, (unsigned)sizeof found, 0u), 0);
    return found;
}

/* Whether a thread may have a slice of its own: since Linux 6.12. */
static int kernel_knows_slices(void)
{
    struct utsname name;
    int major = 0, minor = 0;
    assert_int_equal(uname(&name), 0);
    assert_int_equal(sscanf(name.release, "%d.%d", &major, &minor), 2);
    return major > 6 || (major == 6 && minor >= 12);
}

static void test_only_the_slice_changes(void **state)
{
    struct attributes before, after;
    (void)state;
    assert_int_equal(setpriority(PRIO_PROCESS, 0, 3), 0);
    before = read_attributes();
    short_slice_request();
    after = read_attributes();
    assert_int_equal(after.nice, 3);
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.flags, before.flags);
    assert_int_equal(after.priority, before.priority);
    if (kernel_knows_slices())
        assert_in_range(after.runtime_ns, 1, 1000000);
    else
        assert_int_equal(after.runtime_ns, before.runtime_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only_the_slice_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
