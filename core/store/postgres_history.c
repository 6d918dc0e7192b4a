/*
 * postgres_history.c: the calls that were, each call's timeline, and the events in the order in which they
 * became readable. An event is handed out when no transaction runs any more that is older than its own, in
 * any database of the cluster: somebody's long one holds the feed up, and loses nothing of it. Called through
 * store.c in either mode. It never writes, but for what the open transaction holds back.
 */
#include "store/postgres_internal.h"

/* A copy of the result: the row callback may use the store. PQclear()ed by the caller. */
static int take_rows(struct pg_store *store, const PGresult *result, void *arg)
{
    PGresult **rows = arg;
    *rows = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    return *rows == NULL ? pg_no_memory(store) : 0;
}

static int read_rows(struct pg_store *store, enum pg_statement which, PGresult **rows)
{
    return pg_query(store, which, &store->params, take_rows, rows);
}

static enum pg_statement choose_statement(const struct store_call_filter *filter)
{
    const unsigned finished = 1u << LIFECYCLE_FINISHED;
    if (filter->number[0] != '\0')
        return PG_CALLS_LIST_BY_NUMBER;
    if (filter->states != 0 && (filter->states & finished) == 0)
        return PG_CALLS_LIST_UNFINISHED;
    if (filter->queue[0] != '\0')
        return PG_CALLS_LIST_BY_QUEUE;
    return PG_CALLS_LIST;
}

int pg_calls(struct store *base, const struct store_call_filter *filter, store_call_fn row,
             void *arg)
{
    struct pg_store *store = pg_of(base);
    struct pg_params *params = &store->params;
    char states[STORE_STATES_SIZE];
    PGresult *rows = NULL;

    store_write_states(filter->states, states);
    int result = pg_prepare_reading(store);
    if (result < 0)
        return result;
    pg_params_clear(params);
    pg_one_time(params, filter->before_ms);
    pg_one_int8(params, filter->before_id);
    pg_one_time(params, filter->from_ms);
    pg_one_text(params, states);
    pg_one_text(params, filter->queue);
    pg_one_text(params, filter->number);
    pg_one_int8(params, filter->limit);
    result = read_rows(store, choose_statement(filter), &rows);
    for (int i = 0; result == 0 && i < PQntuples(rows); i++) {
        struct store_call call;
        pg_take_call(rows, i, &call);
        if (row(arg, &call) != 0)
            result = STORE_E_STOPPED;
    }
    PQclear(rows);
    return result;
}

/* ---- Events -------------------------------------------------------------------------------------- */

/* Runs a query whose columns are EVENT_COLUMNS. */
static int hand_out_events(struct pg_store *store, enum pg_statement which, store_event_fn row,
                           void *arg)
{
    PGresult *rows = NULL;
    int result = read_rows(store, which, &rows);
    for (int i = 0; result == 0 && i < PQntuples(rows); i++) {
        const struct store_event event = {
            .place = {.tx = pg_get_int8(rows, i, 0), .id = pg_get_int8(rows, i, 1)},
            .call_id = pg_get_text(rows, i, 2),
            .type = pg_get_text(rows, i, 3),
            .time_ms = pg_get_time(rows, i, 4),
            .received_ms = pg_get_time(rows, i, 5),
            .body = pg_get_text(rows, i, 6),
        };
        if (row(arg, &event) != 0)
            result = STORE_E_STOPPED;
    }
    PQclear(rows);
    return result;
}

int pg_events_after(struct store *base, const struct store_place *after, int limit,
                    store_event_fn row, void *arg)
{
    struct pg_store *store = pg_of(base);
    int result = pg_prepare_reading(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, after->tx);
    pg_one_int8(&store->params, after->id);
    pg_one_int8(&store->params, limit);
    return hand_out_events(store, PG_EVENTS_LIST, row, arg);
}

int pg_events_newest(struct store *base, int count, struct store_place *before)
{
    struct pg_store *store = pg_of(base);
    PGresult *rows = NULL;
    int result = pg_prepare_reading(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, count);
    result = read_rows(store, PG_EVENTS_NEWEST, &rows);
    if (result == 0 && PQntuples(rows) == 1)
        *before =
            (struct store_place){.tx = pg_get_int8(rows, 0, 0), .id = pg_get_int8(rows, 0, 1)};
    PQclear(rows);
    return result;
}

int pg_call_events(struct store *base, const char *call_id, int limit, store_event_fn row,
                   void *arg)
{
    struct pg_store *store = pg_of(base);
    int result = pg_prepare_reading(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_text(&store->params, call_id);
    pg_one_int8(&store->params, limit);
    return hand_out_events(store, PG_EVENTS_OF_CALL, row, arg);
}

/* ---- Actions ------------------------------------------------------------------------------------- */

int pg_call_actions(struct store *base, const char *call_id, int limit, store_past_action_fn row,
                    void *arg)
{
    struct pg_store *store = pg_of(base);
    PGresult *rows = NULL;
    int result = pg_prepare_reading(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_text(&store->params, call_id);
    pg_one_int8(&store->params, limit);
    result = read_rows(store, PG_ACTIONS_OF_CALL, &rows);
    for (int i = 0; result == 0 && i < PQntuples(rows); i++) {
        const struct store_past_action action = {
            .id = pg_get_int8(rows, i, 0),
            .event_id = pg_get_int8(rows, i, 1),
            .state = pg_get_text(rows, i, 2),
            .state_ms = pg_get_time(rows, i, 3),
            .received_ms = pg_get_time(rows, i, 4),
            .attempts = pg_get_int4(rows, i, 5),
            .http_status = pg_get_int4(rows, i, 6),
            .detail = pg_get_text(rows, i, 7),
            .body = pg_get_text(rows, i, 8),
        };
        if (row(arg, &action) != 0)
            result = STORE_E_STOPPED;
    }
    PQclear(rows);
    return result;
}
