/*
 * receiver_scene.c: see receiver_scene.h. Opens the daemon as http.c does, but for the listening socket, and
 * stands in for the threads and the processes behind it.
 */
#include "receiver_scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "fuzz.h"
#include "receiver/dashboard.h"
#include "receiver/head_layout.h"
#include "receiver/http_handler.h"
#include "receiver/request.h"
#include "receiver/webhook.h"

/* Rounds in which nothing happens before the client closes, and after it: suspended connections need some. */
#define QUIET_ROUNDS 4
#define MOST_ROUNDS  2000

static struct {
    struct request_shared shared;
    struct config config;
    struct metrics_receiver metrics;
    struct MHD_Daemon *daemon;
    struct spool_ticket *submitted;
    struct reader_job *asked;
    void (*watch)(reader_write_fn write, const void *question);
    struct scene seen;
} scene;

/* ---- The spool ------------------------------------------------------------------------------------ */

int spool_thread_submit(struct spool_thread *thread, struct spool_ticket *ticket)
{
    struct scene *seen = &scene.seen;

    (void)thread;
    if (seen->event_count == SCENE_EVENTS_MAX)
        return -1;
    char *body = malloc(ticket->event->body_size + 1);
    fuzz_require(body != NULL);
    memcpy(body, ticket->event->body, ticket->event->body_size + 1);
    seen->event[seen->event_count] = body;
    seen->event_size[seen->event_count++] = ticket->event->body_size;
    ticket->result = SPOOL_SAFE;
    ticket->next = scene.submitted;
    scene.submitted = ticket;
    return 0;
}

void spool_thread_depth(struct spool_thread *thread, struct spool_depth *out)
{
    (void)thread;
    *out = (struct spool_depth){.events = 0};
}

int spool_thread_failing(struct spool_thread *thread)
{
    (void)thread;
    return 0;
}

/* ---- The store's reader: nothing is stored under that name ------------------------------------------ */

int reader_thread_submit(struct reader_thread *thread, struct reader_job *job)
{
    (void)thread;
    if (scene.watch != NULL && job->kind == READER_OWN)
        scene.watch(job->write, job->question);
    job->absent = 1;
    job->next = scene.asked;
    scene.asked = job;
    return 0;
}

void reader_text_release(void *text)
{
    fuzz_require(text == NULL);
}

void scene_watch_questions(void (*asked)(reader_write_fn write, const void *question))
{
    scene.watch = asked;
}

/* ---- The stream and the workers --------------------------------------------------------------------- */

int stream_take(struct stream *stream, int fd, const char *fields, const char *last_id)
{
    (void)stream;
    (void)fields;
    (void)last_id;
    close(fd);
    return 0;
}

int stream_readers(struct stream *stream)
{
    (void)stream;
    return 0;
}

int supervisor_ready(const struct supervisor *supervisor)
{
    (void)supervisor;
    return 1;
}

int supervisor_takes(struct supervisor *supervisor, const char *type)
{
    (void)supervisor;
    (void)type;
    return 0;
}

struct metrics_worker *const *supervisor_pages(const struct supervisor *supervisor, int *count)
{
    (void)supervisor;
    *count = 0;
    return NULL;
}

/* ---- The daemon ------------------------------------------------------------------------------------- */

static void configure(struct config *config)
{
    static char *origins[] = {"https://dash.example", NULL};
    static char *proxies[] = {"127.0.0.1", "::1", "10.0.0.0/8", NULL};

    config->webhook.deduplicate = 1;
    config->webhook.max_body_bytes = SCENE_MAX_BODY;
    config->webhook.max_depth = 64;
    config->webhook.trusted_proxies = proxies;
    config->http.max_connections = 16;
    config->http.max_connections_per_address = 16;
    config->http.max_header_bytes = 16384;
    config->dashboard.cors_origins = origins;
}

static struct MHD_Response *make_answer(const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);

    fuzz_require(response != NULL);
    return response;
}

static void open_scene(void)
{
    struct request_shared *shared = &scene.shared;
    char error[256] = "";

    signal(SIGPIPE, SIG_IGN);
    log_open("receiver", LOG_LEVEL_ERROR);
    configure(&scene.config);
    shared->config = &scene.config;
    shared->metrics = &scene.metrics;
    shared->sees_layout = head_layout_is_known();
    for (int closing = 0; closing <= 1; closing++) {
        shared->no_content[closing] = make_answer("");
        shared->ok[closing] = make_answer("{\"status\":\"ok\"}");
    }
    fuzz_require(access_open(&scene.config, "127.0.0.1:0", &shared->access, error, sizeof error) ==
                 0);
    scene.daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, http_handler_accept,
        shared, http_handler_request, shared, MHD_OPTION_EXTERNAL_LOGGER, http_handler_log, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)scene.config.http.max_header_bytes,
        MHD_OPTION_URI_LOG_CALLBACK, http_handler_uri, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
        http_handler_keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, http_handler_completed,
        shared, MHD_OPTION_NOTIFY_CONNECTION, http_handler_connection, shared, MHD_OPTION_END);
    fuzz_require(scene.daemon != NULL);
}

/* ---- One connection --------------------------------------------------------------------------------- */

/* The other end of a new one. */
static int connect_client(void)
{
    const struct sockaddr_in peer = {.sin_family = AF_INET,
                                     .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int ends[2];

    fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    fuzz_require(MHD_add_connection(scene.daemon, ends[0], (const struct sockaddr *)&peer,
                                    sizeof peer) == MHD_YES);
    return ends[1];
}

static void decide(void)
{
    struct spool_ticket *tickets = scene.submitted;
    struct reader_job *jobs = scene.asked;

    scene.submitted = NULL;
    scene.asked = NULL;
    webhook_take_decided(tickets);
    dashboard_take_answered(jobs);
}

/* Keeps the beginning of what was answered: 1 when something was, 0 when not, -1 when the server has closed. */
static int read_answers(int fd)
{
    static char part[16384];
    struct scene *seen = &scene.seen;
    ssize_t got = recv(fd, part, sizeof part, MSG_DONTWAIT);

    if (got < 0)
        return errno == EAGAIN ? 0 : -1;
    size_t room = SCENE_ANSWERS_MAX - seen->answers_size;
    size_t kept = (size_t)got < room ? (size_t)got : room;
    memcpy(seen->answers + seen->answers_size, part, kept);
    seen->answers_size += kept;
    seen->answers[seen->answers_size] = '\0';
    return got == 0 ? -1 : 1;
}

/* Runs until nothing happens any more: 0; or -1, the server has closed. */
static int serve(int fd)
{
    int quiet = 0;

    for (int round = 0; quiet < QUIET_ROUNDS; round++) {
        fuzz_require(round < MOST_ROUNDS);
        scene.shared.now_us = clock_mono_us();
        MHD_run(scene.daemon);
        int waits = scene.submitted != NULL || scene.asked != NULL;
        decide();
        int code = read_answers(fd);
        if (code < 0)
            return -1;
        quiet = waits || code > 0 ? 0 : quiet + 1;
    }
    return 0;
}

static void forget(void)
{
    for (int i = 0; i < scene.seen.event_count; i++)
        free(scene.seen.event[i]);
    scene.seen.event_count = 0;
    scene.seen.answers_size = 0;
    scene.seen.answers[0] = '\0';
}

void scene_send(const void *bytes, size_t size, const struct scene **out)
{
    if (scene.daemon == NULL)
        open_scene();
    forget();
    int fd = connect_client();
    fuzz_require(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
    if (serve(fd) == 0) {
        shutdown(fd, SHUT_WR);
        serve(fd);
    }
    close(fd);
    for (int i = 0; i < QUIET_ROUNDS; i++)
        MHD_run(scene.daemon);
    /* Nothing of it is left: no request, no connection, no share of the memory for bodies. */
    fuzz_require(scene.shared.open == 0 && scene.shared.receiving == 0);
    fuzz_require(scene.shared.connections.count == 0 && scene.shared.bodies_size == 0);
    *out = &scene.seen;
}
