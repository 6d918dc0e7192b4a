/*
 * listen.c: see listen.h. The socket is opened here instead of by libmicrohttpd, which does not say
 * why it failed.
 */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory.h"

#define LISTEN_HOST_SIZE 256
#define LISTEN_BACKLOG   1024

/* "host:port", "[v6]:port" or "port" (of 127.0.0.1). -1 when it is none of these. */
static int listen_split(const char *address, char host[LISTEN_HOST_SIZE], char port[8])
{
    const char *colon = strrchr(address, ':');
    const char *digits = colon != NULL ? colon + 1 : address;
    size_t size = colon != NULL ? (size_t)(colon - address) : 0;
    unsigned value = 0;

    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0' || strlen(digits) > 5 ||
        sscanf(digits, "%u", &value) != 1 || value > 65535 || size >= LISTEN_HOST_SIZE)
        return -1;
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    if (size > 0)
        snprintf(host, LISTEN_HOST_SIZE, "%.*s", (int)size, address);
    else
        snprintf(host, LISTEN_HOST_SIZE, "127.0.0.1");
    snprintf(port, 8, "%u", value);
    return 0;
}

static int listen_try(const struct addrinfo *info)
{
    int one = 1;
    int error;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    info->ai_protocol);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int listen_get_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -1;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
}

static void listen_complain(const char *address, int error)
{
    const char *advice = "";

    if (error == EADDRINUSE)
        advice = ": another program listens there (another mock-pbx?); choose another --listen";
    else if (error == EACCES)
        advice = ": ports below 1024 need privileges; choose another --listen";
    fprintf(stderr, "mock-pbx: --listen %s: %s%s\n", address, strerror(error), advice);
}

int listen_open(const char *address, int *port, char *url, size_t url_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char host[LISTEN_HOST_SIZE], service[8];
    int fd = -1;
    int code;

    if (listen_split(address, host, service) != 0) {
        fprintf(stderr, "mock-pbx: --listen %s: wanted HOST:PORT, such as 127.0.0.1:3001\n",
                address);
        return -1;
    }
    code = getaddrinfo(host, service, &hints, &list);
    if (code != 0) {
        fprintf(stderr, "mock-pbx: --listen %s: %s\n", address, gai_strerror(code));
        return -1;
    }
    errno = EADDRNOTAVAIL;
    for (const struct addrinfo *info = list; info != NULL && fd < 0; info = info->ai_next)
        fd = listen_try(info);
    if (fd < 0) {
        listen_complain(address, errno);
    } else {
        *port = listen_get_port(fd);
        snprintf(url, url_size, strchr(host, ':') != NULL ? "http://[%s]:%d" : "http://%s:%d", host,
                 *port);
    }
    freeaddrinfo(list);
    return fd;
}

int listen_write_port(const char *path, int port)
{
    size_t size = strlen(path) + 16;
    char *part = memory_get(size, 1);
    bool written = false;
    FILE *file;

    snprintf(part, size, "%s.part", path);
    file = fopen(part, "we");
    if (file != NULL) {
        written = fprintf(file, "%d\n", port) > 0;
        written = fclose(file) == 0 && written;
    }
    if (!written || rename(part, path) != 0) {
        fprintf(stderr, "mock-pbx: --port-file %s: %s\n", path, strerror(errno));
        written = false;
    }
    free(part);
    return written ? 0 : -1;
}
