/*
 * scratch.h: throw-away directories and the files in them. Fails the test when the disk does.
 */
#ifndef E2E_SCRATCH_H
#define E2E_SCRATCH_H

#define SCRATCH_PATH 512

/* A new directory, 0700, in `parent` (NULL: $TMPDIR or /tmp). */
void scratch_make(const char *parent, char out[SCRATCH_PATH]);

/* Removes it with all that is in it; "" is nothing. */
void scratch_remove(const char *directory);

/* out = directory/name */
void scratch_path(const char *directory, const char *name, char out[SCRATCH_PATH]);

/* Writes a file anew. */
void scratch_write(const char *path, const char *text);

/* The same for this user alone (0600), as a secret has to be. */
void scratch_write_secret(const char *path, const char *text);

/* The whole file, a new NUL-terminated text; "" when there is none. */
char *scratch_read(const char *path);

/* Prints a file's last lines, with a word for what it is. */
void scratch_print_end(const char *path, const char *what);

#endif
