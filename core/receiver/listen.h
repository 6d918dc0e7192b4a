/*
 * listen.h: the socket that the webhook listens on. Called once, by http_open(); never accepts.
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

#endif
