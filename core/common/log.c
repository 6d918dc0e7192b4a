/*
 * log.c: where lines go: straight to stderr, or into memory until log_flush(). Any thread of any
 * process logs. A log that can't be written is lost and nothing else happens: a program that serves
 * calls doesn't stop for its log. SIGPIPE is the program's to ignore.
 */
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_line.h"

#define BUFFER_SIZE 65536

/* How long a reader of stderr that is full (a stuck terminal, a slow journal) is waited for. */
#define WAIT_MS 1000

/* Set by log_open() before there are threads. */
static const char *log_process = "pbxhook";
static _Atomic enum log_level log_level = LOG_LEVEL_INFO; /* may change: log_set_level() */
static enum log_layout log_layout = LOG_LAYOUT_LOGFMT;

/*
 * Held while lines are written out as well, so that those of several threads stay whole and in order
 * when stderr takes only a part of one.
 */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static int is_buffered;
static size_t gathered;
static char buffer[BUFFER_SIZE];
static int is_stuck;    /* the last write timed out: don't wait again */
static int is_mid_line; /* what was written last is a part of a line  */
static int is_cut;      /* ... and its rest is lost: end it first      */

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_open(const char *process, enum log_level level)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    log_process = process;
    log_level = level;
    is_buffered = 0;
    gathered = 0;
    log_layout = LOG_LAYOUT_LOGFMT;
    if (!isatty(STDERR_FILENO))
        return;
    tzset();
    log_layout = LOG_LAYOUT_COLOUR;
    if ((no_color != NULL && no_color[0] != '\0') ||
        (terminal != NULL && strcmp(terminal, "dumb") == 0))
        log_layout = LOG_LAYOUT_TERMINAL;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

int log_enabled(enum log_level level)
{
    return level <= log_level;
}

/*
 * Before each write, for a pipe that nobody reads would hold a blocking one for ever: 1 when stderr takes
 * PIPE_BUF bytes, 0 when it is not worth waiting any longer. Making it non-blocking instead would change
 * it for all who share it.
 */
static int wait_for_stderr(void)
{
    struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};

    is_stuck = poll(&writable, 1, is_stuck ? 0 : WAIT_MS) <= 0;
    return !is_stuck;
}

/* One write of at most PIPE_BUF bytes, behind the end of a line that was lost in its middle. */
static ssize_t write_some(const char *data, size_t size)
{
    size_t end = is_cut ? 1 : 0;
    struct iovec parts[] = {
        {.iov_base = (void *)"\n", .iov_len = end},
        {.iov_base = (void *)data, .iov_len = size < PIPE_BUF - end ? size : PIPE_BUF - end}};
    ssize_t written = writev(STDERR_FILENO, parts, 2);

    if (written <= 0 || end == 0)
        return written;
    is_cut = 0;
    return written - 1;
}

/* Writes whole lines; what stderr does not take is lost. */
static void write_lines(const char *data, size_t size)
{
    is_cut = is_mid_line;
    while (size > 0) {
        ssize_t written = wait_for_stderr() ? write_some(data, size) : -1;

        if (written < 0 && (is_stuck || (errno != EINTR && errno != EAGAIN)))
            return;
        if (written <= 0)
            continue;
        is_mid_line = data[written - 1] != '\n';
        data += written;
        size -= (size_t)written;
    }
}

static void flush_gathered(void)
{
    write_lines(buffer, gathered);
    gathered = 0;
}

void log_set_buffered(int buffered)
{
    pthread_mutex_lock(&log_lock);
    is_buffered = buffered;
    flush_gathered();
    pthread_mutex_unlock(&log_lock);
}

void log_flush(void)
{
    pthread_mutex_lock(&log_lock);
    flush_gathered();
    pthread_mutex_unlock(&log_lock);
}

void log_write(enum log_level level, const struct log_field *fields)
{
    int saved_errno = errno;
    struct log_line line;

    log_line_make(&line, log_layout, log_process, level, clock_wall_ms(), fields);
    pthread_mutex_lock(&log_lock);
    if (is_buffered) {
        if (line.size > sizeof buffer - gathered)
            flush_gathered();
        memcpy(buffer + gathered, line.data, line.size);
        gathered += line.size;
        if (level == LOG_LEVEL_ERROR)
            flush_gathered();
    } else {
        write_lines(line.data, line.size);
    }
    pthread_mutex_unlock(&log_lock);
    errno = saved_errno;
}
