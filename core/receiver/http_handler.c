/*
 * http_handler.c: takes each request through its life in the order in which libmicrohttpd calls: head,
 * parts of the body, the end, the answer is sent. What a path means is the routes' business.
 */
#include "receiver/http_handler.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/cors.h"
#include "receiver/head_layout.h"
#include "receiver/request.h"
#include "receiver/webhook.h"

#define TOO_MANY_LOG_EVERY_US ((int64_t)60 * 1000000)

static void refuse_framing(struct request *request, const char *detail)
{
    metrics_add(&request->shared->metrics->rejected[METRICS_REJECT_FRAMING], 1);
    request_refuse(request, &(struct problem){.status = MHD_HTTP_BAD_REQUEST,
                                              .reason = metrics_reject_name(METRICS_REJECT_FRAMING),
                                              .detail = detail});
}

static void refuse_method(struct request *request)
{
    char allow[ROUTE_ALLOW_SIZE];
    routes_allow(request->route, allow);
    request_refuse(request, &(struct problem){.status = MHD_HTTP_METHOD_NOT_ALLOWED,
                                              .detail = "this resource does not take that method",
                                              .header = MHD_HTTP_HEADER_ALLOW,
                                              .value = allow});
}

static int is_plain(const struct request *request, const char *path, const char *method,
                    const char *version)
{
    const struct head_layout_line line = {
        .method = method, .uri = path, .uri_end = request->place->uri_end, .version = version};
    return !request->shared->sees_layout || head_layout_is_plain(request->connection, &line);
}

/*
 * The head is there: finds the route and decides what can be decided without the body. 1 when the
 * answer can't wait for the body's end, so that the connection is closed after it.
 */
static int admit(struct request *request, const char *path, const char *method, const char *version)
{
    const struct request_head *head = &request->head;

    request_head_read(request->connection, &request->head);
    request->method = routes_method(method);
    const char *wrong = request_head_check(head, version);
    if (wrong == NULL && !is_plain(request, path, method, version))
        wrong =
            "the head has a NUL, a line that does not end with CRLF, a folded or nameless line, or "
            "blanks where they don't belong";
    if (wrong != NULL) {
        refuse_framing(request, wrong);
        return 1;
    }
    int too_large =
        head->content_lengths > 0 &&
        head->content_length > (uint64_t)request->shared->config->webhook.max_body_bytes;
    request->route = routes_find(path);
    if (request->route == NULL)
        request_refuse(request, &(struct problem){
                                    .status = MHD_HTTP_NOT_FOUND,
                                    .detail = "there is nothing here: GET /api lists the routes"});
    else if ((request->route->methods & request->method) == 0)
        refuse_method(request);
    else if (request->method != ROUTE_OPTIONS)
        access_check_head(request);
    if (request->state == REQUEST_DECIDED)
        return too_large || head->expects_continue;
    if (too_large)
        request_refuse_size(request);
    else if (request->route->success != 0)
        webhook_check(request);
    return request->state == REQUEST_DECIDED && (too_large || head->expects_continue);
}

static struct connection *find_place(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static enum MHD_Result begin_request(struct request_shared *shared,
                                     struct MHD_Connection *connection, const char *path,
                                     const char *method, const char *version, void **context)
{
    struct connection *place = find_place(connection);
    struct request *request = place == NULL ? NULL : request_new(shared, connection);

    if (request == NULL)
        return MHD_NO;
    *context = request;
    request->place = place;
    place->request = request;
    shared->open++;
    shared->receiving++;
    request->path = path;
    if (admit(request, path, method, version))
        return request_send_answer(request);
    return MHD_YES;
}

static void handle_request(struct request *request)
{
    if (request->method != ROUTE_OPTIONS) {
        request->route->handle(request);
        return;
    }
    char allow[ROUTE_ALLOW_SIZE];
    routes_allow(request->route, allow);
    request_answer(request, MHD_HTTP_NO_CONTENT,
                   cors_preflight(request->shared->config->dashboard.cors_origins,
                                  request->head.origin, allow));
}

/* The server stops, and what this one waits for did not come: it stays with the other thread. Or there is no
 * time left to wait for anything. */
static enum MHD_Result send_abandoned(struct request *request)
{
    static const struct problem problem = {.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                                           .detail = "the server is stopping: send it again later",
                                           .header = MHD_HTTP_HEADER_RETRY_AFTER,
                                           .value = "5"};
    struct MHD_Response *response = problem_response(&problem);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(request->connection, problem.status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result http_handler_request(void *arg, struct MHD_Connection *connection, const char *path,
                                     const char *method, const char *version, const char *data,
                                     size_t *size, void **context)
{
    struct request *request = *context;

    if (request == NULL)
        return begin_request(arg, connection, path, method, version, context);
    if (*size > 0) {
        int code = request_take_body(request, data, *size);
        *size = 0;
        return code < 0 ? MHD_NO : MHD_YES;
    }
    if (request->complete_us == 0) {
        request->complete_us = clock_mono_us();
        request->shared->receiving--;
    }
    int undecided = request->state == REQUEST_RECEIVING;
    if (request->abandoned || (undecided && request->shared->abandoning))
        return send_abandoned(request);
    if (undecided)
        handle_request(request);
    return request->state == REQUEST_DECIDED ? request_send_answer(request) : MHD_YES;
}

void http_handler_completed(void *arg, struct MHD_Connection *connection, void **context,
                            enum MHD_RequestTerminationCode how)
{
    struct request_shared *shared = arg;
    struct request *request = *context;

    (void)connection;
    (void)how;
    if (request == NULL)
        return;
    *context = NULL;
    shared->open--;
    shared->receiving -= request->complete_us == 0;
    request->place->request = NULL;
    connections_renew(&shared->connections, request->place, shared->now_us);
    if (request->state == REQUEST_WAITING) {
        request->next_orphan = shared->orphans;
        shared->orphans = request;
    } else {
        request_free(request);
    }
}

/* Once a minute at most: whoever is refused comes again at once. */
static void log_too_many(struct request_shared *shared, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    if (shared->now_us < shared->too_many_quiet_until_us)
        return;
    shared->too_many_quiet_until_us = shared->now_us + TOO_MANY_LOG_EVERY_US;
    address_format(address, text);
    log_warning("too many connections of one address: no more are taken from it "
                "(http.max_connections_per_address)",
                log_text("address", text));
}

enum MHD_Result http_handler_accept(void *arg, const struct sockaddr *peer, socklen_t size)
{
    struct request_shared *shared = arg;
    struct address address;

    (void)size;
    if (address_from_socket(peer, &address) < 0)
        return MHD_NO;
    if (address_counts_get(&shared->connections.by_address, &address) <
            shared->config->http.max_connections_per_address ||
        access_is_trusted_proxy(shared->access, &address))
        return MHD_YES;
    metrics_add(&shared->metrics->connections_refused, 1);
    log_too_many(shared, &address);
    return MHD_NO;
}

void http_handler_connection(void *arg, struct MHD_Connection *connection, void **context,
                             enum MHD_ConnectionNotificationCode what)
{
    struct request_shared *shared = arg;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        connections_remove(&shared->connections, *context);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct address address;
    if (fd != NULL && peer != NULL && address_from_socket(peer->client_addr, &address) == 0)
        *context = connections_add(&shared->connections, fd->connect_fd, &address, shared->now_us);
}

void *http_handler_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct connection *place = find_place(connection);

    (void)arg;
    /* With a blank in it, it may be three words of the request line for us and four for a proxy. */
    if (place != NULL)
        place->uri_end = strpbrk(uri, " \t") == NULL ? uri + strlen(uri) : NULL;
    return NULL;
}

size_t http_handler_keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

void http_handler_log(void *arg, const char *format, va_list values)
{
    char text[256];
    (void)arg;
    if (vsnprintf(text, sizeof text, format, values) < 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    log_debug("libmicrohttpd", log_text("text", text));
}
