/* outbox_test.c: the delivery thread against a small PBX of libmicrohttpd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "common/clock.h"
#include "loop_length.h"
#include "pbx/outbox.h"

#define DEADLINE_MS 10000

/* What the PBX does and what it saw. */
struct pbx {
    struct MHD_Daemon *daemon;
    int port;
    _Atomic int status;         /* answered with; 0: hold the request back for ever */
    const char *_Atomic answer; /* the body of it */
    _Atomic int requests;
    pthread_mutex_t lock;
    char key[64];
    char body[256];
    char authorization[128];
    struct MHD_Connection *held[4];
    int held_count;
};

struct fixture {
    struct pbx pbx;
    struct config config;
    char url[64];
    struct outbox *outbox;
};

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **request)
{
    struct pbx *pbx = arg;
    (void)url;
    (void)method;
    (void)version;
    if (*request == NULL) {
        *request = pbx;
        return MHD_YES;
    }
    if (*size > 0) {
        pthread_mutex_lock(&pbx->lock);
        snprintf(pbx->body, sizeof pbx->body, "%.*s", (int)*size, data);
        pthread_mutex_unlock(&pbx->lock);
        *size = 0;
        return MHD_YES;
    }
    const char *key = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Idempotency-Key");
    const char *login = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    pthread_mutex_lock(&pbx->lock);
    snprintf(pbx->key, sizeof pbx->key, "%s", key != NULL ? key : "");
    snprintf(pbx->authorization, sizeof pbx->authorization, "%s", login != NULL ? login : "");
    pthread_mutex_unlock(&pbx->lock);
    pbx->requests++;
    if (pbx->status == 0) {
        pthread_mutex_lock(&pbx->lock);
        pbx->held[pbx->held_count++] = connection;
        pthread_mutex_unlock(&pbx->lock);
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    const char *text = pbx->answer;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    if (pbx->status == 429)
        MHD_add_response_header(response, "Retry-After", "3");
    if (pbx->status == 302)
        MHD_add_response_header(response, "Location", "/elsewhere");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)pbx->status, response);
    MHD_destroy_response(response);
    return result;
}

static void pbx_start(struct pbx *pbx)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_init(&pbx->lock, NULL);
    pbx->status = 200;
    pbx->answer = "hello";
    pbx->daemon =
        MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                         answer, pbx, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    assert_non_null(pbx->daemon);
    pbx->port = MHD_get_daemon_info(pbx->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    pbx_start(&fixture->pbx);
    snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%d/api/client/actions",
             fixture->pbx.port);
    fixture->config.pbx.url = fixture->url;
    fixture->config.pbx.user = (char *)"";
    fixture->config.pbx.password_file = (char *)"";
    fixture->config.pbx.timeout_ms = 5000;
    fixture->config.pbx.connections = 4;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    outbox_stop(fixture->outbox, 0);
    outbox_free(fixture->outbox);
    fixture->pbx.status = 200;
    pthread_mutex_lock(&fixture->pbx.lock);
    for (int i = 0; i < fixture->pbx.held_count; i++)
        MHD_resume_connection(fixture->pbx.held[i]);
    pthread_mutex_unlock(&fixture->pbx.lock);
    if (fixture->pbx.daemon != NULL)
        MHD_stop_daemon(fixture->pbx.daemon);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    char error[256] = "";
    if (outbox_start(&fixture->config, &fixture->outbox, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static void submit(struct fixture *fixture, int64_t id, int64_t expires_in_ms)
{
    int64_t now_ms = clock_wall_ms();
    struct store_action action = {.id = id,
                                  .key = strdup("pbxhook-0123"),
                                  .call_id = strdup("call-1"),
                                  .body = strdup("{\"type\":\"call.waiting\"}"),
                                  .received_ms = now_ms,
                                  .expires_ms = now_ms + expires_in_ms,
                                  .attempts = 1};
    assert_true(action.key != NULL && action.call_id != NULL && action.body != NULL);
    outbox_submit(fixture->outbox, &action, 1);
    assert_null(action.body); /* taken */
}

static struct outbox_result *wait_for_result(struct fixture *fixture)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    while (clock_mono_us() < until_us) {
        struct pollfd ready = {.fd = outbox_event_fd(fixture->outbox), .events = POLLIN};
        poll(&ready, 1, 100);
        struct outbox_result *result = outbox_take(fixture->outbox);
        if (result != NULL)
            return result;
    }
    fail_msg("no result");
    return NULL;
}

static void test_delivers_with_its_key(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    submit(fixture, 7, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    assert_int_equal(result->action.id, 7);
    assert_int_equal(result->state, STORE_ACTION_DELIVERED);
    assert_int_equal(result->http_status, 200);
    assert_string_equal(result->detail, "hello");
    assert_string_equal(fixture->pbx.key, "pbxhook-0123");
    assert_string_equal(fixture->pbx.body, "{\"type\":\"call.waiting\"}");
    assert_string_equal(fixture->pbx.authorization, "");
    assert_null(result->next);
    outbox_result_free(result);
}

static void test_slots_are_bounded_and_come_back(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    assert_int_equal(outbox_free_slots(fixture->outbox), 4);
    for (int i = 0; i < 4; i++)
        submit(fixture, i, 10000);
    assert_int_equal(outbox_free_slots(fixture->outbox), 0);
    for (int got = 0; got < 4;) {
        struct outbox_result *result = wait_for_result(fixture);
        while (result != NULL) {
            struct outbox_result *next = result->next;
            assert_int_equal(result->state, STORE_ACTION_DELIVERED);
            outbox_result_free(result);
            result = next;
            got++;
        }
    }
    assert_int_equal(outbox_free_slots(fixture->outbox), 4);
    assert_int_equal(fixture->pbx.requests, 4);
}

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    fixture->pbx.status = 400;
    submit(fixture, 1, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    assert_int_equal(result->state, STORE_ACTION_REJECTED);
    outbox_result_free(result);

    fixture->pbx.status = 429;
    int64_t before_ms = clock_wall_ms();
    submit(fixture, 2, 10000);
    result = wait_for_result(fixture);
    assert_int_equal(result->state, STORE_ACTION_PENDING);
    assert_true(result->due_ms >= before_ms + 3000);
    outbox_result_free(result);
}

/* Wherever it leads, nobody has taken the action there. */
static void test_redirection_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    fixture->pbx.status = 302;
    submit(fixture, 1, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    assert_int_equal(result->state, STORE_ACTION_REJECTED);
    assert_int_equal(result->http_status, 302);
    assert_int_equal(fixture->pbx.requests, 1);
    outbox_result_free(result);
}

static void test_silence_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.pbx.timeout_ms = 200;
    start(fixture);
    fixture->pbx.status = 0;
    submit(fixture, 1, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    assert_int_equal(result->state, STORE_ACTION_UNKNOWN);
    assert_int_equal(result->http_status, 0);
    assert_int_equal(fixture->pbx.requests, 1);
    outbox_result_free(result);
}

static void test_the_deadline_bounds_an_attempt(void **state)
{
    struct fixture *fixture = *state;
    start(fixture); /* time-out 5 s, deadline 150 ms */
    fixture->pbx.status = 0;
    int64_t before_us = clock_mono_us();
    submit(fixture, 1, 150);
    struct outbox_result *result = wait_for_result(fixture);
    assert_true(clock_mono_us() - before_us < 4000000);
    assert_int_equal(result->state, STORE_ACTION_UNKNOWN);
    outbox_result_free(result);

    submit(fixture, 2, -1);
    result = wait_for_result(fixture);
    assert_int_equal(result->state, STORE_ACTION_EXPIRED);
    outbox_result_free(result);
    assert_int_equal(fixture->pbx.requests, 1); /* the late one was not sent */
}

static void test_nobody_listens(void **state)
{
    struct fixture *fixture = *state;
    MHD_stop_daemon(fixture->pbx.daemon);
    fixture->pbx.daemon = NULL;
    start(fixture);
    submit(fixture, 1, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    assert_int_equal(result->state, STORE_ACTION_PENDING);
    assert_true(result->due_ms > 0);
    outbox_result_free(result);
}

static void test_stop_lets_the_answer_come(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    submit(fixture, 1, 10000);
    outbox_stop(fixture->outbox, 5000);
    assert_int_equal(outbox_free_slots(fixture->outbox), 0);
    struct outbox_result *result = outbox_take(fixture->outbox);
    assert_non_null(result);
    assert_int_equal(result->state, STORE_ACTION_DELIVERED);
    outbox_result_free(result);
    outbox_free(fixture->outbox);
    fixture->outbox = NULL;
}

static void test_stop_settles_what_has_no_answer(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    fixture->pbx.status = 0;
    submit(fixture, 1, 10000);
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    while (fixture->pbx.requests == 0 && clock_mono_us() < until_us)
        poll(NULL, 0, 1);
    outbox_stop(fixture->outbox, 0);
    struct outbox_result *result = outbox_take(fixture->outbox);
    assert_non_null(result);
    assert_int_equal(result->state, STORE_ACTION_UNKNOWN);
    assert_string_equal(result->detail, "stopped before the PBX answered");
    outbox_result_free(result);
    outbox_free(fixture->outbox);
    fixture->outbox = NULL;
}

/* A socket that listens, and whose queue is full: who connects now waits for ever. */
struct full_queue {
    int listening;
    int waiting[8];
    int port;
};

static int stands(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, 200) == 1;
}

static void fill_queue(struct full_queue *queue)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    queue->listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(queue->listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(queue->listening, 0), 0);
    assert_int_equal(getsockname(queue->listening, (struct sockaddr *)&address, &size), 0);
    queue->port = ntohs(address.sin_port);
    for (int i = 0; i < 8; i++)
        queue->waiting[i] = -1;
    for (int i = 0; i < 8; i++) {
        queue->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(queue->waiting[i], (struct sockaddr *)&address, size);
        if (!stands(queue->waiting[i]))
            return;
    }
    fail_msg("the queue has no end");
}

static void close_queue(struct full_queue *queue)
{
    for (int i = 0; i < 8 && queue->waiting[i] >= 0; i++)
        close(queue->waiting[i]);
    close(queue->listening);
}

/* Surely not received: the next worker sends it. */
static void test_stop_gives_back_what_was_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct full_queue queue;
    fill_queue(&queue);
    snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%d/", queue.port);
    start(fixture);
    int64_t before_ms = clock_wall_ms();
    submit(fixture, 1, 10000);
    outbox_stop(fixture->outbox, 20);
    struct outbox_result *result = outbox_take(fixture->outbox);
    assert_non_null(result);
    assert_int_equal(result->state, STORE_ACTION_PENDING);
    assert_in_range(result->due_ms, before_ms, before_ms + 10000);
    assert_string_equal(result->detail, "stopped before it was sent");
    outbox_result_free(result);
    outbox_free(fixture->outbox);
    fixture->outbox = NULL;
    close_queue(&queue);
}

/* Whatever fails before a connection stands has sent nothing. */
static void test_failures_before_sending_are_retried(void **state)
{
    struct fixture *fixture = *state;
    char tls[64];
    snprintf(tls, sizeof tls, "https://127.0.0.1:%d/", fixture->pbx.port);
    const char *const urls[] = {"http://pbx.invalid/", tls};
    /* With TLS, libcurl reads the system's hundreds of certificates. */
    for (int i = 0; i < loop_length(2, 1); i++) {
        fixture->config.pbx.url = (char *)urls[i];
        start(fixture);
        submit(fixture, 1, 10000);
        struct outbox_result *result = wait_for_result(fixture);
        assert_int_equal(result->state, STORE_ACTION_PENDING);
        outbox_result_free(result);
        outbox_stop(fixture->outbox, 0);
        outbox_free(fixture->outbox);
        fixture->outbox = NULL;
    }
}

static void test_login(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/pbxhook-password-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "open sesame\n", 12), 12);
    close(fd);
    fixture->config.pbx.user = (char *)"ali";
    fixture->config.pbx.password_file = path;
    start(fixture);
    submit(fixture, 1, 10000);
    outbox_result_free(wait_for_result(fixture));
    assert_string_equal(fixture->pbx.authorization, "Basic YWxpOm9wZW4gc2VzYW1l");
    unlink(path);
}

static void test_missing_password_is_told(void **state)
{
    struct fixture *fixture = *state;
    char error[256] = "";
    fixture->config.pbx.user = (char *)"ali";
    fixture->config.pbx.password_file = (char *)"/nonexistent/password";
    assert_int_equal(outbox_start(&fixture->config, &fixture->outbox, error, sizeof error), -1);
    assert_non_null(strstr(error, "pbx.password_file: /nonexistent/password"));
    assert_null(fixture->outbox);
}

/* A PBX may answer in Latin-1, or with more than is kept: what goes to the database is UTF-8 anyway. */
static void test_detail_is_utf8(void **state)
{
    static const struct {
        const char *answer, *detail;
    } cases[] = {{"Servi\xe7o indispon\xedvel\nx", "Servi?o indispon?vel"},
                 {"Servi\xc3\xa7o", "Servi\xc3\xa7o"},
                 {"\xed\xa0\x80 \xc0\xaf", "??? ??"}};
    static char longer[400]; /* the PBX's thread may read it for a moment after it was answered */
    struct fixture *fixture = *state;
    start(fixture);
    fixture->pbx.status = 404;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture->pbx.answer = cases[i].answer;
        submit(fixture, 7, 10000);
        struct outbox_result *result = wait_for_result(fixture);
        assert_string_equal(result->detail, cases[i].detail);
        outbox_result_free(result);
    }
    for (size_t i = 0; i + 2 < sizeof longer; i += 2)
        memcpy(longer + i, "\xc3\xa7", 3);
    fixture->pbx.answer = longer;
    submit(fixture, 7, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    size_t size = strlen(result->detail);
    assert_true(size > 100);
    for (size_t at = 0; at < size; at++) /* its last character was cut in two */
        assert_int_equal((unsigned char)result->detail[at], at + 1 == size && size % 2 == 1 ? '?'
                                                            : at % 2 == 0                   ? 0xc3
                                                                                            : 0xa7);
    outbox_result_free(result);
    fixture->pbx.answer = "hello";
}

/* However many pieces the answer comes in. */
static void test_detail_is_the_first_line(void **state)
{
    static char longer[40000]; /* libcurl hands over 16 KiB at most */
    struct fixture *fixture = *state;
    start(fixture);
    fixture->pbx.status = 404;
    memset(longer, 'x', sizeof longer - 1);
    memcpy(longer, "no such call\n", 13);
    fixture->pbx.answer = longer;
    submit(fixture, 7, 10000);
    struct outbox_result *result = wait_for_result(fixture);
    assert_string_equal(result->detail, "no such call");
    outbox_result_free(result);
    fixture->pbx.answer = "hello";
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_delivers_with_its_key),
        TEST(test_detail_is_utf8),
        TEST(test_detail_is_the_first_line),
        TEST(test_slots_are_bounded_and_come_back),
        TEST(test_refusals),
        TEST(test_redirection_is_not_followed),
        TEST(test_silence_is_unknown),
        TEST(test_the_deadline_bounds_an_attempt),
        TEST(test_nobody_listens),
        TEST(test_stop_lets_the_answer_come),
        TEST(test_stop_settles_what_has_no_answer),
        TEST(test_stop_gives_back_what_was_not_sent),
        TEST(test_failures_before_sending_are_retried),
        TEST(test_login),
        TEST(test_missing_password_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
