/*
 * try_watch.c: see its header. The directories are watched and not the files: a linker or an editor
 * puts a new file in the old one's place.
 */
#include "sdk/try_watch.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* A build writes a file in more than one go. */
#define QUIET_MS 100

/* dirname() and basename() may write into what they are given. */
static int watch_file(struct try_watch *watch, int index, const char *path)
{
    char *directory = strdup(path);
    char *name = strdup(path);
    int result = -1;

    watch->name[index] = NULL;
    if (directory != NULL && name != NULL) {
        watch->name[index] = strdup(basename(name));
        watch->directory[index] =
            inotify_add_watch(watch->fd, dirname(directory), IN_CLOSE_WRITE | IN_MOVED_TO);
        if (watch->name[index] != NULL && watch->directory[index] >= 0)
            result = 0;
    }
    if (result != 0)
        fprintf(stderr, "pbxhook: can't watch %s: %s\n", path, strerror(errno));
    free(directory);
    free(name);
    return result;
}

int try_watch_open(struct try_watch *watch, const char *const paths[TRY_WATCH_FILES], int signal_fd)
{
    *watch = (struct try_watch){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    watch->signal_fd = signal_fd;
    if (watch->fd < 0) {
        fprintf(stderr, "pbxhook: inotify_init1: %s\n", strerror(errno));
        return -1;
    }
    for (int i = 0; i < TRY_WATCH_FILES; i++) {
        if (watch_file(watch, i, paths[i]) != 0) {
            try_watch_close(watch);
            return -1;
        }
    }
    return 0;
}

void try_watch_close(struct try_watch *watch)
{
    close(watch->fd);
    for (int i = 0; i < TRY_WATCH_FILES; i++)
        free(watch->name[i]);
}

static int is_watched(const struct try_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return 1;
    for (int i = 0; i < TRY_WATCH_FILES; i++) {
        if (event->wd == watch->directory[i] && event->len > 0 &&
            strcmp(event->name, watch->name[i]) == 0)
            return 1;
    }
    return 0;
}

/* Takes what there is: 1 when one of the files is in it, 0, or -1. */
static int read_changes(const struct try_watch *watch)
{
    _Alignas(struct inotify_event) char buffer[4096];
    int changed = 0;
    ssize_t got;

    while ((got = read(watch->fd, buffer, sizeof buffer)) > 0) {
        const char *at = buffer;

        while (at < buffer + got) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

            changed |= is_watched(watch, event);
            at += sizeof *event + event->len;
        }
    }
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        fprintf(stderr, "pbxhook: inotify: %s\n", strerror(errno));
        return -1;
    }
    return changed;
}

int try_watch_wait(struct try_watch *watch)
{
    int changed = 0;

    for (;;) {
        struct pollfd ready[] = {{.fd = watch->signal_fd, .events = POLLIN},
                                 {.fd = watch->fd, .events = POLLIN}};
        int got = poll(ready, 2, changed > 0 ? QUIET_MS : -1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (ready[0].revents != 0)
            return 0;
        if (got == 0)
            return 1;
        int more = read_changes(watch);
        if (more < 0)
            return -1;
        changed |= more;
    }
}

int try_watch_interrupted(int signal_fd)
{
    struct pollfd ready = {.fd = signal_fd, .events = POLLIN};

    return poll(&ready, 1, 0) > 0;
}
