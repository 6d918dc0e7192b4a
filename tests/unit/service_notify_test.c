/* service_notify_test.c: what a service manager reads from its socket, and when it is told nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "receiver/service_notify.h"

static char directory[64];
static struct sockaddr_un address;
static int manager = -1; /* the service manager's socket */

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pbxhook-notify-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", directory);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (manager < 0 || bind(manager, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(manager);
    unlink(address.sun_path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return rmdir(directory);
}

/* The next message, which is there already: sending is done when the call returns. "" for none. */
static const char *next_message(void)
{
    static char message[1024];
    ssize_t size = recv(manager, message, sizeof message - 1, 0);
    message[size < 0 ? 0 : size] = '\0';
    return message;
}

static int answer(void *arg)
{
    return *(const int *)arg;
}

static void test_states(void **state)
{
    (void)state;
    struct service_notify *notify = service_notify_open();
    assert_non_null(notify);
    service_notify_status(notify, "Starting");
    assert_string_equal(next_message(), "STATUS=Starting\n");
    service_notify_ready(notify, "Listening on 127.0.0.1:3000");
    assert_string_equal(next_message(), "READY=1\nSTATUS=Listening on 127.0.0.1:3000\n");
    service_notify_stopping(notify);
    assert_string_equal(next_message(), "STOPPING=1\nSTATUS=Stopping\n");
    assert_string_equal(next_message(), "");
    service_notify_free(notify);
}

static void test_a_reload_carries_the_time(void **state)
{
    (void)state;
    struct service_notify *notify = service_notify_open();
    long long told_us = 0;
    service_notify_ready(notify, NULL);
    next_message();
    int64_t before_us = clock_mono_us();
    service_notify_reloading(notify);
    int64_t after_us = clock_mono_us();
    const char *message = next_message();
    assert_int_equal(sscanf(message, "RELOADING=1\nMONOTONIC_USEC=%lld\n", &told_us), 1);
    assert_true(told_us >= before_us && told_us <= after_us);
    service_notify_free(notify);
}

/* READY=1 says that the start is through, so nothing of a reload goes before it. */
static void test_a_reload_waits_for_the_start(void **state)
{
    (void)state;
    struct service_notify *notify = service_notify_open();
    service_notify_reloading(notify);
    service_notify_reloading(notify);
    assert_string_equal(next_message(), "");
    service_notify_ready(notify, "Listening");
    assert_string_equal(next_message(), "READY=1\nSTATUS=Listening\n");
    assert_int_equal(strncmp(next_message(), "RELOADING=1\n", 12), 0);
    assert_string_equal(next_message(), "");
    service_notify_ready(notify, "Reloaded");
    assert_string_equal(next_message(), "READY=1\nSTATUS=Reloaded\n");
    assert_string_equal(next_message(), "");
    service_notify_free(notify);
}

/* A text of two lines would be two assignments. */
static void test_a_text_is_one_line(void **state)
{
    (void)state;
    char longer[2000];
    struct service_notify *notify = service_notify_open();
    service_notify_status(notify, "first\nREADY=1");
    assert_string_equal(next_message(), "STATUS=first\n");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    service_notify_ready(notify, longer);
    assert_int_equal(strncmp(next_message(), "READY=1\nSTATUS=xxx", 18), 0);
    service_notify_free(notify);
}

static void test_an_abstract_socket(void **state)
{
    (void)state;
    char name[64];
    int size = snprintf(name, sizeof name, "@pbxhook-test-%d", (int)getpid());
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    memcpy(abstract.sun_path, name, (size_t)size);
    abstract.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&abstract,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    struct service_notify *notify = service_notify_open();
    service_notify_ready(notify, NULL);
    char message[32] = "";
    assert_int_equal(recv(fd, message, sizeof message, 0), 8);
    assert_memory_equal(message, "READY=1\n", 8);
    service_notify_free(notify);
    close(fd);
}

static void test_nobody_listens(void **state)
{
    static const char *const paths[] = {NULL, "", "vsock:2:1234", "/nowhere/at/all", "/"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        unsetenv("NOTIFY_SOCKET");
        if (paths[i] != NULL)
            setenv("NOTIFY_SOCKET", paths[i], 1);
        setenv("WATCHDOG_USEC", "1000", 1);
        int alive = 1;
        struct service_notify *notify = service_notify_open();
        assert_non_null(notify);
        service_notify_watch(notify, answer, &alive);
        service_notify_serve(notify);
        service_notify_ready(notify, "ready");
        assert_int_equal(service_notify_wait_us(notify, 5000), 5000);
        service_notify_free(notify);
    }
    assert_string_equal(next_message(), "");
    service_notify_ready(NULL, "ready");
    service_notify_serve(NULL);
    assert_int_equal(service_notify_wait_us(NULL, 5000), 5000);
    service_notify_free(NULL);
}

static void test_the_environment_is_the_servers_own(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct service_notify *notify = service_notify_open();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    service_notify_free(notify);
}

/* Three signs in the interval, each only when it is due. */
static void test_signs_of_life(void **state)
{
    (void)state;
    char pid[32];
    int alive = 1;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "3000000000", 1);
    struct service_notify *notify = service_notify_open();
    assert_int_equal(service_notify_wait_us(notify, 5000), 5000);
    service_notify_watch(notify, answer, &alive);
    assert_int_equal(service_notify_wait_us(notify, 5000), 0);
    service_notify_serve(notify);
    assert_string_equal(next_message(), "WATCHDOG=1\n");
    int64_t wait_us = service_notify_wait_us(notify, INT64_MAX);
    assert_true(wait_us > 900000000 && wait_us <= 1000000000);
    assert_int_equal(service_notify_wait_us(notify, 5000), 5000);
    service_notify_serve(notify);
    assert_string_equal(next_message(), "");
    service_notify_free(notify);
}

static void test_no_sign_when_it_hangs(void **state)
{
    (void)state;
    int alive = 0;
    setenv("WATCHDOG_USEC", "3", 1); /* due again at once */
    struct service_notify *notify = service_notify_open();
    service_notify_watch(notify, answer, &alive);
    service_notify_serve(notify);
    assert_string_equal(next_message(), "");
    alive = 1;
    int64_t until_us = clock_mono_us() + 1000000;
    while (service_notify_wait_us(notify, 1000) > 0 && clock_mono_us() < until_us)
        continue;
    service_notify_serve(notify);
    assert_string_equal(next_message(), "WATCHDOG=1\n");
    service_notify_free(notify);
}

static void test_a_watchdog_of_somebody_else(void **state)
{
    static const struct {
        const char *interval, *pid;
    } cases[] = {{"30000000", "1"}, {"0", NULL}, {"-5", NULL}, {"soon", NULL}, {"30s", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int alive = 1;
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
        setenv("WATCHDOG_USEC", cases[i].interval, 1);
        if (cases[i].pid != NULL)
            setenv("WATCHDOG_PID", cases[i].pid, 1);
        struct service_notify *notify = service_notify_open();
        service_notify_watch(notify, answer, &alive);
        service_notify_serve(notify);
        assert_string_equal(next_message(), "");
        service_notify_free(notify);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_states),
        TEST(test_a_reload_carries_the_time),
        TEST(test_a_reload_waits_for_the_start),
        TEST(test_a_text_is_one_line),
        TEST(test_an_abstract_socket),
        TEST(test_nobody_listens),
        TEST(test_the_environment_is_the_servers_own),
        TEST(test_signs_of_life),
        TEST(test_no_sign_when_it_hangs),
        TEST(test_a_watchdog_of_somebody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
