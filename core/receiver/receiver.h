/*
 * receiver.h: `pbxhook serve`: the process that owns the sockets, the spool and the workers.
 */
#ifndef PBXHOOK_RECEIVER_H
#define PBXHOOK_RECEIVER_H

#include <stddef.h>

#include "common/config.h"

/* What receiver_serve() would refuse about access and TLS, without serving. 0, or -1 and `error`. */
int receiver_check(const struct config *config, char *error, size_t error_size);

/* Serves until SIGTERM or SIGINT. config_path: where a reload finds the configuration, NULL: where it is
 * looked for by itself. The exit status: 0, or 1 when it could not start (logged). */
int receiver_serve(const struct config *config, const char *config_path);

#endif
