/*
 * http_server.h: the real HTTP side on a free port, between the fakes. One at a time.
 */
#ifndef PBXHOOK_TEST_HTTP_SERVER_H
#define PBXHOOK_TEST_HTTP_SERVER_H

#include "common/config.h"
#include "common/metrics.h"
#include "receiver/http.h"

/* An event as the webhook takes it. */
#define BODY                                                                                       \
    "{\"type\":\"call.new\",\"call_id\":\"c-1\",\"timestamp\":\"2018-02-15T20:07:32.562Z\"}"

struct http_server {
    struct config config; /* may be changed before http_server_start() */
    struct metrics_receiver metrics;
    struct http *http;
    const char *address;
};

/* As in the documented defaults, with max_body 256 KiB and the origin https://dash.example. */
void http_server_prepare(struct http_server *server);
void http_server_start(struct http_server *server);
void http_server_stop(struct http_server *server);

/* A case's own server, as *state: prepared and started before it, stopped and freed behind it. */
int http_server_set_up(void **state);
int http_server_tear_down(void **state);

#define http_case(function)                                                                        \
    cmocka_unit_test_setup_teardown(function, http_server_set_up, http_server_tear_down)

#endif
