/*
 * reload.h: SIGHUP and `pbxhook reload`: a new configuration and new plugins without a restart. They are
 * checked in a throw-away process; then the workers are replaced by new ones; and only when all of those are
 * ready, the receiver's own settings. Whatever fails on the way, the former configuration stays in force.
 * The main thread's alone; it never blocks.
 */
#ifndef PBXHOOK_RELOAD_H
#define PBXHOOK_RELOAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

struct reload;
struct supervisor;

struct reload_options {
    const struct config *config; /* in force; borrowed */
    const char *config_path;     /* as `serve` was told; NULL: where it is looked for by itself */
    struct supervisor *supervisor;
    /* Reads what the receiver itself will need of it and checks that, before anything is changed: 0; or -1 and
     * the reason. What was prepared is for the adopt() that follows, or, if a done() does, for nothing. */
    int (*prepare)(void *arg, const struct config *config, char *error, size_t error_size);
    /* The receiver's other parts take it from here on; the one before is freed at the next call. */
    void (*adopt)(void *arg, const struct config *config);
    /* Reload number `number` has ended: error NULL when it has succeeded. */
    void (*done)(void *arg, int64_t number, const char *error);
    void *arg;
};

struct reload *reload_new(const struct reload_options *options); /* NULL: out of memory */
void reload_free(struct reload *reload); /* after all that took its configuration */

/* Asks for one: the number of that which will have seen what is on the disk now. */
int64_t reload_ask(struct reload *reload);
/* Gets on with it, once a round of the main loop. */
void reload_serve(struct reload *reload);
/* 1 from reload_ask() until it has ended. */
int reload_is_under_way(const struct reload *reload);

#endif
