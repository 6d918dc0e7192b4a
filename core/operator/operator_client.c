/*
 * operator_client.c: the command's side of the channel to the running server: one request, then lines
 * until the last. The server says at least once a second that it is still there.
 */
#include "operator/operator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "operator/operator_address.h"

#define SILENCE_MAX_SECONDS 30

/* 1 and *out; 0: nobody listens there; -1. */
static int connect_server(const char *state_dir, int *out, char *error)
{
    const struct timeval silence = {.tv_sec = SILENCE_MAX_SECONDS};
    struct sockaddr_un address;
    int directory = operator_address_open(state_dir, &address);
    int fd = directory < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = directory < 0 ? -directory : fd < 0 ? errno : 0;
    if (failed == 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) < 0 ||
                        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence) < 0 ||
                        connect(fd, (const struct sockaddr *)&address, sizeof address) < 0))
        failed = errno;
    if (directory >= 0)
        close(directory);
    if (failed == 0) {
        *out = fd;
        return 1;
    }
    if (fd >= 0)
        close(fd);
    if (failed == ENOENT || failed == ECONNREFUSED)
        return 0;
    snprintf(error, OPERATOR_ERROR_SIZE, "%s/" OPERATOR_SOCKET_NAME ": %s%s", state_dir,
             strerror(failed),
             failed == EACCES ? "; run this as root or as the user that the server runs as" : "");
    return -1;
}

static int send_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        text += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static int send_request(int fd, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    int code = text == NULL ? -1 : 0;
    /* A server that refuses before it has read all has said why: that is read next. */
    if (code == 0 && send_all(fd, text, strlen(text)) == 0)
        (void)send_all(fd, "\n", 1);
    free(text);
    return code;
}

/* One line: 1 it was the last, 0 more will come, -1. */
static int take_line(const char *text, const struct operator_watch *watch, json_t **ok, char *error)
{
    json_t *line = json_loads(text, 0, NULL);
    json_t *progress = json_object_get(line, "progress");
    json_t *done = json_object_get(line, "ok");
    const char *failed = json_string_value(json_object_get(line, "error"));
    int result = 0;
    if (progress != NULL) {
        watch->progress(watch->arg, progress);
    } else if (done != NULL) {
        *ok = json_incref(done);
        result = 1;
    } else {
        snprintf(error, OPERATOR_ERROR_SIZE, "%s",
                 failed != NULL ? failed : "the server's answer can't be understood");
        result = -1;
    }
    json_decref(line);
    return result;
}

static int read_answer(FILE *stream, const struct operator_watch *watch, json_t **ok, char *error)
{
    char *line = NULL;
    size_t capacity = 0;
    int result = 0;
    while (result == 0) {
        errno = 0;
        if (getline(&line, &capacity, stream) > 0) {
            result = take_line(line, watch, ok, error);
        } else if (errno == EAGAIN) {
            snprintf(error, OPERATOR_ERROR_SIZE, "the server has said nothing for %d s",
                     SILENCE_MAX_SECONDS);
            result = -1;
        } else {
            snprintf(error, OPERATOR_ERROR_SIZE,
                     "the server has ended before it answered; ask again");
            result = -1;
        }
    }
    free(line);
    return result;
}

int operator_ask(const char *state_dir, const json_t *request, const struct operator_watch *watch,
                 json_t **ok, char *error)
{
    int fd = -1;
    int result = connect_server(state_dir, &fd, error);
    if (result <= 0)
        return result;
    FILE *stream = fdopen(fd, "r");
    if (stream == NULL || send_request(fd, request) < 0) {
        snprintf(error, OPERATOR_ERROR_SIZE, "out of memory");
        result = -1;
    } else {
        result = read_answer(stream, watch, ok, error);
    }
    if (stream != NULL)
        fclose(stream);
    else
        close(fd);
    return result;
}

int operator_run(const struct config *config, const json_t *request,
                 const struct operator_watch *watch, json_t **ok, char *error)
{
    char refused[OPERATOR_ERROR_SIZE];
    int result = operator_ask(config->state_dir, request, watch, ok, error);
    if (result == 0)
        result = operator_do(config, request, watch, ok, error);
    else
        return result;
    /* One that starts at this very moment has the lock, and listens soon. */
    if (result < 0 && operator_ask(config->state_dir, request, watch, ok, refused) == 1)
        return 1;
    return result;
}
