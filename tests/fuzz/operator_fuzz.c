/*
 * operator_fuzz.c: the operator's channel from both ends: a client's line, and the packets that a worker, which a
 * plugin may have taken over, sends on its control socket. The input is parts, each behind its size in two bytes,
 * the low one first: the client's bytes, then packets. A packet whose seq is 0 gets the number of the command.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "common/control.h"
#include "common/log.h"
#include "fuzz.h"
#include "operator/operation.h"
#include "operator/operator_address.h"
#include "receiver/operator_desk.h"

#define ANSWERS_MAX (1024 * 1024)
#define SEQ_AT      offsetof(struct control_message, seq)

static struct operator_desk *desk;
static char directory[] = "/tmp/pbxhook-fuzz-XXXXXX";
static int packets[2];  /* a worker's control socket; ends[1] is the worker's */
static int64_t command; /* its number; 0: none was handed over */
static char answers[ANSWERS_MAX + 1];
static size_t answers_size;

/* ---- What is behind the desk ------------------------------------------------------------------------- */

static int ask_worker(void *arg, enum control_kind kind, int64_t seq, const char *text)
{
    struct operation *operation = NULL;
    char error[OPERATION_ERROR_SIZE] = "";

    (void)arg;
    if (kind == CONTROL_CANCEL)
        return 0;
    json_t *request = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    fuzz_require(kind == CONTROL_COMMAND && request != NULL);
    /* As worker 0 begins it. */
    int code = operation_begin(request, &operation, error);
    fuzz_require((code == 0) == (error[0] == '\0'));
    if (code == 0) {
        char *line = operation_ok_line(operation_report(operation));
        fuzz_require(line != NULL);
        free(line);
    }
    operation_free(operation);
    json_decref(request);
    command = seq;
    return 0;
}

static json_t *tell_status(void *arg)
{
    (void)arg;
    return json_pack("{s:s}", "version", "fuzz");
}

static int64_t reload(void *arg)
{
    (void)arg;
    return 1;
}

static void remove_directory(void)
{
    operator_desk_close(desk);
    rmdir(directory);
}

static void open_desk(void)
{
    const struct operator_desk_options options = {
        .state_dir = directory, .ask_worker = ask_worker, .status = tell_status, .reload = reload};
    char error[256];

    log_open("receiver", LOG_LEVEL_ERROR);
    fuzz_require(mkdtemp(directory) != NULL);
    fuzz_require(operator_desk_open(&options, &desk, error, sizeof error) == 0);
    fuzz_require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packets) == 0);
    atexit(remove_directory);
}

/* ---- A client ---------------------------------------------------------------------------------------- */

static void serve_desk(void)
{
    struct pollfd ready[OPERATOR_DESK_FDS];

    operator_desk_prepare(desk, ready);
    fuzz_require(poll(ready, OPERATOR_DESK_FDS, 0) >= 0);
    operator_desk_serve(desk, ready);
}

static int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/" OPERATOR_SOCKET_NAME, directory);
    fuzz_require(fd >= 0);
    fuzz_require(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void read_answers(int fd)
{
    ssize_t got;

    while ((got = recv(fd, answers + answers_size, ANSWERS_MAX - answers_size, 0)) > 0)
        answers_size += (size_t)got;
    answers[answers_size] = '\0';
}

/* Lines, each a JSON object, whatever the worker says. */
static void check_answers(void)
{
    for (char *line = answers, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        fuzz_require(end != NULL);
        json_t *object = json_loadb(line, (size_t)(end - line), 0, NULL);
        fuzz_require(json_is_object(object));
        json_decref(object);
    }
}

/* ---- A worker ---------------------------------------------------------------------------------------- */

static void require_same_message(const struct control_message *message)
{
    static struct control_message again;

    fuzz_require(control_send(packets[1], message->kind, message->seq, message->text) == 0);
    fuzz_require(control_receive(packets[0], &again) == 1);
    fuzz_require(again.kind == message->kind && again.seq == message->seq);
    fuzz_require(again.size == message->size && strcmp(again.text, message->text) == 0);
}

static void send_packet(uint8_t *bytes, size_t size)
{
    static struct control_message message;
    static const uint8_t nothing[sizeof command];

    if (size >= SEQ_AT + sizeof command && memcmp(bytes + SEQ_AT, nothing, sizeof nothing) == 0)
        memcpy(bytes + SEQ_AT, &command, sizeof command);
    if (size == 0 || send(packets[1], bytes, size, 0) < 0)
        return;
    int code = control_receive(packets[0], &message);
    fuzz_require(code == 1 || code == -EPROTO);
    if (code < 0)
        return;
    fuzz_require(message.kind >= CONTROL_WAKE && message.kind <= CONTROL_REPLY);
    fuzz_require(message.size == strlen(message.text));
    require_same_message(&message);
    if (message.kind == CONTROL_PROGRESS || message.kind == CONTROL_PART ||
        message.kind == CONTROL_REPLY)
        operator_desk_take(desk, &message);
}

/* The next part, in memory of its own; NULL: there are no more. */
static uint8_t *take_part(struct fuzz_input *input, size_t *size)
{
    if (input->left == 0)
        return NULL;
    size_t wanted = fuzz_take_byte(input);
    wanted |= (size_t)fuzz_take_byte(input) << 8;
    *size = wanted < input->left ? wanted : input->left;
    uint8_t *part = malloc(*size + 1);
    fuzz_require(part != NULL);
    memcpy(part, input->next, *size);
    input->next += *size;
    input->left -= *size;
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};
    size_t part_size = 0;

    if (desk == NULL)
        open_desk();
    command = 0;
    answers_size = 0;
    int fd = connect_client();
    uint8_t *part = take_part(&input, &part_size);
    if (part != NULL && part_size > 0)
        fuzz_require(send(fd, part, part_size, MSG_NOSIGNAL) == (ssize_t)part_size);
    serve_desk(); /* takes the connection */
    serve_desk(); /* and what came on it  */
    while (part != NULL) {
        free(part);
        part = take_part(&input, &part_size);
        if (part != NULL)
            send_packet(part, part_size);
        read_answers(fd);
    }
    operator_desk_reloaded(desk, 1, NULL);
    operator_desk_worker_gone(desk);
    serve_desk();
    read_answers(fd);
    check_answers();
    close(fd);
    serve_desk();
    serve_desk();
    fuzz_require(operator_desk_wait_us(desk, INT64_MAX) == INT64_MAX); /* nobody is left */
    return 0;
}
