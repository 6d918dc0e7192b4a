/*
 * plugin_dir.h: a throw-away plugin directory for a test, in the build tree, beside the test
 * plugins that it is filled with.
 */
#ifndef PLUGIN_DIR_H
#define PLUGIN_DIR_H

#include <stddef.h>

#define PLUGIN_DIR_PATH 512

struct plugin_dir {
    char path[PLUGIN_DIR_PATH]; /* absolute, without links */
};

void plugin_dir_make(struct plugin_dir *dir); /* a failure of these fails the test */
void plugin_dir_remove(struct plugin_dir *dir);

/* The test plugin NAME.so of tests/abi/plugins as a link, and as a file of its own. */
void plugin_dir_link(const struct plugin_dir *dir, const char *name);
void plugin_dir_copy(const struct plugin_dir *dir, const char *name);
/* A file `name` that says `text`. */
void plugin_dir_write(const struct plugin_dir *dir, const char *name, const char *text);

/* DIR/name; the caller frees it. */
char *plugin_dir_join(const struct plugin_dir *dir, const char *name);

/* Replaces each "%DIR%" of `text` by the directory; the caller frees it. */
char *plugin_dir_expand(const struct plugin_dir *dir, const char *text);

#endif
