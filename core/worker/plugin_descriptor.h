/*
 * plugin_descriptor.h: from a plugin's symbol to the host's own checked copy of it. Calls nothing
 * of the plugin.
 */
#ifndef PBXHOOK_PLUGIN_DESCRIPTOR_H
#define PBXHOOK_PLUGIN_DESCRIPTOR_H

#include <stdio.h>

#include <pbxhook/plugin.h>

/*
 * Copies what the plugin and this host both know into *out, zero behind it, and checks it.
 * Everything that is wrong is told to `errors`, one line each beginning with `path`; what can't be
 * read past (magic, ABI, size) ends the look. 0, or -1 with *out untouched.
 */
int plugin_descriptor_copy(const char *path, const struct pbxhook_plugin *found,
                           struct pbxhook_plugin *out, FILE *errors);

#endif
