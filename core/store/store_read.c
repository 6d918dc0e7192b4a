/*
 * store_read.c: what is asked of a store and changes nothing: counts, calls, events, actions and indicators. Beside a
 * transaction the counts include what it has not committed yet. For store.c and its rules.
 */
#include "store/store.h"

#include <stdio.h>

#include "store/store_backend.h"

/* ---- Calls and their past ------------------------------------------------------------------------- */

int store_counts(struct store *store, struct store_counts *out)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    struct store_counts counts = {0};
    result = store_settle(store, store->backend->counts(store, &counts));
    if (result < 0)
        return result;
    counts.users += store->delta.users;
    for (int state = 0; state < LIFECYCLE_COUNT; state++)
        counts.calls[state] += store->delta.calls[state];
    *out = counts;
    return 0;
}

int store_active_calls(struct store *store, int (*row)(void *arg, const struct store_call *call),
                       void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->active_calls(store, row, arg));
}

void store_write_states(unsigned states, char out[STORE_STATES_SIZE])
{
    size_t used = 0;
    out[0] = '\0';
    for (int state = 0; state < LIFECYCLE_COUNT && states != 0; state++) {
        if ((states & 1u << state) != 0)
            used += (size_t)snprintf(out + used, STORE_STATES_SIZE - used, "%s%s,",
                                     used == 0 ? "," : "", lifecycle_type((enum lifecycle)state));
    }
}

int store_calls(struct store *store, const struct store_call_filter *filter, store_call_fn row,
                void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (filter->limit < 0)
        return store_bad_argument(store, "limit");
    if (filter->queue == NULL || filter->number == NULL)
        return store_bad_argument(store, "filter");
    return store_settle(store, store->backend->calls(store, filter, row, arg));
}

int store_events_after(struct store *store, const struct store_place *after, int limit,
                       store_event_fn row, void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (limit < 0)
        return store_bad_argument(store, "limit");
    return store_settle(store, store->backend->events_after(store, after, limit, row, arg));
}

int store_events_newest(struct store *store, int count, struct store_place *before)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (count < 0)
        return store_bad_argument(store, "count");
    *before = (struct store_place){0};
    return store_settle(store, store->backend->events_newest(store, count, before));
}

int store_call_events(struct store *store, const char *call_id, int limit, store_event_fn row,
                      void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (call_id == NULL || limit < 0)
        return store_bad_argument(store, call_id == NULL ? "call_id" : "limit");
    return store_settle(store, store->backend->call_events(store, call_id, limit, row, arg));
}

int store_call_actions(struct store *store, const char *call_id, int limit,
                       store_past_action_fn row, void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (call_id == NULL || limit < 0)
        return store_bad_argument(store, call_id == NULL ? "call_id" : "limit");
    return store_settle(store, store->backend->call_actions(store, call_id, limit, row, arg));
}

/* ---- Indicators ---------------------------------------------------------------------------------- */

const int store_kpi_seconds[STORE_KPI_LIMITS] = {5, 10, 15, 20, 30, 60, 120};

int store_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
              store_kpi_fn row, void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (step_minutes < 1)
        return store_bad_argument(store, "step_minutes");
    return store_settle(store,
                        store->backend->kpi(store, from_minute, to_minute, step_minutes, row, arg));
}

int store_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->kpi_callers(store, from_minute, to_minute, count));
}

int store_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                      store_kpi_action_fn row, void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store,
                        store->backend->kpi_actions(store, from_minute, to_minute, row, arg));
}

int store_kpi_events(struct store *store, int64_t from_minute, int64_t *count)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->kpi_events(store, from_minute, count));
}
