/* operator_desk.c: see operator_desk.h. A worker's words are checked: a plugin can write to its socket. */
#include "receiver/operator_desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "operator/operation.h"

#define TICK_US         1000000        /* as often a client hears that it is still waited for */
#define WORKER_LIMIT_US (10 * 1000000) /* for a worker to be ready */
#define REPLY_MAX       ((size_t)256 * 1024)
#define WORKER_IS_GONE                                                                             \
    "the worker ended before it was done; what it had done stays done, ask again for the rest"
#define NO_WORKER                                                                                  \
    "no worker is ready to do it: it starts, or it waits for the store; the log says which"
#define SERVER_STOPS "the server is stopping"

/* A request for worker 0. */
struct errand {
    int64_t client;
    int64_t since_us;
    char *text;  /* the request */
    char *shown; /* in the log  */
};

/* A client that waits for a reload's end. */
struct waiter {
    int64_t client, number;
};

struct operator_desk {
    struct operator_desk_options options;
    struct operator_socket *socket;
    int stopping;
    struct errand errand[OPERATOR_SOCKET_CLIENTS]; /* the first is done first */
    int errand_count;
    struct waiter waiter[OPERATOR_SOCKET_CLIENTS];
    int waiter_count;
    int handed_over; /* the first is with worker 0 */
    char *reply;     /* its parts so far           */
    size_t reply_size;
    int64_t tick_us; /* the last one */
};

/* ---- Answers -------------------------------------------------------------------------------------- */

/* Takes the line; NULL when there was no memory for it. */
static void answer(struct operator_desk *desk, int64_t client, char *line)
{
    operator_socket_send(desk->socket, client,
                         line != NULL ? line : "{\"error\":\"the server is out of memory\"}", 1);
    free(line);
}

static void refuse(struct operator_desk *desk, int64_t client, const char *error)
{
    answer(desk, client, operation_error_line(error));
}

/* ---- Errands -------------------------------------------------------------------------------------- */

static void remove_errand(struct operator_desk *desk, int at)
{
    free(desk->errand[at].text);
    free(desk->errand[at].shown);
    desk->errand_count--;
    memmove(&desk->errand[at], &desk->errand[at + 1],
            (size_t)(desk->errand_count - at) * sizeof desk->errand[0]);
    if (at > 0 || !desk->handed_over)
        return;
    desk->handed_over = 0;
    free(desk->reply);
    desk->reply = NULL;
    desk->reply_size = 0;
}

static void end_errand(struct operator_desk *desk, int at, char *line)
{
    int64_t client = desk->errand[at].client;
    remove_errand(desk, at); /* first: the client may be gone, and its slot with it */
    answer(desk, client, line);
}

/* Hands the first one over, or refuses what has waited for a worker too long. */
static void hand_over(struct operator_desk *desk)
{
    while (desk->errand_count > 0 && !desk->handed_over) {
        const struct errand *first = &desk->errand[0];
        if (desk->options.ask_worker(desk->options.arg, CONTROL_COMMAND, first->client,
                                     first->text) == 0) {
            desk->handed_over = 1;
            log_info("operator's command", log_text("request", first->shown));
        } else if (clock_mono_us() - first->since_us > WORKER_LIMIT_US) {
            end_errand(desk, 0, operation_error_line(NO_WORKER));
        } else {
            return;
        }
    }
}

static void add_errand(struct operator_desk *desk, int64_t client, const char *command,
                       const char *line)
{
    char *text = strdup(line);
    char *shown = strdup(operation_shown(command, line));
    if (text == NULL || shown == NULL || desk->errand_count == OPERATOR_SOCKET_CLIENTS) {
        free(text);
        free(shown);
        refuse(desk, client, "the server is out of memory");
        return;
    }
    desk->errand[desk->errand_count++] = (struct errand){
        .client = client, .since_us = clock_mono_us(), .text = text, .shown = shown};
    hand_over(desk);
}

/* ---- Requests ------------------------------------------------------------------------------------- */

static void answer_status(struct operator_desk *desk, int64_t client, const json_t *request)
{
    (void)request;
    answer(desk, client, operation_ok_line(desk->options.status(desk->options.arg)));
}

static void begin_reload(struct operator_desk *desk, int64_t client, const json_t *request)
{
    (void)request;
    if (desk->stopping || desk->waiter_count == OPERATOR_SOCKET_CLIENTS) {
        refuse(desk, client, SERVER_STOPS);
        return;
    }
    desk->waiter[desk->waiter_count++] =
        (struct waiter){.client = client, .number = desk->options.reload(desk->options.arg)};
}

/* What the receiver does itself. What is done to the store has its table in operation.c. */
static const struct own_command {
    const char *command;
    void (*run)(struct operator_desk *desk, int64_t client, const json_t *request);
} own_commands[] = {
    {"status", answer_status},
    {"reload", begin_reload},
};

static const struct own_command *find_own(const char *command)
{
    for (size_t i = 0; i < sizeof own_commands / sizeof own_commands[0]; i++) {
        if (strcmp(own_commands[i].command, command) == 0)
            return &own_commands[i];
    }
    return NULL;
}

static void take_request(void *arg, int64_t client, const char *line)
{
    struct operator_desk *desk = arg;
    json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(request, "command"));
    const struct own_command *own = command != NULL ? find_own(command) : NULL;
    char error[256];
    if (command == NULL) {
        refuse(desk, client, "the request is not a JSON object with a \"command\" on one line");
    } else if (own != NULL) {
        own->run(desk, client, request);
    } else if (desk->stopping) {
        refuse(desk, client, SERVER_STOPS);
    } else if (operation_exists(command)) {
        add_errand(desk, client, command, line);
    } else {
        snprintf(error, sizeof error, "this server knows no command \"%.64s\"", command);
        refuse(desk, client, error);
    }
    json_decref(request);
}

static void remove_waiter(struct operator_desk *desk, int at)
{
    desk->waiter[at] = desk->waiter[--desk->waiter_count];
}

static void note_gone(void *arg, int64_t client)
{
    struct operator_desk *desk = arg;
    for (int i = desk->waiter_count - 1; i >= 0; i--) {
        if (desk->waiter[i].client == client)
            remove_waiter(desk, i);
    }
    for (int i = 0; i < desk->errand_count; i++) {
        if (desk->errand[i].client != client)
            continue;
        /* It is not sure to get through; then its reply finds nobody. */
        if (i == 0 && desk->handed_over)
            (void)desk->options.ask_worker(desk->options.arg, CONTROL_CANCEL, client, NULL);
        remove_errand(desk, i);
        return;
    }
}

/* ---- The worker's words --------------------------------------------------------------------------- */

static int is_object(const char *text)
{
    json_t *json = strchr(text, '\n') == NULL ? json_loads(text, 0, NULL) : NULL;
    int is = json_is_object(json);
    json_decref(json);
    return is;
}

static int add_part(struct operator_desk *desk, const struct control_message *message)
{
    size_t size = desk->reply_size + message->size;
    char *larger = size > REPLY_MAX ? NULL : realloc(desk->reply, size + 1);
    if (larger == NULL)
        return -1;
    memcpy(larger + desk->reply_size, message->text, message->size + 1);
    desk->reply = larger;
    desk->reply_size = size;
    return 0;
}

void operator_desk_take(struct operator_desk *desk, const struct control_message *message)
{
    if (!desk->handed_over || message->seq != desk->errand[0].client)
        return; /* of one that was given up */
    if (message->kind == CONTROL_PROGRESS) {
        if (is_object(message->text))
            operator_socket_send(desk->socket, message->seq, message->text, 0);
        return;
    }
    if (add_part(desk, message) < 0) {
        end_errand(desk, 0, operation_error_line("the worker's reply is too large"));
    } else if (message->kind == CONTROL_REPLY) {
        char *line = desk->reply;
        desk->reply = NULL;
        if (!is_object(line)) {
            free(line);
            line = operation_error_line("the worker's reply can't be understood");
        }
        end_errand(desk, 0, line);
    }
    hand_over(desk);
}

void operator_desk_reloaded(struct operator_desk *desk, int64_t number, const char *error)
{
    if (desk == NULL)
        return;
    for (int i = desk->waiter_count - 1; i >= 0; i--) {
        int64_t client = desk->waiter[i].client;
        if (desk->waiter[i].number > number)
            continue;
        remove_waiter(desk, i); /* first: the client may be gone, and this with it */
        answer(desk, client, error != NULL ? operation_error_line(error) : operation_ok_line(NULL));
        i = desk->waiter_count; /* the list may have changed under the answer */
    }
}

void operator_desk_worker_gone(struct operator_desk *desk)
{
    if (desk->handed_over)
        end_errand(desk, 0, operation_error_line(WORKER_IS_GONE));
}

/* ---- The main loop's ------------------------------------------------------------------------------- */

/* Who waits hears so, and can tell a busy server from a dead one. */
static void tick(struct operator_desk *desk)
{
    int64_t now_us = clock_mono_us();
    if (now_us - desk->tick_us < TICK_US)
        return;
    desk->tick_us = now_us;
    for (int i = desk->errand_count - 1; i >= 0; i--)
        operator_socket_send(desk->socket, desk->errand[i].client, "{\"progress\":{}}", 0);
    for (int i = desk->waiter_count - 1; i >= 0; i--)
        operator_socket_send(desk->socket, desk->waiter[i].client, "{\"progress\":{}}", 0);
}

void operator_desk_prepare(const struct operator_desk *desk, struct pollfd *out)
{
    operator_socket_prepare(desk->socket, out);
}

int64_t operator_desk_wait_us(const struct operator_desk *desk, int64_t limit_us)
{
    return operator_socket_is_busy(desk->socket) && limit_us > TICK_US ? TICK_US : limit_us;
}

void operator_desk_serve(struct operator_desk *desk, const struct pollfd *ready)
{
    operator_socket_serve(desk->socket, ready);
    hand_over(desk);
    tick(desk);
}

/* ---- Opening and closing --------------------------------------------------------------------------- */

int operator_desk_open(const struct operator_desk_options *options, struct operator_desk **out,
                       char *error, size_t error_size)
{
    struct operator_desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    desk->options = *options;
    const struct operator_socket_events events = {
        .request = take_request, .gone = note_gone, .arg = desk};
    if (operator_socket_open(options->state_dir, &events, &desk->socket, error, error_size) < 0) {
        free(desk);
        return -1;
    }
    *out = desk;
    return 0;
}

void operator_desk_quiesce(struct operator_desk *desk)
{
    if (desk == NULL)
        return;
    desk->stopping = 1;
    operator_socket_quiesce(desk->socket);
    while (desk->errand_count > desk->handed_over)
        end_errand(desk, desk->errand_count - 1, operation_error_line(SERVER_STOPS));
    operator_desk_reloaded(desk, INT64_MAX, SERVER_STOPS);
}

void operator_desk_close(struct operator_desk *desk)
{
    if (desk == NULL)
        return;
    operator_desk_quiesce(desk);
    if (desk->handed_over)
        end_errand(desk, 0, operation_error_line(SERVER_STOPS));
    operator_socket_close(desk->socket);
    free(desk);
}
