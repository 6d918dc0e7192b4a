/*
 * limits_test.c: what nobody may have too much of: time, connections, head, depth; and that a thousand
 * who have it delay nobody's events.
 */
#include "world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "certificates.h"

#define EVENT     "{\"type\":\"call.new\",\"call_id\":\"c-1\"}"
#define POST_HEAD "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\n"

/* Limits of one second in the tests (longer in a slower build, as this is) are looked at once a second. */
#define CUT_LIMIT_MS 5000

/* Another address of this machine, with counts of its own. */
#define ELSEWHERE "127.0.0.2"

/* ---- Time ---------------------------------------------------------------------------------------- */

/* Sends a byte now and then, for ever: 1 when the server hung up in time. */
static int is_cut_while_trickling(int fd, const char *first, char byte)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(CUT_LIMIT_MS);
    socket_write_text(fd, first);
    while (wait_now_ms() < until_ms) {
        char answer;
        if (recv(fd, &answer, 1, MSG_DONTWAIT) == 0 || send(fd, &byte, 1, MSG_NOSIGNAL) < 0)
            return 1;
        wait_nap();
    }
    return 0;
}

/* A client that is never silent and never done, in its head and in its body. */
static void test_trickling_is_cut(struct world *world)
{
    static const char *const beginnings[] = {
        "GET /", POST_HEAD "X: ",
        POST_HEAD "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n {",
        POST_HEAD "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n"};
    world_set_time(world, "PBXHOOK_HTTP_REQUEST_TIMEOUT", 1000);
    world_start(world);
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        int fd = socket_connect(world->server.port);
        assert_true(is_cut_while_trickling(fd, beginnings[i], ' '));
        close(fd);
        assert_int_equal(client_post(world->client, ROUTE_FLAT, EVENT), 200);
    }
    await(metric_get(world, "pbxhook_http_connections") <= 1);
}

static void test_silence_is_cut(struct world *world)
{
    world_set_time(world, "PBXHOOK_HTTP_IDLE_TIMEOUT", 1000);
    world_start(world);
    int fresh = socket_connect(world->server.port);
    int half = socket_connect(world->server.port);
    socket_write_text(half, POST_HEAD "Content-Length: 10\r\n\r\n{");
    assert_int_equal(socket_await_end(fresh, CUT_LIMIT_MS), 0);
    assert_int_equal(socket_await_end(half, CUT_LIMIT_MS), 0);
    close(fresh);
    close(half);
}

static void test_stalled_handshakes_are_cut(struct world *world)
{
    char path[SCRATCH_PATH], ca[SCRATCH_PATH];
    certificates_make(world->directory);
    scratch_path(world->directory, "server.pem", path);
    world_set(world, "PBXHOOK_TLS_CERTIFICATE_FILE", path);
    scratch_path(world->directory, "server.key", path);
    world_set(world, "PBXHOOK_TLS_KEY_FILE", path);
    world_set_time(world, "PBXHOOK_HTTP_REQUEST_TIMEOUT", 1000);
    world_start(world);
    scratch_path(world->directory, "ca.pem", ca);
    world->client->ca_file = ca;
    int silent = socket_connect(world->server.port);
    int half = socket_connect(world->server.port);
    socket_write(half, "\x16\x03\x01\x02\x00\x01", 6); /* the beginning of a client's hello */
    assert_int_equal(client_post(world->client, ROUTE_FLAT, EVENT), 200);
    assert_int_equal(socket_await_end(silent, CUT_LIMIT_MS), 0);
    assert_int_equal(socket_await_end(half, CUT_LIMIT_MS), 0);
    close(silent);
    close(half);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, EVENT), 200);
}

/* ---- Connections --------------------------------------------------------------------------------- */

/* Whether a connection is held and answered. It is closed. */
static int is_answered(int fd)
{
    char answer[4096];
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    int answered = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
                   socket_read_answer(fd, answer, sizeof answer) == 200;
    close(fd);
    return answered;
}

#define PER_ADDRESS 5

static void test_connections_of_one_address(struct world *world)
{
    int held[PER_ADDRESS];
    world_set(world, "PBXHOOK_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "5");
    world_start(world);
    for (int i = 0; i < PER_ADDRESS; i++)
        held[i] = socket_connect_from(ELSEWHERE, world->server.port);
    metric_await(world, "pbxhook_http_connections", PER_ADDRESS + 1);
    for (int i = 0; i < 3; i++)
        assert_false(is_answered(socket_connect_from(ELSEWHERE, world->server.port)));
    assert_true(is_answered(socket_connect_from("127.0.0.3", world->server.port)));
    metric_check(world, "pbxhook_http_connections_refused_total", 3);
    assert_int_equal(server_log_count(&world->server, "too many connections", "address=" ELSEWHERE),
                     1);
    close(held[0]); /* its place is free again */
    metric_await(world, "pbxhook_http_connections", PER_ADDRESS);
    assert_true(is_answered(socket_connect_from(ELSEWHERE, world->server.port)));
    for (int i = 1; i < PER_ADDRESS; i++)
        close(held[i]);
}

static void test_a_trusted_proxy_has_more(struct world *world)
{
    int held[PER_ADDRESS * 2];
    world_set(world, "PBXHOOK_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "5");
    world_set(world, "PBXHOOK_WEBHOOK_TRUSTED_PROXIES", ELSEWHERE);
    world_start(world);
    for (int i = 0; i < PER_ADDRESS * 2; i++)
        held[i] = socket_connect_from(ELSEWHERE, world->server.port);
    for (int i = 0; i < PER_ADDRESS * 2; i++)
        assert_true(is_answered(held[i]));
}

#define IN_ALL 8

/* Who holds all connections and says nothing keeps nobody out. */
static void test_connections_in_all(struct world *world)
{
    int held[IN_ALL * 3];
    world_set(world, "PBXHOOK_HTTP_MAX_CONNECTIONS", "8");
    world_start(world);
    for (int i = 0; i < IN_ALL * 3; i++) {
        held[i] = socket_connect_from(ELSEWHERE, world->server.port);
        socket_write_text(held[i], "GET / HTTP/1.1\r\n");
    }
    int64_t started_ms = wait_now_ms();
    for (int i = 0; i < IN_ALL * 2; i++)
        assert_true(is_answered(socket_connect(world->server.port)));
    /* At once, and not when the loop looks around by itself, which it does once a second. */
    assert_true(wait_now_ms() - started_ms < wait_stretch(CUT_LIMIT_MS));
    assert_int_equal(client_post(world->client, ROUTE_FLAT, EVENT), 200);
    assert_true(metric_get(world, "pbxhook_http_connections_evicted_total") >= IN_ALL);
    assert_true(metric_get(world, "pbxhook_http_connections") <= IN_ALL);
    assert_int_equal(socket_await_end(held[0], CUT_LIMIT_MS), 0); /* the oldest went first */
    for (int i = 0; i < IN_ALL * 3; i++)
        close(held[i]);
}

/* ---- Sizes --------------------------------------------------------------------------------------- */

/* Posts with one field of so many bytes: the status. */
static int post_with_field(struct world *world, size_t size)
{
    char answer[4096];
    char *request = NULL, *filler = malloc(size + 1);
    assert_non_null(filler);
    memset(filler, 'x', size);
    filler[size] = '\0';
    assert_true(asprintf(&request,
                         POST_HEAD "Content-Type: application/json\r\nX: %s\r\n"
                                   "Content-Length: %zu\r\n\r\n" EVENT,
                         filler, strlen(EVENT)) > 0);
    int fd = socket_connect(world->server.port);
    (void)send(fd, request, strlen(request), MSG_NOSIGNAL);
    int status = socket_read_answer(fd, answer, sizeof answer);
    close(fd);
    free(request);
    free(filler);
    return status;
}

static void test_a_large_head(struct world *world)
{
    world_start(world);
    assert_int_equal(post_with_field(world, 4000), 200);
    assert_int_equal(post_with_field(world, 9000), 431);
    server_stop(&world->server);
    world_set(world, "PBXHOOK_HTTP_MAX_HEADER", "32KiB");
    world_start(world);
    assert_int_equal(post_with_field(world, 9000), 200);
    assert_int_equal(post_with_field(world, 33000), 431);
}

static void test_depth(struct world *world)
{
    static const char at[] = "{\"type\":\"call.new\",\"call_id\":\"c\",\"a\":[[[[1]]]]}";
    static const char beyond[] = "{\"type\":\"call.new\",\"call_id\":\"c\",\"a\":[[[[[1]]]]]}";
    world_set(world, "PBXHOOK_WEBHOOK_MAX_DEPTH", "5");
    world_start(world);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, at), 200);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, beyond), 400);
    assert_non_null(strstr(world->client->body, "deeper than 5 levels"));
    metric_check(world, "pbxhook_events_rejected_total{reason=\"too_deep\"}", 1);
}

/* ---- A crowd ------------------------------------------------------------------------------------- */

#define IDLE      1000
#define TRICKLING 100
#define ROUNDS    5
#define POSTS     200
/* What a busy machine adds now and then, whoever is connected. */
#define FLOOR_US 5000

struct crowd {
    int fd[IDLE + TRICKLING]; /* the last of them trickle */
    pthread_t thread;
    _Atomic int stop;
};

/* Each of the trickling ones gets a byte about every tenth of a second. */
static void *trickle(void *arg)
{
    struct crowd *crowd = arg;
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; !atomic_load(&crowd->stop); i++) {
        (void)send(crowd->fd[IDLE + i % TRICKLING], "x", 1, MSG_NOSIGNAL);
        nanosleep(&pause, NULL); /* the rate, not a wait */
    }
    return NULL;
}

static void gather(struct world *world, struct crowd *crowd)
{
    for (int i = 0; i < IDLE + TRICKLING; i++) {
        crowd->fd[i] = socket_connect_from(i < IDLE ? ELSEWHERE : "127.0.0.3", world->server.port);
        assert_true(crowd->fd[i] >= 0);
        if (i >= IDLE)
            socket_write_text(crowd->fd[i], POST_HEAD "X: ");
    }
    metric_await(world, "pbxhook_http_connections", IDLE + TRICKLING + 1);
    atomic_store(&crowd->stop, 0);
    assert_int_equal(pthread_create(&crowd->thread, NULL, trickle, crowd), 0);
}

static void disperse(struct world *world, struct crowd *crowd)
{
    atomic_store(&crowd->stop, 1);
    pthread_join(crowd->thread, NULL);
    for (int i = 0; i < IDLE + TRICKLING; i++)
        close(crowd->fd[i]);
    metric_await(world, "pbxhook_http_connections", 1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int compare(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* The 99th percentile of the acknowledgements of so many events. */
static int64_t measure_p99_us(struct world *world)
{
    static int number;
    int64_t took_us[POSTS];
    for (int i = 0; i < POSTS; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"type\":\"call.new\",\"call_id\":\"c-%d\"}", number++);
        int64_t since_us = now_us();
        assert_int_equal(client_post(world->client, ROUTE_FLAT, body), 200);
        took_us[i] = now_us() - since_us;
    }
    qsort(took_us, POSTS, sizeof took_us[0], compare);
    return took_us[POSTS * 99 / 100];
}

/* In rounds that take turns, so that what else the machine does meets both alike. */
static void test_a_crowd_delays_nobody(struct world *world)
{
    static struct crowd crowd;
    int64_t quiet_us[ROUNDS], crowded_us[ROUNDS];
    world_start(world);
    measure_p99_us(world); /* warm */
    for (int i = 0; i < ROUNDS; i++) {
        quiet_us[i] = measure_p99_us(world);
        gather(world, &crowd);
        crowded_us[i] = measure_p99_us(world);
        disperse(world, &crowd);
    }
    qsort(quiet_us, ROUNDS, sizeof quiet_us[0], compare);
    qsort(crowded_us, ROUNDS, sizeof crowded_us[0], compare);
    int64_t quiet = quiet_us[ROUNDS / 2], crowded = crowded_us[ROUNDS / 2];
    print_message("p99 in the median of %d rounds: %lld us, in a crowd %lld us\n", ROUNDS,
                  (long long)quiet, (long long)crowded);
    assert_true(crowded <= 2 * quiet + wait_stretch(FLOOR_US));
}

int main(void)
{
    static const struct world_test tests[] = {
        {"trickling is cut", test_trickling_is_cut},
        {"silence is cut", test_silence_is_cut},
        {"stalled handshakes are cut", test_stalled_handshakes_are_cut},
        {"connections of one address", test_connections_of_one_address},
        {"a trusted proxy has more", test_a_trusted_proxy_has_more},
        {"connections in all", test_connections_in_all},
        {"a large head", test_a_large_head},
        {"depth", test_depth},
        {"a crowd delays nobody", test_a_crowd_delays_nobody},
    };
    return WORLD_RUN("limits", tests);
}
