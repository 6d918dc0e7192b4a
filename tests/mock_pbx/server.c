/*
 * server.c: see server.h. libmicrohttpd runs on an external loop (epoll of its own, polled here
 * beside an eventfd): its internal epoll thread stalls at exactly 128 ready events. An answer that
 * must wait suspends its connection; only the server thread suspends and resumes.
 */
#include "server.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actions.h"
#include "clock.h"
#include "drive.h"
#include "listen.h"
#include "memory.h"
#include "timer.h"

#define SERVER_MAX_BODY        (64 * 1024)
#define SERVER_MAX_CONNECTIONS 8192
#define SERVER_SPARE_FILES     256 /* kept for everything but the server's connections */
#define SERVER_IDLE_SECONDS    300u
#define SERVER_MAX_WAIT_MS     1000

enum request_phase { REQUEST_READS, REQUEST_WAITS, REQUEST_READY };

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    enum request_phase phase;
    char *body;
    size_t body_size;
    bool too_big;
    struct timer timer; /* of a late answer */
    /* The answer. The main thread sets it in server_answer(), the list's lock orders that. */
    unsigned status; /* 0 = none: close the connection */
    char *json;      /* NULL = {"status":"ok"} */
    bool retry_after;
    const char *allow; /* of a 405 */
    struct request *next_answered;
    struct request *previous, *next; /* in the list of those that wait */
};

struct server {
    const struct options *options;
    struct inbox *inbox;
    struct actions *actions;
    struct MHD_Daemon *daemon;
    struct timer_heap timers;
    struct request *waiting;
    int wake_fd;
    int epoll_fd;
    int port;
    char url[300];
    pthread_t thread;
    pthread_mutex_t lock; /* of the two below */
    struct request *answered;
    bool stopping;
};

/* ---- requests -------------------------------------------------------------------------------- */

static void request_fail(struct request *request, unsigned status, const char *error)
{
    json_t *json = json_pack("{s:s, s:s}", "status", "error", "error", error);

    request->status = status;
    request->json = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (request->json == NULL) /* the error quotes what is not UTF-8 */
        request->json = memory_dup_text("{\"status\":\"error\",\"error\":\"malformed request\"}");
    request->phase = REQUEST_READY;
    json_decref(json);
}

static void request_wait(struct request *request)
{
    struct server *server = request->server;

    request->phase = REQUEST_WAITS;
    request->previous = NULL;
    request->next = server->waiting;
    if (request->next != NULL)
        request->next->previous = request;
    server->waiting = request;
    MHD_suspend_connection(request->connection);
}

static void request_resume(struct request *request)
{
    if (request->previous != NULL)
        request->previous->next = request->next;
    else
        request->server->waiting = request->next;
    if (request->next != NULL)
        request->next->previous = request->previous;
    timer_disarm(&request->server->timers, &request->timer);
    request->phase = REQUEST_READY;
    MHD_resume_connection(request->connection);
}

static void request_resume_late(void *context)
{
    request_resume(context);
}

static void request_answer_at(struct request *request, uint64_t due_ns)
{
    request->timer = (struct timer){.fire = request_resume_late, .context = request};
    timer_arm(&request->server->timers, &request->timer, due_ns);
}

static enum MHD_Result request_answer(struct request *request)
{
    static char ok[] = "{\"status\":\"ok\"}";
    struct MHD_Response *response;
    enum MHD_Result result;

    if (request->status == 0)
        return MHD_NO;
    if (request->json != NULL)
        response = MHD_create_response_from_buffer(strlen(request->json), request->json,
                                                   MHD_RESPMEM_MUST_FREE);
    else
        response = MHD_create_response_from_buffer(sizeof ok - 1, ok, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    request->json = NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (request->retry_after)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (request->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
    result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- routes ---------------------------------------------------------------------------------- */

static const char *request_get_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static void route_post_action(struct request *request)
{
    struct server *server = request->server;
    struct action_post post = {
        .body = request->body != NULL ? request->body : "",
        .body_size = request->body_size,
        .key = request_get_header(request, "Idempotency-Key"),
        .authorization = request_get_header(request, MHD_HTTP_HEADER_AUTHORIZATION),
        .arrived_ns = clock_get_mono_ns(),
    };
    struct action_answer answer;
    struct inbox_message message;

    actions_take(server->actions, &post, &answer, &message);
    if (!inbox_put(server->inbox, &message)) {
        request_fail(request, 503, "mock-pbx is overloaded");
        return;
    }
    actions_keep(server->actions, &post, &answer, &message);
    if (answer.error[0] != '\0')
        request_fail(request, answer.status, answer.error);
    request->status = answer.status;
    request->retry_after = answer.retry_after;
    request->phase = REQUEST_READY;
    if (answer.delay_ns > 0) {
        request_answer_at(request, post.arrived_ns + answer.delay_ns);
        request_wait(request);
    }
}

static void route_list_actions(struct request *request)
{
    const char *call_id =
        MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "call_id");
    json_t *list = memory_check(actions_list(request->server->actions, call_id));

    request->status = 200;
    request->json = memory_check(json_dumps(list, JSON_COMPACT));
    request->phase = REQUEST_READY;
    json_decref(list);
}

/* Suspends first: the main thread may answer before inbox_put() returns. */
static void request_hand_over(struct request *request, const struct inbox_message *message)
{
    request_wait(request);
    if (inbox_put(request->server->inbox, message))
        return;
    free(message->order);
    /* A connection that was just suspended can be answered in the loop's next round only. */
    request_fail(request, 503, "mock-pbx is overloaded");
    request->phase = REQUEST_WAITS;
    request_answer_at(request, 0);
}

static void route_drive(struct request *request)
{
    struct inbox_message message = {.kind = INBOX_DRIVE, .request = request};
    char error[DRIVE_ERROR_SIZE] = "";

    message.order = drive_parse_order(request->body != NULL ? request->body : "",
                                      request->body_size, request->server->options, error);
    if (message.order == NULL)
        request_fail(request, 400, error);
    else
        request_hand_over(request, &message);
}

static void route_stats(struct request *request)
{
    struct inbox_message message = {.kind = INBOX_STATS, .request = request};

    request_hand_over(request, &message);
}

static void route_health(struct request *request)
{
    request->status = 200;
    request->phase = REQUEST_READY;
}

struct route {
    const char *path;
    const char *method;
    void (*take)(struct request *request);
};

static const struct route routes[] = {
    {"/api/client/actions",   "POST", route_post_action },
    {"/api/client/actions",   "GET",  route_list_actions},
    {"/api/client/pabx/call", "POST", route_drive       },
    {"/stats",                "GET",  route_stats       },
    {"/healthz",              "GET",  route_health      },
};

static void request_route(struct request *request, const char *path, const char *method)
{
    const char *allow = NULL;

    if (request->too_big) {
        request_fail(request, 413, "the body is larger than 64 KiB");
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            routes[i].take(request);
            return;
        }
        allow = allow == NULL ? routes[i].method : "GET, POST";
    }
    if (allow == NULL) {
        request_fail(request, 404, "no such route; mock-pbx --help lists them");
        return;
    }
    request->allow = allow;
    request_fail(request, 405, "this route takes another method");
}

/* ---- libmicrohttpd's side -------------------------------------------------------------------- */

static void request_read(struct request *request, const char *data, size_t size)
{
    if (request->too_big || size > SERVER_MAX_BODY - request->body_size) {
        request->too_big = true;
        return;
    }
    request->body = memory_resize(request->body, request->body_size + size, 1);
    memcpy(request->body + request->body_size, data, size);
    request->body_size += size;
}

static enum MHD_Result server_handle(void *context, struct MHD_Connection *connection,
                                     const char *path, const char *method, const char *version,
                                     const char *data, size_t *data_size, void **state)
{
    struct request *request = *state;

    (void)version;
    if (request == NULL) {
        request = memory_get(1, sizeof *request);
        request->server = context;
        request->connection = connection;
        *state = request;
        return MHD_YES;
    }
    if (*data_size > 0) {
        request_read(request, data, *data_size);
        *data_size = 0;
        return MHD_YES;
    }
    if (request->phase == REQUEST_READS)
        request_route(request, path, method);
    return request->phase == REQUEST_READY ? request_answer(request) : MHD_YES;
}

static void server_end_request(void *context, struct MHD_Connection *connection, void **state,
                               enum MHD_RequestTerminationCode code)
{
    struct request *request = *state;

    (void)context;
    (void)connection;
    (void)code;
    if (request == NULL)
        return;
    free(request->body);
    free(request->json);
    free(request);
    *state = NULL;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void server_resume_answered(struct server *server)
{
    struct request *request;

    pthread_mutex_lock(&server->lock);
    request = server->answered;
    server->answered = NULL;
    pthread_mutex_unlock(&server->lock);
    while (request != NULL) {
        struct request *next = request->next_answered;

        request_resume(request);
        request = next;
    }
}

static bool server_is_stopping(struct server *server)
{
    bool stopping;

    pthread_mutex_lock(&server->lock);
    stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

static int server_get_wait_ms(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    int wait_ms = clock_get_wait_ms(clock_get_mono_ns(), timer_get_next_ns(&server->timers),
                                    SERVER_MAX_WAIT_MS);

    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES && timeout_ms < (unsigned)wait_ms)
        wait_ms = (int)timeout_ms;
    return wait_ms;
}

static void *server_run(void *context)
{
    struct server *server = context;
    struct pollfd fds[2] = {
        {.fd = server->epoll_fd, .events = POLLIN},
        {.fd = server->wake_fd,  .events = POLLIN}
    };

    while (!server_is_stopping(server)) {
        if (poll(fds, 2, server_get_wait_ms(server)) > 0 && (fds[1].revents & POLLIN) != 0) {
            eventfd_t count;

            eventfd_read(server->wake_fd, &count);
        }
        server_resume_answered(server);
        timer_run(&server->timers, clock_get_mono_ns());
        MHD_run(server->daemon);
    }
    /* Whoever still waits gets a closed connection. */
    while (server->waiting != NULL) {
        server->waiting->status = 0;
        request_resume(server->waiting);
    }
    MHD_run(server->daemon);
    return NULL;
}

static void server_wake(struct server *server)
{
    eventfd_write(server->wake_fd, 1);
}

void server_answer(struct server *server, struct request *request, unsigned status, char *json)
{
    pthread_mutex_lock(&server->lock);
    request->status = json != NULL ? status : 500;
    request->json = json;
    request->next_answered = server->answered;
    server->answered = request;
    pthread_mutex_unlock(&server->lock);
    server_wake(server);
}

/* ---- opening and closing --------------------------------------------------------------------- */

/* How many connections the limit of open files allows. */
static unsigned server_get_max_connections(void)
{
    struct rlimit limit;
    rlim_t most;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 512;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* as far as it goes */
    getrlimit(RLIMIT_NOFILE, &limit);
    most = limit.rlim_cur > 2 * SERVER_SPARE_FILES ? limit.rlim_cur - SERVER_SPARE_FILES
                                                   : SERVER_SPARE_FILES;
    return most < SERVER_MAX_CONNECTIONS ? (unsigned)most : SERVER_MAX_CONNECTIONS;
}

static int server_start_daemon(struct server *server, int listen_fd)
{
    const union MHD_DaemonInfo *info;

    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, server_handle, server,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        server_get_max_connections(), MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_SECONDS,
        MHD_OPTION_NOTIFY_COMPLETED, server_end_request, NULL, MHD_OPTION_END);
    if (server->daemon == NULL) {
        fputs("mock-pbx: libmicrohttpd could not start\n", stderr);
        close(listen_fd);
        return -1;
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll_fd = info->epoll_fd;
    return 0;
}

static int server_start(struct server *server)
{
    int listen_fd =
        listen_open(server->options->listen, &server->port, server->url, sizeof server->url);

    if (listen_fd < 0 || server_start_daemon(server, listen_fd) != 0)
        return -1;
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0 || pthread_create(&server->thread, NULL, server_run, server) != 0) {
        fprintf(stderr, "mock-pbx: could not start a thread: %s\n", strerror(errno));
        MHD_stop_daemon(server->daemon);
        return -1;
    }
    return 0;
}

static void server_free(struct server *server)
{
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    actions_free(server->actions);
    timer_heap_close(&server->timers);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

struct server *server_open(const struct options *options, struct inbox *inbox)
{
    struct server *server = memory_get(1, sizeof *server);

    server->options = options;
    server->inbox = inbox;
    server->wake_fd = -1;
    server->actions = actions_new(options);
    pthread_mutex_init(&server->lock, NULL);
    if (server_start(server) == 0)
        return server;
    server_free(server);
    return NULL;
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    server_wake(server);
    pthread_join(server->thread, NULL);
    MHD_stop_daemon(server->daemon);
    server_free(server);
}

const char *server_get_url(const struct server *server)
{
    return server->url;
}

int server_get_port(const struct server *server)
{
    return server->port;
}
