/*
 * try_directory.h: the throw-away directory of one run of `pbxhook plugin try`: a configuration and the
 * store that it names.
 */
#ifndef PBXHOOK_TRY_DIRECTORY_H
#define PBXHOOK_TRY_DIRECTORY_H

struct try_directory {
    char *path; /* all owned; NULL: not made */
    char *config_path;
    char *store_path;
};

/* In $TMPDIR or /tmp: 0, or -1 with a line on stderr. */
int try_directory_make(struct try_directory *directory);
/* With all that is in it. Nothing when it was not made. */
void try_directory_remove(struct try_directory *directory);

#endif
