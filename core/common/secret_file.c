/* secret_file.c: see secret_file.h. The bytes go from the file into their mapping and nowhere else. */
#include "common/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* One byte more than allowed, to see that there are more, and the NUL. */
#define MAPPED_SIZE (SECRET_FILE_MAX + 2)

static int fail(const char *path, const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: %s", path, what);
    return -1;
}

/* NULL, or what is wrong with who may read and write it. */
static const char *judge_mode(const struct stat *info, enum secret_file_kind kind)
{
    if (!S_ISREG(info->st_mode))
        return "is not a regular file";
    if ((info->st_mode & S_IWOTH) != 0)
        return "everybody can write it; chmod 600 it";
    if (kind == SECRET_FILE_PUBLIC)
        return NULL;
    if ((info->st_mode & S_IRWXO) != 0)
        return "everybody can read it, so it is no secret; chmod 600 it";
    if ((info->st_mode & S_IWGRP) != 0 || ((info->st_mode & S_IRWXG) != 0 && info->st_uid != 0))
        return "its group can read it, so it is no secret; chmod 600 it (root may share one with a "
               "group: chown root, chmod 640)";
    return NULL;
}

/* How much there is, up to MAPPED_SIZE - 1; or -1 with errno. */
static ssize_t read_all(int fd, char *text)
{
    size_t size = 0;

    while (size < MAPPED_SIZE - 1) {
        ssize_t got = read(fd, text + size, MAPPED_SIZE - 1 - size);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

static char *map_memory(void)
{
    char *text =
        mmap(NULL, MAPPED_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED)
        return NULL;
    if (madvise(text, MAPPED_SIZE, MADV_DONTDUMP) < 0) {
        munmap(text, MAPPED_SIZE);
        return NULL;
    }
    return text;
}

static int read_open_file(int fd, const char *path, enum secret_file_kind kind,
                          struct secret_file *file, char *error, size_t error_size)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return fail(path, strerror(errno), error, error_size);
    const char *wrong = judge_mode(&info, kind);
    if (wrong != NULL)
        return fail(path, wrong, error, error_size);
    ssize_t size = read_all(fd, file->text);
    if (size < 0)
        return fail(path, strerror(errno), error, error_size);
    if (size > SECRET_FILE_MAX)
        return fail(path, "is larger than 64 KiB", error, error_size);
    if (size == 0)
        return fail(path, "is empty", error, error_size);
    if (memchr(file->text, '\0', (size_t)size) != NULL)
        return fail(path, "holds a NUL; wanted text", error, error_size);
    file->size = (size_t)size;
    return 0;
}

int secret_file_read(const char *path, enum secret_file_kind kind, struct secret_file *out,
                     char *error, size_t error_size)
{
    struct secret_file file = {.text = NULL};
    int result = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return fail(path, strerror(errno), error, error_size);
    file.text = map_memory();
    if (file.text == NULL)
        fail(path, "there is no memory for it", error, error_size);
    else
        result = read_open_file(fd, path, kind, &file, error, error_size);
    close(fd);
    if (result == 0)
        *out = file;
    else
        secret_file_free(&file);
    return result;
}

void secret_file_free(struct secret_file *file)
{
    if (file->text != NULL) {
        explicit_bzero(file->text, MAPPED_SIZE);
        munmap(file->text, MAPPED_SIZE);
    }
    *file = (struct secret_file){.text = NULL};
}

int secret_file_lines(struct secret_file *file, char *lines[], int max)
{
    int count = 0;
    char *at = file->text;

    while (at != NULL && *at != '\0') {
        size_t size = strcspn(at, "\r\n");
        char *next = at + size + strspn(at + size, "\r\n");
        at[size] = '\0';
        if (size > 0 && count++ < max)
            lines[count - 1] = at;
        at = next;
    }
    return count;
}

void secret_file_hide_process(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
