/* listen_test.c: addresses that are bound, and those that are refused with advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "receiver/listen.h"

static int nameless; /* getnameinfo() fails with this */

/* In place of libc's. */
int getnameinfo(const struct sockaddr *address, socklen_t size, char *host, socklen_t host_size,
                char *service, socklen_t service_size, int flags)
{
    int (*real)(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);
    *(void **)&real = dlsym(RTLD_NEXT, "getnameinfo");
    assert_non_null(real);
    return nameless != 0 ? nameless
                         : real(address, size, host, host_size, service, service_size, flags);
}

/* It sets no errno but with one of its codes. */
static void tells_why_a_socket_has_no_name(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE] = "untouched", error[256] = "";
    (void)state;
    nameless = EAI_MEMORY;
    errno = EEXIST;
    assert_int_equal(listen_open("127.0.0.1:0", bound, error, sizeof error), -1);
    assert_string_equal(error, "127.0.0.1:0: Memory allocation failure");
    nameless = EAI_SYSTEM;
    errno = ENOBUFS;
    assert_int_equal(listen_open("127.0.0.1:0", bound, error, sizeof error), -1);
    nameless = 0;
    assert_null(strstr(error, "Memory"));
    assert_string_equal(bound, "untouched");
}

static void names_the_real_port(void **state)
{
    static const struct {
        const char *address, *prefix;
    } cases[] = {
        {"127.0.0.1:0", "127.0.0.1:"},
        {"0.0.0.0:0", "0.0.0.0:"},
        {":0", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bound[LISTEN_ADDRESS_SIZE], error[256] = "";
        int fd = listen_open(cases[i].address, bound, error, sizeof error);
        assert_true(fd >= 0);
        assert_int_equal(strncmp(bound, cases[i].prefix, strlen(cases[i].prefix)), 0);
        assert_true(atoi(strrchr(bound, ':') + 1) > 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        close(fd);
    }
}

/* Asked of the kernel and not of the code under test, whose refusal would be taken for it. */
static int has_ipv6(void)
{
    const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6,
                                          .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int bound = fd >= 0 && bind(fd, (const struct sockaddr *)&loopback, sizeof loopback) == 0;
    if (fd >= 0)
        close(fd);
    return bound;
}

static void understands_ipv6(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE], error[256] = "";
    (void)state;
    int fd = listen_open("[::1]:0", bound, error, sizeof error);
    if (!has_ipv6()) { /* refused as an address that the machine has not */
        assert_int_equal(fd, -1);
        assert_non_null(strstr(error, "[::1]:0"));
        skip();
    }
    assert_true(fd >= 0);
    assert_int_equal(strncmp(bound, "[::1]:", 6), 0);
    close(fd);
}

static void refuses_a_port_in_use(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE], other[LISTEN_ADDRESS_SIZE] = "", error[256] = "";
    (void)state;
    int fd = listen_open("127.0.0.1:0", bound, error, sizeof error);
    assert_true(fd >= 0);
    assert_int_equal(listen_open(bound, other, error, sizeof error), -1);
    assert_non_null(strstr(error, bound));
    assert_non_null(strstr(error, "Address already in use"));
    assert_non_null(strstr(error, "PBXHOOK_LISTEN"));
    close(fd);
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const wrong[] = {
        "",          "127.0.0.1", "127.0.0.1:",
        "::1:3000",  "[::1:3000", "[::1]3000",
        "host:port", "[:3000",    "127.0.0.1:99999999999999999999999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char bound[LISTEN_ADDRESS_SIZE] = "untouched", error[256] = "";
        assert_int_equal(listen_open(wrong[i], bound, error, sizeof error), -1);
        assert_non_null(strstr(error, wrong[i]));
        assert_string_equal(bound, "untouched");
    }
}

/* ---- Socket activation -------------------------------------------------------------------------- */

#define PASSED 3 /* where the service manager puts the first socket */

/* What a service manager says to this process; NULL: not said. */
static void say(const char *pid, const char *count)
{
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    if (pid != NULL)
        setenv("LISTEN_PID", pid, 1);
    if (count != NULL)
        setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "pbxhook.socket", 1);
}

static const char *own_pid(void)
{
    static char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    return pid;
}

/* Puts it where passed sockets are, as a service manager leaves it: inherited, blocking. */
static void pass(int fd)
{
    assert_true(fd >= 0);
    if (fd != PASSED) {
        assert_int_equal(dup2(fd, PASSED), PASSED);
        close(fd);
    }
    assert_int_equal(fcntl(PASSED, F_SETFD, 0), 0);
    assert_int_equal(fcntl(PASSED, F_SETFL, 0), 0);
}

static void takes_the_passed_socket(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE], inherited[LISTEN_ADDRESS_SIZE] = "", error[256] = "";
    int fd = -1;
    (void)state;
    pass(listen_open("127.0.0.1:0", bound, error, sizeof error));
    say(own_pid(), "1");
    assert_int_equal(listen_inherit(&fd, inherited, error, sizeof error), 1);
    assert_int_equal(fd, PASSED);
    assert_string_equal(inherited, bound);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    /* It is nobody else's: a worker must not take its own descriptor 3 for a socket. */
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
    close(fd);
}

static void nothing_was_passed(void **state)
{
    static const struct {
        const char *pid, *count;
    } cases[] = {
        {NULL, NULL}, {NULL, "1"},   {"1", "1"},     {"", "1"},   {"own", NULL},
        {"own", "0"}, {"own", "-1"}, {"own", "one"}, {"own", ""}, {"own", "1x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bound[LISTEN_ADDRESS_SIZE] = "untouched", error[256] = "";
        int fd = -1;
        const char *pid = cases[i].pid;
        say(pid != NULL && strcmp(pid, "own") == 0 ? own_pid() : pid, cases[i].count);
        assert_int_equal(listen_inherit(&fd, bound, error, sizeof error), 0);
        assert_int_equal(fd, -1);
        assert_string_equal(bound, "untouched");
        assert_null(getenv("LISTEN_FDS"));
    }
}

static void check_refused(const char *count, const char *wanted)
{
    char bound[LISTEN_ADDRESS_SIZE] = "untouched", error[256] = "";
    int fd = -1;
    say(own_pid(), count);
    assert_int_equal(listen_inherit(&fd, bound, error, sizeof error), -1);
    assert_non_null(strstr(error, "LISTEN_FDS"));
    if (strstr(error, wanted) == NULL)
        fail_msg("\"%s\" is not in: %s", wanted, error);
    assert_int_equal(fd, -1);
    assert_string_equal(bound, "untouched");
}

static void refuses_other_sockets(void **state)
{
    char bound[LISTEN_ADDRESS_SIZE], error[256] = "";
    (void)state;
    pass(listen_open("127.0.0.1:0", bound, error, sizeof error));
    check_refused("2", "2 sockets");
    pass(socket(AF_INET, SOCK_STREAM, 0)); /* does not listen */
    check_refused("1", "ListenStream=");
    pass(socket(AF_INET, SOCK_DGRAM, 0));
    check_refused("1", "ListenStream=");
    pass(socket(AF_UNIX, SOCK_STREAM, 0));
    check_refused("1", "ListenStream=");
    pass(open("/dev/null", O_RDWR));
    check_refused("1", "ListenStream=");
    close(PASSED);
    check_refused("1", "ListenStream=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_real_port),     cmocka_unit_test(understands_ipv6),
        cmocka_unit_test(refuses_a_port_in_use),   cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(takes_the_passed_socket), cmocka_unit_test(nothing_was_passed),
        cmocka_unit_test(refuses_other_sockets),   cmocka_unit_test(tells_why_a_socket_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
