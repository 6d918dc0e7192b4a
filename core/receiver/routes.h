/*
 * routes.h: which method and path is answered by which function. A constant table; any thread.
 */
#ifndef PBXHOOK_ROUTES_H
#define PBXHOOK_ROUTES_H

#include <stddef.h>

struct request;

enum route_method {
    ROUTE_OTHER = 0, /* no route takes it */
    ROUTE_GET = 1,
    ROUTE_HEAD = 2, /* comes with GET */
    ROUTE_POST = 4,
    ROUTE_OPTIONS = 8 /* comes with `cors` */
};

/* Who may use a route. */
enum route_access {
    ROUTE_OPEN,    /* everybody: it tells nothing        */
    ROUTE_SENDERS, /* who posts events                   */
    ROUTE_READERS, /* who looks at the dashboard         */
    ROUTE_METRICS  /* readers, unless metrics are public */
};

struct route {
    const char *path;
    int has_name;     /* path ends with "/": what follows names one thing, see routes_name() */
    unsigned methods; /* ROUTE_... */
    unsigned
        success; /* a webhook's status when the event is safe; 0: not a webhook, its body is ignored */
    enum route_access access;
    int cors; /* pages of other origins may read it                                        */
    const char *summary; /* one line, for GET /api */
    /* The whole request is there: decides its answer, or hands it to a thread that will. */
    void (*handle)(struct request *request);
};

#define ROUTE_ALLOW_SIZE 32 /* "GET, HEAD, POST, OPTIONS" and NUL */

enum route_method routes_method(const char *method);

/* What follows the route's own path in the client's: "c1" of "/api/calls/c1", as it was sent. */
const char *routes_name(const struct route *route, const char *path);

/* NULL when nothing is there. path is as the client sent it, without the query; the absolute form
 * ("http://host/path") is understood. */
const struct route *routes_find(const char *path);

/* The methods for Allow: "GET, HEAD". */
void routes_allow(const struct route *route, char out[ROUTE_ALLOW_SIZE]);

/* The table as JSON, for GET /api: new; NULL when out of memory. */
char *routes_index(size_t *size);

#endif
