/*
 * request_fuzz.c: the bytes of one connection, through libmicrohttpd and our checks behind it. A second reader,
 * strict and written for this, says where requests begin and end as the strictest proxy sees it: an event may
 * only be taken from a body that it sees too, and in that order. That is what request smuggling would break.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "fuzz.h"
#include "receiver_scene.h"

#define REQUESTS_MAX 64

/* ---- The strict reader ------------------------------------------------------------------------------ */

struct strict {
    const char *at, *end;
    int ends_chunked; /* of the request behind these bodies: whatever it holds, it is the connection's last */
    int bodies;
    struct {
        char *bytes;
        size_t size;
    } body[REQUESTS_MAX];
};

/* A line that ends with CRLF, without one within: its size, or -1. Moves on behind it. */
static int take_line(struct strict *reader, const char **line)
{
    const char *lf = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

    if (lf == NULL || lf == reader->at || lf[-1] != '\r')
        return -1;
    int size = (int)(lf - 1 - reader->at);
    if (memchr(reader->at, '\r', (size_t)size) != NULL ||
        memchr(reader->at, '\0', (size_t)size) != NULL)
        return -1;
    *line = reader->at;
    reader->at = lf + 1;
    return size;
}

/* "METHOD SP target SP HTTP/1.x". */
static int is_request_line(const char *line, int size)
{
    const char *end = line + size;
    const char *first = memchr(line, ' ', (size_t)size);
    const char *second = first == NULL ? NULL : memchr(first + 1, ' ', (size_t)(end - first - 1));

    return first != NULL && first > line && second != NULL && second > first + 1 &&
           end - second == 9 && memcmp(second, " HTTP/1.", 8) == 0 &&
           isdigit((unsigned char)second[8]);
}

struct framing {
    int has_length, is_chunked;
    size_t length;
};

static int read_length(const char *value, int size, struct framing *framing)
{
    size_t length = 0;

    if (framing->has_length || size == 0 || size > 9)
        return -1;
    for (int i = 0; i < size; i++) {
        if (!isdigit((unsigned char)value[i]))
            return -1;
        length = length * 10 + (size_t)(value[i] - '0');
    }
    framing->has_length = 1;
    framing->length = length;
    return 0;
}

/* "name: value": 0, or -1. */
static int read_field(const char *line, int size, struct framing *framing)
{
    const char *colon = memchr(line, ':', (size_t)size);

    if (colon == NULL || colon == line)
        return -1;
    int name_size = (int)(colon - line);
    for (const char *at = line; at < colon; at++) {
        if (!isalnum((unsigned char)*at) && strchr("!#$%&'*+-.^_`|~", *at) == NULL)
            return -1;
    }
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (value < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (name_size == 14 && strncasecmp(line, "Content-Length", 14) == 0)
        return read_length(value, (int)(end - value), framing);
    if (name_size == 17 && strncasecmp(line, "Transfer-Encoding", 17) == 0) {
        if (framing->is_chunked || end - value != 7 || strncasecmp(value, "chunked", 7) != 0)
            return -1;
        framing->is_chunked = 1;
    }
    return 0;
}

static void add_body(struct strict *reader, size_t size)
{
    char *copy = malloc(size + 1);

    fuzz_require(copy != NULL);
    memcpy(copy, reader->at, size);
    reader->body[reader->bodies].bytes = copy;
    reader->body[reader->bodies++].size = size;
    reader->at += size;
}

/* One request, its body added: 0, or -1 when there is none that is whole and right, or it is chunked. */
static int take_request(struct strict *reader)
{
    struct framing framing = {.has_length = 0};
    const char *line;
    int size;

    /* RFC 9112 wants an empty line before a request passed over; old clients send it behind a body. */
    while (reader->end - reader->at >= 2 && memcmp(reader->at, "\r\n", 2) == 0)
        reader->at += 2;
    size = take_line(reader, &line);
    if (size < 0 || !is_request_line(line, size))
        return -1;
    while ((size = take_line(reader, &line)) > 0) {
        if (read_field(line, size, &framing) < 0)
            return -1;
    }
    if (size < 0 || (framing.is_chunked && framing.has_length))
        return -1;
    reader->ends_chunked = framing.is_chunked;
    if (framing.is_chunked)
        return -1;
    if (framing.length > (size_t)(reader->end - reader->at))
        return -1;
    add_body(reader, framing.length);
    return 0;
}

static void read_strictly(struct strict *reader)
{
    while (reader->bodies < REQUESTS_MAX && take_request(reader) == 0)
        continue;
}

/* ---- What must hold --------------------------------------------------------------------------------- */

static void check_events(const struct scene *seen, const struct strict *strict)
{
    int at = 0;

    for (int i = 0; i < seen->event_count; i++) {
        while (at < strict->bodies &&
               (strict->body[at].size != seen->event_size[i] ||
                memcmp(strict->body[at].bytes, seen->event[i], seen->event_size[i]) != 0))
            at++;
        if (at == strict->bodies && strict->ends_chunked && i == seen->event_count - 1)
            return; /* as libmicrohttpd puts the chunks together: nobody's request but this one's */
        fuzz_require(at < strict->bodies);
        fuzz_require(seen->event_size[i] <= SCENE_MAX_BODY);
        at++;
    }
}

/* An answer that is a problem is one: JSON with its own status. */
static void check_first_answer(const struct scene *seen)
{
    const char *answers = seen->answers;
    char type[] = "Content-Type: application/problem+json\r\n";

    if (seen->answers_size == 0)
        return;
    fuzz_require(strncmp(answers, "HTTP/1.", 7) == 0 && isdigit((unsigned char)answers[9]));
    int status = (int)strtol(answers + 9, NULL, 10);
    fuzz_require(status >= 100 && status < 600 && status != 500);
    const char *body = strstr(answers, "\r\n\r\n");
    const char *is_problem = strstr(answers, type);
    if (body == NULL || is_problem == NULL || is_problem > body)
        return;
    json_t *problem = json_loads(body + 4, JSON_DISABLE_EOF_CHECK, NULL);
    if (problem != NULL) { /* of HEAD there is none */
        fuzz_require(json_integer_value(json_object_get(problem, "status")) == status);
        fuzz_require(json_string_length(json_object_get(problem, "detail")) > 0);
    }
    json_decref(problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strict strict = {.at = (const char *)data, .end = (const char *)data + size};
    const struct scene *seen = NULL;

    if (size > 16384)
        return 0;
    scene_send(data, size, &seen);
    read_strictly(&strict);
    check_events(seen, &strict);
    check_first_answer(seen);
    for (int i = 0; i < strict.bodies; i++)
        free(strict.body[i].bytes);
    return 0;
}
