/*
 * try.c: see its header. One run is: a throw-away directory, a child that runs the plugin, a look at
 * the store before and after each event. With --watch a new run follows each change of the files.
 */
#include "sdk/try.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "common/config.h"
#include "sdk/try_child.h"
#include "sdk/try_directory.h"
#include "sdk/try_events.h"
#include "sdk/try_expect.h"
#include "sdk/try_report.h"
#include "sdk/try_store.h"
#include "sdk/try_watch.h"

/* One run. */
struct trial {
    struct try_events events;
    struct try_directory directory;
    struct try_setup setup;
    struct try_child child;
    struct try_report report;
    json_t *store;     /* as it was last seen */
    off_t output_seen; /* of what the plugin printed */
};

/* ---- What happened --------------------------------------------------------------------------- */

/* What was printed since the last time, a new text; NULL when out of memory. */
static char *take_output(struct trial *trial)
{
    struct stat status;
    size_t size = 0;
    char *text;

    if (fstat(trial->setup.output_fd, &status) == 0 && status.st_size > trial->output_seen)
        size = (size_t)(status.st_size - trial->output_seen);
    text = malloc(size + 1);
    if (text == NULL)
        return NULL;
    if (size > 0 && pread(trial->setup.output_fd, text, size, trial->output_seen) != (ssize_t)size)
        size = 0;
    text[size] = '\0';
    trial->output_seen = status.st_size;
    return text;
}

/* How dispatch wrote down that the plugin did not answer PBXHOOK_OK. */
static void take_failure(struct try_result *result, const json_t *before, const json_t *after)
{
    const json_t *failure = try_store_failure(before, after);

    if (failure == NULL)
        return;
    result->outcome = strcmp(json_string_value(json_object_get(failure, "state")), "dead") == 0
                          ? TRY_REJECT
                          : TRY_RETRY;
    snprintf(result->error, sizeof result->error, "%s",
             json_string_value(json_object_get(failure, "error")));
}

static void look_at_store(struct trial *trial, struct try_result *result)
{
    json_t *now = try_store_read(trial->directory.store_path, result->error, sizeof result->error);

    if (now == NULL) {
        result->outcome = TRY_BROKEN;
        return;
    }
    result->changes = try_store_changes(trial->store, now);
    result->actions = try_store_actions(trial->store, now);
    result->requests = try_store_requests(trial->store, now);
    take_failure(result, trial->store, now);
    json_decref(trial->store);
    trial->store = now;
}

/* Puts together what the child said and what can be seen, and shows it. */
static void conclude(struct trial *trial, const struct try_event *event, const char *hook,
                     const struct try_reply *reply)
{
    struct try_result result = {
        .event = event,
        .hook = hook,
        .outcome = (enum try_outcome)reply->outcome,
        .took_us = reply->took_us,
        .failures = json_array(),
    };

    snprintf(result.error, sizeof result.error, "%s", reply->text);
    if (result.outcome != TRY_BROKEN && result.outcome != TRY_REJECT)
        look_at_store(trial, &result);
    if (result.changes == NULL)
        result.changes = json_array();
    if (result.actions == NULL)
        result.actions = json_array();
    if (result.requests == NULL)
        result.requests = json_array();
    result.output = take_output(trial);
    if (event != NULL && event->expect != NULL && try_expect_check(&result) != 0) {
        result.outcome = TRY_BROKEN;
        snprintf(result.error, sizeof result.error, "out of memory");
    }
    try_report_result(&trial->report, &result);
    try_result_clear(&result);
}

/* ---- A run ----------------------------------------------------------------------------------- */

/* Starts the child; `again` after one that crashed, which is not worth a line if it goes well. */
static int start_child(struct trial *trial, int again)
{
    struct try_reply reply;
    int opened;

    try_child_start(&trial->setup, &trial->child, &reply);
    opened = reply.outcome == TRY_OK;
    if (opened && !again)
        try_report_begin(&trial->report, reply.text);
    if (opened)
        reply.text[0] = '\0';
    if (!opened || !again)
        conclude(trial, NULL, "open", &reply);
    return opened ? 0 : -1;
}

static void run_events(struct trial *trial)
{
    struct try_reply reply;

    if (start_child(trial, 0) != 0)
        return;
    for (size_t i = 0; i < trial->events.count; i++) {
        if (trial->child.pid == 0 && start_child(trial, 1) != 0)
            return;
        try_child_run(&trial->setup, &trial->child, i, &reply);
        conclude(trial, &trial->events.items[i], NULL, &reply);
        if (reply.outcome == TRY_BROKEN || try_watch_interrupted(trial->setup.signal_fd))
            break;
    }
    try_child_end(&trial->setup, &trial->child, &reply);
    conclude(trial, NULL, "close", &reply);
}

/* The options as a configuration would give them; which plugin they are for, the child finds out. */
static int add_options(struct config *config, const struct try_arguments *arguments)
{
    config->plugin_options = calloc(arguments->option_count + 1, sizeof config->plugin_options[0]);
    if (config->plugin_options == NULL)
        return -1;
    for (size_t i = 0; i < arguments->option_count; i++) {
        const char *text = arguments->options[i];
        const char *equals = strchr(text, '='); /* the command line has seen to it */
        struct config_plugin_option *option = &config->plugin_options[i];

        option->plugin = strdup("");
        option->key = strndup(text, (size_t)(equals - text));
        option->value = strdup(equals + 1);
        config->plugin_option_count++;
        if (asprintf(&option->origin, "--option %s", text) < 0)
            option->origin = NULL;
        if (option->plugin == NULL || option->key == NULL || option->value == NULL ||
            option->origin == NULL)
            return -1;
    }
    return 0;
}

/* The defaults, but for the place. */
static int make_config(struct trial *trial, const struct try_arguments *arguments)
{
    if (config_load(trial->directory.config_path, 0, stderr, &trial->setup.config) < 0)
        return -1;
    if (add_options(trial->setup.config, arguments) == 0)
        return 0;
    fputs("pbxhook: out of memory\n", stderr);
    return -1;
}

/* Once through the file: 0 when nothing was wrong. */
static int run_once(const struct try_arguments *arguments, int signal_fd)
{
    struct trial trial = {
        .report = {.out = stdout, .json = arguments->json, .events_path = arguments->events},
        .setup = {.timeout_ms = arguments->timeout_ms, .signal_fd = signal_fd, .output_fd = -1},
        .store = json_object(),
    };
    char *path = realpath(arguments->plugin, NULL);
    int result = -1;

    if (path == NULL) {
        fprintf(stderr, "pbxhook: %s: %s\n", arguments->plugin, strerror(errno));
        goto done;
    }
    if (try_events_read(arguments->events, stderr, &trial.events) != 0 ||
        try_directory_make(&trial.directory, arguments->targets, arguments->target_count) != 0 ||
        make_config(&trial, arguments) != 0)
        goto done;
    trial.setup.plugin_path = path;
    trial.setup.events = &trial.events;
    trial.setup.output_fd = memfd_create("pbxhook-try", MFD_CLOEXEC);
    if (trial.setup.output_fd < 0) {
        fprintf(stderr, "pbxhook: memfd_create: %s\n", strerror(errno));
        goto done;
    }
    run_events(&trial);
    try_report_end(&trial.report);
    result = trial.report.failed == 0 ? 0 : -1;

done:
    if (trial.setup.output_fd >= 0)
        close(trial.setup.output_fd);
    config_free(trial.setup.config);
    try_directory_remove(&trial.directory);
    try_events_free(&trial.events);
    json_decref(trial.store);
    free(path);
    return result;
}

/* ---- The command ----------------------------------------------------------------------------- */

/* SIGINT and SIGTERM become something to be read, so that the directory is removed in the end. */
static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_and_watch(const struct try_arguments *arguments, int signal_fd)
{
    const char *const paths[] = {arguments->plugin, arguments->events};
    struct try_watch watch;
    int result;

    if (try_watch_open(&watch, paths, signal_fd) != 0)
        return -1;
    do {
        result = run_once(arguments, signal_fd);
        if (!arguments->json)
            puts("waiting for a change; Ctrl-C ends");
        fflush(stdout);
    } while (try_watch_wait(&watch) == 1 && (arguments->json || puts("") >= 0));
    try_watch_close(&watch);
    return result;
}

int try_run(const struct try_arguments *arguments)
{
    int signal_fd = open_signals();
    int result;

    if (signal_fd < 0) {
        fprintf(stderr, "pbxhook: signalfd: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    json_object_seed(0);
    result =
        arguments->watch ? run_and_watch(arguments, signal_fd) : run_once(arguments, signal_fd);
    if (try_watch_interrupted(signal_fd) && !arguments->watch)
        result = -1;
    close(signal_fd);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
