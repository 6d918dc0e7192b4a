/* fuzz.c: see fuzz.h. What the machine refuses (memory, descriptors) ends the process: no finding. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/utf8.h"

void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
    abort();
}

char *fuzz_take_text(struct fuzz_input *input)
{
    const uint8_t *nul = input->left > 0 ? memchr(input->next, '\0', input->left) : NULL;
    size_t size = nul != NULL ? (size_t)(nul - input->next) : input->left;
    char *text = malloc(size + 1);

    fuzz_require(text != NULL);
    if (size > 0)
        memcpy(text, input->next, size);
    text[size] = '\0';
    size += nul != NULL;
    input->next += size;
    input->left -= size;
    return text;
}

uint8_t fuzz_take_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->next++;
}

int fuzz_is_printable(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        size_t size = utf8_size(at);
        if (size == 0 || *at < 0x20 || *at == 0x7f)
            return 0;
        at += size;
    }
    return 1;
}

int fuzz_make_file(const void *bytes, size_t size, char path[FUZZ_PATH_SIZE])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    fuzz_require(fd >= 0);
    fuzz_require(write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, FUZZ_PATH_SIZE, "/proc/self/fd/%d", fd);
    return fd;
}
