/* command_status.c: `pbxhook status`: asks the running server and lays its answer out for eyes. */
#include "operator/operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void watch_nothing(void *arg, const json_t *progress)
{
    (void)arg;
    (void)progress;
}

static int ask_status(const struct config *config, json_t **out, char *error)
{
    const struct operator_watch watch = {.progress = watch_nothing};
    json_t *request = json_pack("{s:s}", "command", "status");
    int result = -1;
    if (request == NULL)
        snprintf(error, OPERATOR_ERROR_SIZE, "out of memory");
    else
        result = operator_ask(config->state_dir, request, &watch, out, error);
    json_decref(request);
    return result;
}

/* ---- For eyes ------------------------------------------------------------------------------------- */

static int64_t number(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static const char *text(const json_t *object, const char *member)
{
    const char *value = json_string_value(json_object_get(object, member));
    return value != NULL ? value : "";
}

/* "3d 4h", "4h 5m", "5m 6s" or "6s": the two greatest units. */
static void format_uptime(int64_t seconds, char *out, size_t size)
{
    if (seconds >= 86400)
        snprintf(out, size, "%" PRId64 "d %" PRId64 "h", seconds / 86400, seconds % 86400 / 3600);
    else if (seconds >= 3600)
        snprintf(out, size, "%" PRId64 "h %" PRId64 "m", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        snprintf(out, size, "%" PRId64 "m %" PRId64 "s", seconds / 60, seconds % 60);
    else
        snprintf(out, size, "%" PRId64 "s", seconds);
}

static void print_server(const json_t *status)
{
    char uptime[64];
    format_uptime(number(status, "uptime_s"), uptime, sizeof uptime);
    printf("pbxhook %s is running: pid %" PRId64 ", for %s, on %s\n", text(status, "version"),
           number(status, "pid"), uptime, text(status, "address"));
    printf("state     %s\n", text(status, "state_dir"));
}

static void print_workers(const json_t *workers)
{
    size_t i;
    json_t *worker;
    json_array_foreach(workers, i, worker)
    {
        printf("worker %-2" PRId64 " ", number(worker, "worker"));
        if (number(worker, "pid") > 0)
            printf("pid %" PRId64 ", %s", number(worker, "pid"),
                   json_is_true(json_object_get(worker, "ready")) ? "ready" : "not ready");
        else
            fputs("not running", stdout);
        printf(", restarts %" PRId64 "\n", number(worker, "restarts"));
    }
}

static void print_spool(const json_t *spool)
{
    printf("spool     waiting %" PRId64, number(spool, "events"));
    if (number(spool, "events") > 0)
        printf(", %" PRId64 " bytes, the oldest for %" PRId64 " ms", number(spool, "bytes"),
               number(spool, "oldest_ms"));
    puts(json_is_true(json_object_get(spool, "failing")) ? "; it can't be written" : "");
}

/* "events    received 12, handled 12, ...": the members in their order. */
static void print_numbers(const char *title, json_t *numbers)
{
    const char *name, *between = "";
    json_t *value;
    printf("%-9s ", title);
    json_object_foreach(numbers, name, value)
    {
        printf("%s%s %" PRId64, between, name, (int64_t)json_integer_value(value));
        between = ", ";
    }
    putchar('\n');
}

/* Of the column of names. */
static int width_of(const char *title, const json_t *list)
{
    size_t i;
    json_t *one;
    int width = (int)strlen(title);
    json_array_foreach(list, i, one)
    {
        int length = (int)strlen(text(one, "name"));
        width = length > width ? length : width;
    }
    return width;
}

static void print_plugins(const json_t *plugins)
{
    size_t i;
    json_t *plugin;
    int width = width_of("plugin", plugins);
    printf("%-*s %12s %12s %12s\n", width, "plugin", "handled", "retried", "rejected");
    json_array_foreach(plugins, i, plugin)
        printf("%-*s %12" PRId64 " %12" PRId64 " %12" PRId64 "\n", width, text(plugin, "name"),
               number(plugin, "handled"), number(plugin, "retried"), number(plugin, "rejected"));
}

static void print_targets(const json_t *targets)
{
    static const char *const members[] = {"waiting",  "open",    "delivered",
                                          "rejected", "expired", "unknown"};
    size_t i;
    json_t *target;
    int width = width_of("target", targets);
    printf("\n%-*s", width, "target");
    for (size_t column = 0; column < sizeof members / sizeof members[0]; column++)
        printf(" %10s", members[column]);
    putchar('\n');
    json_array_foreach(targets, i, target)
    {
        printf("%-*s", width, text(target, "name"));
        for (size_t column = 0; column < sizeof members / sizeof members[0]; column++)
            printf(" %10" PRId64, number(target, members[column]));
        if (number(target, "waiting") > 0)
            printf("  the oldest for %" PRId64 " s", number(target, "oldest_ms") / 1000);
        putchar('\n');
    }
}

static void print_status(const json_t *status)
{
    print_server(status);
    print_workers(json_object_get(status, "workers"));
    print_spool(json_object_get(status, "spool"));
    print_numbers("events", json_object_get(status, "events"));
    print_numbers("actions", json_object_get(status, "actions"));
    putchar('\n');
    print_plugins(json_object_get(status, "plugins"));
    if (json_array_size(json_object_get(status, "targets")) > 0)
        print_targets(json_object_get(status, "targets"));
}

/* ---- Commands ------------------------------------------------------------------------------------- */

/* With --json always an object with "running". */
static int print_json(json_t *status, int running)
{
    int failed = status == NULL ||
                 json_object_set_new(status, "running", json_boolean(running)) < 0 ||
                 json_dumpf(status, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF;
    return failed ? -1 : 0;
}

static int show_status(json_t *status, int as_json)
{
    if (!as_json)
        print_status(status);
    return !as_json || print_json(status, 1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int show_not_running(const struct config *config, int as_json)
{
    if (as_json) {
        json_t *nothing = json_object();
        int failed = print_json(nothing, 0);
        json_decref(nothing);
        return failed < 0 ? EXIT_FAILURE : OPERATOR_NOT_RUNNING;
    }
    printf("pbxhook is not running (state_dir %s)\n", config->state_dir);
    return OPERATOR_NOT_RUNNING;
}

int operator_status(const struct config *config, int as_json)
{
    char error[OPERATOR_ERROR_SIZE];
    json_t *status = NULL;
    int result = ask_status(config, &status, error);
    int exit_status = EXIT_FAILURE;
    if (result == 1)
        exit_status = show_status(status, as_json);
    else if (result == 0)
        exit_status = show_not_running(config, as_json);
    else
        fprintf(stderr, "pbxhook status: %s\n", error);
    json_decref(status);
    return exit_status;
}

void operator_print_plugin_counts(const struct config *config)
{
    char error[OPERATOR_ERROR_SIZE];
    json_t *status = NULL;
    if (ask_status(config, &status, error) == 1) {
        printf("\nIn the running server, pid %" PRId64 ":\n\n", number(status, "pid"));
        print_plugins(json_object_get(status, "plugins"));
    }
    json_decref(status);
}
