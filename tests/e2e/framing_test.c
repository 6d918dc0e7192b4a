/*
 * framing_test.c: requests that two servers may read in two ways. Each is sent at once and byte by byte,
 * with an honest question behind it. Either it is taken as the one request that it is and the question is
 * answered, or it is refused and the connection ends: what hides in it is never a request of its own.
 */
#include "world.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD     "POST /api/client/webhook HTTP/1.1\r\nHost: x\r\n"
#define EVENT    "{\"type\":\"call.new\",\"call_id\":\"good\"}"
#define LENGTH   "Content-Length: 36\r\n"
#define CHUNKED  "Transfer-Encoding: chunked\r\n"
#define CHUNKS   "24\r\n" EVENT "\r\n0\r\n\r\n"
#define NO_CHUNK "0\r\n\r\n"
/* What somebody would like to have taken for a request. */
#define HIDDEN                                                                                     \
    "POST /api/client/webhook HTTP/1.1\r\nHost: x\r\n"                                             \
    "Content-Length: 40\r\n\r\n{\"type\":\"call.new\",\"call_id\":\"smuggled\"}"
#define HIDDEN_SIZE "106"
#define HIDDEN_HEX  "6a"

#define QUESTION    "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

#define BYTES(text) text, sizeof(text) - 1

/* What comes back first, and whether the question behind is answered. */
enum fate { ENDS, GOES_ON };

struct framing_case {
    const char *name, *bytes;
    size_t size;
    int status; /* 0: none */
    enum fate fate;
};

static const struct framing_case length_cases[] = {
    {"a length", BYTES(HEAD LENGTH "\r\n" EVENT), 204, GOES_ON},
    {"zeros before it", BYTES(HEAD "Content-Length: 00036\r\n\r\n" EVENT), 204, GOES_ON},
    {"the same twice", BYTES(HEAD LENGTH LENGTH "\r\n" EVENT), 400, ENDS},
    {"two lengths", BYTES(HEAD "Content-Length: 0\r\n" LENGTH "\r\n" HIDDEN), 400, ENDS},
    {"a list", BYTES(HEAD "Content-Length: 0, 0\r\n\r\n" HIDDEN), 400, ENDS},
    {"a sign", BYTES(HEAD "Content-Length: +0\r\n\r\n" HIDDEN), 400, ENDS},
    {"minus nothing", BYTES(HEAD "Content-Length: -0\r\n\r\n" HIDDEN), 400, ENDS},
    {"hexadecimal", BYTES(HEAD "Content-Length: 0x0\r\n\r\n" HIDDEN), 400, ENDS},
    {"a fraction", BYTES(HEAD "Content-Length: 0.0\r\n\r\n" HIDDEN), 400, ENDS},
    {"two numbers", BYTES(HEAD "Content-Length: 0 0\r\n\r\n" HIDDEN), 400, ENDS},
    {"empty", BYTES(HEAD "Content-Length:\r\n\r\n" HIDDEN), 400, ENDS},
    {"a blank behind", BYTES(HEAD "Content-Length: 36 \r\n\r\n" EVENT), 400, ENDS},
    {"a vertical tab", BYTES(HEAD "Content-Length: \v0\r\n\r\n" HIDDEN), 400, ENDS},
    {"beyond 64 bits", BYTES(HEAD "Content-Length: 18446744073709551616\r\n\r\n" HIDDEN), 413,
     ENDS},
    {"all of 64 bits", BYTES(HEAD "Content-Length: 18446744073709551615\r\n\r\n" HIDDEN), 413,
     ENDS},
    {"a NUL", BYTES(HEAD "Content-Length: 0\0 36\r\n\r\n" HIDDEN), 400, ENDS},
    {"a blank before the colon", BYTES(HEAD "Content-Length : 36\r\n\r\n" EVENT), 400, ENDS},
    {"no colon", BYTES(HEAD "Content-Length\r\n\r\n" HIDDEN), 400, ENDS},
};

static const struct framing_case coding_cases[] = {
    {"chunks", BYTES(HEAD CHUNKED "\r\n" CHUNKS), 204, ENDS},
    {"in any case", BYTES(HEAD "transfer-encoding: CHUNKED\r\n\r\n" CHUNKS), 204, ENDS},
    {"and a length", BYTES(HEAD CHUNKED LENGTH "\r\n" NO_CHUNK HIDDEN), 400, ENDS},
    {"behind a length", BYTES(HEAD LENGTH CHUNKED "\r\n" NO_CHUNK HIDDEN), 400, ENDS},
    {"twice", BYTES(HEAD CHUNKED CHUNKED "\r\n" NO_CHUNK HIDDEN), 400, ENDS},
    {"and identity", BYTES(HEAD "Transfer-Encoding: chunked, identity\r\n\r\n" NO_CHUNK HIDDEN),
     400, ENDS},
    {"identity", BYTES(HEAD "Transfer-Encoding: identity\r\n\r\n" HIDDEN), 400, ENDS},
    {"unknown", BYTES(HEAD "Transfer-Encoding: xchunked\r\n\r\n" NO_CHUNK HIDDEN), 400, ENDS},
    {"quoted", BYTES(HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n" NO_CHUNK HIDDEN), 400, ENDS},
    {"a parameter", BYTES(HEAD "Transfer-Encoding: chunked;q=1\r\n\r\n" NO_CHUNK HIDDEN), 400,
     ENDS},
    {"a vertical tab", BYTES(HEAD "Transfer-Encoding: \vchunked\r\n\r\n" NO_CHUNK HIDDEN), 400,
     ENDS},
    {"a blank behind", BYTES(HEAD "Transfer-Encoding: chunked \r\n\r\n" CHUNKS), 400, ENDS},
    {"a NUL", BYTES(HEAD "Transfer-Encoding: chunked\0x\r\n\r\n" CHUNKS), 400, ENDS},
    {"empty", BYTES(HEAD "Transfer-Encoding:\r\n\r\n" HIDDEN), 400, ENDS},
    {"folded", BYTES(HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n" CHUNKS), 400, ENDS},
    {"a blank before the colon", BYTES(HEAD "Transfer-Encoding : chunked\r\n\r\n" CHUNKS), 400,
     ENDS},
    {"a blank before the name", BYTES(HEAD " Transfer-Encoding: chunked\r\n\r\n" CHUNKS), 400,
     ENDS},
    {"behind a bare CR", BYTES(HEAD "X: y\r" CHUNKED "\r\n" CHUNKS), 400, ENDS},
    {"behind a bare LF", BYTES(HEAD "X: y\n" CHUNKED "\r\n" CHUNKS), 400, ENDS},
    {"of HTTP/1.0", BYTES("POST /api/client/webhook HTTP/1.0\r\nHost: x\r\n" CHUNKED "\r\n" CHUNKS),
     400, ENDS},
};

/* The connection ends with each: where chunks end, libmicrohttpd is lenient. */
static const struct framing_case chunk_cases[] = {
    {"LF alone behind the data", BYTES(HEAD CHUNKED "\r\n24\r\n" EVENT "\n0\r\n\r\n" HIDDEN), 204,
     ENDS},
    {"an extension", BYTES(HEAD CHUNKED "\r\n24;a=b\r\n" EVENT "\r\n0\r\n\r\n"), 204, ENDS},
    {"zeros before the size", BYTES(HEAD CHUNKED "\r\n000024\r\n" EVENT "\r\n0\r\n\r\n"), 204,
     ENDS},
    {"a trailer", BYTES(HEAD CHUNKED "\r\n24\r\n" EVENT "\r\n0\r\nX: y\r\n\r\n"), 204, ENDS},
    {"a length in the trailer",
     BYTES(HEAD CHUNKED "\r\n24\r\n" EVENT "\r\n0\r\nContent-Length: 109\r\n\r\n"), 204, ENDS},
    {"a prefix", BYTES(HEAD CHUNKED "\r\n0x24\r\n" EVENT "\r\n0\r\n\r\n" HIDDEN), 400, ENDS},
    {"a sign", BYTES(HEAD CHUNKED "\r\n+24\r\n" EVENT "\r\n0\r\n\r\n" HIDDEN), 400, ENDS},
    {"less than nothing", BYTES(HEAD CHUNKED "\r\n-24\r\n" EVENT "\r\n0\r\n\r\n" HIDDEN), 400,
     ENDS},
    {"a blank behind", BYTES(HEAD CHUNKED "\r\n24 \r\n" EVENT "\r\n0\r\n\r\n" HIDDEN), 400, ENDS},
    {"a blank before", BYTES(HEAD CHUNKED "\r\n 24\r\n" EVENT "\r\n0\r\n\r\n" HIDDEN), 400, ENDS},
    {"no size", BYTES(HEAD CHUNKED "\r\n\r\n" EVENT "\r\n0\r\n\r\n" HIDDEN), 400, ENDS},
    {"more than its size", BYTES(HEAD CHUNKED "\r\n24\r\n" EVENT "XX\r\n0\r\n\r\n" HIDDEN), 400,
     ENDS},
    {"beyond 64 bits", BYTES(HEAD CHUNKED "\r\n10000000000000024\r\n" EVENT "\r\n0\r\n\r\n" HIDDEN),
     413, ENDS},
};

static const struct framing_case line_cases[] = {
    {"LF alone everywhere",
     BYTES("POST /api/client/webhook HTTP/1.1\nHost: x\nContent-Length: 36\n\n" EVENT), 400, ENDS},
    {"LF hides a length", BYTES(HEAD "X: a\nContent-Length: 36\r\n\r\n" EVENT), 400, ENDS},
    {"LF ends the head", BYTES(HEAD LENGTH "\n" EVENT), 400, ENDS},
    {"LF ends the request line",
     BYTES("POST /api/client/webhook HTTP/1.1\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"CR ends the head", BYTES(HEAD "Content-Length: 36\r\r" EVENT "\r\n\r\n"), 400, ENDS},
    {"a NUL in a value", BYTES(HEAD "X: a\0b\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL at a value's end", BYTES(HEAD "X: a\0\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    /* Two changes that leave the size of the head as it was. */
    {"a NUL and an LF", BYTES(HEAD "X: a\0\r\nY: b\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL in a name", BYTES(HEAD "X\0Y: b\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL before a name", BYTES(HEAD "\0\r\n" HIDDEN), 400, ENDS},
    {"a blank in the path",
     BYTES("POST /api/client/webhook x HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL in the path",
     BYTES("POST /api/client/webhook\0x HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL in the query",
     BYTES("POST /api/client/webhook?a\0b HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL in the method",
     BYTES("POST\0 /api/client/webhook HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a NUL in the version",
     BYTES("POST /api/client/webhook HTTP/1.1\0\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"no name", BYTES(HEAD ": x\r\n" HIDDEN), 400, ENDS},
    {"a name of blanks", BYTES(HEAD "  : x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"folded", BYTES(HEAD "X: a\r\n b\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"folded at once",
     BYTES("POST /api/client/webhook HTTP/1.1\r\n X: y\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400,
     ENDS},
    {"two blanks in the request line",
     BYTES("POST  /api/client/webhook  HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"no Host", BYTES("POST /api/client/webhook HTTP/1.1\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"two Hosts", BYTES(HEAD "Host: y\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"a lower case version",
     BYTES("POST /api/client/webhook http/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 400, ENDS},
    {"HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, ENDS},
    {"HTTP/0.9", BYTES("GET /healthz\r\n"), 400, ENDS},
    /* what is odd and clear */
    {"lines before the request", BYTES("\r\n\r\n" HEAD LENGTH "\r\n" EVENT), 204, GOES_ON},
    {"no blank behind the colon", BYTES(HEAD "Content-Length:36\r\nX:\r\n\r\n" EVENT), 204,
     GOES_ON},
    {"blanks behind the colon", BYTES(HEAD "Content-Length: \t 36\r\n\r\n" EVENT), 204, GOES_ON},
    {"bytes beyond ASCII", BYTES(HEAD "X: \xff\xfe\r\n" LENGTH "\r\n" EVENT), 204, GOES_ON},
    {"a query",
     BYTES("POST /api/client/webhook?a=b&c=%00 HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 204,
     GOES_ON},
    {"a whole URL",
     BYTES("POST http://x/api/client/webhook HTTP/1.1\r\nHost: x\r\n" LENGTH "\r\n" EVENT), 204,
     GOES_ON},
    {"an upgrade that is not made",
     BYTES(HEAD "Connection: Upgrade\r\nUpgrade: h2c\r\n" LENGTH "\r\n" EVENT), 204, GOES_ON},
    {"a length named by Connection",
     BYTES(HEAD "Connection: Content-Length\r\n" LENGTH "\r\n" EVENT), 204, GOES_ON},
    {"CONNECT", BYTES("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"), 404, GOES_ON},
};

/* What is hidden in a body stays a body, whatever the request is answered; and nobody reads on after he
 * has said that he is done. */
static const struct framing_case body_cases[] = {
    {"of a GET",
     BYTES("GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: " HIDDEN_SIZE "\r\n\r\n" HIDDEN),
     200, GOES_ON},
    {"of a GET in chunks",
     BYTES("GET /readyz HTTP/1.1\r\nHost: x\r\n" CHUNKED "\r\n" HIDDEN_HEX "\r\n" HIDDEN
           "\r\n" NO_CHUNK),
     200, ENDS},
    {"for nobody",
     BYTES("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: " HIDDEN_SIZE "\r\n\r\n" HIDDEN),
     404, GOES_ON},
    {"of another type",
     BYTES(HEAD "Content-Type: text/plain\r\nContent-Length: " HIDDEN_SIZE "\r\n\r\n" HIDDEN), 415,
     GOES_ON},
    {"that is no event", BYTES(HEAD "Content-Length: " HIDDEN_SIZE "\r\n\r\n" HIDDEN), 400,
     GOES_ON},
    {"behind the last request", BYTES(HEAD "Connection: close\r\n" LENGTH "\r\n" EVENT HIDDEN), 204,
     ENDS},
};

/* Sends until the server hangs up. */
static void send_all(int fd, const char *bytes, size_t size, size_t at_once)
{
    for (size_t sent = 0; sent < size; sent += at_once) {
        size_t part = size - sent < at_once ? size - sent : at_once;
        if (send(fd, bytes + sent, part, MSG_NOSIGNAL) < 0)
            return;
    }
}

/* All that the server says until it hangs up. */
static void read_all(int fd, const char *name, char *out, size_t out_size)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(WAIT_LIMIT_MS);
    size_t size = 0;
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_ms - wait_now_ms();
        if (left_ms <= 0 || poll(&readable, 1, (int)left_ms) <= 0)
            fail_msg("%s: the connection stays open", name);
        ssize_t got = recv(fd, out + size, out_size - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    out[size] = '\0';
}

static void check_case(struct world *world, const struct framing_case *one, size_t at_once)
{
    static const int on = 1;
    char bytes[4096], answer[16384];
    size_t size = one->size + sizeof QUESTION - 1;
    int status = 0;

    assert_true(size <= sizeof bytes);
    memcpy(bytes, one->bytes, one->size);
    memcpy(bytes + one->size, QUESTION, sizeof QUESTION - 1);
    int fd = socket_connect(world->server.port);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    send_all(fd, bytes, size, at_once);
    read_all(fd, one->name, answer, sizeof answer);
    close(fd);
    (void)sscanf(answer, "HTTP/1.1 %d", &status);
    int goes_on = strstr(answer, "{\"status\":\"ok\"}") != NULL;
    if (status != one->status || goes_on != (one->fate == GOES_ON))
        fail_msg("%s, %zu bytes at once: %d%s:\n%s", one->name, at_once, status,
                 goes_on ? " and the question behind it is answered" : "", answer);
}

static int check_cases(struct world *world, const struct framing_case *cases, size_t count)
{
    int taken = 0;
    for (size_t i = 0; i < count; i++) {
        check_case(world, &cases[i], 4096);
        check_case(world, &cases[i], 1);
        taken += 2 * (cases[i].status == 204);
    }
    return taken;
}

/* Runs them and wants as many events as there are 204, and none that was hidden. */
static void run_cases(struct world *world, const struct framing_case *cases, size_t count)
{
    world_start(world);
    await(client_get(world->client, "/readyz") == 200);
    int taken = check_cases(world, cases, count);
    metric_check(world, "pbxhook_events_received_total", taken);
    assert_true(taken > 0);
    store_await_events(world, 1); /* all that was taken is one event, again and again */
    metric_await(world, "pbxhook_events_duplicate_total", taken - 1);
    store_check_status(world, "good", "call.new");
    store_check_status(world, "smuggled", "");
}

#define CASES(list) list, sizeof(list) / sizeof(list)[0]

static void test_lengths(struct world *world)
{
    run_cases(world, CASES(length_cases));
}

static void test_transfer_codings(struct world *world)
{
    run_cases(world, CASES(coding_cases));
}

static void test_chunks(struct world *world)
{
    run_cases(world, CASES(chunk_cases));
}

static void test_lines(struct world *world)
{
    run_cases(world, CASES(line_cases));
}

static void test_bodies(struct world *world)
{
    run_cases(world, CASES(body_cases));
}

/* A stranger's body is no request either. */
static void test_refused_strangers(struct world *world)
{
    static const struct framing_case stranger = {
        "a stranger's", BYTES(HEAD "Content-Length: " HIDDEN_SIZE "\r\n\r\n" HIDDEN), 401, GOES_ON};
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "token", path);
    scratch_write_secret(path, "t0ken\n");
    world_set(world, "PBXHOOK_WEBHOOK_TOKEN_FILE", path);
    world_start(world);
    check_case(world, &stranger, 4096);
    check_case(world, &stranger, 1);
    metric_check(world, "pbxhook_events_received_total", 0);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"unauthorized\"}", 2);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"lengths", test_lengths}, {"transfer codings", test_transfer_codings},
        {"chunks", test_chunks},   {"lines", test_lines},
        {"bodies", test_bodies},   {"refused strangers", test_refused_strangers},
    };
    return WORLD_RUN("framing", tests);
}
