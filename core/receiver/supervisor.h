/*
 * supervisor.h: starts the workers (fork+exec of this same binary), watches them, replaces one that
 * dies, passes their reports to the spool thread. All of it runs on the receiver's main thread but
 * for what says [any thread].
 */
#ifndef PBXHOOK_SUPERVISOR_H
#define PBXHOOK_SUPERVISOR_H

#include <stddef.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/control.h"
#include "common/metrics.h"

struct operator_desk;
struct reload;
struct service_notify;
struct spool_thread;
struct supervisor;

/* Prepares; starts nothing. NULL when out of memory or descriptors (logged). */
struct supervisor *supervisor_new(const struct config *config, struct metrics_receiver *metrics);
void supervisor_free(struct supervisor *supervisor); /* after supervisor_stop(); accepts NULL */

/* Where the workers' reports go. Before supervisor_start(). */
void supervisor_set_spool(struct supervisor *supervisor, struct spool_thread *spool);

/* The operator's desk, served by the same loop; borrowed, NULL takes it away. Before supervisor_start(). */
void supervisor_set_desk(struct supervisor *supervisor, struct operator_desk *desk);
/* One worker as it is now: 1, or 0 when there are not so many. */
struct supervisor_worker {
    pid_t pid; /* 0: not running */
    int ready;
    int restarts;
};
int supervisor_worker(const struct supervisor *supervisor, int index,
                      struct supervisor_worker *out);
/* To worker 0: 0, or a negative errno: -ENOTCONN when it is not ready. */
int supervisor_ask_worker(struct supervisor *supervisor, enum control_kind kind, int64_t seq,
                          const char *text);
/* Who is told of reloads, and whose watchdog is fed in each round. Before supervisor_start(). */
void supervisor_set_service(struct supervisor *supervisor, struct service_notify *service);

/* What a SIGHUP is for, served by the same loop; borrowed. Before supervisor_start(). */
void supervisor_set_reload(struct supervisor *supervisor, struct reload *reload);

/*
 * Has every worker finish its batch and leave, and starts others with this configuration, borrowed until it is
 * called again. Events are received meanwhile. supervisor_replaced(): 1 all of them are ready; 0 not yet;
 * -1 one can't start, and why in `error`: then bring them back with the configuration that they had before. Those
 * wait for a store that is away, and park a plugin that does not open any more, since its file may be another by
 * now: see life.is_lenient.
 */
void supervisor_replace_workers(struct supervisor *supervisor, const struct config *config);
int supervisor_replaced(struct supervisor *supervisor, char *error, size_t error_size);
void supervisor_bring_back_workers(struct supervisor *supervisor, const struct config *config);

/* Starts the workers and waits until each is ready: 0; 1 when a signal said to stop meanwhile; -1 when
 * one refuses to start (logged). */
int supervisor_start(struct supervisor *supervisor);

/* Serves signals and workers until SIGTERM or SIGINT, which the caller has blocked in all threads. */
void supervisor_run(struct supervisor *supervisor);

/* The same until the descriptor is readable. */
void supervisor_serve_until(struct supervisor *supervisor, int fd);

/* Tells the workers to finish their batch and leave, and waits for them; then kills what is left. */
void supervisor_stop(struct supervisor *supervisor);

/* [any thread] There is something new in the spool. */
void supervisor_wake_workers(struct supervisor *supervisor);
/* [any thread] How many workers are ready. */
int supervisor_ready(const struct supervisor *supervisor);
/* [any thread] 1 when a plugin takes events of this type ("call.*" and "*" are understood). */
int supervisor_takes(struct supervisor *supervisor, const char *type);
/* [any thread] The workers' metrics pages, for as long as the supervisor lives. */
struct metrics_worker *const *supervisor_pages(const struct supervisor *supervisor, int *count);

#endif
