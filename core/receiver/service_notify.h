/*
 * service_notify.h: what the service manager is told, in systemd's protocol of sd_notify(3), by hand: one
 * datagram of NAME=VALUE lines to the socket that NOTIFY_SOCKET names. Where nobody listens (no such
 * variable) nothing is told. The main thread's alone.
 */
#ifndef PBXHOOK_SERVICE_NOTIFY_H
#define PBXHOOK_SERVICE_NOTIFY_H

#include <stdint.h>

struct service_notify;

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no worker speaks
 * for the server; before there are threads. NULL when out of memory. A socket that is not to be had is
 * logged and left alone: that is no reason not to serve.
 */
struct service_notify *service_notify_open(void);
void service_notify_free(struct service_notify *notify); /* accepts NULL */

/* All of these accept NULL. A text is one line, for `systemctl status`. */
void service_notify_status(struct service_notify *notify, const char *text);
/* Everything is up. Also ends a reload. */
void service_notify_ready(struct service_notify *notify, const char *text);
/* A reload begins; service_notify_ready() ends it, whatever came of it. Before the first of these it waits for
 * that, and is told right behind it. */
void service_notify_reloading(struct service_notify *notify);
void service_notify_stopping(struct service_notify *notify);

/*
 * The watchdog. While `is_alive` says 1 a sign of life is sent three times in the interval that the
 * service manager wants; else it is left out, and the service manager starts the server anew.
 */
void service_notify_watch(struct service_notify *notify, int (*is_alive)(void *arg), void *arg);
/* Sends what is due; in each round of the main loop. */
void service_notify_serve(struct service_notify *notify);
/* The smaller of wait_us and the time until service_notify_serve() has something to do. */
int64_t service_notify_wait_us(const struct service_notify *notify, int64_t wait_us);

#endif
