/* http_server.c: opens, starts, stops and frees in the order of receiver.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "http_fakes.h"

static char *origins[] = {"https://dash.example", NULL};

void http_server_prepare(struct http_server *server)
{
    memset(server, 0, sizeof *server);
    server->config.listen = "127.0.0.1:0";
    server->config.store.url = "sqlite:nowhere";
    server->config.store.password_file = "";
    server->config.webhook.deduplicate = 1;
    server->config.webhook.max_body_bytes = 256 << 10;
    server->config.webhook.max_depth = 64;
    server->config.http.max_connections = 4096;
    server->config.http.max_connections_per_address = 4096;
    server->config.http.max_header_bytes = 8 << 10;
    server->config.http.request_timeout_ms = 90000;
    server->config.http.idle_timeout_ms = 30000;
    server->config.dashboard.cors_origins = origins;
    signal(SIGPIPE, SIG_IGN);
    fakes_reset();
}

void http_server_start(struct http_server *server)
{
    char error[256] = "";
    struct http_options options = {.config = &server->config, .metrics = &server->metrics};

    if (http_open(&options, &server->http, error, sizeof error) < 0)
        fail_msg("%s", error);
    fakes_attach(server->http);
    http_set_spool(server->http, fakes_spool());
    assert_int_equal(http_start(server->http), 0);
    server->address = http_address(server->http);
}

void http_server_stop(struct http_server *server)
{
    http_stop(server->http, 5000);
    http_free(server->http);
    server->http = NULL;
}

int http_server_set_up(void **state)
{
    struct http_server *server = malloc(sizeof *server);
    if (server == NULL)
        return -1;
    http_server_prepare(server);
    http_server_start(server);
    *state = server;
    return 0;
}

int http_server_tear_down(void **state)
{
    http_server_stop(*state);
    free(*state);
    return 0;
}
