/*
 * http_client.h: an HTTP client for tests that want to see every byte: one socket, requests as text,
 * answers taken apart. Everything that fails or takes longer than 10 s fails the test.
 */
#ifndef PBXHOOK_TEST_HTTP_CLIENT_H
#define PBXHOOK_TEST_HTTP_CLIENT_H

#include <stddef.h>

struct client_answer {
    int status;      /* 0: the connection was closed without an answer */
    char head[4096]; /* status line and fields                         */
    char *body;      /* NUL-terminated, never NULL                     */
    size_t body_size;
};

/* "127.0.0.1:3000". */
int client_connect(const char *address);
/* 1 when somebody listens there. */
int client_can_connect(const char *address);
void client_send(int fd, const char *data, size_t size);
void client_send_text(int fd, const char *text);

/* The next answer on the connection; what came with it stays for the next call on the same socket.
 * bodiless 1: of a HEAD request. Freed with client_answer_free(). */
void client_read(int fd, int bodiless, struct client_answer *out);
void client_answer_free(struct client_answer *answer);

/* The value of a field of the answer's head into `out`: 1, or 0 when there is none. */
int client_field(const struct client_answer *answer, const char *name, char *out, size_t size);
/* Fails the test unless the field has this value; NULL: unless there is none. */
void client_check_field(const struct client_answer *answer, const char *name, const char *expected);

/* Closes with a reset, which the server notices at once. */
void client_reset(int fd);
/* Waits for the server to close. */
void client_await_close(int fd);
/* 1 when nothing has come yet. */
int client_is_silent(int fd);

/* Connects, sends, reads one answer, closes. */
void client_exchange(const char *address, const char *request, struct client_answer *out);

#endif
