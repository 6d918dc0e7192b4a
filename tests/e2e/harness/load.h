/*
 * load.h: several callers at once. Each thread posts the seven events of its calls in order and posts
 * an event again, unchanged, until it is acknowledged, as a PBX does; the servers may die meanwhile.
 */
#ifndef E2E_LOAD_H
#define E2E_LOAD_H

#include "server.h"

#define LOAD_SERVERS_MAX 4

struct load;

/* The calls are named "<prefix>-<number>", from 0. */
struct load_plan {
    const struct server *server[LOAD_SERVERS_MAX]; /* each post goes to the next one, tries too */
    int servers;
    const char *prefix;
    int calls;   /* in all; 0: until load_end()                        */
    int threads; /* a connection each                                  */
    int callers; /* different numbers, used in turn; 0: each call its own */
    int gap_ms;  /* between the calls of a thread                      */
};

struct load *load_start_plan(const struct load_plan *plan);

/* `calls` calls in all to one server, on so many connections. */
struct load *load_start(const struct server *server, const char *prefix, int calls, int threads);

/* Events acknowledged so far, and posts that got no acknowledgement. */
int load_acknowledged(struct load *load);
int load_failures(struct load *load);
/* The longest that a post waited for its answer so far. */
int load_slowest_ms(struct load *load);

/* No new call is begun. */
void load_end(struct load *load);

/* Waits for the end of all calls and frees it. Fails the test when an event could not be brought home. The
 * number of calls. */
int load_finish(struct load *load);

#endif
