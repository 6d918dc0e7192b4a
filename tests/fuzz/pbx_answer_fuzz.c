/*
 * pbx_answer_fuzz.c: what a PBX, or a plugin's target, answers, through the real libcurl. The
 * first byte says who is asked: the PBX by an action, a target by a post, a target by a download.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/utf8.h"
#include "fuzz.h"
#include "http/transfer.h"
#include "pbx/client.h"
#include "pbx/taxonomy.h"

#define NOW_MS       INT64_C(1767225600000)
#define EXPIRES_MS   (NOW_MS + 10000)
#define MOST_ROUNDS  1000
#define MAX_DOWNLOAD 256

/* ---- libcurl connects to a socket of ours: the linker puts this in the way of curl_easy_init() ------- */

CURL *__real_curl_easy_init(void);
CURL *__wrap_curl_easy_init(void);

/* Without a port and without TIME_WAIT: a name that is no file, short enough for a struct sockaddr. */
static struct sockaddr_un listen_name(socklen_t *size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, 13, "fuzz%d", (int)getpid());

    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return name;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    const struct sockaddr_un name = listen_name(&address->addrlen);

    (void)arg;
    (void)purpose;
    address->family = AF_UNIX;
    memcpy(&address->addr, &name, address->addrlen);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

CURL *__wrap_curl_easy_init(void)
{
    CURL *easy = __real_curl_easy_init();

    fuzz_require(easy != NULL);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    return easy;
}

static int open_listener(void)
{
    socklen_t size;
    const struct sockaddr_un name = listen_name(&size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    fuzz_require(fd >= 0 && bind(fd, (const struct sockaddr *)&name, size) == 0);
    fuzz_require(listen(fd, 8) == 0);
    return fd;
}

/* Answers who has come, and says nothing more. */
static void serve(const uint8_t *answer, size_t size)
{
    static int listener = -1;

    if (listener < 0)
        listener = open_listener();
    if (answer == NULL)
        return;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;
         close(fd)) {
        char request[4096];
        while (recv(fd, request, sizeof request, 0) > 0)
            continue;
        /* Who does not read it all is gone. */
        ssize_t sent = send(fd, answer, size, MSG_NOSIGNAL);
        fuzz_require(sent <= (ssize_t)size);
    }
}

/* ---- What must hold ---------------------------------------------------------------------------------- */

/* Of an answer that came whole and at once: its status line says the same. */
static void check_status(const uint8_t *answer, size_t size, CURLcode code, int status)
{
    fuzz_require(status == 0 || (status >= 100 && status <= 999));
    if (code == CURLE_OK && size > 13 && memcmp(answer, "HTTP/1.1 ", 9) == 0 &&
        memcmp(answer + 9, "200 ", 4) == 0)
        fuzz_require(status == 200);
}

static void check_verdict(const struct attempt *attempt)
{
    struct verdict verdict = taxonomy_judge(attempt);
    int received = attempt->http_status >= 200 && attempt->http_status < 300;

    fuzz_require((verdict.state == STORE_ACTION_DELIVERED) == received);
    /* Nothing that the PBX may have done is done again. */
    if (!attempt->repeatable && attempt->http_status < 200 && attempt->sent)
        fuzz_require(verdict.state == STORE_ACTION_UNKNOWN);
    if (verdict.state == STORE_ACTION_PENDING || verdict.state == STORE_ACTION_DOUBTFUL)
        fuzz_require(verdict.due_ms > attempt->now_ms && verdict.due_ms < attempt->expires_ms);
    else
        fuzz_require(verdict.due_ms == 0);
}

static void judge(CURLcode code, int status, int sent, int retry_after_ms)
{
    for (int i = 0; i < 4; i++)
        check_verdict(&(struct attempt){.code = code,
                                        .http_status = status,
                                        .sent = sent,
                                        .retry_after_ms = retry_after_ms,
                                        .number = i + 1,
                                        .now_ms = NOW_MS,
                                        .expires_ms = EXPIRES_MS,
                                        .repeatable = i & 1,
                                        .random = (uint32_t)i * UINT32_C(0x55555555)});
}

/* ---- The PBX ----------------------------------------------------------------------------------------- */

struct outcome {
    int count;
    struct pbx_answer answer;
};

static void note(void *arg, void *post, const struct pbx_answer *answer)
{
    struct outcome *outcome = arg;

    fuzz_require(post == outcome);
    outcome->count++;
    outcome->answer = *answer;
}

static struct pbx_client *open_client(void)
{
    static struct config config = {
        .pbx = {.url = "http://127.0.0.1:1/api/client/actions",
                .connections = 1,
                .timeout_ms = 5000,
                .user = "",
                .password_file = "",
                .ca_file = ""},
    };
    struct pbx_client *client = NULL;
    char error[256];

    fuzz_require(pbx_client_open(&config, &client, error, sizeof error) == 0);
    return client;
}

static void ask_pbx(const uint8_t *answer, size_t size)
{
    static struct pbx_client *client;
    struct outcome outcome = {.count = 0};

    if (client == NULL)
        client = open_client();
    serve(NULL, 0);
    fuzz_require(pbx_client_post(client, "key", "{}", 5000, &outcome) == 0);
    for (int i = 0; i < MOST_ROUNDS && outcome.count == 0; i++) {
        pbx_client_run(client, i == 0 ? 0 : 10, note, &outcome);
        serve(answer, size);
    }
    fuzz_require(outcome.count == 1 && pbx_client_busy(client) == 0);
    check_status(answer, size, outcome.answer.code, outcome.answer.http_status);
    fuzz_require(outcome.answer.retry_after_ms >= 0 && outcome.answer.retry_after_ms <= 3600000);
    fuzz_require(strchr(outcome.answer.detail, '\n') == NULL);
    fuzz_require(strlen(outcome.answer.detail) < PBX_CLIENT_DETAIL);
    utf8_repair(outcome.answer.detail);
    fuzz_require(fuzz_is_printable(outcome.answer.detail));
    judge(outcome.answer.code, outcome.answer.http_status, outcome.answer.sent,
          outcome.answer.retry_after_ms);
}

/* ---- A plugin's target ------------------------------------------------------------------------------- */

static char directory[512]; /* "" before the first download */

static void remove_directory(void)
{
    rmdir(directory);
}

static const char *get_directory(void)
{
    const char *parent = getenv("TMPDIR");

    if (directory[0] != '\0')
        return directory;
    snprintf(directory, sizeof directory, "%s/pbxhook-fuzz-XXXXXX",
             parent != NULL ? parent : "/tmp");
    fuzz_require(mkdtemp(directory) != NULL);
    fuzz_require(atexit(remove_directory) == 0);
    return directory;
}

static CURLcode run_transfer(CURLM *multi, const uint8_t *answer, size_t size)
{
    int running = 1, left = 0;

    for (int i = 0; i < MOST_ROUNDS && running > 0; i++) {
        fuzz_require(curl_multi_perform(multi, &running) == CURLM_OK);
        serve(answer, size);
        if (running > 0 && i > 0)
            curl_multi_poll(multi, NULL, 0, 10, NULL);
    }
    CURLMsg *message = curl_multi_info_read(multi, &left);
    fuzz_require(message != NULL && message->msg == CURLMSG_DONE);
    return message->data.result;
}

/* A whole download is there, of the size that was told; of any other nothing is left. */
static void check_download(const struct delivery *delivery, const struct transfer_answer *answer)
{
    char path[sizeof directory + 16];
    struct stat info;

    snprintf(path, sizeof path, "%s/file", get_directory());
    int is_there = stat(path, &info) == 0;
    fuzz_require(!is_there || (info.st_size == delivery->size && info.st_size <= MAX_DOWNLOAD));
    if (is_there)
        fuzz_require(answer->http_status >= 200 && answer->http_status < 300);
    unlink(path);
    snprintf(path, sizeof path, "%s/.part-id", get_directory());
    fuzz_require(access(path, F_OK) < 0);
}

static void ask_target(const uint8_t *bytes, size_t size, int is_download)
{
    static struct config_target config = {.name = "crm",
                                          .url = "http://127.0.0.1:1",
                                          .user = "",
                                          .password_file = "",
                                          .token_file = "",
                                          .max_download_bytes = MAX_DOWNLOAD};
    static CURLM *multi;
    struct transfer_target target = {.config = &config, .download_dir = get_directory()};
    struct delivery delivery = {
        .id = "id", .path = "/", .file = "file", .body = is_download ? NULL : "{}"};
    struct transfer_answer answer;

    if (multi == NULL)
        multi = curl_multi_init();
    serve(NULL, 0);
    struct transfer *transfer = transfer_begin(multi, &target, &delivery, 5000);
    fuzz_require(transfer != NULL);
    CURLcode code = run_transfer(multi, bytes, size);
    transfer_end(multi, transfer, code, &answer);
    check_status(bytes, size, answer.code, answer.http_status);
    fuzz_require(fuzz_is_printable(delivery.detail));
    fuzz_require(answer.retry_after_ms >= 0 && answer.retry_after_ms <= 3600000);
    judge(answer.code, answer.http_status, answer.sent, answer.retry_after_ms);
    check_download(&delivery, &answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};

    if (size > 131072)
        return 0;
    switch (fuzz_take_byte(&input) % 3) {
    case 0: /* twice: what libcurl kept of an answer meets the next one */
        ask_pbx(input.next, input.left);
        ask_pbx(input.next, input.left);
        break;
    case 1:
        ask_target(input.next, input.left, 0);
        break;
    default:
        ask_target(input.next, input.left, 1);
    }
    return 0;
}
