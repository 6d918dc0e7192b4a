/*
 * try.h: `pbxhook plugin try`: runs a plugin on a file of events without a server: in a process of its
 * own, on a throw-away SQLite store, with a PBX that only records.
 */
#ifndef PBXHOOK_TRY_H
#define PBXHOOK_TRY_H

#include <stddef.h>

struct try_arguments {
    const char *plugin; /* the file, as it was given */
    const char *events;
    const char *const *options; /* each NAME=VALUE */
    size_t option_count;
    const char *const *targets; /* each NAME or NAME=URL: what the plugin may post to */
    size_t target_count;
    int json;
    int watch;
    int timeout_ms; /* of one call of the plugin; -1: none */
};

/* EXIT_SUCCESS when the plugin was opened, did not crash, and every expectation came true. */
int try_run(const struct try_arguments *arguments);

#endif
