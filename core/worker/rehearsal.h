/*
 * rehearsal.h: `pbxhook rehearse [FILE]`: what a receiver has done in a throw-away process before it
 * reloads: reads the configuration as `serve` would, loads every plugin and checks its options, and writes
 * the configuration to descriptor REHEARSAL_CONFIG_FD. A database on a server has to answer. It opens nothing for
 * writing and calls no plugin.
 */
#ifndef PBXHOOK_REHEARSAL_H
#define PBXHOOK_REHEARSAL_H

#include "common/config.h"

#define REHEARSAL_CONFIG_FD 3

/* What the workers will open to reach others, the files of secrets and of authorities: 0, or -1, and what won't do has
 * been told on stderr. For `pbxhook check` too. */
int rehearsal_check_logins(const struct config *config);

/* config_path NULL: where it is looked for by itself. The exit status: 0 when all is valid; what is not has
 * been told on stderr. */
int rehearsal_main(const char *config_path);

#endif
