/* client.c: see client.h. */
#include "client.h"

#include "cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wait.h"

#define ANSWER_LIMIT_MS WAIT_LIMIT_MS

/* ---- libcurl ----------------------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    size_t bytes = size * count;
    if (client->body_size + bytes >= CLIENT_BODY_SIZE)
        return 0;
    memcpy(client->body + client->body_size, data, bytes);
    client->body_size += bytes;
    client->body[client->body_size] = '\0';
    return bytes;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    size_t used = strlen(client->headers);
    size_t bytes = size * count;
    if (used + bytes >= CLIENT_HEADERS_SIZE)
        return 0;
    memcpy(client->headers + used, data, bytes);
    client->headers[used + bytes] = '\0';
    return bytes;
}

struct client *client_open(int port)
{
    struct client *client = calloc(1, sizeof *client);
    assert_non_null(client);
    client->easy = curl_easy_init();
    assert_non_null(client->easy);
    client->port = port;
    return client;
}

void client_close(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->easy);
    free(client);
}

int client_send(struct client *client, const char *method, const char *path, const void *body,
                size_t body_size, const char *const *headers)
{
    struct curl_slist *list = NULL;
    char url[512];
    long status = 0;

    snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", client->ca_file != NULL ? "https" : "http",
             client->port, path);
    for (const char *const *header = headers; header != NULL && *header != NULL; header++)
        list = curl_slist_append(list, *header);
    client->status = 0;
    client->headers[0] = client->body[0] = '\0';
    client->body_size = 0;
    curl_easy_reset(client->easy); /* keeps the connection */
    curl_easy_setopt(client->easy, CURLOPT_URL, url);
    curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->easy, CURLOPT_PROXY, "");
    if (client->ca_file != NULL)
        curl_easy_setopt(client->easy, CURLOPT_CAINFO, client->ca_file);
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)wait_stretch(ANSWER_LIMIT_MS));
    curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(client->easy, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, (void *)client);
    curl_easy_setopt(client->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(client->easy, CURLOPT_HEADERDATA, (void *)client);
    if (body != NULL) {
        curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, (const char *)body);
        curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE, (long)body_size);
    }
    if (curl_easy_perform(client->easy) == CURLE_OK)
        curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    client->status = (int)status;
    return client->status;
}

int client_get(struct client *client, const char *path)
{
    return client_send(client, "GET", path, NULL, 0, NULL);
}

int client_post_with(struct client *client, const char *path, const char *body, const char *header)
{
    const char *const headers[] = {"Content-Type: application/json", "Expect:", header, NULL};
    return client_send(client, "POST", path, body, strlen(body), headers);
}

int client_post(struct client *client, const char *path, const char *body)
{
    return client_post_with(client, path, body, NULL);
}

const char *client_header(const struct client *client, const char *name)
{
    static char value[512];
    size_t length = strlen(name);
    value[0] = '\0';
    for (const char *line = client->headers; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *text = line + length + 1;
            text += strspn(text, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(text, "\r\n"), text);
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return value;
}

/* ---- Plain sockets ----------------------------------------------------------------------------- */

int socket_connect(int port)
{
    return socket_connect_from("127.0.0.1", port);
}

int socket_connect_from(const char *source, int port)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

int socket_await_end(int fd, int limit_ms)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(limit_ms);
    for (;;) {
        char bytes[4096];
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_ms - wait_now_ms();
        if (left_ms <= 0 || poll(&readable, 1, (int)left_ms) <= 0)
            return -1;
        if (recv(fd, bytes, sizeof bytes, 0) <= 0)
            return 0;
    }
}

void socket_write(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

void socket_write_text(int fd, const char *text)
{
    socket_write(fd, text, strlen(text));
}

char *socket_make_post(const char *path, const char *body)
{
    char *text = NULL;
    assert_true(asprintf(&text,
                         "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         path, strlen(body), body) > 0);
    return text;
}

/* Whether `text` holds an answer to its end; HEAD and chunked answers are not asked for here. */
static int is_whole(const char *text, size_t size)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\nContent-Length:");
    if (end == NULL)
        return 0;
    size_t body = length != NULL && length < end
                      ? strtoul(length + sizeof "\r\nContent-Length:" - 1, NULL, 10)
                      : 0;
    return size >= (size_t)(end - text) + 4 + body;
}

int socket_read_answer(int fd, char *out, size_t out_size)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(ANSWER_LIMIT_MS);
    size_t size = 0;
    out[0] = '\0';
    while (size + 1 < out_size && !is_whole(out, size)) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int left_ms = (int)(until_ms - wait_now_ms());
        if (left_ms <= 0 || poll(&readable, 1, left_ms) <= 0)
            fail_msg("no answer, and the connection stays open; got: %s", out);
        ssize_t got = recv(fd, out + size, out_size - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
        out[size] = '\0';
    }
    int status = 0;
    return sscanf(out, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}
