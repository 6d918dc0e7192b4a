/*
 * watched_disk.c: preloaded into a server of the tests: writes down, in the file WATCHED_DISK, each file and
 * directory that has been brought to the disk and each that has got another name, in that order.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_SIZE 512

static int report_fd = -1;

__attribute__((constructor)) static void open_report(void)
{
    const char *path = getenv("WATCHED_DISK");
    if (path != NULL)
        report_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* One write() a line: several processes append. What can't be written fails the test that waits for it. */
static void report(const char *what, const char *path)
{
    char line[PATH_SIZE + 16];
    int size = snprintf(line, sizeof line, "%s %s\n", what, path);
    if (report_fd >= 0 && size < (int)sizeof line && write(report_fd, line, (size_t)size) < 0)
        abort();
}

static int report_synced(int fd, int result)
{
    char link[64], path[PATH_SIZE];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    if (result == 0)
        report("synced", path);
    return result;
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    int (*real)(int) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    return report_synced(fd, real(fd));
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    int (*real)(int) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    return report_synced(fd, real(fd));
}

__attribute__((visibility("default"))) int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "rename");
    int result = real(from, to);
    if (result == 0)
        report("renamed", to);
    return result;
}
