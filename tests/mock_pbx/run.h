/*
 * run.h: one run of mock-pbx from open to close: the main thread's loop and everything it owns.
 */
#ifndef MOCK_PBX_RUN_H
#define MOCK_PBX_RUN_H

#include "options.h"

/* Runs to the end, report included. The exit code: 0 all right, 1 not so, 2 it could not start. */
int run_whole(const struct options *options);

#endif
