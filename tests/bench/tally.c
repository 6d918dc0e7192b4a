/* tally.c: a summary of a few lines on stderr, and the same as JSON. */
#include "tally.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

#define PERCENTILES (sizeof percentiles / sizeof percentiles[0])

double tally_get_seconds(const struct tally *tally)
{
    return tally->last_ns > tally->first_ns ? (double)(tally->last_ns - tally->first_ns) / 1e9 : 0;
}

int tally_is_clean(const struct tally *tally)
{
    return tally->ok == tally->sent && tally->ok > 0 && tally->not_connected == 0 &&
           tally->overdue == 0;
}

static double tally_get_rate(const struct tally *tally)
{
    double seconds = tally_get_seconds(tally);

    return seconds > 0 ? (double)tally->ok / seconds : 0;
}

static double tally_get_cpu_us(const struct tally *tally)
{
    return tally->sent > 0 ? tally->cpu_s * 1e6 / (double)tally->sent : 0;
}

static const char *tally_get_mode(const struct options *options)
{
    if (options->lockstep)
        return "lockstep";
    return options->rate > 0 ? "open" : "closed";
}

void tally_print(const struct tally *tally, const struct options *options)
{
    fprintf(stderr,
            "%s: %s loop, %u connections: %" PRIu64 " requests in %.3f s, %" PRIu64
            " answered 2xx (%.1f/s)\n",
            options->url, tally_get_mode(options), options->connections, tally->sent,
            tally_get_seconds(tally), tally->ok, tally_get_rate(tally));
    for (int status = 0; status < TALLY_STATUSES; status++) {
        if (tally->by_status[status] > 0 && status / 100 != 2)
            fprintf(stderr, "  status %d: %" PRIu64 "\n", status, tally->by_status[status]);
    }
    if (tally->lost + tally->garbled + tally->timeouts + tally->not_connected + tally->overdue > 0)
        fprintf(stderr,
                "  lost %" PRIu64 ", garbled %" PRIu64 ", timed out %" PRIu64
                ", connects failed %" PRIu64 ", due and never sent %" PRIu64 "%s%s\n",
                tally->lost, tally->garbled, tally->timeouts, tally->not_connected, tally->overdue,
                tally->last_errno != 0 ? "; last error: " : "",
                tally->last_errno != 0 ? strerror(tally->last_errno) : "");
    fprintf(stderr, "  latency ms:");
    for (size_t i = 0; i < PERCENTILES; i++)
        fprintf(stderr, " %s %.3f", percentiles[i].name,
                (double)histogram_get_percentile(&tally->latency, percentiles[i].percent) / 1000);
    fprintf(stderr, " max %.3f; own CPU %.2f us a request\n", (double)tally->latency.max_us / 1000,
            tally_get_cpu_us(tally));
}

static void tally_write_statuses(const struct tally *tally, FILE *file)
{
    const char *comma = "";

    fputs("  \"by_status\": {", file);
    for (int status = 0; status < TALLY_STATUSES; status++) {
        if (tally->by_status[status] == 0)
            continue;
        fprintf(file, "%s\"%d\": %" PRIu64, comma, status, tally->by_status[status]);
        comma = ", ";
    }
    fputs("},\n", file);
}

static void tally_write_json(const struct tally *tally, const struct options *options, FILE *file)
{
    fprintf(file,
            "{\n  \"mode\": \"%s\",\n  \"connections\": %u,\n  \"rate\": %.3f,\n"
            "  \"seed\": %" PRIu64 ",\n  \"started_ms\": %" PRId64 ",\n  \"duration_s\": %.6f,\n"
            "  \"requests\": %" PRIu64 ",\n  \"ok\": %" PRIu64 ",\n  \"others\": %" PRIu64 ",\n",
            tally_get_mode(options), options->connections, options->rate, options->seed,
            tally->started_ms, tally_get_seconds(tally), tally->sent, tally->ok, tally->others);
    tally_write_statuses(tally, file);
    fprintf(file,
            "  \"lost\": %" PRIu64 ",\n  \"garbled\": %" PRIu64 ",\n  \"timeouts\": %" PRIu64 ",\n"
            "  \"not_connected\": %" PRIu64 ",\n  \"reconnects\": %" PRIu64 ",\n"
            "  \"overdue\": %" PRIu64 ",\n  \"calls_begun\": %" PRIu64 ",\n"
            "  \"calls_finished\": %" PRIu64 ",\n  \"events_per_s\": %.3f,\n",
            tally->lost, tally->garbled, tally->timeouts, tally->not_connected, tally->reconnects,
            tally->overdue, tally->calls_begun, tally->calls_finished, tally_get_rate(tally));
    fputs("  \"latency_ms\": {", file);
    for (size_t i = 0; i < PERCENTILES; i++)
        fprintf(file, "\"%s\": %.3f, ", percentiles[i].name,
                (double)histogram_get_percentile(&tally->latency, percentiles[i].percent) / 1000);
    fprintf(file, "\"max\": %.3f},\n  \"cpu_us_per_request\": %.3f\n}\n",
            (double)tally->latency.max_us / 1000, tally_get_cpu_us(tally));
}

int tally_write_report(const struct tally *tally, const struct options *options)
{
    FILE *file;
    int failed;

    if (strcmp(options->report, "-") == 0) {
        tally_write_json(tally, options, stdout);
        return fflush(stdout) == 0 ? 0 : -1;
    }
    file = fopen(options->report, "w");
    if (file == NULL) {
        fprintf(stderr, "pbxhook-load: %s: %s\n", options->report, strerror(errno));
        return -1;
    }
    tally_write_json(tally, options, file);
    failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        fprintf(stderr, "pbxhook-load: %s: could not be written\n", options->report);
        return -1;
    }
    return 0;
}
