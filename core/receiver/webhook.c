/*
 * webhook.c: from a posted body to an event in the spool, and from the spool's word to the answer. What
 * an event looks like is event_parse()'s business; it never looks into a body itself.
 */
#include "receiver/webhook.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/request.h"

static void reject(struct request *request, enum metrics_reject counted, struct problem *problem)
{
    metrics_add(&request->shared->metrics->rejected[counted], 1);
    if (problem->reason == NULL)
        problem->reason = metrics_reject_name(counted);
    log_debug("event refused", log_text("reason", problem->reason),
              log_int("status", (int64_t)problem->status), log_text("member", problem->member));
    request_refuse(request, problem);
}

/* "application/json" and anything that ends in "+json", whatever its parameters. */
static int is_json(const char *content_type)
{
    static const char json[] = "application/json", suffix[] = "+json";
    size_t size = strcspn(content_type, "; \t");

    if (size == sizeof json - 1 && strncasecmp(content_type, json, size) == 0)
        return 1;
    return size > sizeof suffix - 1 &&
           strncasecmp(content_type + size - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0;
}

void webhook_check(struct request *request)
{
    const struct request_head *head = &request->head;

    /* A sender that says nothing is taken at its body's word. */
    if (head->content_type != NULL && !is_json(head->content_type))
        reject(request, METRICS_REJECT_MEDIA_TYPE,
               &(struct problem){.status = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                 .detail = "the Content-Type is not application/json",
                                 .header = MHD_HTTP_HEADER_ACCEPT,
                                 .value = "application/json"});
    else if (head->content_encoding != NULL && strcasecmp(head->content_encoding, "identity") != 0)
        reject(
            request, METRICS_REJECT_MEDIA_TYPE,
            &(struct problem){.status = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                              .detail = "the body is compressed (Content-Encoding): send it plain",
                              .header = MHD_HTTP_HEADER_ACCEPT_ENCODING,
                              .value = "identity"});
}

static void refuse_for_memory(struct request *request)
{
    request_refuse_for_memory(request,
                              "there is no memory for this event now: send it again later");
}

static void refuse_body(struct request *request, const struct event_problem *found)
{
    if (found->status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        refuse_for_memory(request);
        return;
    }
    reject(request, metrics_reject_from_name(found->reason),
           &(struct problem){.status = (unsigned)found->status,
                             .reason = found->reason,
                             .detail = found->detail,
                             .member = found->member});
}

static void refuse_unknown(struct request *request, const struct event *event)
{
    reject(request, METRICS_REJECT_UNKNOWN_EVENT,
           &(struct problem){.status = MHD_HTTP_UNPROCESSABLE_CONTENT,
                             .detail = "no handler takes events of this type, and "
                                       "webhook.unknown_events is \"reject\"",
                             .member = event->enveloped ? "chamada.type" : "type"});
}

/* The sender's own id when there is one, else the content. */
static int identify(struct request *request, struct event *event)
{
    const struct request_head *head = &request->head;

    if (!request->shared->config->webhook.deduplicate)
        return event_identify_uniquely(event);
    if (head->webhook_id != NULL && head->webhook_id[0] != '\0')
        return event_identify_by_key(event, head->webhook_id);
    if (head->idempotency_key != NULL && head->idempotency_key[0] != '\0')
        return event_identify_by_key(event, head->idempotency_key);
    return event_identify_by_content(event);
}

/* Those are made by the server itself, and plugins rely on that. */
static int is_reserved(const struct event *event)
{
    static const char prefix[] = "pbxhook.";

    return strncmp(event->field[EVENT_TYPE], prefix, sizeof prefix - 1) == 0;
}

static void refuse_reserved(struct request *request, const struct event *event)
{
    reject(request, METRICS_REJECT_BAD_VALUE,
           &(struct problem){.status = MHD_HTTP_BAD_REQUEST,
                             .detail = "types that begin with \"pbxhook.\" are the server's own",
                             .member = event->enveloped ? "chamada.type" : "type"});
}

static int is_unknown(struct request *request, const struct event *event)
{
    return request->shared->config->webhook.reject_unknown && event->state == LIFECYCLE_NONE &&
           !supervisor_takes(request->shared->supervisor, event->field[EVENT_TYPE]);
}

/* event_parse() with the configured depth before it. */
static int parse(const struct request *request, struct event **event, struct event_problem *problem)
{
    const char *body = request->body == NULL ? "" : request->body;
    int max_depth = request->shared->config->webhook.max_depth;

    if (max_depth < EVENT_MAX_DEPTH &&
        event_check_depth(body, request->body_size, max_depth, problem) < 0)
        return -1;
    return event_parse(body, request->body_size, clock_wall_ms(), event, problem);
}

void webhook_handle(struct request *request)
{
    struct event *event = NULL;
    struct event_problem problem = {.status = 0};

    if (access_check_body(request) < 0)
        return;
    int code = parse(request, &event, &problem);
    request_drop_body(request);
    if (code < 0) {
        refuse_body(request, &problem);
        return;
    }
    request->ticket.event = event; /* from here on freed with the request */
    event->spooled_us = request->complete_us;
    if (is_reserved(event)) {
        refuse_reserved(request, event);
        return;
    }
    if (is_unknown(request, event)) {
        refuse_unknown(request, event);
        return;
    }
    if (identify(request, event) < 0) {
        refuse_for_memory(request);
        return;
    }
    if (spool_thread_submit(request->shared->spool, &request->ticket) < 0) {
        reject(
            request, METRICS_REJECT_SPOOL_FULL,
            &(struct problem){.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                              .detail = "too many events wait to be handled: send it again later",
                              .header = MHD_HTTP_HEADER_RETRY_AFTER,
                              .value = "1"});
        return;
    }
    request_wait(request);
}

static void refuse_unstored(struct request *request)
{
    reject(request, METRICS_REJECT_NOT_STORED,
           &(struct problem){.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                             .detail = "the event is kept, but the database does not have it yet: "
                                       "send it again later, to hear when it does",
                             .header = MHD_HTTP_HEADER_RETRY_AFTER,
                             .value = "5"});
}

static void decide(struct request *request)
{
    struct request_shared *shared = request->shared;
    int closing = request_is_last(request);

    if (request->ticket.result == SPOOL_UNSTORED) {
        refuse_unstored(request);
        return;
    }
    if (request->ticket.result != SPOOL_SAFE) {
        reject(request, METRICS_REJECT_SPOOL_ERROR,
               &(struct problem){.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                                 .detail = "the event could not be stored: send it again later",
                                 .header = MHD_HTTP_HEADER_RETRY_AFTER,
                                 .value = "5"});
        return;
    }
    metrics_add(&shared->metrics->events_received, 1);
    if (request->route->success == MHD_HTTP_OK)
        request_answer_shared(request, MHD_HTTP_OK, shared->ok[closing]);
    else
        request_answer_shared(request, MHD_HTTP_NO_CONTENT, shared->no_content[closing]);
    metrics_observe(&shared->metrics->ack, clock_mono_us() - request->complete_us);
}

void webhook_take_decided(struct spool_ticket *tickets)
{
    while (tickets != NULL) {
        struct spool_ticket *next = tickets->next;
        struct request *request =
            (struct request *)((char *)tickets - offsetof(struct request, ticket));
        decide(request);
        request_resume(request);
        tickets = next;
    }
}
