/*
 * cluster.h: a PostgreSQL of the tests' own: made in a throw-away directory by an unprivileged user, reached by
 * a socket in it and by nothing else, stopped, killed and started again as a test wants.
 */
#ifndef E2E_CLUSTER_H
#define E2E_CLUSTER_H

#include <sys/types.h>

#include "process.h"
#include "scratch.h"

#define CLUSTER_USER "pbxhook"
#define CLUSTER_PORT "5432" /* a part of the socket's name, no port of the machine */

struct cluster {
    char directory[SCRATCH_PATH]; /* holds the data, the log and the socket; "": there is none */
    struct environment environment;
    struct process_user user;
    int has_user;
    pid_t pid; /* 0: not running */
};

/* Makes one and starts it. */
void cluster_make(struct cluster *cluster);
/* Stops and removes it; one that was never made is nothing. */
void cluster_remove(struct cluster *cluster);

/* Starts it and waits until it takes connections. */
void cluster_start(struct cluster *cluster);
/* As an administrator stops it: connections are cut, what was committed is there. */
void cluster_stop(struct cluster *cluster);
/* kill -9, all its processes. */
void cluster_kill(struct cluster *cluster);

/* Whether its log says this, since it was made. */
int cluster_log_holds(const struct cluster *cluster, const char *text);
/* Prints the end of its log, for the reader of a failure. */
void cluster_print_log(const struct cluster *cluster);

/* Runs one statement in the database postgres. */
void cluster_execute(const struct cluster *cluster, const char *sql);

/* What libpq wants to reach a database in it. */
void cluster_conninfo(const struct cluster *cluster, const char *database, char out[SCRATCH_PATH]);
/* The same as store.url. */
void cluster_url(const struct cluster *cluster, const char *database, char out[SCRATCH_PATH]);

#endif
