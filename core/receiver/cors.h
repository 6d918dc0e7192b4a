/*
 * cors.h: which pages of other origins may read the dashboard's routes (`dashboard.cors_origins`).
 * Called by the HTTP loop.
 */
#ifndef PBXHOOK_CORS_H
#define PBXHOOK_CORS_H

#include <microhttpd.h>

/*
 * What Access-Control-Allow-Origin says to a page of this origin: "*", the origin itself, or NULL when
 * it is not allowed or there is none. origins ends with NULL and may be NULL.
 */
const char *cors_match(char *const *origins, const char *origin);

/* Adds what the origin may know, and Vary where the answer depends on it: 0, or -1 when out of memory. */
int cors_add_headers(struct MHD_Response *response, char *const *origins, const char *origin);

/* The answer (204) to a browser that asks first; methods is "GET, HEAD". NULL when out of memory. */
struct MHD_Response *cors_preflight(char *const *origins, const char *origin, const char *methods);

#endif
