/*
 * receiver.h: `pbxhook serve`: the process that owns the sockets, the spool and the workers.
 */
#ifndef PBXHOOK_RECEIVER_H
#define PBXHOOK_RECEIVER_H

#include "common/config.h"

/* Serves until SIGTERM or SIGINT. config_path: where a reload finds the configuration, NULL: where it is
 * looked for by itself. The exit status: 0, or 1 when it could not start (logged). */
int receiver_serve(const struct config *config, const char *config_path);

#endif
