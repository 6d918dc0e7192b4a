/*
 * fake_target.c: libmicrohttpd with a thread for each connection, so that an answer may simply wait. The
 * handler never fails the test itself: it writes down what came.
 */
#include "fake_target.h"

#include "cmocka_all.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#define REQUESTS_MAX 64
#define ANSWERS_MAX  16

struct fake_target {
    struct MHD_Daemon *daemon;
    int port;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    int released;
    struct fake_target_answer answers[ANSWERS_MAX];
    int answer_count, answer_next;
    struct fake_target_request requests[REQUESTS_MAX];
    int request_count;
};

/* A request whose body is being read. */
struct reading {
    int is_begun; /* libmicrohttpd calls once for the head, then for the body, then for the answer */
    size_t size;
    char body[1024];
    char url[256];
};

/* ---- On the connections' threads ---------------------------------------------------------------- */

static void copy_header(struct MHD_Connection *connection, const char *name, char *out, size_t size)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    snprintf(out, size, "%s", text != NULL ? text : "");
}

/* Writes it down, and waits if its answer does. */
static struct fake_target_answer note(struct fake_target *target, struct MHD_Connection *connection,
                                      const char *method, const struct reading *reading)
{
    struct fake_target_answer answer = {.status = 0};
    struct fake_target_request request = {.method = ""};

    snprintf(request.method, sizeof request.method, "%s", method);
    memcpy(request.url, reading->url, sizeof request.url);
    memcpy(request.body, reading->body, sizeof request.body);
    copy_header(connection, "Authorization", request.authorization, sizeof request.authorization);
    copy_header(connection, "Idempotency-Key", request.key, sizeof request.key);
    pthread_mutex_lock(&target->lock);
    if (target->request_count < REQUESTS_MAX)
        target->requests[target->request_count++] = request;
    if (target->answer_next < target->answer_count)
        answer = target->answers[target->answer_next++];
    while (answer.waits && !target->released)
        pthread_cond_wait(&target->changed, &target->lock);
    pthread_mutex_unlock(&target->lock);
    return answer;
}

/* Hands out the body up to where it is to break. */
static ssize_t read_cut(void *arg, uint64_t at, char *out, size_t most)
{
    const struct fake_target_answer *answer = arg;
    size_t left = answer->cut_at - (size_t)at;

    if (left == 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (most > left)
        most = left;
    memcpy(out, answer->body + at, most);
    return (ssize_t)most;
}

static void free_cut(void *arg)
{
    free(arg);
}

static struct MHD_Response *make_response(const struct fake_target_answer *answer)
{
    size_t size = answer->body_size > 0  ? answer->body_size
                  : answer->body != NULL ? strlen(answer->body)
                                         : 0;
    struct fake_target_answer *copy;

    if (answer->cut_at == 0)
        return MHD_create_response_from_buffer(
            size, (void *)(answer->body != NULL ? answer->body : ""), MHD_RESPMEM_PERSISTENT);
    copy = malloc(sizeof *copy);
    if (copy == NULL)
        return NULL;
    *copy = *answer;
    return MHD_create_response_from_callback(size, 4096, read_cut, copy, free_cut);
}

static enum MHD_Result answer_request(void *arg, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *data,
                                      size_t *size, void **state)
{
    struct reading *reading = *state;

    (void)url;
    (void)version;
    if (!reading->is_begun) {
        reading->is_begun = 1;
        return MHD_YES;
    }
    if (*size > 0) {
        for (size_t i = 0; i < *size && reading->size + 1 < sizeof reading->body; i++)
            reading->body[reading->size++] = data[i];
        *size = 0;
        return MHD_YES;
    }
    struct fake_target_answer answer = note(arg, connection, method, reading);
    struct MHD_Response *response = answer.hangs_up ? NULL : make_response(&answer);
    if (response == NULL)
        return MHD_NO;
    if (answer.location != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, answer.location);
    enum MHD_Result result = MHD_queue_response(
        connection, answer.status == 0 ? 200 : (unsigned)answer.status, response);
    MHD_destroy_response(response);
    return result;
}

static void *begin_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct reading *reading = calloc(1, sizeof *reading);

    (void)arg;
    (void)connection;
    if (reading != NULL)
        snprintf(reading->url, sizeof reading->url, "%s", uri);
    return reading;
}

static void end_request(void *arg, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    free(*state);
    *state = NULL;
}

/* ---- For the test ------------------------------------------------------------------------------- */

struct fake_target *fake_target_new(void)
{
    struct fake_target *target = calloc(1, sizeof *target);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    assert_non_null(target);
    assert_int_equal(pthread_mutex_init(&target->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&target->changed, NULL), 0);
    target->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL,
        answer_request, target, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_URI_LOG_CALLBACK,
        begin_request, target, MHD_OPTION_NOTIFY_COMPLETED, end_request, target, MHD_OPTION_END);
    assert_non_null(target->daemon);
    target->port = MHD_get_daemon_info(target->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return target;
}

void fake_target_free(struct fake_target *target)
{
    if (target == NULL)
        return;
    fake_target_release(target);
    MHD_stop_daemon(target->daemon);
    pthread_cond_destroy(&target->changed);
    pthread_mutex_destroy(&target->lock);
    free(target);
}

int fake_target_port(const struct fake_target *target)
{
    return target->port;
}

void fake_target_answer_next(struct fake_target *target, struct fake_target_answer answer)
{
    pthread_mutex_lock(&target->lock);
    int has_room = target->answer_count < ANSWERS_MAX;
    if (has_room)
        target->answers[target->answer_count++] = answer;
    pthread_mutex_unlock(&target->lock);
    assert_true(has_room);
}

void fake_target_release(struct fake_target *target)
{
    pthread_mutex_lock(&target->lock);
    target->released = 1;
    pthread_cond_broadcast(&target->changed);
    pthread_mutex_unlock(&target->lock);
}

int fake_target_count(struct fake_target *target)
{
    pthread_mutex_lock(&target->lock);
    int count = target->request_count;
    pthread_mutex_unlock(&target->lock);
    return count;
}

void fake_target_get(struct fake_target *target, int index, struct fake_target_request *out)
{
    pthread_mutex_lock(&target->lock);
    int is_there = index < target->request_count;
    if (is_there)
        *out = target->requests[index];
    pthread_mutex_unlock(&target->lock);
    assert_true(is_there);
}
