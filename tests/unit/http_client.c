/* http_client.c: reads byte by byte up to the body, so that nothing of the next answer is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 10000

static void await(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    if (poll(&ready, 1, DEADLINE_MS) != 1)
        fail_msg("nothing happened on the connection for 10 s");
}

/* The connected descriptor, or -1. */
static int try_connect(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    assert_non_null(colon);
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

int client_connect(const char *address)
{
    int fd = try_connect(address);
    assert_true(fd >= 0);
    return fd;
}

int client_can_connect(const char *address)
{
    int fd = try_connect(address);
    if (fd < 0)
        return 0;
    close(fd);
    return 1;
}

void client_send(int fd, const char *data, size_t size)
{
    while (size > 0) {
        await(fd, POLLOUT);
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        assert_true(sent > 0);
        data += sent;
        size -= (size_t)sent;
    }
}

void client_send_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* Up to size bytes: their number, 0 at the end of the stream or when the connection was reset. */
static size_t receive(int fd, char *out, size_t size)
{
    await(fd, POLLIN);
    ssize_t got = recv(fd, out, size, 0);
    return got > 0 ? (size_t)got : 0;
}

static int ends_head(const char *head, size_t size)
{
    return size >= 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0;
}

void client_read(int fd, int bodiless, struct client_answer *out)
{
    char length[32];
    size_t size = 0;

    memset(out, 0, sizeof *out);
    while (!ends_head(out->head, size)) {
        assert_true(size < sizeof out->head - 1);
        if (receive(fd, out->head + size, 1) == 0) {
            assert_int_equal(size, 0);
            out->body = calloc(1, 1);
            return;
        }
        size++;
    }
    assert_int_equal(sscanf(out->head, "HTTP/1.1 %d ", &out->status), 1);
    if (!bodiless && client_field(out, "Content-Length", length, sizeof length))
        out->body_size = (size_t)strtoul(length, NULL, 10);
    out->body = calloc(1, out->body_size + 1);
    assert_non_null(out->body);
    for (size_t have = 0; have < out->body_size;) {
        size_t got = receive(fd, out->body + have, out->body_size - have);
        assert_true(got > 0);
        have += got;
    }
}

void client_answer_free(struct client_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

int client_field(const struct client_answer *answer, const char *name, char *out, size_t size)
{
    size_t name_size = strlen(name);

    for (const char *line = strstr(answer->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        const char *field = line + 2;
        if (strncasecmp(field, name, name_size) != 0 || field[name_size] != ':')
            continue;
        field += name_size + 1;
        field += strspn(field, " ");
        snprintf(out, size, "%.*s", (int)strcspn(field, "\r"), field);
        return 1;
    }
    return 0;
}

void client_check_field(const struct client_answer *answer, const char *name, const char *expected)
{
    char value[128] = "";
    int found = client_field(answer, name, value, sizeof value);

    if (expected == NULL ? found : !found || strcmp(value, expected) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", name, found ? value : "(none)",
                 expected == NULL ? "(none)" : expected);
}

void client_reset(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    close(fd);
}

void client_await_close(int fd)
{
    char rest[256];
    while (receive(fd, rest, sizeof rest) > 0)
        continue;
}

int client_is_silent(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 0;
}

void client_exchange(const char *address, const char *request, struct client_answer *out)
{
    int fd = client_connect(address);
    client_send_text(fd, request);
    client_read(fd, strncmp(request, "HEAD ", 5) == 0, out);
    close(fd);
}
