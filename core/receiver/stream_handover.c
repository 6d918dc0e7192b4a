/*
 * stream_handover.c: libmicrohttpd can't let go of a connection without closing it. So the connection goes
 * on under another descriptor, the stream's, and libmicrohttpd's number is given to a socket of nobody's,
 * which it then closes. That is done while the connection is suspended: only then is its descriptor in no
 * epoll set, which would otherwise go on telling about it.
 */
#include "receiver/stream_handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "receiver/cors.h"
#include "receiver/dashboard.h"
#include "receiver/request.h"

#define FIELDS_SIZE 768 /* an origin is compared with those of the configuration: 512 at most */

/* What cors_add_headers() adds, as text; Vary even where any origin may read. */
static void write_fields(const struct request *request, char out[FIELDS_SIZE])
{
    char *const *origins = request->shared->config->dashboard.cors_origins;
    const char *allowed = cors_match(origins, request->head.origin);

    out[0] = '\0';
    if (allowed != NULL)
        snprintf(out, FIELDS_SIZE, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", allowed);
    else if (origins != NULL && origins[0] != NULL)
        snprintf(out, FIELDS_SIZE, "Vary: Origin\r\n");
}

/* HEAD: what GET would say, and no stream. */
static void answer_head(struct request *request)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response != NULL &&
        (!MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream") ||
         !MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"))) {
        MHD_destroy_response(response);
        response = NULL;
    }
    request_answer(request, MHD_HTTP_OK, response);
}

/*
 * Puts a socket of nobody's under the connection's number. The new number of the connection's own socket,
 * or -1: nothing has changed.
 */
static int swap_socket(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int nobodys = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = own < 0 || nobodys < 0 || dup3(nobodys, fd, O_CLOEXEC) < 0;

    if (nobodys >= 0)
        close(nobodys);
    if (failed && own >= 0)
        close(own);
    return failed ? -1 : own;
}

/* Puts the connection back under its number: the stream did not want it. */
static void swap_back(int fd, int own)
{
    (void)dup3(own, fd, O_CLOEXEC); /* both numbers are open, so it can't fail */
    close(own);
}

/* What goes over TLS is libmicrohttpd's to encrypt: such a connection can't be given away. */
static int is_encrypted(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION) != NULL;
}

void stream_handover(struct request *request)
{
    struct stream *stream = request->shared->stream;
    int fd = request->place->fd;
    char fields[FIELDS_SIZE];

    if (request->method == ROUTE_HEAD) {
        answer_head(request);
        return;
    }
    if (request->shared->stopping) {
        dashboard_refuse_for_now(request, "the server is stopping");
        return;
    }
    if (is_encrypted(request->connection)) {
        dashboard_refuse_for_now(request, "no live stream over this server's own TLS: ask for "
                                          "/api/dashboard/count from time to time");
        return;
    }
    write_fields(request, fields);
    request_wait(request); /* suspended: its descriptor is in no epoll set */
    int own = swap_socket(fd);
    if (own < 0) {
        dashboard_refuse_for_now(request, "no descriptors for one more reader of the stream");
    } else if (stream_take(stream, own, fields, request->head.last_event_id) < 0) {
        swap_back(fd, own);
        dashboard_refuse_for_now(request, "too many readers of the stream: ask again later");
    } else {
        request_answer(request, MHD_HTTP_OK, NULL); /* closes what is left: nobody's socket */
    }
    request_resume(request);
}
