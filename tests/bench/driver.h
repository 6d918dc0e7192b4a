/*
 * driver.h: one run of pbxhook-load. One thread, one epoll. Each connection leads one call after another
 * through its seven events, so that the events of a call are sent in order. A connection sends at once
 * (closed loop), when an event is due (open loop), or together with all the others (lock step). A
 * request that is not answered is counted, never sent again.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "connection.h"
#include "mix.h"
#include "options.h"
#include "tally.h"

struct driver {
    const struct options *options;
    struct tally *tally;
    struct mix *mix;
    FILE *acknowledged;
    int epoll_fd;
    int timer_fd;
    struct connection *connections;
    uint64_t budget;    /* events that calls may still take */
    uint64_t due_index; /* open loop: the next event of the schedule */
    uint64_t sent_cap;  /* UINT64_MAX without --events */
    uint64_t end_ns;    /* nothing is sent after it */
    uint64_t checked_ns;
    uint64_t alive_ns; /* when it last looked as if this run went on */
    bool gave_up;
    unsigned busy;
    unsigned ready_count;
    struct connection **ready; /* the idle ones, in no order; unused by the closed loop */
};

/* Takes options, tally, and the descriptors as -1; opens what a run needs. -1 with a message;
 * driver_close() in either case. */
int driver_start(struct driver *driver);

/* All connections stand before the first request is sent, so that no latency has a connect in it. -1
 * with a message when they cannot be had within the time-out. */
int driver_connect(struct driver *driver);

/* Runs to the end that the options set; the outcome is in the tally. */
void driver_run(struct driver *driver);

/* A signal handler: the run ends when the requests under way were answered. */
void driver_interrupt(int signal_number);

void driver_close(struct driver *driver);

#endif
