/* command_prune.c: `pbxhook prune`: asks for it, shows how far it is, says what it did. */
#include "operator/operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/timestamp.h"
#include "operator/operation.h"

static const struct {
    const char *member, *words;
} removed[] = {
    {"events", "events"},
    {"dead_letters", "dead letters of them"},
    {"calls", "finished calls"},
    {"actions", "ended actions"},
    {"deliveries", "ended deliveries"},
};

#define REMOVED_COUNT (sizeof removed / sizeof removed[0])

static int64_t number(const json_t *report, const char *member)
{
    return json_integer_value(json_object_get(report, member));
}

/* On a terminal only, one line that is written over. */
static void show_progress(void *arg, const json_t *progress)
{
    int *shown = arg;
    if (json_object_size(progress) == 0)
        return;
    *shown = 1;
    fprintf(stderr, "\r%s %" PRId64 " events, %" PRId64 " calls, %" PRId64 " actions...",
            json_is_true(json_object_get(progress, "dry_run")) ? "found" : "removed",
            number(progress, "events"), number(progress, "calls"), number(progress, "actions"));
    fflush(stderr);
}

static void show_nothing(void *arg, const json_t *progress)
{
    (void)arg;
    (void)progress;
}

static void print_report(const json_t *report)
{
    char before[TIMESTAMP_SIZE];
    timestamp_format(number(report, "before_ms"), before);
    printf("%s, older than %s:\n",
           json_is_true(json_object_get(report, "dry_run")) ? "would be removed" : "removed",
           before);
    for (size_t i = 0; i < REMOVED_COUNT; i++)
        printf("%10" PRId64 " %s\n", number(report, removed[i].member), removed[i].words);
}

int operator_prune(const struct config *config, int64_t older_than_ms, int dry_run)
{
    char error[OPERATOR_ERROR_SIZE] = "out of memory";
    int shown = 0;
    const struct operator_watch watch = {
        .progress = isatty(STDERR_FILENO) ? show_progress : show_nothing, .arg = &shown};
    json_t *ok = NULL;
    json_t *request = operation_prune_request(older_than_ms, dry_run);
    int result = request == NULL ? -1 : operator_run(config, request, &watch, &ok, error);
    if (shown)
        fputs("\r\033[K", stderr);
    if (result == 1)
        print_report(ok);
    else
        fprintf(stderr, "pbxhook prune: %s\n", error);
    json_decref(ok);
    json_decref(request);
    return result == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
