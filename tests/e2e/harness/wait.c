/* wait.c: see wait.h. */
#include "wait.h"

#include "cmocka_all.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define NAP_MS 2

int64_t wait_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_stretch(int limit_ms)
{
    const char *factor = getenv("PBXHOOK_E2E_FACTOR");
    long value = factor != NULL ? strtol(factor, NULL, 10) : 1;
    return limit_ms * (int)(value >= 1 && value <= 100 ? value : 1);
}

void wait_nap(void)
{
    poll(NULL, 0, NAP_MS);
}

void wait_failed(const char *condition, const char *file, int line)
{
    print_error("waited too long for: %s\n", condition);
    _fail(file, line);
    abort(); /* cmocka has jumped to the test's end */
}
