/*
 * metrics_render.c: the text of /metrics, in Prometheus' format 0.0.4. Called by the receiver, which
 * has the workers' pages added up by metrics_sum.c.
 */
#include "common/metrics_sum.h"

#include <inttypes.h>
#include <string.h>

/* ---- Writing ------------------------------------------------------------------------------------- */

static void put_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
    put_family(out, name, "counter", help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void put_gauge(FILE *out, const char *name, const char *help, int64_t value)
{
    put_family(out, name, "gauge", help);
    fprintf(out, "%s %" PRId64 "\n", name, value);
}

/* As seconds, without needless zeros; never by way of a double, whose point depends on the locale. */
static void put_seconds(FILE *out, uint64_t us)
{
    uint64_t part = us % 1000000;
    int digits = 6;

    fprintf(out, "%" PRIu64, us / 1000000);
    if (part == 0)
        return;
    for (; part % 10 == 0; digits--)
        part /= 10;
    fprintf(out, ".%0*" PRIu64, digits, part);
}

/* label: `name="value"`, or "" when the family has none. */
static void put_histogram(FILE *out, const char *name, const char *label,
                          const struct metrics_tally *tally)
{
    int labelled = label[0] != '\0';
    uint64_t count = 0;

    for (int i = 0; i < METRICS_BUCKETS; i++) {
        count += tally->bucket[i];
        fprintf(out, "%s_bucket{%s%sle=\"", name, label, labelled ? "," : "");
        if (i < METRICS_BUCKETS - 1)
            put_seconds(out, (uint64_t)metrics_bucket_us[i]);
        else
            fputs("+Inf", out);
        fprintf(out, "\"} %" PRIu64 "\n", count);
    }
    fprintf(out, labelled ? "%s_sum{%s} " : "%s_sum%s ", name, label);
    put_seconds(out, tally->sum_us);
    fprintf(out, labelled ? "\n%s_count{%s} %" PRIu64 "\n" : "\n%s_count%s %" PRIu64 "\n", name,
            label, count);
}

static void put_duration(FILE *out, const char *name, const char *help,
                         const struct metrics_tally *tally)
{
    put_family(out, name, "histogram", help);
    put_histogram(out, name, "", tally);
}

/* ---- The families -------------------------------------------------------------------------------- */

static void render_webhook(FILE *out, struct metrics_receiver *receiver)
{
    struct metrics_tally ack = {0};

    put_counter(out, "pbxhook_events_received_total", "Events acknowledged: safe in the spool.",
                metrics_get(&receiver->events_received));
    put_family(out, "pbxhook_events_rejected_total", "counter", "Requests refused, by reason.");
    for (enum metrics_reject reason = 0; reason < METRICS_REJECT_COUNT; reason++)
        fprintf(out, "pbxhook_events_rejected_total{reason=\"%s\"} %" PRIu64 "\n",
                metrics_reject_name(reason), metrics_get(&receiver->rejected[reason]));
    metrics_tally_add(&ack, &receiver->ack);
    put_duration(out, "pbxhook_ack_duration_seconds",
                 "From the last byte of a webhook's request to its answer.", &ack);
}

static void render_spool(FILE *out, struct metrics_receiver *receiver,
                         const struct metrics_gauges *gauges)
{
    put_gauge(out, "pbxhook_spool_events", "Events waiting in the spool.", gauges->spool_events);
    put_gauge(out, "pbxhook_spool_bytes", "Bytes of the events waiting in the spool.",
              gauges->spool_bytes);
    put_family(out, "pbxhook_spool_oldest_seconds", "gauge",
               "Age of the oldest event waiting in the spool.");
    fputs("pbxhook_spool_oldest_seconds ", out);
    put_seconds(out, gauges->spool_oldest_ms > 0 ? (uint64_t)gauges->spool_oldest_ms * 1000 : 0);
    fputs("\n", out);
    put_counter(out, "pbxhook_spool_commits_total", "Group commits of the spool.",
                metrics_get(&receiver->spool_commits));
}

static void render_events(FILE *out, const struct metrics_workers_tally *sum)
{
    put_counter(out, "pbxhook_events_handled_total", "Events stored and given to their plugins.",
                sum->events_handled);
    put_counter(out, "pbxhook_events_duplicate_total",
                "Events known already: acknowledged and not handled again.", sum->events_duplicate);
    put_counter(out, "pbxhook_events_unknown_total", "Events of a type that no plugin takes.",
                sum->events_unknown);
    put_duration(out, "pbxhook_event_latency_seconds",
                 "From an event's arrival to the store's commit.", &sum->event_latency);
    put_duration(out, "pbxhook_store_commit_duration_seconds", "One transaction of the store.",
                 &sum->commit);
}

static void render_plugins(FILE *out, const struct metrics_workers_tally *sum)
{
    put_family(out, "pbxhook_handler_duration_seconds", "histogram", "One call of a plugin.");
    for (uint32_t i = 0; i < sum->plugin_count; i++) {
        char label[METRICS_NAME + sizeof "plugin=\"\""];

        snprintf(label, sizeof label, "plugin=\"%s\"", sum->plugin[i].name);
        put_histogram(out, "pbxhook_handler_duration_seconds", label, &sum->plugin[i].handle);
    }
    put_family(out, "pbxhook_handler_results_total", "counter",
               "What the plugins answered, by result.");
    for (uint32_t i = 0; i < sum->plugin_count; i++) {
        const struct metrics_plugin_tally *plugin = &sum->plugin[i];

        fprintf(out,
                "pbxhook_handler_results_total{plugin=\"%s\",result=\"ok\"} %" PRIu64 "\n"
                "pbxhook_handler_results_total{plugin=\"%s\",result=\"retry\"} %" PRIu64 "\n"
                "pbxhook_handler_results_total{plugin=\"%s\",result=\"reject\"} %" PRIu64 "\n",
                plugin->name, plugin->handled, plugin->name, plugin->retried, plugin->name,
                plugin->rejected);
    }
}

static void render_crashes(FILE *out, const struct metrics_workers_tally *sum)
{
    put_family(out, "pbxhook_dead_letters_total", "counter",
               "Events that a plugin did not handle and is not given any more.");
    for (uint32_t i = 0; i < sum->plugin_count; i++)
        fprintf(out, "pbxhook_dead_letters_total{plugin=\"%s\"} %" PRIu64 "\n", sum->plugin[i].name,
                sum->plugin[i].dead);
    put_family(out, "pbxhook_plugin_crashes_total", "counter",
               "Workers that a plugin took down: it crashed, hung or called exit().");
    for (uint32_t i = 0; i < sum->plugin_count; i++)
        fprintf(out, "pbxhook_plugin_crashes_total{plugin=\"%s\"} %" PRIu64 "\n",
                sum->plugin[i].name, sum->plugin[i].crashes);
    put_family(out, "pbxhook_plugin_parked", "gauge",
               "1: the plugin is not called for a while, its events wait in the store.");
    for (uint32_t i = 0; i < sum->plugin_count; i++)
        fprintf(out, "pbxhook_plugin_parked{plugin=\"%s\"} %d\n", sum->plugin[i].name,
                sum->plugin[i].parked);
}

static void render_actions(FILE *out, const struct metrics_workers_tally *sum)
{
    put_family(out, "pbxhook_actions_total", "counter", "Actions for the PBX, by their end.");
    for (enum metrics_action outcome = 0; outcome < METRICS_ACTION_COUNT; outcome++)
        fprintf(out, "pbxhook_actions_total{outcome=\"%s\"} %" PRIu64 "\n",
                metrics_action_name(outcome), sum->actions[outcome]);
    put_counter(out, "pbxhook_action_retries_total", "Actions sent again after a failure.",
                sum->action_retries);
    put_duration(out, "pbxhook_action_latency_seconds",
                 "From an event's arrival to the PBX's answer to its action.",
                 &sum->action_latency);
}

static void render_deliveries(FILE *out, const struct metrics_workers_tally *sum)
{
    put_family(out, "pbxhook_deliveries_total", "counter",
               "Posts to and downloads from targets, by their end.");
    for (uint32_t i = 0; i < sum->target_count; i++)
        for (enum metrics_delivery outcome = 0; outcome < METRICS_DELIVERY_COUNT; outcome++)
            fprintf(out, "pbxhook_deliveries_total{target=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                    sum->target[i].name, metrics_delivery_name(outcome),
                    sum->target[i].outcome[outcome]);
    put_family(out, "pbxhook_delivery_retries_total", "counter",
               "Posts and downloads that failed and are tried again.");
    for (uint32_t i = 0; i < sum->target_count; i++)
        fprintf(out, "pbxhook_delivery_retries_total{target=\"%s\"} %" PRIu64 "\n",
                sum->target[i].name, sum->target[i].retries);
    put_family(out, "pbxhook_delivery_latency_seconds", "histogram",
               "From a plugin's asking to the target's yes, or the whole file.");
    for (uint32_t i = 0; i < sum->target_count; i++) {
        char label[METRICS_NAME + sizeof "target=\"\""];

        snprintf(label, sizeof label, "target=\"%s\"", sum->target[i].name);
        put_histogram(out, "pbxhook_delivery_latency_seconds", label, &sum->target[i].latency);
    }
}

static void render_targets(FILE *out, const struct metrics_workers_tally *sum)
{
    put_family(out, "pbxhook_deliveries_open", "gauge",
               "Posts and downloads that are on their way.");
    for (uint32_t i = 0; i < sum->target_count; i++)
        fprintf(out,
                "pbxhook_deliveries_open{target=\"%s\",kind=\"post\"} %" PRIu64 "\n"
                "pbxhook_deliveries_open{target=\"%s\",kind=\"download\"} %" PRIu64 "\n",
                sum->target[i].name, sum->target[i].open_posts, sum->target[i].name,
                sum->target[i].open_downloads);
    put_family(out, "pbxhook_deliveries_waiting", "gauge",
               "Posts and downloads that wait to be sent, of the whole store; at most 10000.");
    for (uint32_t i = 0; i < sum->target_count; i++)
        fprintf(out, "pbxhook_deliveries_waiting{target=\"%s\"} %" PRIu64 "\n", sum->target[i].name,
                sum->target[i].waiting);
    put_family(out, "pbxhook_deliveries_oldest_seconds", "gauge",
               "Age of the oldest of those that are counted as waiting.");
    for (uint32_t i = 0; i < sum->target_count; i++) {
        fprintf(out, "pbxhook_deliveries_oldest_seconds{target=\"%s\"} ", sum->target[i].name);
        put_seconds(out, (uint64_t)sum->target[i].oldest_ms * 1000);
        fputs("\n", out);
    }
}

static void render_processes(FILE *out, struct metrics_receiver *receiver,
                             const struct metrics_gauges *gauges)
{
    put_counter(out, "pbxhook_worker_restarts_total", "Workers that died and were replaced.",
                metrics_get(&receiver->worker_restarts));
    put_gauge(out, "pbxhook_workers_ready", "Workers that are ready.", gauges->workers_ready);
    put_gauge(out, "pbxhook_http_connections", "Open HTTP connections.", gauges->connections);
    put_counter(out, "pbxhook_http_connections_refused_total",
                "Connections not taken because their address had too many.",
                metrics_get(&receiver->connections_refused));
    put_counter(out, "pbxhook_http_connections_evicted_total",
                "Connections closed to make room for others.",
                metrics_get(&receiver->connections_evicted));
    put_gauge(out, "pbxhook_stream_readers", "Readers of the dashboard's live stream.",
              gauges->stream_readers);
    put_family(out, "pbxhook_build_info", "gauge", "The version that runs.");
    fputs("pbxhook_build_info{version=\"" PBXHOOK_VERSION "\"} 1\n", out);
}

int metrics_render(FILE *out, struct metrics_receiver *receiver,
                   struct metrics_worker *const *workers, int worker_count,
                   const struct metrics_gauges *gauges)
{
    struct metrics_workers_tally sum;

    metrics_sum_workers(workers, worker_count, &sum);
    render_webhook(out, receiver);
    render_spool(out, receiver, gauges);
    render_events(out, &sum);
    render_plugins(out, &sum);
    render_crashes(out, &sum);
    render_actions(out, &sum);
    render_deliveries(out, &sum);
    render_targets(out, &sum);
    render_processes(out, receiver, gauges);
    return ferror(out) ? -1 : 0;
}
