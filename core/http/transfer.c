/*
 * transfer.c: see transfer.h. A download is written to .part-ID beside its place and renamed when it is
 * whole and on the disk, so nobody ever sees half a file.
 */
#include "http/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pbx/post_body.h"

#define ANSWER_MAX_BYTES 65536 /* of a post's answer: the status is what counts */

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    const struct transfer_target *target;
    struct delivery *delivery;
    struct post_body body; /* not of a download */
    char *part_path;       /* of a download */
    int fd;                /* -1: none      */
    int too_large, write_failed;
    int64_t bytes;
    char first_line[sizeof((struct delivery *)0)->detail];
    int has_first_line; /* all of it */
    char curl_error[CURL_ERROR_SIZE];
};

int transfer_target_open(const struct config_target *config, const char *download_dir,
                         struct transfer_target *out, char *error, size_t error_size)
{
    const char *path = config->token_file[0] != '\0' ? config->token_file : config->password_file;
    char reason[512];

    *out = (struct transfer_target){.config = config, .download_dir = download_dir};
    if (path[0] == '\0')
        return 0;
    if (secret_file_read(path, SECRET_FILE_PRIVATE, &out->file, reason, sizeof reason) < 0) {
        snprintf(error, error_size, "target \"%s\": %s", config->name, reason);
        return -1;
    }
    if (secret_file_lines(&out->file, &out->secret, 1) > 0)
        return 0;
    snprintf(error, error_size, "target \"%s\": %s: found nothing in it", config->name, path);
    transfer_target_close(out);
    return -1;
}

void transfer_target_close(struct transfer_target *target)
{
    secret_file_free(&target->file);
    target->secret = NULL;
}

/* ---- What comes ------------------------------------------------------------------------------ */

static int is_download(const struct delivery *delivery)
{
    return delivery->body == NULL;
}

static void keep_first_line(struct transfer *transfer, const char *data, size_t bytes)
{
    size_t kept = strlen(transfer->first_line);

    for (size_t i = 0; i < bytes && !transfer->has_first_line; i++) {
        transfer->has_first_line =
            data[i] == '\n' || kept + 1 == sizeof transfer->first_line; /* as much as is kept */
        if (!transfer->has_first_line)
            transfer->first_line[kept++] =
                (char)((unsigned char)data[i] < ' ' || (unsigned char)data[i] > '~' ? ' '
                                                                                    : data[i]);
    }
    transfer->first_line[kept] = '\0';
}

static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        data += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* An error's page is no part of the file. */
static int is_wanted(const struct transfer *transfer)
{
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return is_download(transfer->delivery) && status >= 200 && status < 300;
}

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t bytes = size * count;

    transfer->bytes += (int64_t)bytes;
    if (!is_wanted(transfer)) {
        keep_first_line(transfer, data, bytes);
        return transfer->bytes > ANSWER_MAX_BYTES ? 0 : bytes;
    }
    transfer->too_large = transfer->bytes > transfer->target->config->max_download_bytes;
    if (transfer->too_large)
        return 0;
    transfer->write_failed = write_all(transfer->fd, data, bytes) < 0;
    if (transfer->write_failed)
        snprintf(transfer->first_line, sizeof transfer->first_line, "%s: %s", transfer->part_path,
                 strerror(errno));
    return transfer->write_failed ? 0 : bytes;
}

/* ---- Beginning ------------------------------------------------------------------------------- */

static int add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);

    if (longer == NULL)
        return -1;
    transfer->headers = longer;
    return 0;
}

static int add_headers(struct transfer *transfer)
{
    char line[128];

    snprintf(line, sizeof line, "Idempotency-Key: %s", transfer->delivery->id);
    if (add_header(transfer, line) < 0 || add_header(transfer, "Expect:") < 0)
        return -1;
    if (!is_download(transfer->delivery) &&
        (add_header(transfer, "Content-Type: application/json") < 0 ||
         add_header(transfer, "Accept: application/json") < 0))
        return -1;
    return 0;
}

static int open_part(struct transfer *transfer)
{
    if (!is_download(transfer->delivery))
        return 0;
    if (asprintf(&transfer->part_path, "%s/.part-%s", transfer->target->download_dir,
                 transfer->delivery->id) < 0) {
        transfer->part_path = NULL;
        return -1;
    }
    transfer->fd =
        open(transfer->part_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (transfer->fd >= 0)
        return 0;
    snprintf(transfer->delivery->detail, sizeof transfer->delivery->detail, "%s: %s",
             transfer->part_path, strerror(errno));
    return -1;
}

static CURLcode set_login(CURL *easy, const struct transfer_target *target)
{
    const struct config_target *config = target->config;
    CURLcode code;

    if (config->token_file[0] != '\0') {
        code = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, target->secret)
                                : code;
    }
    if (config->user[0] == '\0')
        return CURLE_OK;
    code = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERNAME, config->user);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_PASSWORD, target->secret) : code;
}

static int set_options(struct transfer *transfer, const char *url, int timeout_ms)
{
    CURL *easy = transfer->easy;
    CURLcode code = CURLE_OK;

#define SET(option, value)                                                                         \
    if (code == CURLE_OK)                                                                          \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, ""); /* callers' data goes to the target, whatever the environment says */
    SET(CURLOPT_FOLLOWLOCATION, 0L); /* the secret is for the target */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "pbxhook/" PBXHOOK_VERSION);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, (void *)transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->curl_error);
    SET(CURLOPT_PRIVATE, (void *)transfer);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
#undef SET
    if (code == CURLE_OK && !is_download(transfer->delivery))
        code = post_body_set(&transfer->body, easy, transfer->delivery->body);
    if (code == CURLE_OK)
        code = set_login(easy, transfer->target);
    return code == CURLE_OK ? 0 : -1;
}

static void free_transfer(struct transfer *transfer)
{
    if (transfer->fd >= 0)
        close(transfer->fd);
    if (transfer->part_path != NULL)
        unlink(transfer->part_path);
    free(transfer->part_path);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer);
}

struct transfer *transfer_begin(CURLM *multi, const struct transfer_target *target,
                                struct delivery *delivery, int timeout_ms)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    char *url = NULL;

    snprintf(delivery->detail, sizeof delivery->detail, "out of memory");
    if (transfer == NULL)
        return NULL;
    transfer->fd = -1;
    transfer->target = target;
    transfer->delivery = delivery;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || asprintf(&url, "%s%s", target->config->url, delivery->path) < 0)
        goto failed;
    if (open_part(transfer) < 0 || add_headers(transfer) < 0 ||
        set_options(transfer, url, timeout_ms) < 0 ||
        curl_multi_add_handle(multi, transfer->easy) != CURLM_OK)
        goto failed;
    free(url); /* libcurl has copied it */
    delivery->detail[0] = '\0';
    return transfer;

failed:
    free(url);
    free_transfer(transfer);
    return NULL;
}

void transfer_drop(CURLM *multi, struct transfer *transfer)
{
    curl_multi_remove_handle(multi, transfer->easy);
    free_transfer(transfer);
}

struct transfer *transfer_of(CURL *easy)
{
    struct transfer *transfer = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    return transfer;
}

int transfer_has_sent(const struct transfer *transfer)
{
    long request_bytes = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    return request_bytes > 0;
}

struct delivery *transfer_delivery(const struct transfer *transfer)
{
    return transfer->delivery;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* Else a power cut may take the file's name, after the plugin was told of it. */
static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return result;
}

/* The whole file in its place: 0, or -1 with first_line set. */
static int put_in_place(struct transfer *transfer)
{
    char *path = NULL;
    int result = -1;

    if (asprintf(&path, "%s/%s", transfer->target->download_dir, transfer->delivery->file) < 0)
        return -1;
    if (fsync(transfer->fd) == 0 && rename(transfer->part_path, path) == 0 &&
        sync_directory(transfer->target->download_dir) == 0) {
        transfer->delivery->size = transfer->bytes;
        free(transfer->part_path);
        transfer->part_path = NULL;
        result = 0;
    } else {
        snprintf(transfer->first_line, sizeof transfer->first_line, "%s: %s", path,
                 strerror(errno));
    }
    free(path);
    return result;
}

static void describe(const struct transfer *transfer, CURLcode code)
{
    struct delivery *delivery = transfer->delivery;
    const char *text = transfer->first_line;

    if (transfer->too_large)
        text = "it is larger than the target's max_download";
    else if (text[0] == '\0' && code != CURLE_OK)
        text = post_body_explain(code, transfer->curl_error);
    snprintf(delivery->detail, sizeof delivery->detail, "%.*s", (int)sizeof delivery->detail - 1,
             text);
}

void transfer_end(CURLM *multi, struct transfer *transfer, CURLcode code,
                  struct transfer_answer *answer)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    int sent = transfer_has_sent(transfer);

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    curl_multi_remove_handle(multi, transfer->easy);
    if (code == CURLE_OK && is_download(transfer->delivery) && status >= 200 && status < 300 &&
        put_in_place(transfer) < 0)
        code = CURLE_WRITE_ERROR;
    if (status < 100 || status > 999)
        status = 0; /* libcurl 7.88.1 takes "HTTP/2 -2" for one */
    if (retry_after_s > TRANSFER_MOST_RETRY_AFTER_S)
        retry_after_s = TRANSFER_MOST_RETRY_AFTER_S;
    if (retry_after_s < 0)
        retry_after_s = 0; /* a date that is past */
    *answer = (struct transfer_answer){.code = code,
                                       .http_status = (int)status,
                                       .sent = sent,
                                       .retry_after_ms = (int)retry_after_s * 1000,
                                       .too_large = transfer->too_large};
    transfer->delivery->http_status = (int)status;
    describe(transfer, code);
    free_transfer(transfer);
}
