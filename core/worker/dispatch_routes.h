/*
 * dispatch_routes.h: which plugins take an event type, in order. Worker thread only.
 */
#ifndef PBXHOOK_DISPATCH_ROUTES_H
#define PBXHOOK_DISPATCH_ROUTES_H

#include <stddef.h>

#include "worker/plugin_host.h"

struct dispatch_routes;

/* The host is borrowed. NULL when out of memory. */
struct dispatch_routes *dispatch_routes_new(const struct plugin_host *host);
void dispatch_routes_free(struct dispatch_routes *routes); /* accepts NULL */

/* The plugins' places in the host, ascending: their number, and *plugins borrowed until the next
 * call. */
size_t dispatch_routes_find(struct dispatch_routes *routes, const char *type,
                            const size_t **plugins);

/* All patterns of all plugins, each once, one a line. Borrowed. */
const char *dispatch_routes_types(const struct dispatch_routes *routes);

#endif
