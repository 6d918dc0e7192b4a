/*
 * try_watch.h: waits until one of two files is written or replaced, or one is interrupted.
 */
#ifndef PBXHOOK_TRY_WATCH_H
#define PBXHOOK_TRY_WATCH_H

#define TRY_WATCH_FILES 2

struct try_watch {
    int fd;
    int signal_fd;
    int directory[TRY_WATCH_FILES]; /* inotify's number of each file's directory */
    char *name[TRY_WATCH_FILES];    /* the file's name in it, owned              */
};

/* From here on no change is missed: 0, or -1 with a line on stderr. */
int try_watch_open(struct try_watch *watch, const char *const paths[TRY_WATCH_FILES],
                   int signal_fd);
void try_watch_close(struct try_watch *watch);

/* 1 when a file has changed since the last call and nothing has come for a moment after; 0 when one is
 * interrupted; -1 with a line on stderr. */
int try_watch_wait(struct try_watch *watch);

/* 1 when a signal has come. */
int try_watch_interrupted(int signal_fd);

#endif
