/*
 * state_dir.h: the state directory and its lock: one running server for each.
 */
#ifndef PBXHOOK_STATE_DIR_H
#define PBXHOOK_STATE_DIR_H

#include <stddef.h>

/*
 * Makes the directory (0700, parents too) if there is none and takes DIR/lock, which lives as long as
 * the returned descriptor (close-on-exec). On failure -1, and `error` says why: with the running
 * server's pid when there is one.
 */
int state_dir_lock(const char *state_dir, char *error, size_t error_size);

#endif
