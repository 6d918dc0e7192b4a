/*
 * memory_limit_test.c: a worker that can get no memory any more ends, and one that can goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/memory_limit.h"

#define WENT_ON 7
#define BLOCK   (64 * 1024)

/* No more from the system, and what the heap has left is used up. */
static void use_all_memory(void)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    void *volatile block;
    if (setrlimit(RLIMIT_AS, &none) < 0)
        _exit(WENT_ON + 1);
    do
        block = malloc(BLOCK);
    while (block != NULL);
}

/* How a process ended that looked. */
static int look(int has_memory)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* it says why */
        if (!has_memory)
            use_all_memory();
        memory_limit_leave_if_gone();
        _exit(WENT_ON);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void leaves_without_memory(void **state)
{
    (void)state;
    if (PBXHOOK_SANITIZED) /* its own allocator ends the process */
        skip();
    assert_int_equal(look(0), EXIT_FAILURE);
}

static void stays_with_memory(void **state)
{
    (void)state;
    assert_int_equal(look(1), WENT_ON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_without_memory),
        cmocka_unit_test(stays_with_memory),
    };
    log_open("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
