/* capture.h: what a piece of code writes to stderr, for the tests that look at lines of the log. */
#ifndef PBXHOOK_TESTS_UNIT_CAPTURE_H
#define PBXHOOK_TESTS_UNIT_CAPTURE_H

#include <sys/mman.h>
#include <unistd.h>

struct capture {
    int real; /* stderr as it was */
    char text[8192];
};

/* From here to capture_end() stderr is a file in memory; no terminal, whoever runs the test. */
static inline void capture_begin(struct capture *capture)
{
    int fd = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(fd >= 0);
    capture->real = dup(STDERR_FILENO);
    assert_true(capture->real >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

/* capture->text: the first of it. */
static inline void capture_end(struct capture *capture)
{
    ssize_t size = pread(STDERR_FILENO, capture->text, sizeof(capture->text) - 1, 0);
    assert_int_equal(dup2(capture->real, STDERR_FILENO), STDERR_FILENO);
    close(capture->real);
    assert_true(size >= 0);
    capture->text[size] = '\0';
}

#endif
