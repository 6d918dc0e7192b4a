/*
 * fake_pbx.c: libmicrohttpd with a thread for each connection, so that an answer may simply wait. The
 * handler runs on those threads and never fails the test itself: it writes down what came.
 */
#include "fake_pbx.h"

#include "cmocka_all.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <microhttpd.h>

#include "client.h"
#include "events.h"
#include "wait.h"

#define ANSWERS_MAX 64
#define BACKLOG     256

struct fake_pbx {
    int fd; /* bound; libmicrohttpd's once it is open */
    int port;
    char url[128];
    struct MHD_Daemon *daemon;     /* NULL: not open */
    const char *certificate, *key; /* NULL: no TLS */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t closed;
    int closing;
    int webhook_port;
    int waiting_posted;
    struct fake_pbx_answer answer[ANSWERS_MAX];
    int answer_count, answer_next;
    struct fake_pbx_action *action;
    int action_count, action_capacity;
};

/* A request whose body is being read. */
struct request {
    size_t size;
    char body[512];
};

/* ---- On the connections' threads ---------------------------------------------------------------- */

static void copy_member(const json_t *object, const char *name, char *out, size_t out_size)
{
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(out, out_size, "%s", text != NULL ? text : "");
}

static void copy_header(struct MHD_Connection *connection, const char *name, char *out,
                        size_t out_size)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    snprintf(out, out_size, "%s", text != NULL ? text : "");
}

/* Writes the action down and says how to answer it. */
static struct fake_pbx_answer note_action(struct fake_pbx *pbx, struct MHD_Connection *connection,
                                          const struct request *request,
                                          struct fake_pbx_action *out)
{
    struct fake_pbx_action action = {.arrived_ms = wait_now_ms()};
    struct fake_pbx_answer answer = {.conduct = FAKE_PBX_ANSWERS};
    json_t *json = json_loadb(request->body, request->size, 0, NULL);

    memcpy(action.body, request->body, sizeof action.body);
    copy_member(json, "type", action.type, sizeof action.type);
    copy_member(json, "call_id", action.call_id, sizeof action.call_id);
    copy_member(json, "destination", action.destination, sizeof action.destination);
    copy_header(connection, "Idempotency-Key", action.key, sizeof action.key);
    copy_header(connection, "Content-Type", action.content_type, sizeof action.content_type);
    json_decref(json);

    pthread_mutex_lock(&pbx->lock);
    if (pbx->action_count == pbx->action_capacity) {
        int capacity = pbx->action_capacity * 2 + 64;
        struct fake_pbx_action *more = realloc(pbx->action, (size_t)capacity * sizeof *more);
        if (more == NULL)
            abort();
        pbx->action = more;
        pbx->action_capacity = capacity;
    }
    if (pbx->answer_next < pbx->answer_count)
        answer = pbx->answer[pbx->answer_next++];
    if (!answer.waiting_first) /* else it counts when its event is posted */
        pbx->action[pbx->action_count++] = action;
    pthread_mutex_unlock(&pbx->lock);
    *out = action;
    return answer;
}

static void post_waiting(struct fake_pbx *pbx, const struct fake_pbx_action *action)
{
    char *body = event_seed(&(struct event_text){
        .type = "call.waiting", .call_id = action->call_id, .timestamp = EVENT_TIME(2)});
    pthread_mutex_lock(&pbx->lock);
    int port = pbx->webhook_port;
    pthread_mutex_unlock(&pbx->lock);

    struct client *client = client_open(port);
    int status = client_post(client, ROUTE_SEED, body);
    client_close(client);
    free(body);

    pthread_mutex_lock(&pbx->lock);
    pbx->waiting_posted += status == 204;
    pbx->action[pbx->action_count++] = *action;
    pthread_mutex_unlock(&pbx->lock);
}

/* Waits so long, or until the PBX is closed; limit_ms < 0: only that. */
static void linger(struct fake_pbx *pbx, int limit_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += limit_ms / 1000;
    until.tv_nsec += (long)(limit_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&pbx->lock);
    int code = 0;
    while (!pbx->closing && code != ETIMEDOUT)
        code = limit_ms < 0 ? pthread_cond_wait(&pbx->closed, &pbx->lock)
                            : pthread_cond_timedwait(&pbx->closed, &pbx->lock, &until);
    pthread_mutex_unlock(&pbx->lock);
}

static enum MHD_Result give_answer(struct MHD_Connection *connection,
                                   const struct fake_pbx_answer *answer)
{
    static char body[] = "{\"status\":\"ok\"}";
    char seconds[16];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    snprintf(seconds, sizeof seconds, "%d", answer->retry_after_s);
    if (answer->retry_after_s > 0)
        MHD_add_response_header(response, "Retry-After", seconds);
    enum MHD_Result result = MHD_queue_response(
        connection, answer->status != 0 ? (unsigned)answer->status : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **state)
{
    struct fake_pbx *pbx = arg;
    struct request *request = *state;
    (void)url;
    (void)method;
    (void)version;
    if (request == NULL) {
        *state = calloc(1, sizeof *request);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*data_size > 0) {
        size_t room = sizeof request->body - 1 - request->size;
        size_t taken = *data_size < room ? *data_size : room;
        memcpy(request->body + request->size, data, taken);
        request->size += taken;
        *data_size = 0;
        return MHD_YES;
    }
    struct fake_pbx_action action;
    struct fake_pbx_answer answer = note_action(pbx, connection, request, &action);
    if (answer.waiting_first)
        post_waiting(pbx, &action);
    if (answer.delay_ms > 0)
        linger(pbx, answer.delay_ms);
    if (answer.conduct == FAKE_PBX_IS_SILENT)
        linger(pbx, -1);
    return answer.conduct == FAKE_PBX_ANSWERS ? give_answer(connection, &answer) : MHD_NO;
}

static void forget_request(void *arg, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode how)
{
    (void)arg;
    (void)connection;
    (void)how;
    free(*state);
    *state = NULL;
}

/* ---- On the test's thread ----------------------------------------------------------------------- */

struct fake_pbx *fake_pbx_new(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    struct fake_pbx *pbx = calloc(1, sizeof *pbx);
    assert_non_null(pbx);
    /* Bound and not listening: nobody else gets the port, and who connects is refused. */
    pbx->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(pbx->fd >= 0);
    assert_int_equal(bind(pbx->fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(pbx->fd, (struct sockaddr *)&address, &size), 0);
    pbx->port = ntohs(address.sin_port);
    snprintf(pbx->url, sizeof pbx->url, "http://127.0.0.1:%d/api/client/actions", pbx->port);
    pthread_mutex_init(&pbx->lock, NULL);
    pthread_cond_init(&pbx->closed, NULL);
    return pbx;
}

void fake_pbx_use_tls(struct fake_pbx *pbx, const char *certificate, const char *key)
{
    assert_null(pbx->daemon);
    pbx->certificate = certificate;
    pbx->key = key;
    snprintf(pbx->url, sizeof pbx->url, "https://127.0.0.1:%d/api/client/actions", pbx->port);
}

void fake_pbx_open(struct fake_pbx *pbx)
{
    struct MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)pbx->certificate},
                                      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)pbx->key},
                                      {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_THREAD_PER_CONNECTION;
    if (pbx->key != NULL)
        flags |= MHD_USE_TLS;
    assert_int_equal(listen(pbx->fd, BACKLOG), 0);
    pbx->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, handle, pbx, MHD_OPTION_LISTEN_SOCKET, pbx->fd,
                         MHD_OPTION_NOTIFY_COMPLETED, forget_request, NULL, MHD_OPTION_ARRAY,
                         pbx->key != NULL ? secure : plain, MHD_OPTION_END);
    assert_non_null(pbx->daemon);
}

void fake_pbx_free(struct fake_pbx *pbx)
{
    if (pbx == NULL)
        return;
    pthread_mutex_lock(&pbx->lock);
    pbx->closing = 1;
    pthread_cond_broadcast(&pbx->closed);
    pthread_mutex_unlock(&pbx->lock);
    if (pbx->daemon != NULL)
        MHD_stop_daemon(pbx->daemon);
    else
        close(pbx->fd);
    pthread_cond_destroy(&pbx->closed);
    pthread_mutex_destroy(&pbx->lock);
    free(pbx->action);
    free(pbx);
}

const char *fake_pbx_url(const struct fake_pbx *pbx)
{
    return pbx->url;
}

void fake_pbx_answer_next(struct fake_pbx *pbx, struct fake_pbx_answer answer)
{
    pthread_mutex_lock(&pbx->lock);
    int has_room = pbx->answer_count < ANSWERS_MAX;
    if (has_room)
        pbx->answer[pbx->answer_count++] = answer;
    pthread_mutex_unlock(&pbx->lock);
    assert_true(has_room);
}

void fake_pbx_set_webhook(struct fake_pbx *pbx, int port)
{
    pthread_mutex_lock(&pbx->lock);
    pbx->webhook_port = port;
    pthread_mutex_unlock(&pbx->lock);
}

int fake_pbx_count(struct fake_pbx *pbx)
{
    pthread_mutex_lock(&pbx->lock);
    int count = pbx->action_count;
    pthread_mutex_unlock(&pbx->lock);
    return count;
}

int fake_pbx_count_of(struct fake_pbx *pbx, const char *call_id)
{
    int count = 0;
    pthread_mutex_lock(&pbx->lock);
    for (int i = 0; i < pbx->action_count; i++)
        count += strcmp(pbx->action[i].call_id, call_id) == 0;
    pthread_mutex_unlock(&pbx->lock);
    return count;
}

int fake_pbx_waiting_posted(struct fake_pbx *pbx)
{
    pthread_mutex_lock(&pbx->lock);
    int count = pbx->waiting_posted;
    pthread_mutex_unlock(&pbx->lock);
    return count;
}

void fake_pbx_get(struct fake_pbx *pbx, int index, struct fake_pbx_action *out)
{
    pthread_mutex_lock(&pbx->lock);
    int found = index < pbx->action_count;
    if (found)
        *out = pbx->action[index];
    pthread_mutex_unlock(&pbx->lock);
    assert_true(found);
}

void fake_pbx_get_of(struct fake_pbx *pbx, const char *call_id, struct fake_pbx_action *out)
{
    int found = 0;
    pthread_mutex_lock(&pbx->lock);
    for (int i = 0; i < pbx->action_count; i++) {
        if (strcmp(pbx->action[i].call_id, call_id) == 0) {
            *out = pbx->action[i];
            found = 1;
        }
    }
    pthread_mutex_unlock(&pbx->lock);
    assert_true(found);
}
