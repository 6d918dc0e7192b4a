/* driver.c: the loop of pbxhook-load, and the three ways to decide when a connection sends. */
#include "driver.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS        UINT64_C(1000000)
#define NS_PER_S         UINT64_C(1000000000)
#define BATCH            256
#define CONNECT_RETRY_NS (100 * NS_PER_MS) /* a stopped server is not hammered with connects */
#define CHECK_NS         (50 * NS_PER_MS)  /* how often timeouts are looked for */
/* A timer for the next due event is not set closer than this: waking for each single one costs more than
 * sending it, on the same cores as the server. An event is so at most that much late, and the latency
 * includes it; those of the same half millisecond arrive together. */
#define MIN_SLEEP_NS (500 * UINT64_C(1000))

static volatile sig_atomic_t interrupted;

void driver_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static bool driver_is_interrupted(void)
{
    return interrupted != 0;
}

static uint64_t now_get_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The connection's next event; a new call when its call is over. False when all events are spent. */
static bool driver_prepare(struct driver *driver, struct connection *connection)
{
    if (driver->tally->sent >= driver->sent_cap)
        return false;
    if (connection->call.call_id[0] == '\0' || mix_is_over(&connection->call)) {
        /* Whole calls are handed out, so that N events are N/7 whole calls and one beginning. */
        if (driver->budget == 0)
            return false;
        driver->budget -= driver->budget < MIX_EVENTS ? driver->budget : MIX_EVENTS;
        mix_begin_call(driver->mix, &connection->call);
        driver->tally->calls_begun++;
    }
    connection->request_size =
        mix_write_request(driver->mix, &connection->call, connection->request);
    return true;
}

/* Sends the connection's next event, due at due_ns. False when there is none left for it. */
static bool driver_send(struct driver *driver, struct connection *connection, uint64_t due_ns)
{
    if (!driver_prepare(driver, connection))
        return false;
    connection->since_ns = now_get_ns();
    connection->due_ns = due_ns != 0 ? due_ns : connection->since_ns;
    driver->tally->sent++;
    driver->busy++;
    connection_send(connection, driver->epoll_fd);
    return true;
}

static bool driver_is_over(const struct driver *driver, uint64_t now_ns)
{
    return driver_is_interrupted() || driver->gave_up || now_ns >= driver->end_ns ||
           driver->tally->sent >= driver->sent_cap;
}

/* The connection can take a request. */
static void driver_offer(struct driver *driver, struct connection *connection)
{
    if (driver->options->rate > 0 || driver->options->lockstep)
        driver->ready[driver->ready_count++] = connection;
    else if (!driver_is_over(driver, now_get_ns()))
        driver_send(driver, connection, 0);
}

static void driver_open(struct driver *driver, struct connection *connection)
{
    connection->since_ns = now_get_ns();
    if (connection_open(connection, driver->epoll_fd,
                        (const struct sockaddr *)&driver->options->address,
                        driver->options->address_size) == CONNECTION_LOST) {
        driver->tally->not_connected++;
        driver->tally->last_errno = errno;
        connection->retry_ns = connection->since_ns + CONNECT_RETRY_NS;
    }
}

/* The call of an unanswered event goes on: the PBX's calls do, too. */
static void driver_note_failure(struct driver *driver, struct connection *connection,
                                enum connection_result result, bool was_busy)
{
    int error = errno;

    connection->retry_ns = 0;
    if (was_busy) {
        driver->busy--;
        driver->tally->last_ns = now_get_ns();
        if (result == CONNECTION_GARBLED)
            driver->tally->garbled++;
        else
            driver->tally->lost++;
    }
    if (result == CONNECTION_LOST)
        driver->tally->last_errno = error;
    driver->tally->reconnects++;
    driver_open(driver, connection);
}

static void driver_note_answer(struct driver *driver, struct connection *connection)
{
    struct tally *tally = driver->tally;
    int status = connection->answer.status;

    driver->busy--;
    tally->last_ns = now_get_ns();
    tally->by_status[status]++;
    histogram_add(&tally->latency, (tally->last_ns - connection->due_ns) / 1000);
    if (status / 100 == 2) {
        tally->ok++;
        mix_note_acknowledged(driver->mix, &connection->call);
        if (mix_is_over(&connection->call))
            tally->calls_finished++;
        if (driver->acknowledged != NULL)
            fprintf(driver->acknowledged, "%s %s\n", connection->call.call_id,
                    mix_get_last_type(&connection->call));
    } else {
        tally->others++;
    }
    if (connection->state == CONNECTION_IDLE) {
        driver_offer(driver, connection);
    } else {
        tally->reconnects++;
        driver_open(driver, connection);
    }
}

static void driver_forget_ready(struct driver *driver, const struct connection *connection)
{
    for (unsigned i = 0; i < driver->ready_count; i++) {
        if (driver->ready[i] == connection) {
            driver->ready[i] = driver->ready[--driver->ready_count];
            return;
        }
    }
}

static void driver_step(struct driver *driver, struct connection *connection, uint32_t ready)
{
    enum connection_state before = connection->state;
    enum connection_result result = connection_step(connection, driver->epoll_fd, ready);

    if (result == CONNECTION_OPENED) {
        driver_offer(driver, connection);
    } else if (result == CONNECTION_ANSWERED) {
        driver_note_answer(driver, connection);
    } else if (result == CONNECTION_LOST && before == CONNECTION_CONNECTING) {
        driver->tally->not_connected++;
        driver->tally->last_errno = errno;
        connection->retry_ns = now_get_ns() + CONNECT_RETRY_NS;
    } else if (result != CONNECTION_WAITS) {
        if (before == CONNECTION_IDLE)
            driver_forget_ready(driver, connection);
        driver_note_failure(driver, connection, result, before == CONNECTION_BUSY);
    }
}

/* A run ends early when no connection stands, or nothing is answered, for longer than a time-out. */
static void driver_check_stall(struct driver *driver, uint64_t now_ns, bool standing)
{
    uint64_t patience_ns = (uint64_t)(driver->options->timeout_s * 1e9) + NS_PER_S;

    if (driver->options->rate > 0 && standing)
        driver->alive_ns = now_ns;
    else if (driver->options->rate <= 0 && driver->tally->last_ns > driver->alive_ns)
        driver->alive_ns = driver->tally->last_ns;
    if (now_ns > driver->alive_ns + patience_ns)
        driver->gave_up = true;
}

/* Gives up what takes too long, and opens again what could not be opened. */
static void driver_check(struct driver *driver, uint64_t now_ns)
{
    uint64_t timeout_ns = (uint64_t)(driver->options->timeout_s * 1e9);
    bool standing = false;

    if (now_ns - driver->checked_ns < CHECK_NS)
        return;
    driver->checked_ns = now_ns;
    for (unsigned i = 0; i < driver->options->connections; i++) {
        struct connection *connection = &driver->connections[i];

        if (connection->state == CONNECTION_BUSY && now_ns - connection->since_ns > timeout_ns) {
            driver->tally->timeouts++;
            driver->tally->last_ns = now_ns;
            driver->busy--;
            connection_close(connection);
        } else if (connection->state == CONNECTION_CONNECTING &&
                   now_ns - connection->since_ns > timeout_ns) {
            driver->tally->not_connected++;
            driver->tally->last_errno = ETIMEDOUT;
            connection_close(connection);
        }
        if (connection->state == CONNECTION_CLOSED && now_ns >= connection->retry_ns &&
            !driver_is_over(driver, now_ns))
            driver_open(driver, connection);
        if (connection->state == CONNECTION_IDLE || connection->state == CONNECTION_BUSY)
            standing = true;
    }
    driver_check_stall(driver, now_ns, standing);
}

static uint64_t driver_get_due_ns(const struct driver *driver, uint64_t index)
{
    return driver->tally->first_ns + (uint64_t)((double)index * 1e9 / driver->options->rate);
}

/* Open loop: sends what is due while there is a connection free. When there is none, the schedule does
 * not wait: the events are sent later, and their latency began when they were due. */
static void driver_send_due(struct driver *driver)
{
    while (driver->ready_count > 0) {
        uint64_t due_ns = driver_get_due_ns(driver, driver->due_index);
        unsigned pick;
        struct connection *connection;

        if (now_get_ns() < due_ns || driver->due_index >= driver->sent_cap)
            return;
        /* Any one, so that the connections' calls do not walk in step. */
        pick = (unsigned)(driver->due_index * UINT64_C(2654435761) % driver->ready_count);
        connection = driver->ready[pick];
        driver->ready[pick] = driver->ready[--driver->ready_count];
        if (driver_send(driver, connection, due_ns))
            driver->due_index++;
    }
}

/* Lock step: the next round, once every connection stands and was answered. */
static void driver_send_round(struct driver *driver)
{
    unsigned count = driver->ready_count;

    if (driver->busy > 0 || count < driver->options->connections)
        return;
    driver->ready_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!driver_send(driver, driver->ready[i], 0))
            driver->ready[driver->ready_count++] = driver->ready[i];
    }
}

/* Wakes epoll when the next event is due. */
static void driver_set_timer(struct driver *driver, uint64_t now_ns)
{
    uint64_t due_ns = now_ns + CHECK_NS;
    struct itimerspec when = {0};

    if (driver->options->rate > 0 && driver->ready_count > 0)
        due_ns = driver_get_due_ns(driver, driver->due_index);
    if (due_ns < now_ns + MIN_SLEEP_NS)
        due_ns = now_ns + MIN_SLEEP_NS;
    if (due_ns > now_ns + CHECK_NS)
        due_ns = now_ns + CHECK_NS;
    when.it_value.tv_sec = (time_t)(due_ns / NS_PER_S);
    when.it_value.tv_nsec = (long)(due_ns % NS_PER_S);
    (void)timerfd_settime(driver->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void driver_wait(struct driver *driver)
{
    struct epoll_event events[BATCH];
    int count;

    if (driver->options->rate > 0)
        driver_set_timer(driver, now_get_ns());
    count = epoll_wait(driver->epoll_fd, events, BATCH, (int)(CHECK_NS / NS_PER_MS));
    for (int i = 0; i < count; i++) {
        uint64_t fired;

        if (events[i].data.ptr != NULL)
            driver_step(driver, events[i].data.ptr, events[i].events);
        else if (read(driver->timer_fd, &fired, sizeof fired) < 0 && errno != EAGAIN)
            perror("pbxhook-load: timer");
    }
    driver_check(driver, now_get_ns());
}

int driver_connect(struct driver *driver)
{
    uint64_t limit_ns = now_get_ns() + (uint64_t)(driver->options->timeout_s * 1e9);
    struct epoll_event events[BATCH];
    unsigned opened = 0;

    for (unsigned i = 0; i < driver->options->connections; i++)
        driver_open(driver, &driver->connections[i]);
    while (opened < driver->options->connections && driver->tally->not_connected == 0 &&
           now_get_ns() < limit_ns && !driver_is_interrupted()) {
        int count = epoll_wait(driver->epoll_fd, events, BATCH, 50);

        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection == NULL)
                continue;
            if (connection_step(connection, driver->epoll_fd, events[i].events) ==
                CONNECTION_OPENED)
                opened++;
            else if (connection->state == CONNECTION_CLOSED)
                driver->tally->last_errno = errno, driver->tally->not_connected++;
        }
    }
    if (opened == driver->options->connections)
        return 0;
    fprintf(stderr, "pbxhook-load: %s: %u of %u connections: %s\n", driver->options->url, opened,
            driver->options->connections,
            driver->tally->last_errno != 0 ? strerror(driver->tally->last_errno) : "no answer");
    return -1;
}

static double cpu_get_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

void driver_run(struct driver *driver)
{
    const struct options *options = driver->options;
    struct timespec wall;
    double cpu_s = cpu_get_s();

    clock_gettime(CLOCK_REALTIME, &wall);
    driver->tally->started_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    driver->tally->first_ns = driver->tally->last_ns = now_get_ns();
    driver->checked_ns = driver->alive_ns = driver->tally->first_ns;
    driver->end_ns = UINT64_MAX;
    if (options->seconds > 0)
        driver->end_ns = driver->tally->first_ns + (uint64_t)(options->seconds * 1e9);
    if (options->seconds > 0 && options->rate > 0) {
        /* What was due in time is sent, though late: to leave it out would flatter the latencies. */
        uint64_t due = (uint64_t)(options->seconds * options->rate);

        driver->end_ns += (uint64_t)(options->timeout_s * 1e9);
        driver->sent_cap = due < driver->sent_cap ? due : driver->sent_cap;
    }
    for (unsigned i = 0; i < options->connections; i++)
        driver_offer(driver, &driver->connections[i]);
    for (;;) {
        bool over = driver_is_over(driver, now_get_ns());

        if (over && driver->busy == 0)
            break;
        if (!over && options->rate > 0)
            driver_send_due(driver);
        else if (!over && options->lockstep)
            driver_send_round(driver);
        driver_wait(driver);
    }
    if (options->rate > 0 && !driver_is_interrupted())
        driver->tally->overdue = driver->sent_cap - driver->tally->sent;
    driver->tally->cpu_s = cpu_get_s() - cpu_s;
}

void driver_close(struct driver *driver)
{
    if (driver->connections != NULL) {
        for (unsigned i = 0; i < driver->options->connections; i++)
            connection_close(&driver->connections[i]);
    }
    if (driver->timer_fd >= 0)
        close(driver->timer_fd);
    if (driver->epoll_fd >= 0)
        close(driver->epoll_fd);
    free(driver->ready);
    free(driver->connections);
    mix_free(driver->mix);
}

static int driver_prepare_files(struct driver *driver)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
        files.rlim_max < driver->options->connections + 16) {
        fprintf(stderr,
                "pbxhook-load: %u connections need a higher limit of open files (ulimit -n)\n",
                driver->options->connections);
        return -1;
    }
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (driver->options->acknowledged != NULL) {
        driver->acknowledged = fopen(driver->options->acknowledged, "w");
        if (driver->acknowledged == NULL) {
            fprintf(stderr, "pbxhook-load: %s: %s\n", driver->options->acknowledged,
                    strerror(errno));
            return -1;
        }
    }
    return 0;
}

int driver_start(struct driver *driver)
{
    const struct options *options = driver->options;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    driver->sent_cap = options->events > 0 ? options->events : UINT64_MAX;
    driver->budget = options->events > 0 && !options->lockstep ? options->events : UINT64_MAX;
    driver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    driver->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    driver->connections = calloc(options->connections, sizeof *driver->connections);
    driver->ready = calloc(options->connections, sizeof *driver->ready);
    if (driver->connections != NULL) {
        for (unsigned i = 0; i < options->connections; i++)
            driver->connections[i].fd = -1;
    }
    if (driver->epoll_fd < 0 || driver->timer_fd < 0 || driver->connections == NULL ||
        driver->ready == NULL ||
        epoll_ctl(driver->epoll_fd, EPOLL_CTL_ADD, driver->timer_fd, &event) != 0) {
        perror("pbxhook-load");
        return -1;
    }
    driver->mix =
        mix_new(options->host, options->path, options->returning, options->seed, options->body);
    return driver->mix != NULL ? driver_prepare_files(driver) : -1;
}
