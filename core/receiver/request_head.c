/*
 * request_head.c: picks the few fields apart by their length first, as it runs for every request. It
 * checks what libmicrohttpd is lenient about. A NUL it can't see: libmicrohttpd cuts texts there.
 */
#include "receiver/request_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9110: tchar. */
static int is_token(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || (c >= '0' && c <= '9'))
            continue;
        if (c == '\0' || strchr("!#$%&'*+.^_`|~", c) == NULL)
            return 0;
    }
    return size > 0;
}

static void read_framing(struct request_head *head, const char *name, size_t size,
                         const char *value)
{
    if (size == 14 && strcasecmp(name, "Content-Length") == 0) {
        head->content_lengths++;
        head->content_length = strtoull(value, NULL, 10); /* libmicrohttpd saw to its digits */
    } else if (size == 17 && strcasecmp(name, "Transfer-Encoding") == 0) {
        head->transfer_encodings++;
        head->chunked = strcasecmp(value, "chunked") == 0;
    } else if (size == 6 && strcasecmp(name, "Expect") == 0) {
        head->expects_continue = strcasecmp(value, "100-continue") == 0;
    }
}

/* A field that says who sends: with two of them, proxies and we might each believe another one. */
static void set_once(struct request_head *head, const char **field, const char *value)
{
    head->repeated |= *field != NULL;
    *field = value;
}

static void add_line(struct forwarded_lines *lines, const char *value)
{
    if (lines->count < FORWARDED_LINES_MAX)
        lines->line[lines->count] = value;
    lines->count++;
}

/* The two fields of a signature that are as long as Transfer-Encoding. */
static void read_field_of_17(struct request_head *head, const char *name, size_t size,
                             const char *value)
{
    if (strcasecmp(name, "webhook-timestamp") == 0)
        set_once(head, &head->webhook_timestamp, value);
    else if (strcasecmp(name, "webhook-signature") == 0)
        set_once(head, &head->webhook_signature, value);
    else
        read_framing(head, name, size, value);
}

static enum MHD_Result read_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_size, const char *value, size_t value_size)
{
    struct request_head *head = arg;
    static const char empty[] = "";

    (void)kind;
    if (value == NULL)
        value = empty;
    /* "Content-Length : 5" and "Content-Length: 5\rX: y" are one thing here and another elsewhere. */
    if (!is_token(name, name_size) || memchr(value, '\r', value_size) != NULL)
        head->malformed = 1;
    switch (name_size) {
    case 4:
        head->hosts += strcasecmp(name, "Host") == 0;
        break;
    case 6:
        if (strcasecmp(name, "Origin") == 0) {
            head->origin = value;
            break;
        }
        read_framing(head, name, name_size, value);
        break;
    case 9:
        if (strcasecmp(name, "Forwarded") == 0)
            add_line(&head->forwarded, value);
        break;
    case 10:
        if (strcasecmp(name, "webhook-id") == 0)
            set_once(head, &head->webhook_id, value);
        break;
    case 12:
        if (strcasecmp(name, "Content-Type") == 0)
            head->content_type = value;
        break;
    case 13:
        if (strcasecmp(name, "Authorization") == 0)
            set_once(head, &head->authorization, value);
        else if (strcasecmp(name, "Last-Event-ID") == 0)
            head->last_event_id = value;
        break;
    case 15:
        if (strcasecmp(name, "Idempotency-Key") == 0)
            set_once(head, &head->idempotency_key, value);
        else if (strcasecmp(name, "X-Forwarded-For") == 0)
            add_line(&head->x_forwarded_for, value);
        break;
    case 16:
        if (strcasecmp(name, "Content-Encoding") == 0)
            head->content_encoding = value;
        break;
    case 14:
        read_framing(head, name, name_size, value);
        break;
    case 17:
        read_field_of_17(head, name, name_size, value);
        break;
    default:
        break;
    }
    return MHD_YES;
}

void request_head_read(struct MHD_Connection *connection, struct request_head *out)
{
    *out = (struct request_head){.hosts = 0};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, read_field, out);
}

const char *request_head_check(const struct request_head *head, const char *version)
{
    if (head->malformed)
        return "a header field's name or value has a character that it can't have";
    if (head->repeated)
        return "Authorization, Idempotency-Key or one of the webhook- fields is there twice";
    int is_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    if (head->hosts > 1 || (head->hosts == 0 && !is_1_0))
        return "there is not exactly one Host";
    if (head->content_lengths > 1)
        return "there is more than one Content-Length";
    if (head->transfer_encodings == 0)
        return NULL;
    if (head->content_lengths > 0)
        return "there is a Content-Length beside Transfer-Encoding";
    if (head->transfer_encodings > 1 || !head->chunked)
        return "Transfer-Encoding is not exactly \"chunked\"";
    if (is_1_0)
        return "HTTP/1.0 has no Transfer-Encoding";
    return NULL;
}
