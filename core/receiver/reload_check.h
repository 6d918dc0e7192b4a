/*
 * reload_check.h: the throw-away process that reads a new configuration and loads the new plugins, so that
 * nothing of them is ever in the receiver but the configuration's text. The main thread's alone.
 */
#ifndef PBXHOOK_RELOAD_CHECK_H
#define PBXHOOK_RELOAD_CHECK_H

#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"

#define RELOAD_ERROR_SIZE 4096

struct reload_check {
    pid_t pid; /* 0: none runs */
    int config_fd, errors_fd;
    int64_t until_us;
};

/* Starts it: 0, or a negative errno. */
int reload_check_start(struct reload_check *check, const char *config_path);
/* 1 it found all valid: *out, for config_free(); 0 it runs yet; -1 and why in `error`
 * (RELOAD_ERROR_SIZE bytes). Never blocks. */
int reload_check_poll(struct reload_check *check, struct config **out, char *error);
/* Ends it. */
void reload_check_cancel(struct reload_check *check);

#endif
