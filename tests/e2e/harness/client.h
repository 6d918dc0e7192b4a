/*
 * client.h: the PBX's and the dashboard's side of HTTP: requests by libcurl on one kept connection, and
 * bytes by a plain socket where a good client would not send them. One thread each.
 */
#ifndef E2E_CLIENT_H
#define E2E_CLIENT_H

#include <stddef.h>

#include <curl/curl.h>

#define CLIENT_HEADERS_SIZE 4096
#define CLIENT_BODY_SIZE    (256 * 1024)

struct client {
    CURL *easy;
    int port;
    const char *ca_file; /* https, vouched for by these; NULL: http. Borrowed */
    /* Of the last answer. */
    int status; /* 0: there was none */
    size_t body_size;
    char headers[CLIENT_HEADERS_SIZE]; /* as received, NUL-terminated */
    char body[CLIENT_BODY_SIZE];       /* NUL-terminated              */
};

/* New, freed with client_close(), which accepts NULL. */
struct client *client_open(int port);
void client_close(struct client *client);

/*
 * Sends a request and reads the answer: its status, 0 when there was none. headers, "Name: value" and
 * NULL at the end, may be NULL. body may be NULL; body_size counts.
 */
int client_send(struct client *client, const char *method, const char *path, const void *body,
                size_t body_size, const char *const *headers);

int client_get(struct client *client, const char *path);
/* As application/json. */
int client_post(struct client *client, const char *path, const char *body);
int client_post_with(struct client *client, const char *path, const char *body, const char *header);

/* The value of an answer's header; "" when it has none. Borrowed until the next call. */
const char *client_header(const struct client *client, const char *name);

/* ---- Plain sockets ----------------------------------------------------------------------------- */

/* A connection to 127.0.0.1; -1 when it is refused. */
int socket_connect(int port);
/* The same from another address of this machine, "127.0.0.2". */
int socket_connect_from(const char *source, int port);
/* Waits until the server hangs up, and drops what it says before; 0, or -1 when it does not in time. */
int socket_await_end(int fd, int limit_ms);
/* Fails the test on a short write. */
void socket_write(int fd, const void *bytes, size_t size);
void socket_write_text(int fd, const char *text);
/* A whole POST of JSON, ready to be written; new text. */
char *socket_make_post(const char *path, const char *body);
/*
 * Reads one answer: its status, with what was read in out (NUL-terminated, cut at its size); 0 when the
 * connection ended before. Fails the test when neither comes in time.
 */
int socket_read_answer(int fd, char *out, size_t out_size);

#endif
