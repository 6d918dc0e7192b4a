/*
 * run.c: see run.h. The main thread owns libcurl, the calls and all counters, and sleeps in one
 * place: client_wait(). Signals come to it through a signalfd, the server's messages through the
 * inbox.
 */
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "caller.h"
#include "client.h"
#include "clock.h"
#include "drive.h"
#include "inbox.h"
#include "journal.h"
#include "listen.h"
#include "memory.h"
#include "progress.h"
#include "report.h"
#include "server.h"
#include "tally.h"
#include "timer.h"

#define RUN_MAX_WAIT_MS 1000
#define RUN_ANSWER_MS   100 /* for an answer to get out */
#define RUN_MAX_PLACED  500 /* calls in one round, so that answers are not kept waiting */
#define RUN_LATE_NS     (100 * CLOCK_NS_PER_MS)

enum run_state { RUN_PLACES, RUN_LINGERS, RUN_SERVES, RUN_STOPS };

struct run {
    const struct options *options;
    enum run_state state;
    int signal_fd;
    uint64_t linger_until_ns;
    struct tally *tally; /* large: not on the stack */
    struct timer_heap timers;
    struct progress progress;
    struct journal *journal;
    struct inbox inbox;
    struct client *client;
    struct server *server;
    struct caller *caller;
    struct drive *drive;
};

/* ---- opening and closing --------------------------------------------------------------------- */

static void run_wake(void *context)
{
    client_wake(context);
}

static void run_answer_drive(void *context, struct request *request, unsigned status, char *json)
{
    server_answer(context, request, status, json);
}

/* Before any thread is started, so that all of them leave the signals to the signalfd. */
static int run_open_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_open_server(struct run *run)
{
    const struct options *options = run->options;

    run->server = server_open(options, &run->inbox);
    if (run->server == NULL)
        return -1;
    drive_set_answer(run->drive, run_answer_drive, run->server);
    if (options->port_file != NULL &&
        listen_write_port(options->port_file, server_get_port(run->server)) != 0)
        return -1;
    /* Standard output is the report's when --report - was asked for. */
    fprintf(
        options->report != NULL && strcmp(options->report, "-") == 0 ? stderr : stdout,
        "mock-pbx: listening on %s, webhook %s\n", server_get_url(run->server),
        options->webhook_url[options->envelope == ENVELOPE_FLAT ? ENVELOPE_FLAT : ENVELOPE_SEED]);
    fflush(stdout);
    return 0;
}

static int run_open(struct run *run, const struct options *options)
{
    run->options = options;
    run->tally = memory_get(1, sizeof *run->tally);
    run->signal_fd = run_open_signals();
    if (run->signal_fd < 0) {
        perror("mock-pbx: signalfd");
        return -1;
    }
    progress_open(&run->progress, options);
    if (options->report != NULL && report_probe(options->report) != 0)
        return -1;
    if (options->acknowledged != NULL) {
        run->journal = journal_open(options->acknowledged);
        if (run->journal == NULL)
            return -1;
    }
    run->client = client_open(options, &run->timers, run->tally, &run->progress);
    if (run->client == NULL)
        return -1;
    inbox_open(&run->inbox, run_wake, run->client);
    run->caller =
        caller_new(options, &run->timers, run->client, run->tally, run->journal, &run->progress);
    run->drive = drive_new(options, run->client, run->tally, run->journal);
    return run_open_server(run);
}

/* Works on a run that was opened halfway, too. -1 when the journal lost lines. */
static int run_close(struct run *run)
{
    int result;

    server_close(run->server); /* first: its thread wakes the client and fills the inbox */
    if (run->client != NULL)
        inbox_close(&run->inbox);
    client_close(run->client);
    caller_free(run->caller);
    drive_free(run->drive);
    timer_heap_close(&run->timers);
    result = journal_close(run->journal);
    if (run->signal_fd >= 0)
        close(run->signal_fd);
    free(run->tally);
    return result;
}

/* ---- the report ------------------------------------------------------------------------------ */

static int run_report(struct run *run)
{
    const char *path = run->options->report;
    int result = 0;
    char *json;

    progress_clear(&run->progress);
    journal_flush(run->journal);
    report_print(path != NULL && strcmp(path, "-") == 0 ? stderr : stdout, run->tally,
                 run->options);
    if (path != NULL) {
        json = report_make_json(run->tally, run->options, caller_get_active(run->caller));
        result = report_write(path, json);
        free(json);
    }
    return result;
}

static int run_get_exit_code(const struct run *run)
{
    return report_is_right(run->tally, run->options) ? 0 : 1;
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* When the next call is due; TIMER_NEVER when none is to be placed now. */
static uint64_t run_get_next_call_ns(const struct run *run)
{
    const struct options *options = run->options;
    uint64_t placed = run->tally->calls.placed;

    if (run->state != RUN_PLACES || (!options->forever && placed >= options->calls) ||
        caller_get_active(run->caller) >= options->max_active)
        return TIMER_NEVER;
    if (options->rate <= 0)
        return run->tally->started_ns;
    return run->tally->started_ns +
           (uint64_t)((double)placed / options->rate * (double)CLOCK_NS_PER_S);
}

static void run_place_due(struct run *run, uint64_t now_ns)
{
    for (int i = 0; i < RUN_MAX_PLACED; i++) {
        uint64_t due_ns = run_get_next_call_ns(run);

        if (due_ns > now_ns)
            return;
        if (run->options->rate > 0 && now_ns - due_ns > RUN_LATE_NS)
            run->tally->calls.started_late++;
        caller_place(run->caller);
    }
}

static void run_take_messages(struct run *run)
{
    size_t count;
    const struct inbox_message *messages =
        inbox_take(&run->inbox, &count, &run->tally->actions.turned_away);

    for (size_t i = 0; i < count; i++) {
        switch (messages[i].kind) {
        case INBOX_ACTION:
            caller_take_action(run->caller, &messages[i],
                               drive_knows(run->drive, messages[i].call_id));
            break;
        case INBOX_DRIVE:
            drive_begin(run->drive, messages[i].order, messages[i].request);
            break;
        case INBOX_STATS:
            server_answer(
                run->server, messages[i].request, 200,
                report_make_json(run->tally, run->options, caller_get_active(run->caller)));
            break;
        }
    }
}

static void run_take_signal(struct run *run)
{
    struct signalfd_siginfo info;

    if (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        run->state = RUN_STOPS;
}

/* Answers that --waiting-first owes are given before the end, too. */
static uint64_t run_get_linger_ms(const struct options *options)
{
    uint64_t owed_ms = options->waiting_first.max;

    if (owed_ms > 0 && options->linger_ms < owed_ms + RUN_ANSWER_MS)
        return owed_ms + RUN_ANSWER_MS;
    return options->linger_ms;
}

static void run_check_end(struct run *run, uint64_t now_ns)
{
    const struct options *options = run->options;

    if (run->state == RUN_PLACES && options->calls > 0 &&
        run->tally->calls.placed >= options->calls && caller_get_active(run->caller) == 0) {
        run->state = RUN_LINGERS;
        run->tally->ended_ns = now_ns;
        run->tally->complete = true;
        run->linger_until_ns = now_ns + run_get_linger_ms(options) * CLOCK_NS_PER_MS;
    }
    if (run->state == RUN_LINGERS && now_ns >= run->linger_until_ns) {
        run->state = options->stay ? RUN_SERVES : RUN_STOPS;
        /* From here on the one place that shows the numbers is the report and /stats. */
        run->progress.terminal = run->progress.terminal && !options->stay;
        if (options->stay)
            run_report(run);
    }
}

static int run_get_wait_ms(const struct run *run)
{
    uint64_t now_ns = clock_get_mono_ns();
    uint64_t due_ns = timer_get_next_ns(&run->timers);
    uint64_t call_ns = run_get_next_call_ns(run);
    uint64_t draw_ns = progress_get_next_ns(&run->progress);

    due_ns = call_ns < due_ns ? call_ns : due_ns;
    due_ns = draw_ns < due_ns ? draw_ns : due_ns;
    if (run->state == RUN_LINGERS && run->linger_until_ns < due_ns)
        due_ns = run->linger_until_ns;
    return clock_get_wait_ms(now_ns, due_ns, RUN_MAX_WAIT_MS);
}

static void run_loop(struct run *run)
{
    run->state = options_place_calls(run->options) ? RUN_PLACES : RUN_SERVES;
    run->tally->started_ns = clock_get_mono_ns();
    while (run->state != RUN_STOPS) {
        bool signalled = client_wait(run->client, run->signal_fd, run_get_wait_ms(run));
        uint64_t now_ns;

        client_run(run->client);
        run_take_messages(run);
        now_ns = clock_get_mono_ns();
        timer_run(&run->timers, now_ns);
        run_place_due(run, now_ns);
        client_send(run->client);
        progress_draw(&run->progress, run->tally, caller_get_active(run->caller), now_ns);
        journal_flush(run->journal);
        run_check_end(run, now_ns);
        if (signalled)
            run_take_signal(run);
    }
    if (run->tally->ended_ns == 0)
        run->tally->ended_ns = clock_get_mono_ns();
}

int run_whole(const struct options *options)
{
    struct run run = {.signal_fd = -1};
    int code = 2;

    if (run_open(&run, options) == 0) {
        run_loop(&run);
        code = run_report(&run) == 0 ? run_get_exit_code(&run) : 1;
    }
    if (run_close(&run) != 0)
        code = 1;
    return code;
}
