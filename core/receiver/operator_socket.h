/*
 * operator_socket.h: STATE_DIR/control.sock: takes connections of root and of the server's own user, one
 * line of request from each, and sends lines back. Never blocks; what a client may take of memory, and of
 * time before its request and after its answer, is bounded. The main thread's alone. Knows no command.
 */
#ifndef PBXHOOK_OPERATOR_SOCKET_H
#define PBXHOOK_OPERATOR_SOCKET_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define OPERATOR_SOCKET_CLIENTS  8
#define OPERATOR_SOCKET_FDS      (OPERATOR_SOCKET_CLIENTS + 1)
#define OPERATOR_SOCKET_REQUEST  4096         /* longest request, its newline included   */
#define OPERATOR_SOCKET_ANSWER   (512 * 1024) /* bytes that one client may leave unread  */
#define OPERATOR_SOCKET_PROGRESS (16 * 1024)  /* with so many unread, progress is dropped */

struct operator_socket;

struct operator_socket_events {
    /* One line, without its newline; `client` is a number that no other client ever has. */
    void (*request)(void *arg, int64_t client, const char *line);
    /* A client that has asked and was not answered is gone. */
    void (*gone)(void *arg, int64_t client);
    void *arg;
};

/* Listens, in place of a socket that a killed server left: only under the directory's lock. On failure
 * -1, and `error` says why. */
int operator_socket_open(const char *state_dir, const struct operator_socket_events *events,
                         struct operator_socket **out, char *error, size_t error_size);
/* Takes no more connections and removes the socket's file. */
void operator_socket_quiesce(struct operator_socket *socket);
/* Closes all of it; what a client can take at once is sent. Accepts NULL. */
void operator_socket_close(struct operator_socket *socket);

/* What to poll for: OPERATOR_SOCKET_FDS entries, some with fd -1. The listener is left out for a second when a
 * connection could not be taken, for want of descriptors. */
void operator_socket_prepare(const struct operator_socket *socket, struct pollfd *out);
/* Serves what was polled, and closes connections that are late. */
void operator_socket_serve(struct operator_socket *socket, const struct pollfd *ready);
/* 1 when something is to be seen to though nothing polled comes: look again within a second. */
int operator_socket_is_busy(const struct operator_socket *socket);

/* A line, to which the newline is added. last: the answer is complete. A client that is gone, or does not
 * read, is no error. */
void operator_socket_send(struct operator_socket *socket, int64_t client, const char *line,
                          int last);

#endif
