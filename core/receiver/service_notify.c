/* service_notify.c: see service_notify.h. */
#include "receiver/service_notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* A service manager that does not read must not hold up the main loop for longer. */
#define SEND_LIMIT_US 500000

/* sd_watchdog_enabled(3) advises half of the interval at the latest; a third forgives one lost round. */
#define SIGNS_PER_INTERVAL 3

#define MESSAGE_SIZE       512

struct service_notify {
    int fd;                /* connected; -1: nobody listens */
    int64_t sign_every_us; /* 0: no watchdog wanted, or nothing to ask yet */
    int64_t sign_due_us;
    int64_t watchdog_us;
    int (*is_alive)(void *arg);
    void *arg;
    int missed;       /* the last sign was left out        */
    int is_ready;     /* that was told                     */
    int reload_waits; /* for that: it was asked for before */
};

/* ---- The environment ---------------------------------------------------------------------------- */

/* A whole number of the environment's; -1 when there is none. */
static int64_t read_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    intmax_t number = strtoimax(text, &end, 10);
    return errno != 0 || *end != '\0' || number > INT64_MAX ? -1 : (int64_t)number;
}

/* 0: no watchdog. WATCHDOG_PID says whom the interval is meant for; without it, for anybody. */
static int64_t read_watchdog_us(void)
{
    int64_t interval_us = read_number("WATCHDOG_USEC");
    if (interval_us <= 0)
        return 0;
    if (getenv("WATCHDOG_PID") != NULL && read_number("WATCHDOG_PID") != getpid())
        return 0;
    return interval_us;
}

/* "/run/..." or, in the abstract name space, "@...". 0 or a negative errno. */
static int make_address(const char *path, struct sockaddr_un *address, socklen_t *size)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((path[0] != '/' && path[0] != '@') || length < 2)
        return -EAFNOSUPPORT; /* vsock: of a virtual machine's own system only */
    if (length >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    /* The name of an abstract socket is all bytes that its size counts, so no NUL at its end. */
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/'));
    return 0;
}

/* The connected descriptor, or a negative errno. */
static int connect_socket(const char *path)
{
    struct sockaddr_un address;
    socklen_t size = 0;
    const struct timeval limit = {.tv_usec = SEND_LIMIT_US};
    int code = make_address(path, &address, &size);
    if (code < 0)
        return code;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (const struct sockaddr *)&address, size) == 0)
        return fd;
    code = -errno;
    close(fd);
    return code;
}

struct service_notify *service_notify_open(void)
{
    struct service_notify *notify = calloc(1, sizeof *notify);
    const char *path = getenv("NOTIFY_SOCKET");
    if (notify == NULL)
        return NULL;
    notify->fd = -1;
    if (path != NULL && path[0] != '\0') {
        notify->fd = connect_socket(path);
        notify->watchdog_us = notify->fd >= 0 ? read_watchdog_us() : 0;
        if (notify->fd < 0)
            log_warning("can't reach the service manager (NOTIFY_SOCKET)", log_text("socket", path),
                        log_text("error", strerror(-notify->fd)));
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return notify;
}

void service_notify_free(struct service_notify *notify)
{
    if (notify == NULL)
        return;
    if (notify->fd >= 0)
        close(notify->fd);
    free(notify);
}

/* ---- Messages ------------------------------------------------------------------------------------ */

static void send_message(struct service_notify *notify, const char *message)
{
    if (notify == NULL || notify->fd < 0)
        return;
    ssize_t sent;
    do
        sent = send(notify->fd, message, strlen(message), MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        log_warning("the service manager does not listen", log_text("error", strerror(errno)));
}

/* `state` is whole lines; text becomes the STATUS= line after them, NULL: none. */
static void send_state(struct service_notify *notify, const char *state, const char *text)
{
    char message[MESSAGE_SIZE];
    if (text == NULL)
        snprintf(message, sizeof message, "%s", state);
    else
        snprintf(message, sizeof message, "%sSTATUS=%.*s\n", state, (int)strcspn(text, "\n"), text);
    send_message(notify, message);
}

void service_notify_status(struct service_notify *notify, const char *text)
{
    send_state(notify, "", text);
}

void service_notify_ready(struct service_notify *notify, const char *text)
{
    send_state(notify, "READY=1\n", text);
    if (notify == NULL)
        return;
    int reload_waits = notify->reload_waits;
    notify->is_ready = 1;
    notify->reload_waits = 0;
    if (reload_waits)
        service_notify_reloading(notify);
}

void service_notify_reloading(struct service_notify *notify)
{
    char state[64];
    if (notify != NULL && !notify->is_ready) {
        notify->reload_waits = 1;
        return;
    }
    /* The time tells the service manager which of its requests this answers. */
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n", clock_mono_us());
    send_state(notify, state, "Reloading");
}

void service_notify_stopping(struct service_notify *notify)
{
    send_state(notify, "STOPPING=1\n", "Stopping");
}

/* ---- The watchdog -------------------------------------------------------------------------------- */

void service_notify_watch(struct service_notify *notify, int (*is_alive)(void *arg), void *arg)
{
    if (notify == NULL || notify->watchdog_us == 0)
        return;
    notify->is_alive = is_alive;
    notify->arg = arg;
    notify->sign_every_us = notify->watchdog_us / SIGNS_PER_INTERVAL;
    notify->sign_due_us = clock_mono_us();
}

void service_notify_serve(struct service_notify *notify)
{
    if (notify == NULL || notify->sign_every_us == 0)
        return;
    int64_t now_us = clock_mono_us();
    if (now_us < notify->sign_due_us)
        return;
    notify->sign_due_us = now_us + notify->sign_every_us;
    int alive = notify->is_alive(notify->arg);
    if (alive)
        send_message(notify, "WATCHDOG=1\n");
    else if (!notify->missed)
        log_error("the HTTP loop stands still: no sign of life to the service manager");
    notify->missed = !alive;
}

int64_t service_notify_wait_us(const struct service_notify *notify, int64_t wait_us)
{
    if (notify == NULL || notify->sign_every_us == 0)
        return wait_us;
    int64_t left_us = notify->sign_due_us - clock_mono_us();
    left_us = left_us < 0 ? 0 : left_us;
    return left_us < wait_us ? left_us : wait_us;
}
