/*
 * listen.h: the socket that the webhook listens on, inherited or bound. Called by http_open(), once;
 * never accepts.
 */
#ifndef PBXHOOK_LISTEN_H
#define PBXHOOK_LISTEN_H

#include <stddef.h>

#define LISTEN_ADDRESS_SIZE 96 /* "[an IPv6 address%its interface]:65535" and NUL */

/*
 * Binds "127.0.0.1:3000", "[::1]:3000", "localhost:3000" or ":3000" (every address) and listens. The
 * non-blocking, close-on-exec descriptor, and in `bound` the numeric address with the real port; or -1
 * and `error` says what was wrong and what to do.
 */
int listen_open(const char *address, char bound[LISTEN_ADDRESS_SIZE], char *error,
                size_t error_size);

/* Whether the address is loopback alone, all of what its name resolves to. One that can't be resolved is
 * taken for local: listen_open() refuses it. */
int listen_is_local(const char *address);

/*
 * Socket activation, as sd_listen_fds(3) defines it: 1, and the listening socket that the service manager
 * passed to this process (LISTEN_PID, LISTEN_FDS) in *fd, non-blocking and close-on-exec, and its numeric
 * address in `bound`; 0 when none was passed; or -1 and `error` when it is not one TCP socket that
 * listens. Takes the variables out of the environment: before there are threads.
 */
int listen_inherit(int *fd, char bound[LISTEN_ADDRESS_SIZE], char *error, size_t error_size);

#endif
