/*
 * operator_desk_test.c: the desk between real clients on a real socket and a worker that says what the
 * test wants: whose turn it is, who hears what, and what of the worker's words is passed on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "loop_length.h"
#include "operator/operator_address.h"
#include "receiver/operator_desk.h"

#define PRUNE  "{\"command\":\"prune\",\"older_than_ms\":3600000}"
#define ROUNDS 3 /* of the main loop: accept, read, answer */

static struct {
    char directory[64];
    struct operator_desk *desk;
    int ask_result;
    struct {
        enum control_kind kind;
        int64_t seq;
        char text[256];
    } asked[16]; /* what the worker got */
    int asked_count;
    int64_t reloads;
} scene;

static int ask_worker(void *arg, enum control_kind kind, int64_t seq, const char *text)
{
    (void)arg;
    if (scene.ask_result < 0)
        return scene.ask_result;
    assert_in_range(scene.asked_count, 0, 15);
    scene.asked[scene.asked_count].kind = kind;
    scene.asked[scene.asked_count].seq = seq;
    snprintf(scene.asked[scene.asked_count].text, sizeof scene.asked[0].text, "%s",
             text != NULL ? text : "");
    scene.asked_count++;
    return 0;
}

static json_t *status(void *arg)
{
    (void)arg;
    return json_pack("{s:i}", "pid", 7);
}

static int64_t reload(void *arg)
{
    (void)arg;
    return ++scene.reloads;
}

static int set_up(void **state)
{
    const struct operator_desk_options options = {
        .state_dir = scene.directory, .ask_worker = ask_worker, .status = status, .reload = reload};
    char error[256] = "";
    (void)state;
    log_open("receiver", LOG_LEVEL_ERROR);
    memset(&scene, 0, sizeof scene);
    snprintf(scene.directory, sizeof scene.directory, "/tmp/pbxhook-desk-XXXXXX");
    if (mkdtemp(scene.directory) == NULL)
        return -1;
    return operator_desk_open(&options, &scene.desk, error, sizeof error);
}

static int tear_down(void **state)
{
    (void)state;
    operator_desk_close(scene.desk);
    return rmdir(scene.directory); /* the socket's file is gone */
}

/* What the main loop does, as often as a new client's request needs. */
static void run_loop(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct pollfd ready[OPERATOR_DESK_FDS];
        operator_desk_prepare(scene.desk, ready);
        assert_true(poll(ready, OPERATOR_DESK_FDS, 0) >= 0);
        operator_desk_serve(scene.desk, ready);
    }
}

static int connect_and_send(const char *request)
{
    struct sockaddr_un address;
    int directory = operator_address_open(scene.directory, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(directory >= 0 && fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(directory);
    assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    assert_int_equal(send(fd, "\n", 1, 0), 1);
    return fd;
}

static int ask(const char *request)
{
    int fd = connect_and_send(request);
    run_loop();
    return fd;
}

/* What the worker says to its count-th message. */
static void say(enum control_kind kind, int count, const char *text)
{
    struct control_message *message = calloc(1, sizeof *message);
    assert_non_null(message);
    message->kind = kind;
    message->seq = scene.asked[count].seq;
    message->size = (uint32_t)strlen(text);
    snprintf(message->text, sizeof message->text, "%s", text);
    operator_desk_take(scene.desk, message);
    free(message);
}

/* All that there is for the client now. */
static void check_hears(int fd, const char *wanted)
{
    char text[4096];
    ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = '\0';
    assert_string_equal(text, wanted);
}

static void check_asked(int count, enum control_kind kind, const char *text)
{
    assert_true(scene.asked_count > count);
    assert_int_equal(scene.asked[count].kind, kind);
    assert_string_equal(scene.asked[count].text, text);
}

/* ---- Tests ------------------------------------------------------------------------------------------ */

static void test_status_is_answered_at_once(void **state)
{
    (void)state;
    scene.ask_result = -ENOTCONN;
    int fd = ask("{\"command\":\"status\"}");
    check_hears(fd, "{\"ok\":{\"pid\":7}}\n");
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_DONTWAIT), 0); /* and closed */
    close(fd);
}

static int is_listening(void)
{
    struct pollfd polled[OPERATOR_DESK_FDS];
    operator_desk_prepare(scene.desk, polled);
    return polled[OPERATOR_DESK_FDS - 1].fd >= 0;
}

/* The next descriptor is one too many; those below it are open. */
static void take_all_descriptors(int spare[OPERATOR_DESK_FDS], struct rlimit *before)
{
    for (int i = 0; i < OPERATOR_DESK_FDS; i++) /* poll() wants the limit to be no less */
        assert_true((spare[i] = dup(STDERR_FILENO)) >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    const struct rlimit none = {.rlim_cur = (rlim_t)spare[OPERATOR_DESK_FDS - 1] + 1,
                                .rlim_max = before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

/* The listener stays readable, so it would be asked again and again. */
static void test_no_descriptor_for_a_client(void **state)
{
    (void)state;
    int spare[OPERATOR_DESK_FDS];
    struct rlimit before;
    if (getenv("UNDER_VALGRIND") != NULL)
        skip(); /* it lets the client in before it looks at the limit, and hangs up */
    assert_int_equal(operator_desk_wait_us(scene.desk, INT64_MAX), INT64_MAX);
    int fd = connect_and_send("{\"command\":\"status\"}");
    take_all_descriptors(spare, &before);
    assert_true(is_listening());
    run_loop();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < OPERATOR_DESK_FDS; i++)
        close(spare[i]);
    assert_false(is_listening());
    assert_true(operator_desk_wait_us(scene.desk, INT64_MAX) <= 1000000);
    run_loop();
    check_hears(fd, "");

    int64_t until_us = clock_mono_us() + 10000000;
    while (!is_listening())
        assert_true(clock_mono_us() < until_us);
    run_loop();
    check_hears(fd, "{\"ok\":{\"pid\":7}}\n");
    assert_int_equal(operator_desk_wait_us(scene.desk, INT64_MAX), INT64_MAX);
    close(fd);
}

/* Who asks while a reload runs waits for the next: this one has not seen what is on the disk now. */
static void test_reload_is_waited_for(void **state)
{
    (void)state;
    int first = ask("{\"command\":\"reload\"}");
    int second = ask("{\"command\":\"reload\"}");
    check_hears(first, "");
    operator_desk_reloaded(scene.desk, 1, NULL);
    run_loop();
    check_hears(first, "{\"ok\":{}}\n");
    check_hears(second, "");
    operator_desk_reloaded(scene.desk, 2, "no \"such\" plugin");
    run_loop();
    check_hears(second, "{\"error\":\"no \\\"such\\\" plugin\"}\n");
    close(first);
    close(second);
}

static void test_the_worker_is_asked(void **state)
{
    (void)state;
    int fd = ask(PRUNE);
    check_asked(0, CONTROL_COMMAND, PRUNE);
    say(CONTROL_PROGRESS, 0, "{\"progress\":{\"events\":1}}");
    check_hears(fd, "{\"progress\":{\"events\":1}}\n");
    say(CONTROL_PART, 0, "{\"ok\":");
    check_hears(fd, "");
    say(CONTROL_PART, 0, "{\"events\"");
    say(CONTROL_REPLY, 0, ":2}}");
    check_hears(fd, "{\"ok\":{\"events\":2}}\n");
    close(fd);
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    int first = ask(PRUNE);
    int second = ask(PRUNE);
    assert_int_equal(scene.asked_count, 1);
    say(CONTROL_REPLY, 0, "{\"ok\":{}}");
    check_hears(first, "{\"ok\":{}}\n");
    check_asked(1, CONTROL_COMMAND, PRUNE);
    assert_int_not_equal(scene.asked[1].seq, scene.asked[0].seq);
    say(CONTROL_REPLY, 0, "{\"ok\":{\"not\":\"yours\"}}"); /* the first one's, again */
    check_hears(second, "");
    say(CONTROL_REPLY, 1, "{\"ok\":{}}");
    check_hears(second, "{\"ok\":{}}\n");
    close(first);
    close(second);
}

static void test_who_is_gone_gives_way(void **state)
{
    (void)state;
    int first = ask(PRUNE);
    int second = ask(PRUNE);
    int third = ask(PRUNE);
    close(second); /* its turn never came: the worker need not know */
    run_loop();
    assert_int_equal(scene.asked_count, 1);
    close(first);
    run_loop();
    check_asked(1, CONTROL_CANCEL, "");
    assert_int_equal(scene.asked[1].seq, scene.asked[0].seq);
    check_asked(2, CONTROL_COMMAND, PRUNE);
    say(CONTROL_REPLY, 2, "{\"ok\":{}}");
    check_hears(third, "{\"ok\":{}}\n");
    close(third);
}

static void test_worker_gone(void **state)
{
    (void)state;
    int first = ask(PRUNE);
    int second = ask(PRUNE);
    say(CONTROL_PART, 0, "{\"ok\":");
    scene.ask_result = -ENOTCONN;
    operator_desk_worker_gone(scene.desk);
    check_hears(first, "{\"error\":\"the worker ended before it was done; what it had done stays "
                       "done, ask again for the rest\"}\n");
    run_loop();
    check_hears(second, ""); /* waits for the next worker */
    scene.ask_result = 0;
    run_loop();
    check_asked(1, CONTROL_COMMAND, PRUNE);
    say(CONTROL_REPLY, 1, "{\"ok\":{}}"); /* nothing of the first one's part is in it */
    check_hears(second, "{\"ok\":{}}\n");
    close(first);
    close(second);
}

static void test_a_worker_that_talks_nonsense(void **state)
{
    static const char *const replies[] = {"", "ok", "[1]", "{\"ok\":{}}\n{\"ok\":{}}"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        int fd = ask(PRUNE);
        say(CONTROL_PROGRESS, i, "nonsense");
        check_hears(fd, "");
        say(CONTROL_REPLY, i, replies[i]);
        check_hears(fd, "{\"error\":\"the worker's reply can't be understood\"}\n");
        close(fd);
    }
}

static void test_a_reply_without_end(void **state)
{
    char part[CONTROL_TEXT + 1];
    (void)state;
    int fd = ask(PRUNE);
    memset(part, 'x', CONTROL_TEXT);
    part[CONTROL_TEXT] = '\0';
    for (int i = 0; i < 100; i++)
        say(CONTROL_PART, 0, part);
    check_hears(fd, "{\"error\":\"the worker's reply is too large\"}\n");
    close(fd);
}

/* Progress that nobody reads takes no memory without end, and the answer comes through. */
static void test_a_client_that_does_not_read(void **state)
{
    char text[4096], end[64] = "";
    ssize_t got;
    size_t heard = 0;
    (void)state;
    int fd = ask(PRUNE);
    for (int i = 0; i < loop_length(50000, 200); i++)
        say(CONTROL_PROGRESS, 0, "{\"progress\":{\"events\":123456789}}");
    say(CONTROL_REPLY, 0, "{\"ok\":{\"the\":\"end\"}}");
    while ((got = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0 || (got < 0 && errno == EAGAIN)) {
        if (got < 0) {
            run_loop();
            continue;
        }
        heard += (size_t)got;
        size_t tail = (size_t)got < sizeof end - 1 ? (size_t)got : sizeof end - 1;
        memcpy(end, text + (size_t)got - tail, tail);
        end[tail] = '\0';
    }
    assert_in_range(heard, 1, 1024 * 1024);
    assert_non_null(strstr(end, "{\"ok\":{\"the\":\"end\"}}\n"));
    close(fd);
}

static void test_stopping(void **state)
{
    char path[128];
    struct stat info;
    (void)state;
    int first = ask(PRUNE);
    int second = ask(PRUNE);
    operator_desk_quiesce(scene.desk);
    check_hears(first, "");
    check_hears(second, "{\"error\":\"the server is stopping\"}\n");
    snprintf(path, sizeof path, "%s/" OPERATOR_SOCKET_NAME, scene.directory);
    assert_int_equal(stat(path, &info), -1);
    say(CONTROL_REPLY, 0, "{\"ok\":{}}");
    check_hears(first, "{\"ok\":{}}\n");
    close(first);
    close(second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_status_is_answered_at_once),
        TEST(test_no_descriptor_for_a_client),
        TEST(test_reload_is_waited_for),
        TEST(test_the_worker_is_asked),
        TEST(test_one_after_the_other),
        TEST(test_who_is_gone_gives_way),
        TEST(test_worker_gone),
        TEST(test_a_worker_that_talks_nonsense),
        TEST(test_a_reply_without_end),
        TEST(test_a_client_that_does_not_read),
        TEST(test_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
