/*
 * dispatch_routes.c: event types to plugins. A PBX has a dozen types, so what was matched once is
 * kept in a small table; a type whose place is taken drives the other out, so that a sender who
 * invents types costs time and never memory.
 */
#include "worker/dispatch_routes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/event_pattern.h"

#define PLACES 64 /* a power of two */

struct route {
    char type[EVENT_MAX_FIELD + 1]; /* "" for none */
    size_t count;
    size_t *plugins; /* room for all of them */
};

struct dispatch_routes {
    const struct plugin_host *host;
    struct route route[PLACES];
    size_t *room; /* of all routes' plugins */
    char *types;
};

static int type_is_listed(const struct plugin_host *host, size_t upto, const char *const *end)
{
    for (size_t i = 0; i <= upto; i++) {
        const char *const *event = plugin_host_get(host, i)->descriptor.events;

        for (; *event != NULL && event != end; event++) {
            if (strcmp(*event, *end) == 0)
                return 1;
        }
    }
    return 0;
}

static char *join_types(const struct plugin_host *host)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < plugin_host_count(host); i++) {
        const char *const *event = plugin_host_get(host, i)->descriptor.events;

        for (; *event != NULL; event++) {
            if (!type_is_listed(host, i, event))
                fprintf(out, "%s%s", ftell(out) == 0 ? "" : "\n", *event);
        }
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

struct dispatch_routes *dispatch_routes_new(const struct plugin_host *host)
{
    struct dispatch_routes *routes = calloc(1, sizeof *routes);
    size_t plugins = plugin_host_count(host);

    if (routes == NULL)
        return NULL;
    routes->host = host;
    routes->types = join_types(host);
    routes->room = calloc(PLACES * (plugins + 1), sizeof routes->room[0]);
    if (routes->types == NULL || routes->room == NULL) {
        dispatch_routes_free(routes);
        return NULL;
    }
    for (size_t i = 0; i < PLACES; i++)
        routes->route[i].plugins = routes->room + i * plugins;
    return routes;
}

void dispatch_routes_free(struct dispatch_routes *routes)
{
    if (routes == NULL)
        return;
    free(routes->room);
    free(routes->types);
    free(routes);
}

/* FNV-1a. */
static size_t place_of(const char *type)
{
    uint32_t hash = 2166136261u;

    for (; *type != '\0'; type++)
        hash = (hash ^ (unsigned char)*type) * 16777619u;
    return (hash ^ hash >> 16) & (PLACES - 1);
}

static int takes(const struct plugin *plugin, const char *type)
{
    for (const char *const *event = plugin->descriptor.events; *event != NULL; event++) {
        if (event_pattern_matches(*event, type))
            return 1;
    }
    return 0;
}

static void match(const struct dispatch_routes *routes, struct route *route, const char *type)
{
    route->count = 0;
    for (size_t i = 0; i < plugin_host_count(routes->host); i++) {
        if (takes(plugin_host_get(routes->host, i), type))
            route->plugins[route->count++] = i;
    }
    /* A type that is longer than any event's is matched again each time. */
    if (snprintf(route->type, sizeof route->type, "%s", type) >= (int)sizeof route->type)
        route->type[0] = '\0';
}

size_t dispatch_routes_find(struct dispatch_routes *routes, const char *type,
                            const size_t **plugins)
{
    struct route *route = &routes->route[place_of(type)];

    if (route->type[0] == '\0' || strcmp(route->type, type) != 0)
        match(routes, route, type);
    *plugins = route->plugins;
    return route->count;
}

const char *dispatch_routes_types(const struct dispatch_routes *routes)
{
    return routes->types;
}
