/*
 * options.h: the command line of pbxhook-load, checked, and the server's address, resolved.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define OPTIONS_MAX_CONNECTIONS 20000
#define OPTIONS_MAX_RATE        1000000.0

struct options {
    char host[256]; /* as it stands in the Host header, with the port */
    char path[512];
    struct sockaddr_storage address;
    socklen_t address_size;
    const char *url;          /* borrowed from argv, as are the other strings */
    const char *report;       /* NULL: none                                   */
    const char *acknowledged; /* NULL: none                                   */
    const char *body;         /* NULL: the mix of events                      */
    unsigned connections;
    uint64_t events;  /* 0: no limit */
    double seconds;   /* 0: no limit */
    double rate;      /* events/s; 0: closed loop */
    uint64_t rounds;  /* of the lock step; 0: no limit */
    double timeout_s; /* of one request */
    double returning; /* per cent of the callers */
    uint64_t seed;
    bool lockstep;
    bool quiet;
};

enum options_verdict { OPTIONS_RUN, OPTIONS_SHOWN, OPTIONS_WRONG };

/* OPTIONS_SHOWN after --help, OPTIONS_WRONG after a message on stderr. */
enum options_verdict options_read(struct options *options, int argc, char **argv);

#endif
