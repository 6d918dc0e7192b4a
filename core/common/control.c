/*
 * control.c: messages between a receiver and its workers, one a packet: the head of struct
 * control_message and as much of its text as there is. Called by the supervisor and the worker.
 * Never blocks, and trusts nothing in a packet: a plugin can write to its worker's descriptor.
 */
#include "common/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEAD_SIZE offsetof(struct control_message, text)

int control_send(int fd, enum control_kind kind, int64_t seq, const char *text)
{
    struct control_message message; /* only its head is used: the text is sent from where it is */
    size_t size = text == NULL ? 0 : strnlen(text, CONTROL_TEXT);
    struct iovec part[] = {
        {.iov_base = &message, .iov_len = HEAD_SIZE},
        {.iov_base = (void *)(uintptr_t)text, .iov_len = size},
    };
    struct msghdr packet = {.msg_iov = part, .msg_iovlen = 2};
    ssize_t sent;

    message.kind = kind;
    message.size = (uint32_t)size;
    message.seq = seq;
    do {
        sent = sendmsg(fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static int is_message(const struct control_message *message, size_t size)
{
    return size >= HEAD_SIZE && message->kind >= CONTROL_WAKE && message->kind <= CONTROL_REPLY &&
           message->size == size - HEAD_SIZE && memchr(message->text, '\0', message->size) == NULL;
}

int control_receive(int fd, struct control_message *out)
{
    struct control_message message;
    ssize_t got;

    /* MSG_TRUNC: the packet's real size, so that one too long is seen. A peer that died with packets
     * of ours unread gives one ECONNRESET before what it sent last: that must not be lost. */
    do {
        got = recv(fd, &message, HEAD_SIZE + CONTROL_TEXT, MSG_DONTWAIT | MSG_TRUNC);
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got <= 0)
        return got == 0 ? 0 : -errno;
    if ((size_t)got > HEAD_SIZE + CONTROL_TEXT || !is_message(&message, (size_t)got))
        return -EPROTO;
    message.text[message.size] = '\0';
    memcpy(out, &message, HEAD_SIZE + message.size + 1);
    return 1;
}
