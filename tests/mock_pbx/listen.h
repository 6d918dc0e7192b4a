/*
 * listen.h: opens the listening socket of --listen, with messages that say what to do, and tells
 * its port.
 */
#ifndef MOCK_PBX_LISTEN_H
#define MOCK_PBX_LISTEN_H

#include <stddef.h>

/* A listening socket, or -1 after a message. Writes the real port and "http://host:port". */
int listen_open(const char *address, int *port, char *url, size_t url_size);

/* Writes the port to the file at once or not at all. -1 after a message. */
int listen_write_port(const char *path, int port);

#endif
