/*
 * load.h: several callers at once. Each thread posts the seven events of its calls in order and posts
 * an event again, unchanged, until it is acknowledged, as a PBX does; the server may die meanwhile.
 */
#ifndef E2E_LOAD_H
#define E2E_LOAD_H

#include "server.h"

struct load;

/* `calls` calls in all, named "<prefix>-<number>", on so many connections. */
struct load *load_start(const struct server *server, const char *prefix, int calls, int threads);

/*
 * The same without an end, at a PBX's pace and with callers that come again: `callers` numbers in all.
 * load_wind_up() lets it come to its end: no call is begun any more. How many were.
 */
struct load *load_start_endless(const struct server *server, const char *prefix, int callers,
                                int threads);
int load_wind_up(struct load *load);

/* Events acknowledged so far, and posts that got no acknowledgement. */
int load_acknowledged(struct load *load);
int load_failures(struct load *load);

/* Waits for the end of all calls and frees it. Fails the test when an event could not be brought home. */
void load_finish(struct load *load);

#endif
