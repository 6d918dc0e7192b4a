/*
 * server.h: a real `pbxhook serve`: started, watched through its log, stopped or killed. The log of all
 * its runs is one file.
 */
#ifndef E2E_SERVER_H
#define E2E_SERVER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "process.h"
#include "scratch.h"

struct server {
    struct environment environment;
    char log_path[SCRATCH_PATH];
    size_t log_start; /* where the present run begins */
    const char *host; /* where it listens; NULL: 127.0.0.1 */
    pid_t pid;        /* 0: not running */
    _Atomic int port; /* of the present run; other threads may look */
};

/* Starts it and waits until it listens; later runs take the first one's port. */
void server_start(struct server *server);
/* The same in two steps, for several that start at the same time. */
void server_launch(struct server *server);
void server_await_listening(struct server *server);

/* Starts it, and leaves it to the test to see what becomes of it. */
void server_launch(struct server *server);

/* SIGTERM, and all must be in order: exit status 0, in time. */
void server_stop(struct server *server);

/* SIGKILL for the receiver, and for its workers if with_workers; all are gone when it returns, unless
 * the workers were spared. The pid of the worker that was ready last. */
pid_t server_kill(struct server *server, int with_workers);

/* The worker that was ready last in this run. */
pid_t server_worker_pid(const struct server *server);
/* Each worker of this run that was ready last under its number. How many there are. */
#define SERVER_WORKERS_MAX 16
int server_workers(const struct server *server, pid_t out[SERVER_WORKERS_MAX]);
/* Sends a signal to them all: SIGSTOP, SIGCONT. */
void server_signal_workers(const struct server *server, int number);

/* Lines of this run's log that hold all of these texts (NULL: no matter). */
int server_log_count(const struct server *server, const char *text, const char *and_text);
/* The last such line, new text; NULL when there is none. */
char *server_log_line(const struct server *server, const char *text, const char *and_text);

/* Prints the end of the log, for the reader of a failure. */
void server_print_log(const struct server *server);

#endif
