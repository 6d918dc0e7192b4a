/*
 * webhook_fixture.h: what http_test.c and http_body_test.c share: a server for each case, a request to it,
 * and a look at its answer and at its counts.
 */
#ifndef PBXHOOK_TEST_WEBHOOK_FIXTURE_H
#define PBXHOOK_TEST_WEBHOOK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "http_client.h"
#include "http_fakes.h"
#include "http_server.h"

#define HEAD "POST /webhook HTTP/1.1\r\nHost: x\r\n"

/* Starts anew with what the test has changed in the configuration. */
static inline void restart(struct http_server *server)
{
    http_server_stop(server);
    http_server_start(server);
}

static inline uint64_t rejected(struct http_server *server, enum metrics_reject reason)
{
    return metrics_get(&server->metrics.rejected[reason]);
}

static inline uint64_t received(struct http_server *server)
{
    return metrics_get(&server->metrics.events_received);
}

/* A request on an open connection: fields are lines with their ends, or "". */
static inline void post_on(int fd, const char *path, const char *fields, const char *body)
{
    char request[2048];
    int size = snprintf(request, sizeof request,
                        "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n%s", path,
                        strlen(body), fields, body);
    assert_true(size > 0 && (size_t)size < sizeof request);
    client_send(fd, request, (size_t)size);
}

/* The member of a problem's JSON into `out`, "" when there is none. */
static inline void problem_text(const struct client_answer *answer, const char *name, char *out,
                                size_t size)
{
    char type[64] = "";
    json_t *object = json_loads(answer->body, 0, NULL);
    assert_non_null(object);
    client_field(answer, "Content-Type", type, sizeof type);
    assert_string_equal(type, "application/problem+json");
    assert_int_equal(json_integer_value(json_object_get(object, "status")), answer->status);
    const char *value = json_string_value(json_object_get(object, name));
    snprintf(out, size, "%s", value == NULL ? "" : value);
    json_decref(object);
}

#endif
