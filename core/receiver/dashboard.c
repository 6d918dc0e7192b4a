/* dashboard.c: makes the answers of the routes that are read. It never touches the store. */
#include "receiver/dashboard.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "receiver/request.h"

#define JSON_TYPE    "application/json"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The response is taken: with its headers, or destroyed when they can't be added. */
static struct MHD_Response *add_headers(struct MHD_Response *response, const char *type)
{
    if (response == NULL)
        return NULL;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

/* Answers 200 with a text that is taken; NULL closes the connection. */
static void answer_text(struct request *request, char *text, size_t size, const char *type)
{
    struct MHD_Response *response = NULL;
    if (text != NULL)
        response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    request_answer(request, MHD_HTTP_OK, add_headers(response, type));
}

static void answer_constant(struct request *request, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
    request_answer(request, MHD_HTTP_OK, add_headers(response, JSON_TYPE));
}

void dashboard_refuse_for_now(struct request *request, const char *detail)
{
    request_refuse(request, &(struct problem){.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                                              .detail = detail,
                                              .header = MHD_HTTP_HEADER_RETRY_AFTER,
                                              .value = "1"});
}

/* ---- What is read from the store ---------------------------------------------------------------- */

static void look_up(struct request *request, enum reader_kind kind)
{
    request->job.kind = kind;
    if (reader_thread_submit(request->shared->reader, &request->job) < 0)
        dashboard_refuse_for_now(request, "too many requests wait for the store: ask again later");
    else
        request_wait(request);
}

void dashboard_ask(struct request *request, reader_write_fn write)
{
    request->job.write = write;
    request->job.question = request->question;
    look_up(request, READER_OWN);
}

void dashboard_handle_count(struct request *request)
{
    look_up(request, READER_COUNTS);
}

void dashboard_handle_active_calls(struct request *request)
{
    look_up(request, READER_ACTIVE_CALLS);
}

void dashboard_handle_dead_letters(struct request *request)
{
    look_up(request, READER_DEAD_LETTERS);
}

static void decide(struct request *request)
{
    struct reader_text *text = request->job.text;
    request->job.text = NULL;
    if (text == NULL && request->job.absent) {
        request_refuse(request, &(struct problem){.status = MHD_HTTP_NOT_FOUND,
                                                  .detail = "nothing is stored under that name"});
        return;
    }
    if (text == NULL) {
        dashboard_refuse_for_now(request, "the store can't be read now: ask again later");
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        text->size, text->data, reader_text_release, text);
    if (response == NULL)
        reader_text_release(text);
    request_answer(request, MHD_HTTP_OK, add_headers(response, JSON_TYPE));
}

void dashboard_take_answered(struct reader_job *jobs)
{
    while (jobs != NULL) {
        struct reader_job *next = jobs->next;
        struct request *request = (struct request *)((char *)jobs - offsetof(struct request, job));
        decide(request);
        request_resume(request);
        jobs = next;
    }
}

/* ---- What the receiver knows itself ------------------------------------------------------------- */

void dashboard_handle_health(struct request *request)
{
    answer_constant(request, "{\"status\":\"ok\"}");
}

void dashboard_handle_readiness(struct request *request)
{
    struct request_shared *shared = request->shared;

    if (shared->stopping)
        dashboard_refuse_for_now(request, "the server is stopping");
    else if (supervisor_ready(shared->supervisor) == 0)
        dashboard_refuse_for_now(request, "no worker is ready to handle events");
    else if (spool_thread_failing(shared->spool))
        dashboard_refuse_for_now(request, "the spool can't be written, events are refused");
    else
        answer_constant(request, "{\"status\":\"ready\"}");
}

static void read_gauges(struct request_shared *shared, struct metrics_gauges *out)
{
    struct spool_depth depth;

    spool_thread_depth(shared->spool, &depth);
    *out = (struct metrics_gauges){.spool_events = depth.events,
                                   .spool_bytes = depth.bytes,
                                   .connections = shared->connections.count,
                                   .stream_readers = stream_readers(shared->stream),
                                   .workers_ready = supervisor_ready(shared->supervisor)};
    if (depth.events > 0 && depth.oldest_received_ms > 0)
        out->spool_oldest_ms = clock_wall_ms() - depth.oldest_received_ms;
}

void dashboard_handle_metrics(struct request *request)
{
    struct request_shared *shared = request->shared;
    struct metrics_gauges gauges;
    int page_count = 0;
    char *text = NULL;
    size_t size = 0;

    read_gauges(shared, &gauges);
    struct metrics_worker *const *pages = supervisor_pages(shared->supervisor, &page_count);
    FILE *out = open_memstream(&text, &size);
    if (out != NULL) {
        int code = metrics_render(out, shared->metrics, pages, page_count, &gauges);
        if (fclose(out) != 0 || code < 0) {
            free(text);
            text = NULL;
        }
    }
    answer_text(request, text, size, METRICS_TYPE);
}

void dashboard_handle_index(struct request *request)
{
    size_t size = 0;
    char *text = routes_index(&size);
    answer_text(request, text, size, JSON_TYPE);
}
