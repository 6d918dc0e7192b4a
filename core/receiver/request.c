/* request.c: a request's memory, its body and its answer. Called by http_handler.c and the routes. */
#include "receiver/request.h"

#include <stdlib.h>
#include <string.h>

#include "receiver/cors.h"

/* A body's first buffer when its length is not told, and the most that is believed at once when it is:
 * memory is given for bytes that came, not for bytes that were announced. */
#define FIRST_CAPACITY 4096
#define BELIEVED_MAX   65536

/* So much is read and dropped for the sake of an orderly answer, or one largest body if that is more. */
#define DISCARD_MAX ((int64_t)16 << 20)

struct request *request_new(struct request_shared *shared, struct MHD_Connection *connection)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->shared = shared;
    request->connection = connection;
    return request;
}

void request_drop_body(struct request *request)
{
    free(request->body);
    request->body = NULL;
    request->body_size = request->body_capacity = 0;
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    request->shared->bodies_size -= request->counted_size;
    if (!request->response_shared && request->response != NULL)
        MHD_destroy_response(request->response);
    reader_text_release(request->job.text);
    free(request->question);
    event_free(request->ticket.event);
    free(request->body);
    free(request);
}

/* The capacity for a body of `needed` bytes so far. */
static size_t choose_capacity(const struct request *request, size_t needed)
{
    int told = request->head.content_lengths > 0;
    size_t limit = told ? (size_t)request->head.content_length
                        : (size_t)request->shared->config->webhook.max_body_bytes;
    size_t capacity = told ? BELIEVED_MAX : FIRST_CAPACITY;

    if (request->body_capacity > 0)
        capacity = request->body_capacity * 2;
    if (capacity > limit)
        capacity = limit;
    return capacity < needed ? needed : capacity;
}

/* Makes room: 0, or -1 when there is no memory for it now. */
static int reserve_body(struct request *request, size_t needed)
{
    struct request_shared *shared = request->shared;
    size_t capacity = choose_capacity(request, needed);
    size_t more = capacity - request->counted_size;

    /* A body larger than all of the room is taken when it is the only one. */
    if (shared->bodies_size > request->counted_size &&
        shared->bodies_size + more > REQUEST_BODIES_MAX)
        return -1;
    char *larger = realloc(request->body, capacity);
    if (larger == NULL)
        return -1;
    request->body = larger;
    request->body_capacity = capacity;
    request->counted_size += more;
    shared->bodies_size += more;
    return 0;
}

static int discard(struct request *request, size_t size)
{
    int64_t limit = request->shared->config->webhook.max_body_bytes;
    if (limit < DISCARD_MAX)
        limit = DISCARD_MAX;
    request->discarded_size += (int64_t)size;
    return request->discarded_size > limit ? -1 : 0;
}

int request_take_body(struct request *request, const char *data, size_t size)
{
    size_t limit = (size_t)request->shared->config->webhook.max_body_bytes;
    size_t needed = request->body_size + size;

    if (request->state == REQUEST_DECIDED)
        return discard(request, size);
    if (needed > limit) {
        request_drop_body(request);
        request_refuse_size(request);
        return discard(request, size);
    }
    if (request->route->success == 0) { /* counted only, against the limit */
        request->body_size = needed;
        return 0;
    }
    if (needed > request->body_capacity && reserve_body(request, needed) < 0) {
        request_drop_body(request);
        request_refuse_for_memory(request, "too much is being received: send it again later");
        return discard(request, size);
    }
    memcpy(request->body + request->body_size, data, size);
    request->body_size = needed;
    return 0;
}

static void decide(struct request *request, unsigned status, struct MHD_Response *response,
                   int shared)
{
    request->status = status;
    request->response = response;
    request->response_shared = shared;
    request->state = REQUEST_DECIDED;
}

void request_answer_shared(struct request *request, unsigned status, struct MHD_Response *response)
{
    decide(request, status, response, 1);
}

int request_is_last(const struct request *request)
{
    return request->shared->stopping ||
           (request->head.transfer_encodings > 0 && request->shared->sees_layout);
}

void request_answer(struct request *request, unsigned status, struct MHD_Response *response)
{
    /* A page of another origin may read refusals too, else its author sees none of them. */
    if (response != NULL && request->route != NULL && request->route->cors &&
        request->method != ROUTE_OPTIONS &&
        cors_add_headers(response, request->shared->config->dashboard.cors_origins,
                         request->head.origin) < 0) {
        MHD_destroy_response(response);
        response = NULL;
    }
    if (response != NULL && request_is_last(request) &&
        !MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close")) {
        MHD_destroy_response(response);
        response = NULL;
    }
    decide(request, status, response, 0);
}

void request_refuse(struct request *request, const struct problem *problem)
{
    request_answer(request, problem->status, problem_response(problem));
}

void request_refuse_size(struct request *request)
{
    metrics_add(&request->shared->metrics->rejected[METRICS_REJECT_TOO_LARGE], 1);
    request_refuse(request,
                   &(struct problem){.status = MHD_HTTP_CONTENT_TOO_LARGE,
                                     .reason = metrics_reject_name(METRICS_REJECT_TOO_LARGE),
                                     .detail = "the body is larger than webhook.max_body"});
}

void request_refuse_for_memory(struct request *request, const char *detail)
{
    metrics_add(&request->shared->metrics->rejected[METRICS_REJECT_NO_MEMORY], 1);
    request_refuse(request,
                   &(struct problem){.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                                     .reason = metrics_reject_name(METRICS_REJECT_NO_MEMORY),
                                     .detail = detail,
                                     .header = MHD_HTTP_HEADER_RETRY_AFTER,
                                     .value = "1"});
}

void request_wait(struct request *request)
{
    request->state = REQUEST_WAITING;
    request->place->waiting = 1;
    MHD_suspend_connection(request->connection);
}

void request_resume(struct request *request)
{
    request->place->waiting = 0;
    MHD_resume_connection(request->connection);
}

enum MHD_Result request_send_answer(struct request *request)
{
    if (request->response == NULL)
        return MHD_NO;
    return MHD_queue_response(request->connection, request->status, request->response);
}
