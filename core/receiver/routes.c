/* routes.c: the table of routes and the look into it. Called by the HTTP loop for every request. */
#include "receiver/routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "receiver/dashboard.h"
#include "receiver/history.h"
#include "receiver/stream_handover.h"
#include "receiver/web.h"
#include "receiver/webhook.h"

#define READ (ROUTE_GET | ROUTE_HEAD)

/* The busiest first: the table is searched from the top. */
static const struct route routes[] = {
    {.path = "/api/client/webhook",
     .methods = ROUTE_POST,
     .success = 204,
     .access = ROUTE_SENDERS,
     .summary = "takes an event of a call",
     .handle = webhook_handle},
    {.path = "/webhook",
     .methods = ROUTE_POST,
     .success = 200,
     .access = ROUTE_SENDERS,
     .summary = "takes an event of a call",
     .handle = webhook_handle},
    {.path = "/api/dashboard/count",
     .methods = READ | ROUTE_POST | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "how many users and calls there are, calls by status",
     .handle = dashboard_handle_count},
    {.path = "/api/calls/active",
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "the calls that are not finished",
     .handle = dashboard_handle_active_calls},
    {.path = "/api/dead-letters",
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "events that a plugin did not handle, the newest hundred",
     .handle = dashboard_handle_dead_letters},
    {.path = "/api/calls",
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "calls, the newest first; status, from, to, queue, number, limit, cursor",
     .handle = history_handle_calls},
    {.path = "/api/calls/",
     .has_name = 1,
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "one call with its events and actions: /api/calls/{call_id}",
     .handle = history_handle_call},
    {.path = "/api/events",
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "events in the order they were stored; after, limit",
     .handle = history_handle_events},
    {.path = "/api/dashboard/kpi",
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "indicators of a day or another time; from, to, bucket",
     .handle = history_handle_kpi},
    {.path = "/api/dashboard/stream",
     .methods = READ | ROUTE_OPTIONS,
     .access = ROUTE_READERS,
     .cors = 1,
     .summary = "the same numbers live, as Server-Sent Events",
     .handle = stream_handover},
    {.path = "/healthz",
     .methods = READ,
     .summary = "200 while the server lives",
     .handle = dashboard_handle_health},
    {.path = "/readyz",
     .methods = READ,
     .summary = "200 when events are taken and handled",
     .handle = dashboard_handle_readiness},
    {.path = "/metrics",
     .methods = READ,
     .access = ROUTE_METRICS,
     .summary = "metrics in Prometheus text format",
     .handle = dashboard_handle_metrics},
    {.path = "/api", .methods = READ, .summary = "this list", .handle = dashboard_handle_index},
    {.path = "/", .methods = READ, .summary = "the dashboard's page", .handle = web_handle},
    {.path = "/assets/",
     .has_name = 1,
     .methods = READ,
     .summary = "what the page is made of",
     .handle = web_handle},
};

static const struct {
    enum route_method method;
    const char *name;
} methods[] = {
    {ROUTE_POST, "POST"},
    {ROUTE_GET, "GET"},
    {ROUTE_HEAD, "HEAD"},
    {ROUTE_OPTIONS, "OPTIONS"},
};

enum route_method routes_method(const char *method)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(method, methods[i].name) == 0)
            return methods[i].method;
    }
    return ROUTE_OTHER;
}

/* Proxies may send "http://host/path", and RFC 9112 wants it understood. */
static const char *strip_authority(const char *path)
{
    if (strncasecmp(path, "http://", 7) != 0)
        return path;
    const char *rest = strchr(path + 7, '/');
    return rest == NULL ? "/" : rest;
}

static int matches(const struct route *route, const char *path)
{
    size_t length = strlen(route->path);
    if (!route->has_name)
        return strcmp(path, route->path) == 0;
    return strncmp(path, route->path, length) == 0 && path[length] != '\0' &&
           strchr(path + length, '/') == NULL;
}

const struct route *routes_find(const char *path)
{
    if (path[0] != '/')
        path = strip_authority(path);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (matches(&routes[i], path))
            return &routes[i];
    }
    return NULL;
}

const char *routes_name(const struct route *route, const char *path)
{
    if (path[0] != '/')
        path = strip_authority(path);
    return path + strlen(route->path);
}

void routes_allow(const struct route *route, char out[ROUTE_ALLOW_SIZE])
{
    static const char *const order[] = {"GET", "HEAD", "POST", "OPTIONS"};
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if ((route->methods & routes_method(order[i])) == 0)
            continue;
        used += (size_t)snprintf(out + used, ROUTE_ALLOW_SIZE - used, "%s%s", used > 0 ? ", " : "",
                                 order[i]);
    }
}

char *routes_index(size_t *size)
{
    json_t *list = json_array();
    json_t *index = json_pack("{s:s,s:o}", "name", "pbxhook", "routes", list);
    char *text = NULL;

    for (size_t i = 0; index != NULL && i < sizeof routes / sizeof routes[0]; i++) {
        char allow[ROUTE_ALLOW_SIZE];
        routes_allow(&routes[i], allow);
        json_t *route = json_pack("{s:s,s:s,s:s}", "path", routes[i].path, "methods", allow,
                                  "summary", routes[i].summary);
        if (json_array_append_new(list, route) < 0)
            goto done;
    }
    text = json_dumps(index, JSON_COMPACT);
    if (text != NULL)
        *size = strlen(text);
done:
    json_decref(index);
    return text;
}
