/* web.c: serves the built-in files with headers that let the page do nothing but what it is for. */
#include "receiver/web.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "receiver/request.h"

/* Nothing from elsewhere, nothing inline: even a call's data that got into the page as markup can't run. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "   \
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct web_file *find_file(const char *path)
{
    for (const struct web_file *file = web_files; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

/* The response is taken: with its headers, or destroyed when they can't be added. */
static struct MHD_Response *add_headers(struct MHD_Response *response, const struct web_file *file)
{
    const struct {
        const char *name, *value;
    } headers[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, file->type},
        {MHD_HTTP_HEADER_ETAG, file->etag},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache"}, /* kept, but asked for: a new version shows */
        {"Content-Security-Policy", POLICY},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };

    for (size_t i = 0; response != NULL && i < sizeof headers / sizeof headers[0]; i++) {
        if (!MHD_add_response_header(response, headers[i].name, headers[i].value)) {
            MHD_destroy_response(response);
            response = NULL;
        }
    }
    return response;
}

/* If-None-Match may list several; ours has no comma in it. */
static int has_it(const struct request *request, const struct web_file *file)
{
    const char *known = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_IF_NONE_MATCH);
    return known != NULL && (strstr(known, file->etag) != NULL || strcmp(known, "*") == 0);
}

void web_handle(struct request *request)
{
    char path[64];
    const char *name = routes_name(request->route, request->path);
    int length = snprintf(path, sizeof path, "%s%s", request->route->path, name);
    const struct web_file *file =
        length > 0 && (size_t)length < sizeof path ? find_file(path) : NULL;

    if (file == NULL) {
        request_refuse(request, &(struct problem){.status = MHD_HTTP_NOT_FOUND,
                                                  .detail = "the page has no such part"});
        return;
    }
    int known = has_it(request, file);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        known ? 0 : file->size, (void *)(uintptr_t)file->bytes, MHD_RESPMEM_PERSISTENT);
    request_answer(request, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK,
                   add_headers(response, file));
}
