/*
 * mock_run.h: the real mock-pbx in a test: run to its end, or watched while it serves, and its report.
 */
#ifndef E2E_MOCK_RUN_H
#define E2E_MOCK_RUN_H

#include <jansson.h>

#include "world.h"

struct mock_run {
    pid_t pid;
    struct client *client; /* of mock-pbx's own server */
    char report_path[SCRATCH_PATH];
    char errors_path[SCRATCH_PATH];
};

/* Starts it in the place of the world's PBX, which is gone then, with these words, NULL at the end, and events for
 * webhook_port; waits until it listens. */
void mock_start(struct world *world, int webhook_port, const char *const *words,
                struct mock_run *out);

/* Waits for its end, after a SIGTERM if `stop`: the exit status and, in *report, the caller's to free, its report.
 * NULL: nobody asks. */
int mock_end(struct mock_run *mock, int stop, json_t **report);

/* mock_start() for the world's server, and mock_end() by itself. */
int mock_run(struct world *world, const char *const *words, json_t **report);

/* A number of the report, "calls" and "right"; fails the test when there is none. */
double mock_number(const json_t *report, const char *part, const char *member);
/* The same of GET /stats, now. */
double mock_stats(struct mock_run *mock, const char *part, const char *member);
/* Of GET /stats, or of a report: did all go right? */
int mock_stats_are_ok(struct mock_run *mock);
int mock_is_ok(const json_t *report);

#endif
