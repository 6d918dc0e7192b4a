/*
 * fail_alloc.c: preloaded into a test, lets one allocation of its process fail: the one whose number is in
 * FAIL_ALLOC_AT, counted from the program's start. FAIL_ALLOC_COUNT names a file that gets their number at the
 * end. Programs that the test starts are left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

PUBLIC void *malloc(size_t size);
PUBLIC void *calloc(size_t count, size_t size);
PUBLIC void *realloc(void *block, size_t size);
PUBLIC void (*signal(int number, void (*handler)(int)))(int);

static _Atomic long allocations;
static long fail_at; /* 0: none */
static char count_path[256];

static int fails(void)
{
    if (atomic_fetch_add(&allocations, 1) + 1 != fail_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}

/* cmocka makes a failed test of a crash. It is to be seen. */
void (*signal(int number, void (*handler)(int)))(int)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigaction former;

    if (number == SIGSEGV || number == SIGABRT || number == SIGBUS || number == SIGFPE ||
        number == SIGILL)
        return SIG_DFL;
    return sigaction(number, &action, &former) < 0 ? SIG_ERR : former.sa_handler;
}

static void __attribute__((constructor)) begin(void)
{
    const char *at = getenv("FAIL_ALLOC_AT");
    const char *path = getenv("FAIL_ALLOC_COUNT");

    if (path != NULL)
        snprintf(count_path, sizeof count_path, "%s", path);
    long number = at == NULL ? 0 : strtol(at, NULL, 10);
    unsetenv("LD_PRELOAD");
    unsetenv("FAIL_ALLOC_AT");
    unsetenv("FAIL_ALLOC_COUNT");
    atomic_store(&allocations, 0);
    fail_at = number;
}

static void __attribute__((destructor)) end(void)
{
    char text[32];
    int fd = count_path[0] == '\0' ? -1 : open(count_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0)
        return;
    int size = snprintf(text, sizeof text, "%ld\n", atomic_load(&allocations));
    if (write(fd, text, (size_t)size) != size)
        _exit(2);
    close(fd);
}
