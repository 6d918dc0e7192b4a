/*
 * try_directory.h: the throw-away directory of one run of `pbxhook plugin try`: a configuration and the
 * store that it names.
 */
#ifndef PBXHOOK_TRY_DIRECTORY_H
#define PBXHOOK_TRY_DIRECTORY_H

#include <stddef.h>

struct try_directory {
    char *path; /* all owned; NULL: not made */
    char *config_path;
    char *store_path;
};

/* In $TMPDIR or /tmp, with these targets in its configuration, each NAME or NAME=URL: 0, or -1 with a
 * line on stderr. */
int try_directory_make(struct try_directory *directory, const char *const *targets, size_t count);
/* With all that is in it. Nothing when it was not made. */
void try_directory_remove(struct try_directory *directory);

#endif
