/*
 * secret_file.h: secrets come from files, and from nowhere else. What is read here lives in memory of its
 * own that core dumps leave out and that is wiped in the end. Any thread; no state.
 */
#ifndef PBXHOOK_SECRET_FILE_H
#define PBXHOOK_SECRET_FILE_H

#include <stddef.h>

/* A file that is larger holds no secret. */
#define SECRET_FILE_MAX 65536

enum secret_file_kind {
    SECRET_FILE_PRIVATE, /* refused when others may read it                */
    SECRET_FILE_PUBLIC   /* a certificate: everybody may, nobody may write */
};

struct secret_file {
    char *text; /* NUL-terminated; NULL: nothing was read */
    size_t size;
};

/*
 * Reads a regular file that is not empty and has no NUL. A private one that others or its group may read
 * is refused, as ssh does; root may share one with a group, as systemd does with a service's credentials.
 * 0 and *out, given back with secret_file_free(); or -1 and `error` names the file and what to do, never
 * what is in it.
 */
int secret_file_read(const char *path, enum secret_file_kind kind, struct secret_file *out,
                     char *error, size_t error_size);

/* Wipes it; accepts one that was never read. */
void secret_file_free(struct secret_file *file);

/*
 * Cuts the text into its lines, without their ends, and passes over empty ones. How many there are; the
 * first `max` of them are in lines[], borrowed from the file.
 */
int secret_file_lines(struct secret_file *file, char *lines[], int max);

/*
 * No core dump of this process from here on, and no other process of this user may look into it: for one
 * whose libraries keep copies of secrets. A program that it executes is free again.
 */
void secret_file_hide_process(void);

#endif
