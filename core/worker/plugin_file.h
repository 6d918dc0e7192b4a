/*
 * plugin_file.h: from the name of a file to its descriptor in memory: who may have written the
 * file, and dlopen(). plugin_host.c uses it; it judges nothing that is inside the descriptor.
 */
#ifndef PBXHOOK_PLUGIN_FILE_H
#define PBXHOOK_PLUGIN_FILE_H

#include <stdio.h>

#include <pbxhook/plugin.h>

/*
 * Whether only root and the running user can have put `path`, a directory or a file, where it is:
 * it, what its links lead to, and every directory above belong to them and nobody else may write
 * there. 0, or -1 and one line to `errors`.
 */
int plugin_file_check_place(const char *path, FILE *errors);

/*
 * Loads one absolute path for as long as the process lives and gives its symbol, unchecked. NULL
 * and one line to `errors` when it is no regular file, may not be trusted, does not load or has no
 * symbol. try_first: a child process loads it before, since a file that ends who loads it (half a copy, a
 * constructor that crashes, exits or does not come back) would end this one too; for processes without threads.
 */
const struct pbxhook_plugin *plugin_file_load(const char *path, int try_first, FILE *errors);

/* The same, whoever may have written it: for a developer's own file, in a process that serves nobody. */
const struct pbxhook_plugin *plugin_file_load_anywhere(const char *path, FILE *errors);

#endif
