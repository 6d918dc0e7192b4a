/* status.c: see status.h. Each function makes one member; NULL when out of memory. */
#include "receiver/status.h"

#include <unistd.h>

#include "common/clock.h"
#include "common/metrics_sum.h"

static json_t *make_worker(int index, const struct supervisor_worker *worker)
{
    return json_pack("{s:i, s:i, s:b, s:i}", "worker", index, "pid", (int)worker->pid, "ready",
                     worker->ready, "restarts", worker->restarts);
}

static json_t *make_workers(const struct supervisor *supervisor)
{
    json_t *workers = json_array();
    struct supervisor_worker worker;
    int failed = workers == NULL;
    for (int i = 0; !failed && supervisor_worker(supervisor, i, &worker); i++)
        failed = json_array_append_new(workers, make_worker(i, &worker)) < 0;
    if (!failed)
        return workers;
    json_decref(workers);
    return NULL;
}

static json_t *make_spool(struct spool_thread *spool)
{
    struct spool_depth depth;
    spool_thread_depth(spool, &depth);
    int64_t oldest_ms = depth.events > 0 && depth.oldest_received_ms > 0
                            ? clock_wall_ms() - depth.oldest_received_ms
                            : 0;
    return json_pack("{s:I, s:I, s:I, s:b}", "events", (json_int_t)depth.events, "bytes",
                     (json_int_t)depth.bytes, "oldest_ms", (json_int_t)oldest_ms, "failing",
                     spool_thread_failing(spool));
}

static json_t *make_events(struct metrics_receiver *metrics,
                           const struct metrics_workers_tally *sum)
{
    uint64_t rejected = 0;
    for (int i = 0; i < METRICS_REJECT_COUNT; i++)
        rejected += metrics_get(&metrics->rejected[i]);
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I}", "received", (json_int_t)metrics_get(&metrics->events_received),
        "handled", (json_int_t)sum->events_handled, "duplicate", (json_int_t)sum->events_duplicate,
        "unknown", (json_int_t)sum->events_unknown, "rejected", (json_int_t)rejected);
}

static json_t *make_actions(const struct metrics_workers_tally *sum)
{
    json_t *actions = json_object();
    int failed = actions == NULL;
    for (enum metrics_action outcome = 0; outcome < METRICS_ACTION_COUNT && !failed; outcome++)
        failed = json_object_set_new(actions, metrics_action_name(outcome),
                                     json_integer((json_int_t)sum->actions[outcome])) < 0;
    if (!failed &&
        json_object_set_new(actions, "retries", json_integer((json_int_t)sum->action_retries)) == 0)
        return actions;
    json_decref(actions);
    return NULL;
}

static json_t *make_plugin(const struct metrics_plugin_tally *plugin)
{
    return json_pack("{s:s, s:I, s:I, s:I}", "name", plugin->name, "handled",
                     (json_int_t)plugin->handled, "retried", (json_int_t)plugin->retried,
                     "rejected", (json_int_t)plugin->rejected);
}

static json_t *make_plugins(const struct metrics_workers_tally *sum)
{
    json_t *plugins = json_array();
    int failed = plugins == NULL;
    for (uint32_t i = 0; i < sum->plugin_count && !failed; i++)
        failed = json_array_append_new(plugins, make_plugin(&sum->plugin[i])) < 0;
    if (!failed)
        return plugins;
    json_decref(plugins);
    return NULL;
}

static json_t *make_target(const struct metrics_target_tally *target)
{
    json_t *json =
        json_pack("{s:s, s:I, s:I, s:I}", "name", target->name, "waiting",
                  (json_int_t)target->waiting, "oldest_ms", (json_int_t)target->oldest_ms, "open",
                  (json_int_t)(target->open_posts + target->open_downloads));
    int failed = json == NULL;
    for (enum metrics_delivery outcome = 0; outcome < METRICS_DELIVERY_COUNT && !failed; outcome++)
        failed = json_object_set_new(json, metrics_delivery_name(outcome),
                                     json_integer((json_int_t)target->outcome[outcome])) < 0;
    if (!failed &&
        json_object_set_new(json, "retries", json_integer((json_int_t)target->retries)) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *make_targets(const struct metrics_workers_tally *sum)
{
    json_t *targets = json_array();
    int failed = targets == NULL;
    for (uint32_t i = 0; i < sum->target_count && !failed; i++)
        failed = json_array_append_new(targets, make_target(&sum->target[i])) < 0;
    if (!failed)
        return targets;
    json_decref(targets);
    return NULL;
}

json_t *status_make(const struct status_sources *sources)
{
    struct metrics_workers_tally sum;
    int page_count = 0;
    struct metrics_worker *const *pages = supervisor_pages(sources->supervisor, &page_count);
    metrics_sum_workers(pages, page_count, &sum);
    /* "o" takes its value, also when packing fails, and fails for NULL. */
    return json_pack("{s:s, s:i, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
                     PBXHOOK_VERSION, "pid", (int)getpid(), "uptime_s",
                     (json_int_t)((clock_mono_us() - sources->started_us) / 1000000), "address",
                     sources->address, "state_dir", sources->config->state_dir, "workers",
                     make_workers(sources->supervisor), "spool", make_spool(sources->spool),
                     "events", make_events(sources->metrics, &sum), "actions", make_actions(&sum),
                     "plugins", make_plugins(&sum), "targets", make_targets(&sum));
}
