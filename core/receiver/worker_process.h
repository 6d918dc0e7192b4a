/*
 * worker_process.h: one worker as its receiver sees it: the process, its control socket, its metrics
 * page. Main thread only; the supervisor guards what others look at.
 */
#ifndef PBXHOOK_WORKER_PROCESS_H
#define PBXHOOK_WORKER_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/metrics.h"

struct worker_process {
    int index;      /* 0 ... workers - 1                          */
    pid_t pid;      /* 0: not running                             */
    int control_fd; /* -1: not running                            */
    int metrics_fd; /* lives as long as the supervisor            */
    struct metrics_worker *page;
    int ready;
    int64_t started_us;  /* monotonic                             */
    int64_t restart_us;  /* when to start it again; 0: now        */
    int64_t aborted_us;  /* when it was told so; 0: it was not    */
    int64_t limit_us;    /* that it had passed then               */
    int killed;          /* it did not even heed that             */
    int leaving;         /* it was told to, and may               */
    int dropped;         /* leaving: killed, since it was not ready */
    int64_t leave_by_us; /* leaving: when it is killed            */
    int early_deaths;    /* in a row                              */
    int restarts;        /* times that it was replaced            */
};

/* How a worker ended. */
struct worker_end {
    int in_plugin;             /* while a plugin ran                                 */
    char plugin[METRICS_NAME]; /* which; "" when that is not known               */
    int64_t event_seq;         /* with which event; 0: it was being opened           */
    char reason[LIFE_REASON];
    char loading[LIFE_PATH]; /* while it loaded this file; "": while it did not      */
};

/* Makes the metrics page. 0, or a negative errno. */
int worker_process_init(struct worker_process *worker, int index);
void worker_process_clear(struct worker_process *worker);

/*
 * Starts this same binary as `pbxhook worker`, with the configuration as text on a descriptor of its
 * own, so that a worker started later gets what is in force and not what the file says by then.
 * 0, or a negative errno.
 */
int worker_process_start(struct worker_process *worker, const struct config *config);

/*
 * Aborts it (a core dump tells where it was) when one handler has been running for longer than
 * timeout_ms, or one open() for longer than a minute if that is more, and kills it when that does not help.
 */
void worker_process_check(struct worker_process *worker, int timeout_ms);

/* Tells it to finish its batch and leave; worker_process_check() kills it when it does not. */
void worker_process_dismiss(struct worker_process *worker);

/*
 * After it was reaped: finds out from its page what it died of, and leaves it there for the next one; closes
 * the socket, decides when it is started again. status as of waitpid().
 */
void worker_process_ended(struct worker_process *worker, int status, struct worker_end *out);

#endif
