/* plugin_crashes.c: see plugin_crashes.h. */
#include "receiver/plugin_crashes.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US       ((int64_t)1000000)
#define WINDOW_US       (60 * SECOND_US)
#define FIRST_PARK_US   (30 * SECOND_US)
#define LONGEST_PARK_US (600 * SECOND_US)
#define GOOD_TIME_US    (1200 * SECOND_US) /* without a crash, and all is forgiven */

static int find(const struct plugin_crashes_list *list, const char *plugin)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->of[i].plugin, plugin) == 0)
            return i;
    }
    return -1;
}

/* NULL when there are too many. */
static struct plugin_crashes *find_or_add(struct plugin_crashes_list *list, const char *plugin)
{
    int at = find(list, plugin);
    if (at >= 0)
        return &list->of[at];
    if (list->count == METRICS_PLUGINS)
        return NULL;
    struct plugin_crashes *added = &list->of[list->count++];
    *added = (struct plugin_crashes){.deaths = 0};
    snprintf(added->plugin, sizeof added->plugin, "%s", plugin);
    return added;
}

/* Remembers the event as the newest; one that is remembered is only made newer. */
static void remember(struct plugin_crashes *crashes, int64_t event_seq, int64_t now_us)
{
    int at = crashes->next;
    for (int i = 0; i < PLUGIN_CRASHES_PARK; i++) {
        if (crashes->at_us[i] != 0 && crashes->event[i] == event_seq)
            at = i;
    }
    if (at == crashes->next)
        crashes->next = (crashes->next + 1) % PLUGIN_CRASHES_PARK;
    crashes->event[at] = event_seq;
    crashes->at_us[at] = now_us;
}

static int events_within(const struct plugin_crashes *crashes, int64_t since_us)
{
    int count = 0;
    for (int i = 0; i < PLUGIN_CRASHES_PARK; i++)
        count += crashes->at_us[i] != 0 && crashes->at_us[i] >= since_us;
    return count;
}

int64_t plugin_crashes_note(struct plugin_crashes_list *list, const char *plugin, int64_t event_seq,
                            int64_t now_us)
{
    struct plugin_crashes *crashes = find_or_add(list, plugin);
    if (crashes == NULL)
        return 0;
    crashes->deaths++;
    if (now_us - crashes->last_us > GOOD_TIME_US)
        crashes->park_us = 0;
    crashes->last_us = now_us;
    if (event_seq != 0)
        remember(crashes, event_seq, now_us);
    /* One that was parked is on probation: its next crash is enough. */
    if (event_seq != 0 && crashes->park_us == 0 &&
        events_within(crashes, now_us - WINDOW_US) < PLUGIN_CRASHES_PARK)
        return 0;
    crashes->park_us = crashes->park_us == 0 ? FIRST_PARK_US : crashes->park_us * 2;
    if (crashes->park_us > LONGEST_PARK_US)
        crashes->park_us = LONGEST_PARK_US;
    return crashes->park_us;
}

uint64_t plugin_crashes_deaths(const struct plugin_crashes_list *list, const char *plugin)
{
    int at = find(list, plugin);
    return at < 0 ? 0 : list->of[at].deaths;
}
