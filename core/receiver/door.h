/*
 * door.h: who may come in, and by which certificate: all that the HTTP side reads from files. Opened and checked
 * as one thing, so that a reload puts all of it in force at the same moment, or nothing.
 */
#ifndef PBXHOOK_DOOR_H
#define PBXHOOK_DOOR_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "receiver/access.h"
#include "receiver/tls.h"

struct door {
    const struct config
        *config; /* that it was opened by; borrowed, and looked at until it is freed */
    struct access *access;
    struct tls *tls;     /* NULL: no TLS        */
    int64_t replaced_us; /* when another one took its place */
    struct door
        *before; /* that it took the place of, while sessions may need that one's certificate */
};

/* Reads and checks it all. `listen` as access_open()'s. 0 and *out; or -1 and `error` says, a line for
 * each file that won't do, where it was set, which key, which file and why. */
int door_open(const struct config *config, const char *listen, struct door **out, char *error,
              size_t error_size);
void door_free(struct door *door); /* with those before it; accepts NULL */

#endif
