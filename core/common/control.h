/*
 * control.h: what a receiver and its worker say to each other, over a SOCK_SEQPACKET socketpair: one
 * small message a packet. The worker inherits its end as descriptor CONTROL_FD, its configuration as
 * CONTROL_CONFIG_FD and its metrics page as CONTROL_METRICS_FD.
 *
 *     receiver -> worker   WAKE            there is something new in the spool
 *                          STOP            finish the batch, close the plugins, leave
 *                          COMMAND json    do this on the store, between batches; seq is its number
 *                          CANCEL          command seq is not wanted any more
 *     worker -> receiver   READY types     plugins are loaded, the store is open; the event types it
 *                                          takes, one a line
 *                          DONE seq        all its events up to seq are in the store
 *                          REFUSED text    it can't start, and why; it leaves with CONTROL_EXIT_REFUSED
 *                          PROGRESS json   how far command seq is
 *                          PART text       a part of command seq's reply; more follows
 *                          REPLY text      its last part: together one JSON object, {"ok":...} or
 *                                          {"error":"..."}
 */
#ifndef PBXHOOK_CONTROL_H
#define PBXHOOK_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#define CONTROL_FD           3
#define CONTROL_CONFIG_FD    4
#define CONTROL_METRICS_FD   5

#define CONTROL_EXIT_REFUSED 78 /* EX_CONFIG: starting it again would end the same */

#define CONTROL_TEXT         8000 /* longest text, bytes */

enum control_kind {
    CONTROL_WAKE = 1,
    CONTROL_STOP,
    CONTROL_READY,
    CONTROL_DONE,
    CONTROL_REFUSED,
    CONTROL_COMMAND,
    CONTROL_CANCEL,
    CONTROL_PROGRESS,
    CONTROL_PART,
    CONTROL_REPLY
};

struct control_message {
    uint32_t kind;
    uint32_t size; /* of text, without its NUL */
    int64_t seq;
    char text[CONTROL_TEXT + 1];
};

/*
 * 0; -EAGAIN when the socket's buffer is full (a WAKE may be dropped then: the worker has others to
 * read); another negative errno. text may be NULL, and is cut at CONTROL_TEXT.
 */
int control_send(int fd, enum control_kind kind, int64_t seq, const char *text);

/* 1 and *out; 0 when the other end is closed; -EAGAIN when there is none now; another negative errno,
 * -EPROTO for a packet that is no message. Never blocks. */
int control_receive(int fd, struct control_message *out);

#endif
