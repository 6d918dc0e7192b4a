/*
 * cors.c: the CORS protocol of the Fetch standard, without credentials of the browser's own: a page sends
 * its token in Authorization.
 */
#include "receiver/cors.h"

#include <string.h>

/* Browsers ask again after at most so many seconds. */
#define MAX_AGE_SECONDS "600"

const char *cors_match(char *const *origins, const char *origin)
{
    if (origins == NULL || origin == NULL)
        return NULL;
    for (char *const *allowed = origins; *allowed != NULL; allowed++) {
        if (strcmp(*allowed, "*") == 0)
            return "*";
        /* Byte by byte: a browser sends scheme and host in lower case and no default port. */
        if (strcmp(*allowed, origin) == 0)
            return origin;
    }
    return NULL;
}

static int allows_any(char *const *origins)
{
    const char *match = cors_match(origins, "");
    return match != NULL && strcmp(match, "*") == 0;
}

int cors_add_headers(struct MHD_Response *response, char *const *origins, const char *origin)
{
    if (origins == NULL || origins[0] == NULL)
        return 0;
    const char *allowed = cors_match(origins, origin);
    if (allowed != NULL &&
        !MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, allowed))
        return -1;
    if (!allows_any(origins) && !MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Origin"))
        return -1;
    return 0;
}

struct MHD_Response *cors_preflight(char *const *origins, const char *origin, const char *methods)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return NULL;
    int failed = !MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, methods);
    if (!failed && cors_match(origins, origin) != NULL)
        failed = !MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS,
                                          methods) ||
                 !MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
                                          "Authorization, Content-Type") ||
                 !MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE,
                                          MAX_AGE_SECONDS);
    if (!failed)
        failed = cors_add_headers(response, origins, origin) < 0;
    if (failed) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}
