/* state_dir.c: see state_dir.h. The lock is flock(2): it goes with the process, however it ends. */
#include "common/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p, each new one for this user alone. */
static int make_directories(const char *directory)
{
    char *path = strdup(directory);
    if (path == NULL)
        return -ENOMEM;
    int code = 0;
    for (char *slash = strchr(path + 1, '/'); code == 0; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            code = -errno;
        if (slash == NULL)
            break;
        *slash = '/';
    }
    free(path);
    return code;
}

/* The pid that the lock's owner wrote, for the message; 0 when it can't be read. */
static long read_owner(int fd)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

static int write_owner(int fd)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) != size)
        return errno != 0 ? -errno : -EIO;
    return 0;
}

static int lock_file(const char *path, const char *state_dir, char *error, size_t error_size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        int code = write_owner(fd);
        if (code == 0)
            return fd;
        snprintf(error, error_size, "%s: can't write: %s", path, strerror(-code));
    } else if (errno == EWOULDBLOCK) {
        snprintf(error, error_size,
                 "%s: in use by the server or command with pid %ld; stop it, or set another "
                 "state_dir",
                 state_dir, read_owner(fd));
    } else {
        snprintf(error, error_size, "%s: can't lock: %s", path, strerror(errno));
    }
    close(fd);
    return -1;
}

int state_dir_lock(const char *state_dir, char *error, size_t error_size)
{
    int code = make_directories(state_dir);
    if (code < 0) {
        snprintf(error, error_size, "%s: can't make the state directory: %s", state_dir,
                 strerror(-code));
        return -1;
    }
    char *path = NULL;
    if (asprintf(&path, "%s/lock", state_dir) < 0) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    int fd = lock_file(path, state_dir, error, error_size);
    free(path);
    return fd;
}
