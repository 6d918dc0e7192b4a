/*
 * listen.c: splits the address, asks the resolver, binds. A name with several addresses is bound at the
 * first that works. Or takes the socket that the service manager has bound.
 */
#include "receiver/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address_list.h"

#define BACKLOG         1024

#define FIRST_INHERITED 3 /* SD_LISTEN_FDS_START */

/* Splits "host:port" and "[host]:port"; 0, or -1 when it is neither. */
static int split_address(const char *address, char host[NI_MAXHOST], char port[NI_MAXSERV])
{
    const char *colon = strrchr(address, ':');
    const char *start = address;
    const char *end = colon;

    if (colon == NULL)
        return -1;
    if (*start == '[') {
        if (end == start || end[-1] != ']')
            return -1;
        start++;
        end--;
    } else if (memchr(start, ':', (size_t)(end - start)) != NULL) {
        return -1; /* an IPv6 address without its brackets */
    }
    size_t host_size = (size_t)(end - start);
    size_t port_size = strlen(colon + 1);
    if (host_size >= NI_MAXHOST || port_size >= NI_MAXSERV || port_size == 0)
        return -1;
    memcpy(host, start, host_size);
    host[host_size] = '\0';
    memcpy(port, colon + 1, port_size + 1);
    return 0;
}

/* The listening descriptor, or a negative errno. */
static int bind_one(const struct addrinfo *info)
{
    const int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0)
        return -errno;
    /* Without it a restart within a minute finds the port taken by the last run's connections. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = -errno;
    close(fd);
    return code;
}

/* NULL and *bound; or why not, a text of libc's. */
static const char *name_socket(int fd, char bound[LISTEN_ADDRESS_SIZE])
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[64], port[8];

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return strerror(errno);
    int code = getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                           NI_NUMERICHOST | NI_NUMERICSERV);
    if (code != 0)
        return code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code);
    snprintf(bound, LISTEN_ADDRESS_SIZE, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
             port);
    return NULL;
}

static void explain_bind(const char *address, int code, char *error, size_t error_size)
{
    const char *advice = "check `listen` (PBXHOOK_LISTEN)";
    if (code == EADDRINUSE)
        advice = "another program listens there; stop it or choose another port with `listen` "
                 "(PBXHOOK_LISTEN)";
    else if (code == EACCES)
        advice = "ports below 1024 need CAP_NET_BIND_SERVICE; choose another with `listen` "
                 "(PBXHOOK_LISTEN)";
    else if (code == EADDRNOTAVAIL)
        advice = "this machine has no such address; check `listen` (PBXHOOK_LISTEN)";
    snprintf(error, error_size, "%s: %s; %s", address, strerror(code), advice);
}

/* Asks the resolver: 0 and *found, freed with freeaddrinfo(); or what getaddrinfo() says. */
static int resolve(const char *host, const char *port, struct addrinfo **found)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    return getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, found);
}

int listen_is_local(const char *address)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct addrinfo *found = NULL;
    int local = 1;

    if (split_address(address, host, port) < 0 || resolve(host, port, &found) != 0)
        return 1;
    for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        struct address one;
        if (address_from_socket(info->ai_addr, &one) < 0 || !address_is_loopback(&one))
            local = 0;
    }
    freeaddrinfo(found);
    return local;
}

int listen_open(const char *address, char bound[LISTEN_ADDRESS_SIZE], char *error,
                size_t error_size)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct addrinfo *found = NULL;
    int fd = -EADDRNOTAVAIL;

    if (split_address(address, host, port) < 0) {
        snprintf(error, error_size,
                 "listen \"%s\": not an address; write HOST:PORT, as in \"127.0.0.1:3000\" or "
                 "\"[::1]:3000\"",
                 address);
        return -1;
    }
    int code = resolve(host, port, &found);
    if (code != 0) {
        snprintf(error, error_size, "listen \"%s\": %s; check `listen` (PBXHOOK_LISTEN)", address,
                 gai_strerror(code));
        return -1;
    }
    for (struct addrinfo *info = found; info != NULL && fd < 0; info = info->ai_next)
        fd = bind_one(info);
    freeaddrinfo(found);
    if (fd < 0) {
        explain_bind(address, -fd, error, error_size);
        return -1;
    }
    const char *reason = name_socket(fd, bound);
    if (reason != NULL) {
        snprintf(error, error_size, "%s: %s", address, reason);
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- Socket activation --------------------------------------------------------------------------- */

/* A number of the environment's that is at least 1; 0 for anything else. */
static long read_count(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (text == NULL)
        return 0;
    errno = 0;
    long number = strtol(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' || number < 1 ? 0 : number;
}

/* How many sockets were passed to this very process; they are nobody else's any more. */
static long count_inherited(void)
{
    long count = read_count("LISTEN_PID") == getpid() ? read_count("LISTEN_FDS") : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return count;
}

/* 1 when it is what listen_open() would have made. */
static int is_tcp_listener(int fd)
{
    int type = 0, domain = 0, protocol = 0, listening = 0;
    socklen_t size = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
           protocol == IPPROTO_TCP &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

int listen_inherit(int *fd, char bound[LISTEN_ADDRESS_SIZE], char *error, size_t error_size)
{
    const int inherited = FIRST_INHERITED;
    long count = count_inherited();

    if (count == 0)
        return 0;
    if (count > 1) {
        snprintf(error, error_size,
                 "LISTEN_FDS: found %ld sockets, wanted one; leave one ListenStream= in the socket "
                 "unit",
                 count);
        return -1;
    }
    int flags = fcntl(inherited, F_GETFL);
    if (flags < 0 || !is_tcp_listener(inherited)) {
        snprintf(error, error_size,
                 "LISTEN_FDS: found something else, wanted a TCP socket that listens; check "
                 "ListenStream= and Accept=no in the socket unit");
        return -1;
    }
    const char *reason = fcntl(inherited, F_SETFD, FD_CLOEXEC) < 0 ||
                                 fcntl(inherited, F_SETFL, flags | O_NONBLOCK) < 0
                             ? strerror(errno)
                             : name_socket(inherited, bound);
    if (reason != NULL) {
        snprintf(error, error_size, "LISTEN_FDS: %s", reason);
        return -1;
    }
    *fd = inherited;
    return 1;
}
