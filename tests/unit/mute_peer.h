/*
 * mute_peer.h: an HTTP server, in a thread of its own, that answers so many requests on kept connections, and
 * then none: what comes after those it reads to its last byte, and hangs up.
 */
#ifndef PBXHOOK_MUTE_PEER_H
#define PBXHOOK_MUTE_PEER_H

#include <pthread.h>
#include <stddef.h>

#define MUTE_PEER_CONNECTIONS  32
#define MUTE_PEER_REQUEST_SIZE 400000

enum hanging_up {
    HANGS_UP,                  /* closes in good order                         */
    HANGS_UP_WITH_RESET,       /* and says that it knows nothing of it any more */
    HANGS_UP_FOR_EVER,         /* and listens no more                          */
    HANGS_UP_BEHIND_THE_ANSWER /* already the connections of those it answered */
};

struct mute_peer_connection {
    int fd;         /* -1: none */
    int is_waiting; /* for an answer */
    size_t bytes;
    char *request; /* room for one, for as long as the peer is there */
};

struct mute_peer {
    int port;
    _Atomic int
        answers; /* when so many are there, all get theirs: so they have a connection each */
    enum hanging_up manner;
    _Atomic int connections, requests; /* that came, ever */
    _Atomic int hung_up;               /* connections that it has closed */
    char head[2048];                   /* of the last request; look when it has ended */
    size_t body_bytes;

    pthread_t thread; /* all below is its own */
    int listener, stop_fd;
    struct mute_peer_connection connection[MUTE_PEER_CONNECTIONS];
};

/* Takes a free port. Fails the test when it can't. */
void mute_peer_start(struct mute_peer *peer, int answers, enum hanging_up manner);
void mute_peer_stop(struct mute_peer *peer);

#endif
