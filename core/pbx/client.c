/*
 * client.c: libcurl's multi interface with an easy handle for each post; connections are the multi handle's, so
 * they are kept. An easy handle is not used twice: libcurl 7.88.1 then reads memory it has freed when an answer's
 * first header line begins with a blank. No body is sent twice by libcurl itself: see post_body.h.
 */
#include "pbx/client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/log.h"
#include "common/secret_file.h"
#include "pbx/post_body.h"

/* More of an answer than this is not read: the status is what counts. */
#define ANSWER_MAX_BYTES 65536
#define FAILURE_PAUSE_MS 1000

struct transfer {
    CURL *easy; /* NULL: free */
    struct curl_slist *headers;
    void *post;
    struct post_body body;
    size_t answer_bytes;
    char first_line[PBX_CLIENT_DETAIL]; /* of the answer's body, for the detail */
    int first_line_ended;
    char curl_error[CURL_ERROR_SIZE];
};

struct pbx_client {
    CURLM *multi;
    struct transfer *transfer;
    int count;
    int busy;
    const struct config *config;
    struct secret_file password_file;
    char *password; /* its first line; NULL: none */
};

static size_t read_answer(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t bytes = size * count;
    size_t kept = strlen(transfer->first_line);
    for (size_t i = 0; i < bytes && !transfer->first_line_ended; i++) {
        char byte = data[i];
        transfer->first_line_ended = byte == '\n' || kept + 1 == sizeof transfer->first_line;
        if (!transfer->first_line_ended)
            transfer->first_line[kept++] = (byte < ' ' && byte >= 0) || byte == 0x7f ? ' ' : byte;
    }
    transfer->first_line[kept] = '\0';
    transfer->answer_bytes += bytes;
    return transfer->answer_bytes > ANSWER_MAX_BYTES ? 0 : bytes;
}

/* A new handle with the options that are the same for all posts: 0, or -1. */
static int set_up(struct transfer *transfer, const struct pbx_client *client)
{
    const struct config *config = client->config;
    CURL *easy = transfer->easy = curl_easy_init();
    if (easy == NULL)
        return -1;
    CURLcode code = CURLE_OK;
#define SET(option, value)                                                                         \
    if (code == CURLE_OK)                                                                          \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, config->pbx.url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, ""); /* callers' data goes to the PBX, whatever the environment says */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2); /* and up */
    if (config->pbx.ca_file != NULL && config->pbx.ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, config->pbx.ca_file);
        SET(CURLOPT_CAPATH, NULL); /* these and none of the system's */
    }
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "pbxhook/" PBXHOOK_VERSION);
    SET(CURLOPT_WRITEFUNCTION, read_answer);
    SET(CURLOPT_WRITEDATA, (void *)transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->curl_error);
    SET(CURLOPT_PRIVATE, (void *)transfer);
    if (config->pbx.user[0] != '\0') {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, config->pbx.user);
        SET(CURLOPT_PASSWORD, client->password != NULL ? client->password : "");
    }
#undef SET
    return code == CURLE_OK ? 0 : -1;
}

/* The file's first line. */
static int read_password(struct pbx_client *client, char *error, size_t error_size)
{
    const char *path = client->config->pbx.password_file;
    char reason[512];
    if (path[0] == '\0')
        return 0;
    if (secret_file_read(path, SECRET_FILE_PRIVATE, &client->password_file, reason, sizeof reason) <
        0) {
        snprintf(error, error_size, "pbx.password_file: %s", reason);
        return -1;
    }
    if (secret_file_lines(&client->password_file, &client->password, 1) > 0)
        return 0;
    snprintf(error, error_size, "pbx.password_file: %s: found nothing in it", path);
    return -1;
}

/* libcurl looks at the file with the first post, and then every action would fail. */
static int check_authorities(const struct config *config, char *error, size_t error_size)
{
    const char *path = config->pbx.ca_file;
    if (path == NULL || path[0] == '\0')
        return 0;
    X509_STORE *authorities = X509_STORE_new();
    int good = authorities != NULL && X509_STORE_load_file(authorities, path) == 1;
    X509_STORE_free(authorities);
    ERR_clear_error();
    if (good)
        return 0;
    snprintf(error, error_size, "pbx.ca_file: %s: holds no certificate in PEM", path);
    return -1;
}

/* Ready for the next post. */
static void clear(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    *transfer = (struct transfer){.easy = NULL};
}

static int open_transfers(struct pbx_client *client)
{
    client->multi = curl_multi_init();
    client->transfer = calloc((size_t)client->config->pbx.connections, sizeof *client->transfer);
    if (client->multi == NULL || client->transfer == NULL)
        return -1;
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->config->pbx.connections);
    client->count = client->config->pbx.connections;
    int code = set_up(&client->transfer[0], client); /* better now than at the first action */
    clear(&client->transfer[0]);
    return code;
}

int pbx_client_open(const struct config *config, struct pbx_client **out, char *error,
                    size_t error_size)
{
    struct pbx_client *client = calloc(1, sizeof *client);
    if (client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(error, error_size, "can't start libcurl");
        free(client);
        return -1;
    }
    client->config = config;
    if (read_password(client, error, error_size) < 0 ||
        check_authorities(config, error, error_size) < 0) {
        pbx_client_close(client);
        return -1;
    }
    if (open_transfers(client) < 0) {
        snprintf(error, error_size, "can't set up libcurl for %s", config->pbx.url);
        pbx_client_close(client);
        return -1;
    }
    *out = client;
    return 0;
}

static void release(struct pbx_client *client, struct transfer *transfer)
{
    curl_multi_remove_handle(client->multi, transfer->easy);
    clear(transfer);
    client->busy--;
}

void pbx_client_close(struct pbx_client *client)
{
    if (client == NULL)
        return;
    for (int i = 0; i < client->count; i++)
        clear(&client->transfer[i]);
    curl_multi_cleanup(client->multi);
    free(client->transfer);
    secret_file_free(&client->password_file);
    free(client);
    curl_global_cleanup();
}

static struct curl_slist *make_headers(const char *key)
{
    char line[128];
    snprintf(line, sizeof line, "Idempotency-Key: %s", key);
    /* An empty Expect: no waiting for 100-continue before a body of a hundred bytes. */
    const char *lines[] = {"Content-Type: application/json", "Accept: application/json",
                           "Expect:", line};
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct curl_slist *longer = curl_slist_append(headers, lines[i]);
        if (longer == NULL) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = longer;
    }
    return headers;
}

static struct transfer *find_free(struct pbx_client *client)
{
    for (int i = 0; i < client->count; i++) {
        if (client->transfer[i].easy == NULL)
            return &client->transfer[i];
    }
    return NULL;
}

int pbx_client_post(struct pbx_client *client, const char *key, const char *body, int timeout_ms,
                    void *post)
{
    struct transfer *transfer = find_free(client);
    if (transfer == NULL)
        return -1;
    transfer->headers = make_headers(key);
    if (transfer->headers == NULL || set_up(transfer, client) < 0 ||
        curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) != CURLE_OK ||
        post_body_set(&transfer->body, transfer->easy, body) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) != CURLE_OK ||
        curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
        clear(transfer);
        return -1;
    }
    transfer->post = post;
    client->busy++;
    return 0;
}

/* Whether some of the request may have left this machine. */
static int is_sent(const struct transfer *transfer)
{
    long request_bytes = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    return request_bytes > 0;
}

static void describe(struct transfer *transfer, CURLcode code, struct pbx_answer *answer)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (status < 100 || status > 999)
        status = 0; /* libcurl 7.88.1 takes "HTTP/2 -2" for one */
    if (retry_after_s > 3600)
        retry_after_s = 3600;
    if (retry_after_s < 0)
        retry_after_s = 0; /* a date that is past */
    *answer = (struct pbx_answer){.code = code,
                                  .http_status = (int)status,
                                  .sent = is_sent(transfer),
                                  .retry_after_ms = (int)retry_after_s * 1000};
    const char *text = transfer->first_line;
    if (status == 0)
        text = post_body_explain(code, transfer->curl_error);
    snprintf(answer->detail, sizeof answer->detail, "%.*s", PBX_CLIENT_DETAIL - 1, text);
}

/* Hands over what has ended; returns how many. */
static int collect(struct pbx_client *client, pbx_client_done done, void *arg)
{
    CURLMsg *message;
    int left = 0;
    int ended = 0;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        struct pbx_answer answer;
        describe(transfer, message->data.result, &answer);
        void *post = transfer->post;
        release(client, transfer);
        done(arg, post, &answer);
        ended++;
    }
    return ended;
}

void pbx_client_run(struct pbx_client *client, int wait_ms, pbx_client_done done, void *arg)
{
    int running = 0;
    CURLMcode code = curl_multi_perform(client->multi, &running);
    /* A post may have ended in there already; waiting now would wait for nothing. */
    if (code == CURLM_OK && collect(client, done, arg) > 0)
        return;
    if (code == CURLM_OK)
        code = curl_multi_poll(client->multi, NULL, 0, wait_ms, NULL);
    if (code == CURLM_OK)
        code = curl_multi_perform(client->multi, &running);
    if (code != CURLM_OK) {
        log_error("libcurl failed", log_text("error", curl_multi_strerror(code)));
        poll(NULL, 0, FAILURE_PAUSE_MS); /* it did not wait: neither spin nor flood the log */
    }
    collect(client, done, arg);
}

void pbx_client_abort(struct pbx_client *client, pbx_client_done done, void *arg)
{
    for (int i = 0; i < client->count; i++) {
        struct transfer *transfer = &client->transfer[i];
        void *post = transfer->post;
        if (transfer->easy == NULL)
            continue;
        struct pbx_answer answer = {.code = CURLE_ABORTED_BY_CALLBACK, .sent = is_sent(transfer)};
        snprintf(answer.detail, sizeof answer.detail, "stopped before %s",
                 answer.sent ? "the PBX answered" : "it was sent");
        release(client, transfer);
        done(arg, post, &answer);
    }
}

void pbx_client_wake(struct pbx_client *client)
{
    curl_multi_wakeup(client->multi);
}

int pbx_client_busy(const struct pbx_client *client)
{
    return client->busy;
}
