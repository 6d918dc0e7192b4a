/*
 * metrics_sum.c: see metrics_sum.h. A page is copied before it is judged: its worker goes on counting, or
 * scribbling.
 */
#include "common/metrics_sum.h"

#include <string.h>

#include "common/clock.h"

void metrics_tally_add(struct metrics_tally *sum, struct metrics_histogram *histogram)
{
    for (int i = 0; i < METRICS_BUCKETS; i++)
        sum->bucket[i] += metrics_get(&histogram->bucket[i]);
    sum->sum_us += metrics_get(&histogram->sum_us);
}

/* The sum for this name, made when there is none yet; NULL when there are too many. */
static struct metrics_plugin_tally *find_plugin(struct metrics_workers_tally *sum, const char *name)
{
    for (uint32_t i = 0; i < sum->plugin_count; i++) {
        if (strcmp(sum->plugin[i].name, name) == 0)
            return &sum->plugin[i];
    }
    if (sum->plugin_count == METRICS_PLUGINS)
        return NULL;

    struct metrics_plugin_tally *plugin = &sum->plugin[sum->plugin_count++];
    memcpy(plugin->name, name, METRICS_NAME);
    return plugin;
}

static void add_plugin(struct metrics_workers_tally *sum, struct metrics_plugin *slot)
{
    char name[METRICS_NAME];
    struct metrics_plugin_tally *plugin;

    plugin = metrics_slot_name(slot->name, name) == 0 ? find_plugin(sum, name) : NULL;
    if (plugin == NULL)
        return;
    plugin->handled += metrics_get(&slot->handled);
    plugin->retried += metrics_get(&slot->retried);
    plugin->rejected += metrics_get(&slot->rejected);
    plugin->dead += metrics_get(&slot->dead);
    plugin->crashes += metrics_get(&slot->crashes);
    plugin->parked |= atomic_load(&slot->parked_until_us) > clock_mono_us();
    metrics_tally_add(&plugin->handle, &slot->handle);
}

static struct metrics_target_tally *find_target(struct metrics_workers_tally *sum, const char *name)
{
    for (uint32_t i = 0; i < sum->target_count; i++) {
        if (strcmp(sum->target[i].name, name) == 0)
            return &sum->target[i];
    }
    if (sum->target_count == METRICS_TARGETS)
        return NULL;

    struct metrics_target_tally *target = &sum->target[sum->target_count++];
    memcpy(target->name, name, METRICS_NAME);
    return target;
}

/* What is no number of anything counts as none. */
static uint64_t read_gauge(_Atomic int64_t *gauge)
{
    int64_t value = atomic_load_explicit(gauge, memory_order_relaxed);

    return value > 0 ? (uint64_t)value : 0;
}

static void add_target(struct metrics_workers_tally *sum, struct metrics_target *slot)
{
    char name[METRICS_NAME];
    struct metrics_target_tally *target;
    int64_t oldest_ms = (int64_t)read_gauge(&slot->oldest_ms), now_ms = clock_wall_ms();

    target = metrics_slot_name(slot->name, name) == 0 ? find_target(sum, name) : NULL;
    if (target == NULL)
        return;
    for (int i = 0; i < METRICS_DELIVERY_COUNT; i++)
        target->outcome[i] += metrics_get(&slot->outcome[i]);
    target->retries += metrics_get(&slot->retries);
    metrics_tally_add(&target->latency, &slot->latency);
    target->open_posts += read_gauge(&slot->open_posts);
    target->open_downloads += read_gauge(&slot->open_downloads);
    target->waiting += read_gauge(&slot->waiting);
    if (oldest_ms > 0 && now_ms - oldest_ms > target->oldest_ms)
        target->oldest_ms = now_ms - oldest_ms;
}

static void add_worker(struct metrics_workers_tally *sum, struct metrics_worker *page)
{
    uint32_t targets = atomic_load_explicit(&page->target_count, memory_order_acquire);
    uint32_t plugins = atomic_load_explicit(&page->plugin_count, memory_order_acquire);

    sum->events_handled += metrics_get(&page->events_handled);
    sum->events_duplicate += metrics_get(&page->events_duplicate);
    sum->events_unknown += metrics_get(&page->events_unknown);
    for (int i = 0; i < METRICS_ACTION_COUNT; i++)
        sum->actions[i] += metrics_get(&page->actions[i]);
    sum->action_retries += metrics_get(&page->action_retries);
    metrics_tally_add(&sum->event_latency, &page->event_latency);
    metrics_tally_add(&sum->action_latency, &page->action_latency);
    metrics_tally_add(&sum->commit, &page->commit);
    for (uint32_t i = 0; i < plugins && i < METRICS_PLUGINS; i++)
        add_plugin(sum, &page->plugin[i]);
    for (uint32_t i = 0; i < targets && i < METRICS_TARGETS; i++)
        add_target(sum, &page->target[i]);
}

void metrics_sum_workers(struct metrics_worker *const *workers, int count,
                         struct metrics_workers_tally *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < count; i++) {
        if (workers[i] != NULL)
            add_worker(out, workers[i]);
    }
}
