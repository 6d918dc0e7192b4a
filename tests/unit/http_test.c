/*
 * http_test.c: what a PBX and its integrator see of the webhook: when it is acknowledged, what is refused
 * and how, and that nothing a client does harms the next one.
 */
#include "webhook_fixture.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <curl/curl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void post(struct http_server *server, const char *path, const char *fields, const char *body,
                 struct client_answer *out)
{
    int fd = client_connect(server->address);
    post_on(fd, path, fields, body);
    client_read(fd, 0, out);
    close(fd);
}

static void check_post(struct http_server *server, const char *fields, const char *body, int status)
{
    struct client_answer answer;
    post(server, "/webhook", fields, body, &answer);
    if (answer.status != status)
        fail_msg("%d instead of %d for %s%s: %s", answer.status, status, fields, body, answer.body);
    client_answer_free(&answer);
}

/* ---- Acknowledging ------------------------------------------------------------------------------ */

static void acknowledges_on_both_routes(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    post(server, "/api/client/webhook", "Content-Type: application/json\r\n", BODY, &answer);
    assert_int_equal(answer.status, 204);
    client_answer_free(&answer);
    post(server, "/webhook", "Content-Type: application/json\r\n", BODY, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"status\":\"ok\"}");
    client_check_field(&answer, "Content-Type", "application/json");
    client_check_field(&answer, "Cache-Control", "no-store");
    client_answer_free(&answer);

    char body[512];
    fakes_last_body(body, sizeof body);
    assert_string_equal(body, BODY);
    assert_int_equal(received(server), 2);
}

static void acknowledges_only_what_is_safe(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_spool(FAKE_SPOOL_HELD);
    int fd = client_connect(server->address);
    post_on(fd, "/api/client/webhook", "", BODY);
    fakes_await_held(1);
    client_exchange(server->address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200); /* others are served in the meantime */
    client_answer_free(&answer);
    assert_true(client_is_silent(fd));
    assert_int_equal(received(server), 0);
    fakes_release_spool(SPOOL_SAFE);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 204);
    client_answer_free(&answer);
    assert_int_equal(received(server), 1);

    post_on(fd, "/api/client/webhook", "", BODY);
    fakes_await_held(1);
    fakes_release_spool(SPOOL_FAILED);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 503);
    client_check_field(&answer, "Retry-After", "5");
    client_answer_free(&answer);
    assert_int_equal(received(server), 1);
    assert_int_equal(rejected(server, METRICS_REJECT_SPOOL_ERROR), 1);

    post_on(fd, "/api/client/webhook", "", BODY);
    fakes_await_held(1);
    fakes_release_spool(SPOOL_UNSTORED);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 503);
    client_check_field(&answer, "Retry-After", "5");
    client_answer_free(&answer);
    assert_int_equal(received(server), 1);
    assert_int_equal(rejected(server, METRICS_REJECT_NOT_STORED), 1);
    close(fd);
}

static void asks_to_come_back_when_the_spool_is_full(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char reason[64];

    fakes_set_spool(FAKE_SPOOL_FULL);
    post(server, "/webhook", "", BODY, &answer);
    assert_int_equal(answer.status, 503);
    client_check_field(&answer, "Retry-After", "1");
    problem_text(&answer, "reason", reason, sizeof reason);
    assert_string_equal(reason, "spool_full");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_SPOOL_FULL), 1);
}

static void keeps_the_event_of_a_client_that_vanished(void **state)
{
    struct http_server *server = *state;

    fakes_set_spool(FAKE_SPOOL_HELD);
    for (int i = 0; i < 10; i++) {
        int fd = client_connect(server->address);
        post_on(fd, "/webhook", "", BODY);
        fakes_await_held(i + 1);
        close(fd);
    }
    fakes_release_spool(SPOOL_SAFE);
    fakes_set_spool(FAKE_SPOOL_SAFE);
    check_post(server, "", BODY, 200);
    assert_int_equal(received(server), 11);
}

static void forgets_a_client_that_vanished_within_its_body(void **state)
{
    struct http_server *server = *state;
    int fd = client_connect(server->address);
    client_send_text(fd, HEAD "Content-Length: 1000\r\n\r\n{\"type\":");
    close(fd);
    check_post(server, "", BODY, 200);
    assert_int_equal(received(server), 1);
    assert_int_equal(fakes_submitted(), 1);
}

static void answers_pipelined_requests_in_order(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char both[1024];
    int fd = client_connect(server->address);

    snprintf(both, sizeof both,
             HEAD "Content-Length: %zu\r\n\r\n%s"
                  "POST /api/client/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(BODY), BODY, strlen(BODY), BODY);
    client_send_text(fd, both);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 204);
    client_answer_free(&answer);
    close(fd);
}

static void identifies_by_key_or_content(void **state)
{
    struct http_server *server = *state;
    uint8_t content[EVENT_IDENTITY_SIZE], id[EVENT_IDENTITY_SIZE], other[EVENT_IDENTITY_SIZE];

    check_post(server, "", BODY, 200);
    fakes_last_identity(content);
    check_post(server, "webhook-id: \r\n", BODY, 200); /* empty is none */
    fakes_last_identity(other);
    assert_memory_equal(content, other, sizeof content);

    check_post(server, "Webhook-Id: m-1\r\nIdempotency-Key: k-1\r\n", BODY, 200);
    fakes_last_identity(id);
    assert_memory_not_equal(id, content, sizeof id);
    check_post(server, "webhook-id: m-1\r\nIdempotency-Key: k-2\r\n", BODY " ", 200);
    fakes_last_identity(other);
    assert_memory_equal(id, other, sizeof id);
    check_post(server, "idempotency-key: m-1\r\n", BODY, 200);
    fakes_last_identity(other);
    assert_memory_equal(id, other, sizeof id);

    server->config.webhook.deduplicate = 0;
    restart(server);
    check_post(server, "webhook-id: m-1\r\n", BODY, 200);
    fakes_last_identity(other);
    assert_memory_not_equal(id, other, sizeof id);
}

static void refuses_unknown_events_when_told_to(void **state)
{
    static const char unknown[] =
        "{\"type\":\"call.hold\",\"call_id\":\"c-1\",\"timestamp\":\"2018-02-15T20:07:32.562Z\"}";
    struct http_server *server = *state;
    struct client_answer answer;
    char member[64];

    check_post(server, "", unknown, 200);
    server->config.webhook.reject_unknown = 1;
    restart(server);
    post(server, "/webhook", "", unknown, &answer);
    assert_int_equal(answer.status, 422);
    problem_text(&answer, "member", member, sizeof member);
    assert_string_equal(member, "type");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_UNKNOWN_EVENT), 1);
    check_post(server, "", BODY, 200);
    fakes_set_taken_type("call.hold");
    check_post(server, "", unknown, 200);
}

/* ---- Refusing ------------------------------------------------------------------------------------ */

/* What libmicrohttpd refuses by itself: the connection ends, nothing is taken. */
static void survives_what_is_no_http(void **state)
{
    static const char *const requests[] = {
        "\x16\x03\x01\x02\r\n\r\n",
        "GET /\r\n\r\n",
        "POST /webhook HTTP/2.0\r\nHost: x\r\n\r\n",
        HEAD "Content-Length: abc\r\n\r\n{}",
        HEAD "Content-Length: -1\r\n\r\n{}",
        HEAD "Content-Length: 2, 2\r\n\r\n{}",
        HEAD "Content-Length: 99999999999999999999999\r\n\r\n{}",
        HEAD "nonsense\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        NULL,
    };
    struct http_server *server = *state;
    static char huge[100000];

    for (size_t i = 0; requests[i] != NULL; i++) {
        int fd = client_connect(server->address);
        client_send_text(fd, requests[i]);
        client_await_close(fd);
        close(fd);
    }
    struct client_answer answer;
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, HEAD "X: ", strlen(HEAD "X: "));
    int fd = client_connect(server->address);
    client_send(fd, huge, 9000);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 431);
    client_answer_free(&answer);
    close(fd);
    check_post(server, "", BODY, 200);
    assert_int_equal(fakes_submitted(), 1);
}

static void refuses_what_is_not_json_by_its_type(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    check_post(server, "", BODY, 200);
    check_post(server, "Content-Type: application/json; charset=utf-8\r\n", BODY, 200);
    check_post(server, "content-type: Application/JSON;charset=utf-8\r\n", BODY, 200);
    check_post(server, "Content-Type: application/cloudevents+json\r\n", BODY, 200);
    check_post(server, "Content-Encoding: identity\r\n", BODY, 200);
    check_post(server, "Content-Type: application/x-www-form-urlencoded\r\n", BODY, 415);
    check_post(server, "Content-Type: multipart/form-data; boundary=+json\r\n", BODY, 415);
    check_post(server, "Content-Type: text/json\r\n", BODY, 415);
    check_post(server, "Content-Type: application/jsonp\r\n", BODY, 415);
    check_post(server, "Content-Type: +json\r\n", BODY, 415);
    check_post(server, "Content-Type: \r\n", BODY, 415);
    check_post(server, "Content-Encoding: gzip\r\n", BODY, 415);
    assert_int_equal(rejected(server, METRICS_REJECT_MEDIA_TYPE), 7);

    post(server, "/webhook", "Content-Type: text/plain\r\n", BODY, &answer);
    client_check_field(&answer, "Accept", "application/json");
    client_answer_free(&answer);
    post(server, "/webhook", "Content-Encoding: br\r\n", BODY, &answer);
    client_check_field(&answer, "Accept-Encoding", "identity");
    client_answer_free(&answer);
}

static void names_the_member_that_is_wrong(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    char member[64], reason[64];

    post(server, "/webhook", "", "{\"chamada\":{\"type\":\"call.new\"}}", &answer);
    assert_int_equal(answer.status, 400);
    problem_text(&answer, "member", member, sizeof member);
    assert_string_equal(member, "chamada.call_id");
    problem_text(&answer, "reason", reason, sizeof reason);
    assert_string_equal(reason, "missing_member");
    client_answer_free(&answer);
    assert_int_equal(rejected(server, METRICS_REJECT_MISSING_MEMBER), 1);

    check_post(server, "", "", 400);
    check_post(server, "", "{\"type\":", 400);
    assert_int_equal(rejected(server, METRICS_REJECT_NOT_JSON), 2);
    assert_int_equal(fakes_submitted(), 0);
}

static void leaves_the_connection_open_after_a_refusal(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;
    int fd = client_connect(server->address);

    post_on(fd, "/nowhere", "", BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 404);
    client_answer_free(&answer);
    post_on(fd, "/webhook", "Content-Type: text/plain\r\n", BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 415);
    client_answer_free(&answer);
    client_send_text(fd, "PUT /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 405);
    client_check_field(&answer, "Allow", "POST");
    client_answer_free(&answer);
    client_send_text(fd, "GET /webhook?type=call.new HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 405);
    client_answer_free(&answer);
    client_send_text(fd, "POST /webhook%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 404);
    client_answer_free(&answer);
    post_on(fd, "/webhook", "", BODY);
    client_read(fd, 0, &answer);
    assert_int_equal(answer.status, 200);
    client_answer_free(&answer);
    close(fd);
}

/* ---- Another client ------------------------------------------------------------------------------ */

static size_t read_body(char *out, size_t size, size_t count, void *arg)
{
    const char **rest = arg;
    size_t part = strlen(*rest);
    if (part > size * count)
        part = size * count;
    memcpy(out, *rest, part);
    *rest += part;
    return part;
}

static size_t ignore_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void serves_libcurl(void **state)
{
    struct http_server *server = *state;
    char url[128];
    long status = 0, connects = 0;
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(url, sizeof url, "http://%s/webhook", server->address);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
    for (int i = 0; i < 20; i++) {
        const char *rest = BODY;
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        if (i % 2 == 0) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, BODY);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(BODY));
        } else { /* of unknown length: chunked */
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, -1L);
            curl_easy_setopt(curl, CURLOPT_READDATA, &rest);
        }
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        assert_int_equal(status, 200);
        curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
        assert_int_equal(connects, i % 2 == 0); /* the connection ends behind chunks */
    }
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
    assert_int_equal(received(server), 20);
}

/* What the service manager's watchdog asks. A loop that has ended does not hang. */
static void test_alive_while_the_loop_goes_round(void **state)
{
    struct http_server *server = *state;
    const int64_t long_ago_us = -1; /* no round is as young as that */
    assert_true(http_is_alive(server->http, 5000000));
    assert_false(http_is_alive(server->http, long_ago_us));
    http_stop(server->http, 0);
    assert_true(http_is_alive(server->http, long_ago_us));
}

static void post_late(void *arg)
{
    post_on(*(const int *)arg, "/webhook", "", BODY);
}

/* What has waited for the spool in vain is answered, and so is a request that comes at that very time. */
static void stops_while_requests_come(void **state)
{
    struct http_server *server = *state;
    struct client_answer answer;

    fakes_set_spool(FAKE_SPOOL_HELD);
    int late = client_connect(server->address);
    client_send_text(late, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(late, 0, &answer); /* so it is a connection of the server's by now */
    client_answer_free(&answer);
    int waiting = client_connect(server->address);
    post_on(waiting, "/webhook", "", BODY);
    fakes_await_held(1);
    fakes_on_give_up(post_late, &late);
    http_stop(server->http, 0);
    assert_int_equal(fakes_submitted(), 1);
    client_read(waiting, 0, &answer);
    assert_int_equal(answer.status, 503);
    client_check_field(&answer, "Retry-After", "5");
    client_answer_free(&answer);
    client_read(late, 0, &answer);
    assert_int_equal(answer.status, 503);
    client_check_field(&answer, "Retry-After", "5");
    client_answer_free(&answer);
    close(waiting);
    close(late);
}

/* Starts the server anew; what it logs meanwhile is in `out`. */
static void restart_and_listen(struct http_server *server, char *out, size_t size)
{
    int log = memfd_create("log", MFD_CLOEXEC), usual = dup(STDERR_FILENO);
    assert_true(log >= 0 && usual >= 0 && dup2(log, STDERR_FILENO) >= 0);
    restart(server);
    assert_true(dup2(usual, STDERR_FILENO) >= 0);
    ssize_t got = pread(log, out, size - 1, 0);
    out[got > 0 ? got : 0] = '\0';
    close(usual);
    close(log);
}

/* Each has two that are open as long as it lives. The last case: the limit stays. */
static void keeps_descriptors_for_its_workers(void **state)
{
    const struct rlimit few = {.rlim_cur = 400, .rlim_max = 400};
    struct http_server *server = *state;
    char log[4096];

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    restart_and_listen(server, log, sizeof log);
    assert_non_null(strstr(log, " connections=252 ")); /* and the stream's readers, and 64 */
    server->config.workers = 64;
    restart_and_listen(server, log, sizeof log);
    assert_non_null(strstr(log, " connections=156 "));
}

/* In a process of its own: whether others of its user may look into one that has opened this server. */
static int is_open_to_others(const char *token_file)
{
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static struct http_server server;
        char error[512];
        http_server_prepare(&server);
        server.config.webhook.token_file = (char *)token_file;
        struct http_options options = {.config = &server.config, .metrics = &server.metrics};
        _exit(http_open(&options, &server.http, error, sizeof error) < 0 ? 99
                                                                         : prctl(PR_GET_DUMPABLE));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void with_secrets_nobody_looks_into_the_process(void **state)
{
    char path[] = "/tmp/pbxhook-http-XXXXXX";
    int fd = mkstemp(path); /* 0600 */
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one-token-000\n", 14), 14);
    close(fd);
    int before = prctl(PR_GET_DUMPABLE);
    assert_int_not_equal(before, 0);
    assert_int_equal(is_open_to_others(NULL), before);
    assert_int_equal(is_open_to_others(path), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_secrets_nobody_looks_into_the_process),
        http_case(test_alive_while_the_loop_goes_round),
        http_case(acknowledges_on_both_routes),
        http_case(acknowledges_only_what_is_safe),
        http_case(asks_to_come_back_when_the_spool_is_full),
        http_case(keeps_the_event_of_a_client_that_vanished),
        http_case(forgets_a_client_that_vanished_within_its_body),
        http_case(answers_pipelined_requests_in_order),
        http_case(identifies_by_key_or_content),
        http_case(refuses_unknown_events_when_told_to),
        http_case(survives_what_is_no_http),
        http_case(refuses_what_is_not_json_by_its_type),
        http_case(names_the_member_that_is_wrong),
        http_case(leaves_the_connection_open_after_a_refusal),
        http_case(serves_libcurl),
        http_case(stops_while_requests_come),
        http_case(keeps_descriptors_for_its_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
