/*
 * report.c: see report.h. Latencies are shown in milliseconds.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"

static double report_get_seconds(const struct tally *tally)
{
    uint64_t end_ns = tally->ended_ns != 0 ? tally->ended_ns : clock_get_mono_ns();

    return (double)(end_ns - tally->started_ns) / (double)CLOCK_NS_PER_S;
}

static double report_get_rate(const struct tally *tally)
{
    double seconds = report_get_seconds(tally);

    return seconds > 0 ? (double)(tally->calls.right + tally->calls.wrong) / seconds : 0;
}

static json_int_t report_int(uint64_t value)
{
    return (json_int_t)value;
}

static json_t *report_make_latency(const struct latency *latency, const char *from)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:s}", "count",
                     report_int(latency->count), "mean", latency_get_mean_us(latency) / 1000, "p50",
                     (double)latency_get_percentile(latency, 50) / 1000, "p90",
                     (double)latency_get_percentile(latency, 90) / 1000, "p99",
                     (double)latency_get_percentile(latency, 99) / 1000, "p99_9",
                     (double)latency_get_percentile(latency, 99.9) / 1000, "max",
                     (double)latency->max_us / 1000, "from", from);
}

static json_t *report_make_calls(const struct tally *tally, const struct options *options,
                                 uint64_t active)
{
    json_t *wrong = json_object();

    for (int i = CALL_FINE + 1; i < CALL_FAULTS; i++)
        json_object_set_new(wrong, call_get_fault_name((enum call_fault)i),
                            json_integer(report_int(tally->calls.faults[i])));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "wanted",
                     report_int(options->calls), "placed", report_int(tally->calls.placed), "right",
                     report_int(tally->calls.right), "wrong", report_int(tally->calls.wrong),
                     "in_progress", report_int(active), "returning",
                     report_int(tally->calls.returning), "new",
                     report_int(tally->calls.placed - tally->calls.returning), "started_late",
                     report_int(tally->calls.started_late), "per_second", report_get_rate(tally),
                     "wrong_by_reason", wrong);
}

static json_t *report_make_events(const struct tally *tally)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "posted", report_int(tally->events.posted),
        "acknowledged", report_int(tally->events.acknowledged), "refused",
        report_int(tally->events.refused), "unreachable", report_int(tally->events.unreachable),
        "attempts", report_int(tally->events.attempts), "retried",
        report_int(tally->events.retried), "retried_after_status",
        report_int(tally->events.retried_status), "retried_after_no_answer",
        report_int(tally->events.retried_transport), "driven", report_int(tally->events.driven));
}

static json_t *report_make_actions(const struct tally *tally)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "received",
        report_int(tally->actions.received), "accepted", report_int(tally->actions.accepted),
        "unknown_calls", report_int(tally->actions.unknown_calls), "repeated_by_key",
        report_int(tally->actions.repeated_by_key), "second", report_int(tally->actions.second),
        "late", report_int(tally->actions.late), "bad", report_int(tally->actions.bad), "failed",
        report_int(tally->actions.failed), "dropped_before",
        report_int(tally->actions.dropped_before), "turned_away",
        report_int(tally->actions.turned_away));
}

static json_t *report_make_misdeeds(const struct tally *tally)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "duplicated_events",
        report_int(tally->events.duplicated), "late_calls", report_int(tally->events.late),
        "missing_calls", report_int(tally->events.missing), "shuffled_calls",
        report_int(tally->events.shuffled), "slow_actions", report_int(tally->actions.slow),
        "waiting_first_actions", report_int(tally->actions.waiting_first), "silent_actions",
        report_int(tally->actions.silent), "dropped_actions", report_int(tally->actions.dropped),
        "dropped_before_actions", report_int(tally->actions.dropped_before), "failed_actions",
        report_int(tally->actions.failed));
}

bool report_is_right(const struct tally *tally, const struct options *options)
{
    if (tally->calls.wrong > 0 || tally->actions.bad > 0)
        return false;
    if (options_place_calls(options) && tally->actions.unknown_calls > 0)
        return false;
    return options->calls == 0 || tally->complete;
}

char *report_make_json(const struct tally *tally, const struct options *options, uint64_t active)
{
    json_t *json = json_pack(
        "{s:s, s:b, s:b, s:f, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "mock_pbx", PBXHOOK_VERSION,
        "ok", report_is_right(tally, options), "complete", tally->complete, "seconds",
        report_get_seconds(tally), "calls", report_make_calls(tally, options, active), "events",
        report_make_events(tally), "actions", report_make_actions(tally), "misbehaviour",
        report_make_misdeeds(tally), "latency_ms", "webhook_answer",
        report_make_latency(&tally->webhook_answer, "start of each POST to its answer"),
        "standby_to_action",
        report_make_latency(&tally->standby_to_action,
                            "start of call.standby's first POST to the action's arrival"),
        "post_queue",
        report_make_latency(&tally->post_queue, "event due to start of its first POST"));
    char *text =
        memory_check(json_dumps(memory_check(json), JSON_INDENT(2) | JSON_REAL_PRECISION(9)));

    json_decref(json);
    return text;
}

/* The file that becomes the report when it is whole. New text. */
static char *report_get_part_name(const char *path)
{
    size_t size = strlen(path) + 16;
    char *part = memory_get(size, 1);

    snprintf(part, size, "%s.part", path);
    return part;
}

static int report_complain(const char *path)
{
    fprintf(stderr, "mock-pbx: --report %s: %s\n", path, strerror(errno));
    return -1;
}

int report_probe(const char *path)
{
    int result = 0;
    char *part;
    FILE *file;

    if (strcmp(path, "-") == 0)
        return 0;
    part = report_get_part_name(path);
    file = fopen(part, "we");
    if (file == NULL) {
        result = report_complain(path);
    } else {
        fclose(file);
        remove(part);
    }
    free(part);
    return result;
}

int report_write(const char *path, const char *json)
{
    bool written = false;
    int result = 0;
    char *part;
    FILE *file;

    if (strcmp(path, "-") == 0)
        return puts(json) >= 0 && fflush(stdout) == 0 ? 0 : report_complain(path);
    part = report_get_part_name(path);
    file = fopen(part, "we");
    if (file != NULL) {
        written = fprintf(file, "%s\n", json) > 0;
        written = fclose(file) == 0 && written;
    }
    if (!written || rename(part, path) != 0)
        result = report_complain(path);
    free(part);
    return result;
}

/* ---- for people ------------------------------------------------------------------------------ */

static void report_print_latency(FILE *file, const char *name, const struct latency *latency)
{
    static const double percents[] = {50, 90, 99, 99.9};

    if (latency->count == 0)
        return;
    fprintf(file, "  %-20s", name);
    for (int i = 0; i < 4; i++)
        fprintf(file, " %9.2f", (double)latency_get_percentile(latency, percents[i]) / 1000);
    fprintf(file, " %9.2f\n", (double)latency->max_us / 1000);
}

static void report_print_latencies(FILE *file, const struct tally *tally)
{
    if (tally->webhook_answer.count == 0)
        return;
    fprintf(file, "  %-20s %9s %9s %9s %9s %9s\n", "milliseconds", "p50", "p90", "p99", "p99.9",
            "max");
    report_print_latency(file, "webhook answer", &tally->webhook_answer);
    report_print_latency(file, "standby to action", &tally->standby_to_action);
    report_print_latency(file, "post queue", &tally->post_queue);
}

/* ", N name" when there were any. */
static void report_print_count(FILE *file, uint64_t count, const char *name)
{
    if (count > 0)
        fprintf(file, ", %" PRIu64 " %s", count, name);
}

static void report_print_calls(FILE *file, const struct tally *tally, const struct options *options)
{
    double seconds = report_get_seconds(tally);

    fprintf(file, "  calls    %" PRIu64, tally->calls.placed);
    if (options->calls > 0)
        fprintf(file, " of %" PRIu64, options->calls);
    fprintf(file,
            " placed in %.2f s (%.1f/s), %" PRIu64 " returning; %" PRIu64 " right, %" PRIu64
            " wrong",
            seconds, seconds > 0 ? (double)tally->calls.placed / seconds : 0,
            tally->calls.returning, tally->calls.right, tally->calls.wrong);
    report_print_count(file, tally->calls.placed - tally->calls.right - tally->calls.wrong,
                       "unfinished");
    report_print_count(file, tally->calls.started_late, "started late");
    fputc('\n', file);
    for (int i = CALL_FINE + 1; i < CALL_FAULTS; i++) {
        if (tally->calls.faults[i] > 0)
            fprintf(file, "  wrong    %" PRIu64 " %s\n", tally->calls.faults[i],
                    call_get_fault_name((enum call_fault)i));
    }
}

static void report_print_events(FILE *file, const struct tally *tally)
{
    fprintf(file,
            "  events   %" PRIu64 " posted, %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64
            " unreachable, %" PRIu64 " retried",
            tally->events.posted, tally->events.acknowledged, tally->events.refused,
            tally->events.unreachable, tally->events.retried);
    report_print_count(file, tally->events.driven, "driven by hand");
    report_print_count(file, tally->events.duplicated, "duplicated");
    report_print_count(file, tally->events.late, "calls with a late one");
    report_print_count(file, tally->events.missing, "calls without one");
    report_print_count(file, tally->events.shuffled, "calls shuffled");
    fputc('\n', file);
}

static void report_print_actions(FILE *file, const struct tally *tally)
{
    fprintf(file, "  actions  %" PRIu64 " received, %" PRIu64 " accepted", tally->actions.received,
            tally->actions.accepted);
    report_print_count(file, tally->actions.unknown_calls, "for unknown calls");
    report_print_count(file, tally->actions.repeated_by_key, "repeated by key");
    report_print_count(file, tally->actions.second, "second");
    report_print_count(file, tally->actions.late, "too late");
    report_print_count(file, tally->actions.bad, "malformed");
    report_print_count(file, tally->actions.turned_away, "turned away");
    report_print_count(file, tally->actions.failed, "failed on request");
    report_print_count(file, tally->actions.dropped, "dropped");
    report_print_count(file, tally->actions.dropped_before, "dropped before");
    report_print_count(file, tally->actions.silent, "silent");
    report_print_count(file, tally->actions.slow, "slow");
    report_print_count(file, tally->actions.waiting_first, "answered after call.waiting");
    fputc('\n', file);
}

static const char *report_get_verdict(const struct tally *tally, const struct options *options)
{
    if (tally->calls.wrong > 0 || (options->calls > 0 && !tally->complete))
        return "NOT every call went right";
    if (!report_is_right(tally, options))
        return "NOT every action was right";
    if (!options_place_calls(options))
        return "served";
    return options->calls > 0 ? "every call went right" : "every call that ended went right";
}

void report_print(FILE *file, const struct tally *tally, const struct options *options)
{
    fprintf(file, "mock-pbx: %s\n", report_get_verdict(tally, options));
    if (options_place_calls(options))
        report_print_calls(file, tally, options);
    report_print_events(file, tally);
    report_print_actions(file, tally);
    report_print_latencies(file, tally);
    fflush(file);
}
