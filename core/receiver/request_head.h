/*
 * request_head.h: what a request's head says that matters here, read in one pass over its fields.
 * Called by the HTTP loop for every request.
 */
#ifndef PBXHOOK_REQUEST_HEAD_H
#define PBXHOOK_REQUEST_HEAD_H

#include <stdint.h>

#include <microhttpd.h>

#include "common/address_list.h"

/* Texts are borrowed from libmicrohttpd until the request is completed; NULL: the field is absent. */
struct request_head {
    int hosts, content_lengths, transfer_encodings; /* how many of them */
    int chunked;   /* Transfer-Encoding is exactly "chunked"          */
    int malformed; /* a field that proxies may read in different ways */
    int repeated;  /* a field that must be there once is there twice  */
    int expects_continue;
    uint64_t content_length;
    const char *content_type;
    const char *content_encoding;
    const char *authorization;
    const char *webhook_id;
    const char *webhook_timestamp;
    const char *webhook_signature;
    const char *idempotency_key;
    const char *origin;
    struct forwarded_lines x_forwarded_for, forwarded;
    const char *last_event_id;
};

void request_head_read(struct MHD_Connection *connection, struct request_head *out);

/*
 * Whether it is clear whom the request is for and where its body ends. NULL, or a sentence that says why
 * not: then the connection must be closed, for what follows on it may be part of the body (request
 * smuggling).
 */
const char *request_head_check(const struct request_head *head, const char *version);

#endif
