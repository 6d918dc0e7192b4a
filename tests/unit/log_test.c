/* log_test.c: what reaches stderr: a file, a pipe that is closed or full, a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_line.h"
#include "common/timestamp.h"

#define HEAD_SIZE (sizeof "time=2026-01-02T03:04:05.678Z " - 1)

static int real_stderr;
static char captured[256 * 1024];

static void redirect(int fd)
{
    assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
}

static void restore(void)
{
    redirect(real_stderr);
}

/* From here to capture_end() stderr is a file in memory. */
static int capture_begin(enum log_level level)
{
    int fd = memfd_create("log", MFD_CLOEXEC);

    assert_true(fd >= 0);
    redirect(fd);
    log_open("worker", level);
    return fd;
}

/* What was written until now, in `captured`. */
static const char *capture_look(int fd)
{
    ssize_t size = pread(fd, captured, sizeof captured - 1, 0);

    assert_true(size >= 0);
    captured[size] = '\0';
    return captured;
}

static const char *capture_end(int fd)
{
    restore();
    capture_look(fd);
    close(fd);
    return captured;
}

/* One line without the time at its start, which is checked to be one. */
static const char *without_time(char *line)
{
    int64_t ms;
    char *end = line + HEAD_SIZE - 1;

    assert_true(strlen(line) > HEAD_SIZE);
    assert_memory_equal(line, "time=", 5);
    *end = '\0';
    assert_int_equal(timestamp_parse(line + 5, &ms), 0);
    return end + 1;
}

static void writes_logfmt(void **state)
{
    int fd = capture_begin(LOG_LEVEL_INFO);

    (void)state;
    errno = ENOENT;
    log_warning("event handled", log_text("call_id", "0bc6-1"), log_int("attempt", -1),
                log_int("least", INT64_MIN), log_ms("took_ms", 1.2345), log_text("none", NULL));
    assert_int_equal(errno, ENOENT);
    capture_end(fd);
    assert_string_equal(without_time(captured),
                        "level=warning process=worker msg=\"event handled\" call_id=0bc6-1 "
                        "attempt=-1 least=-9223372036854775808 took_ms=1.235 none=\"\"\n");
}

static void writes_only_what_is_enabled(void **state)
{
    static const struct {
        enum log_level level;
        const char *lines;
    } expected[] = {
        {LOG_LEVEL_ERROR, "e"},
        {LOG_LEVEL_WARNING, "ew"},
        {LOG_LEVEL_INFO, "ewi"},
        {LOG_LEVEL_DEBUG, "ewid"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char lines[8] = "";
        size_t count = 0;
        int fd = capture_begin(expected[i].level);

        log_error("e");
        log_warning("w");
        log_info("i");
        log_debug("d");
        capture_end(fd);
        for (char *at = captured; (at = strstr(at, " msg=")) != NULL; at++)
            lines[count++ % 7] = at[5];
        assert_string_equal(lines, expected[i].lines);
    }
}

static const struct {
    const char *text;
    const char *written;
} texts[] = {
    {"plain-_./:;,{}'%\\", "plain-_./:;,{}'%\\"}, /* bare: nothing in it is an escape */
    {"", "\"\""},
    {"a b", "\"a b\""},
    {"a=b", "\"a=b\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"a\nlevel=error", "\"a\\nlevel=error\""},
    {"\t\r", "\"\\t\\u000d\""},
    {"\x1b[31m\x07\x7f", "\"\\u001b[31m\\u0007\\u007f\""},
    {"ação €\xf0\x9f\x98\x80", "\"ação €\xf0\x9f\x98\x80\""},
    {"\xc2\x9b"
     "31m",
     "\"\\u009b31m\""}, /* CSI in one character */
    {"a\xe2\x80\xae"
     "b\xe2\x80\xa8"
     "c\xe2\x81\xa6",
     "\"a\\u202eb\\u2028c\\u2066\""},
    /* what is no UTF-8: alone, overlong, a surrogate, too great, cut */
    {"a\xff"
     "b\x80",
     "\"a\xef\xbf\xbd"
     "b\xef\xbf\xbd\""},
    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xe0\x80\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xf5\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void hostile_text_stays_in_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char expected[256];
        int fd = capture_begin(LOG_LEVEL_INFO);

        log_info("m", log_text("x", texts[i].text), log_int("end", 1));
        capture_end(fd);
        snprintf(expected, sizeof expected, "level=info process=worker msg=m x=%s end=1\n",
                 texts[i].written);
        assert_string_equal(without_time(captured), expected);
    }
}

static void writes_milliseconds(void **state)
{
    static const struct {
        double ms;
        const char *written;
    } values[] = {
        {0, "x=0.000\n"},      {0.0004, "x=0.000\n"},    {0.9996, "x=1.000\n"},
        {-1.5, "x=-1.500\n"},  {1e6, "x=1000000.000\n"}, {12345.678, "x=12345.678\n"},
        {HUGE_VAL, "x=nan\n"}, {-HUGE_VAL, "x=nan\n"},   {NAN, "x=nan\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        int fd = capture_begin(LOG_LEVEL_INFO);

        log_info("m", log_ms("x", values[i].ms));
        capture_end(fd);
        assert_string_equal(strstr(captured, "x="), values[i].written);
    }
}

/* A long value is cut between two characters; bare and quoted alike. */
static void long_text_is_cut(void **state)
{
    char bare[LOG_TEXT_MAX + 2];
    char wide[LOG_TEXT_MAX + 8] = "a";
    int fd = capture_begin(LOG_LEVEL_INFO);

    (void)state;
    memset(bare, 'x', sizeof bare);
    bare[LOG_TEXT_MAX + 1] = '\0';
    log_info("m", log_text("x", bare));
    bare[LOG_TEXT_MAX] = '\0';
    log_info("m", log_text("x", bare));
    for (size_t at = 1; at + 3 <= LOG_TEXT_MAX + 4; at += 3)
        memcpy(wide + at, "€", 3);
    log_info("m", log_text("x", wide));
    capture_end(fd);

    char *line = strstr(captured, "x=");
    char *end = strchr(line, '\n');
    assert_int_equal(end - line, 2 + 1 + LOG_TEXT_MAX + 3 + 1);
    assert_memory_equal(end - 4, "...\"", 4);
    line = strstr(end, " x=") + 1;
    end = strchr(line, '\n');
    assert_int_equal(end - line, 2 + LOG_TEXT_MAX);
    line = strstr(end, " x=") + 1;
    end = strchr(line, '\n');
    assert_memory_equal(end - 7, "€...\"", 7);
    assert_in_range(end - line, LOG_TEXT_MAX, LOG_TEXT_MAX + 10);
}

static void a_line_has_an_end(void **state)
{
    struct log_field fields[32] = {log_text("msg", "m")};
    char text[LOG_TEXT_MAX + 1];
    int fd = capture_begin(LOG_LEVEL_INFO);

    (void)state;
    memset(text, 1, sizeof text);
    text[LOG_TEXT_MAX] = '\0';
    for (size_t i = 1; i < 31; i++)
        fields[i] = log_text("x", text);
    fields[31] = LOG_END;
    log_write(LOG_LEVEL_INFO, fields);
    log_info("next");
    capture_end(fd);

    char *end = strchr(captured, '\n');
    assert_non_null(end);
    assert_in_range(end - captured, LOG_TEXT_MAX * 6, LOG_LINE_SIZE);
    assert_memory_equal(end - 10, "\" cut=true", 10);
    assert_string_equal(without_time(end + 1), "level=info process=worker msg=next\n");
}

static void gathers_lines_until_flushed(void **state)
{
    int fd = capture_begin(LOG_LEVEL_INFO);

    (void)state;
    log_set_buffered(1);
    log_info("one");
    log_info("two");
    assert_string_equal(capture_look(fd), "");
    log_flush();
    assert_non_null(strstr(capture_look(fd), "msg=two\n"));
    log_info("three");
    assert_null(strstr(capture_look(fd), "msg=three"));
    log_error("four"); /* at once, and behind what came before it */
    assert_non_null(strstr(capture_look(fd), "msg=three\n"));
    assert_true(strstr(captured, "msg=three\n") < strstr(captured, "msg=four\n"));
    log_info("five");
    log_set_buffered(0);
    assert_non_null(strstr(capture_look(fd), "msg=five\n"));
    log_info("six");
    assert_non_null(strstr(capture_look(fd), "msg=six\n"));
    capture_end(fd);
}

static void a_full_buffer_is_written(void **state)
{
    enum { LINES = 2000 };
    int fd = capture_begin(LOG_LEVEL_INFO);
    char *at = captured;

    (void)state;
    log_set_buffered(1);
    for (int i = 0; i < LINES; i++)
        log_info("m", log_int("i", i), log_text("padding", "0123456789012345678901234567890123"));
    assert_in_range(strlen(capture_look(fd)), 60000, sizeof captured - 1);
    log_set_buffered(0);
    capture_end(fd);
    for (int i = 0; i < LINES; i++) {
        char wanted[32];

        snprintf(wanted, sizeof wanted, " i=%d padding=", i);
        at = strstr(at, wanted);
        assert_non_null(at);
    }
}

static void *log_often(void *arg)
{
    for (int i = 0; i < 300; i++)
        log_info("m", log_text("thread", arg), log_int("i", i));
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    static char names[][2] = {"a", "b", "c", "d"};
    int next[4] = {0};
    pthread_t thread[4];
    int fd = capture_begin(LOG_LEVEL_INFO);
    char *rest = NULL;

    (void)state;
    log_set_buffered(1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, log_often, names[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    log_set_buffered(0);
    capture_end(fd);
    for (char *line = strtok_r(captured, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char expected[96];
        char *name = strstr(line, "thread=");

        assert_non_null(name);
        int which = name[7] - 'a';
        assert_in_range(which, 0, 3);
        snprintf(expected, sizeof expected, "level=info process=worker msg=m thread=%c i=%d",
                 name[7], next[which]++);
        assert_string_equal(without_time(line), expected);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(next[i], 300);
}

static void nobody_reads(void **state)
{
    int end[2];

    (void)state;
    assert_int_equal(pipe2(end, O_CLOEXEC), 0);
    redirect(end[1]);
    close(end[1]);
    close(end[0]);
    log_open("worker", LOG_LEVEL_INFO);
    log_info("to nobody");
    log_set_buffered(1);
    log_info("to nobody");
    log_set_buffered(0);
    close(STDERR_FILENO);
    log_info("nowhere");
    restore();

    int fd = capture_begin(LOG_LEVEL_INFO);
    log_info("heard again");
    capture_end(fd);
    assert_string_equal(without_time(captured), "level=info process=worker msg=\"heard again\"\n");
}

static void *drain(void *arg)
{
    int fd = *(int *)arg;
    size_t used = 0;
    ssize_t got;

    while ((got = read(fd, captured + used, sizeof captured - 1 - used)) > 0)
        used += (size_t)got;
    captured[used] = '\0';
    return NULL;
}

/* Makes stderr a pipe of one page, which refuses what it has no room for. */
static void open_narrow_pipe(int end[2])
{
    assert_int_equal(pipe2(end, O_CLOEXEC), 0);
    assert_true(fcntl(end[1], F_SETPIPE_SZ, 4096) > 0);
    assert_int_equal(fcntl(end[1], F_SETFL, O_NONBLOCK), 0);
    redirect(end[1]);
    close(end[1]);
    log_open("worker", LOG_LEVEL_INFO);
}

static void a_slow_reader_gets_every_line_whole(void **state)
{
    char text[LOG_TEXT_MAX + 1];
    pthread_t reader;
    int end[2];
    char *at = captured;

    (void)state;
    memset(text, 1, sizeof text); /* six bytes each when written */
    text[LOG_TEXT_MAX] = '\0';
    open_narrow_pipe(end);
    assert_int_equal(pthread_create(&reader, NULL, drain, &end[0]), 0);
    for (int i = 0; i < 20; i++)
        log_info("m", log_text("long", text), log_int("i", i));
    restore(); /* closes the pipe's last end for writing */
    assert_int_equal(pthread_join(reader, NULL), 0);
    close(end[0]);
    for (int i = 0; i < 20; i++) {
        char wanted[32];

        snprintf(wanted, sizeof wanted, "\\u0001\" i=%d\n", i);
        assert_int_equal(strncmp(at, "time=", 5), 0);
        at = strstr(at, wanted);
        assert_non_null(at);
        at += strlen(wanted);
    }
    assert_string_equal(at, "");
}

/* Lines are lost then; the program waits once, and the next line stands on its own. */
static void a_stuck_reader_does_not_stop_the_program(void **state)
{
    char text[LOG_TEXT_MAX + 1];
    char first[4097] = "";
    pthread_t reader;
    int end[2];

    (void)state;
    memset(text, 1, sizeof text);
    text[LOG_TEXT_MAX] = '\0';
    open_narrow_pipe(end);
    log_info("m", log_text("long", text)); /* only its start has room */
    for (int i = 0; i < 100; i++)
        log_info("lost");
    assert_int_equal(read(end[0], first, 4096), 4096);
    assert_null(strchr(first, '\n'));
    log_info("after");
    assert_int_equal(pthread_create(&reader, NULL, drain, &end[0]), 0);
    restore();
    assert_int_equal(pthread_join(reader, NULL), 0);
    close(end[0]);
    assert_int_equal(captured[0], '\n');
    assert_string_equal(without_time(captured + 1), "level=info process=worker msg=after\n");
}

/* An ordinary pipe, that a write() would wait for for ever. */
static void a_full_blocking_pipe_does_not_stop_the_program(void **state)
{
    char page[4096];
    int end[2];

    (void)state;
    memset(page, 'x', sizeof page);
    assert_int_equal(pipe2(end, O_CLOEXEC), 0);
    assert_true(fcntl(end[1], F_SETPIPE_SZ, 8192) > 0);
    assert_int_equal(write(end[1], page, sizeof page), sizeof page);
    assert_int_equal(write(end[1], page, sizeof page), sizeof page);
    redirect(end[1]);
    close(end[1]);
    log_open("worker", LOG_LEVEL_INFO);
    for (int i = 0; i < 100; i++)
        log_info("lost"); /* the first one waits a second */
    assert_int_equal(read(end[0], page, sizeof page), sizeof page);
    assert_int_equal(read(end[0], page, sizeof page), sizeof page);
    log_info("after");
    restore();
    ssize_t size = read(end[0], captured, sizeof captured - 1);
    close(end[0]);
    assert_true(size > 0);
    captured[size] = '\0';
    assert_string_equal(without_time(captured), "level=info process=worker msg=after\n");
}

/* What one line looks like on a terminal, behind the time of day, which is checked. */
static const char *on_terminal(const char *no_color, const char *term)
{
    struct termios raw;
    int master;
    int slave;

    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    assert_int_equal(setenv("NO_COLOR", no_color, 1), 0);
    assert_int_equal(setenv("TERM", term, 1), 0);
    redirect(slave);
    log_open("worker", LOG_LEVEL_DEBUG);
    log_info("event handled", log_text("call_id", "a b"), log_int("attempt", 1));
    restore();
    ssize_t size = read(master, captured, sizeof captured - 1);
    assert_true(size > 13);
    captured[size] = '\0';
    close(slave);
    close(master);
    for (int i = 0; i < 12; i++) {
        if (i == 2 || i == 5 || i == 8)
            assert_int_equal(captured[i], i == 8 ? '.' : ':');
        else
            assert_in_range(captured[i], '0', '9');
    }
    return captured + 12;
}

/* A bare chroot has no /dev/pts. */
static int has_terminals(void)
{
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0)
        return 0;
    close(master);
    close(slave);
    return 1;
}

static void a_terminal_gets_columns(void **state)
{
    (void)state;
    if (!has_terminals())
        skip();
    assert_string_equal(on_terminal("1", "xterm"),
                        " info  event handled        call_id=\"a b\" attempt=1\n");
    assert_string_equal(on_terminal("", "dumb"),
                        " info  event handled        call_id=\"a b\" attempt=1\n");
    assert_string_equal(on_terminal("", "xterm"),
                        " \x1b[32minfo \x1b[0m event handled        call_id=\"a b\" attempt=1\n");
}

/* The time of day is the local one; the message is text from outside as well. */
static void lays_out_for_eyes(void **state)
{
    const struct log_field fields[] = {log_text("msg", "a\x1b[2J\n\"quoted\" message of a plugin"),
                                       log_int("n", 1), LOG_END};
    const struct log_field bare[] = {log_text("msg", "stopping"), LOG_END};
    struct log_line line;

    (void)state;
    assert_int_equal(setenv("TZ", "XYZ+3", 1), 0);
    tzset();
    log_line_make(&line, LOG_LAYOUT_TERMINAL, "worker", LOG_LEVEL_WARNING, 1518725252562, fields);
    line.data[line.size] = '\0';
    assert_string_equal(line.data,
                        "17:07:32.562 warn  a\\u001b[2J\\n\"quoted\" message of a plugin "
                        "n=1\n");
    log_line_make(&line, LOG_LAYOUT_COLOUR, "worker", LOG_LEVEL_ERROR, 1518725252562, bare);
    line.data[line.size] = '\0';
    assert_string_equal(line.data, "17:07:32.562 \x1b[31merror\x1b[0m stopping\n");
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    return real_stderr < 0;
}

static int tear_down(void **state)
{
    (void)state;
    restore();
    return close(real_stderr);
}

/* After a failed assertion: the next test and cmocka's report need stderr. */
static int end_test(void **state)
{
    (void)state;
    restore();
    log_open("worker", LOG_LEVEL_INFO);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(writes_logfmt, end_test),
        cmocka_unit_test_teardown(writes_only_what_is_enabled, end_test),
        cmocka_unit_test_teardown(hostile_text_stays_in_its_field, end_test),
        cmocka_unit_test_teardown(writes_milliseconds, end_test),
        cmocka_unit_test_teardown(long_text_is_cut, end_test),
        cmocka_unit_test_teardown(a_line_has_an_end, end_test),
        cmocka_unit_test_teardown(gathers_lines_until_flushed, end_test),
        cmocka_unit_test_teardown(a_full_buffer_is_written, end_test),
        cmocka_unit_test_teardown(threads_do_not_mix_lines, end_test),
        cmocka_unit_test_teardown(nobody_reads, end_test),
        cmocka_unit_test_teardown(a_slow_reader_gets_every_line_whole, end_test),
        cmocka_unit_test_teardown(a_stuck_reader_does_not_stop_the_program, end_test),
        cmocka_unit_test_teardown(a_full_blocking_pipe_does_not_stop_the_program, end_test),
        cmocka_unit_test_teardown(a_terminal_gets_columns, end_test),
        cmocka_unit_test_teardown(lays_out_for_eyes, end_test),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
