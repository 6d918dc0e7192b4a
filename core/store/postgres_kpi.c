/*
 * postgres_kpi.c: adds a transaction's changes to the indicators' sums, with its commit, and reads those. Called
 * through store.c and by postgres.c.
 */
#include "store/postgres_internal.h"

/* ---- Writing --------------------------------------------------------------------------------------- */

struct rows {
    struct pg_params *params;
    int count, lowered;
};

static int put_row(void *arg, const struct kpi_row *row)
{
    struct rows *rows = arg;
    struct store_kpi sums = row->sums;
    int64_t *sum[KPI_SUM_COUNT];

    kpi_sums_list(&sums, sum);
    pg_put_int8(rows->params, 1, row->minute);
    pg_put_text(rows->params, 2, row->queue);
    pg_put_int8(rows->params, 3, sums.max_wait_ms);
    for (int i = 0; i < KPI_SUM_COUNT; i++)
        pg_put_int8(rows->params, 4 + i, *sum[i]);
    rows->count++;
    return 0;
}

/* With the longest wait that a call no longer has; NULL: none. */
static int put_key(void *arg, const struct kpi_row *row)
{
    struct rows *rows = arg;
    pg_put_int8(rows->params, 0, row->minute);
    pg_put_text(rows->params, 1, row->queue);
    if (row->lowered_ms == KPI_NEVER)
        pg_put_null(rows->params, 2);
    else
        pg_put_int8(rows->params, 2, row->lowered_ms);
    rows->lowered += row->lowered_ms != KPI_NEVER;
    return 0;
}

/* How many of the rows are lowered. */
static int put_keys(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_INT8, PG_TEXT, PG_INT8};
    struct rows rows = {.params = &store->params};
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 3);
    kpi_each_row(&store->base.kpi, put_key, &rows);
    return rows.lowered;
}

static int queue_sums(struct pg_store *store)
{
    enum pg_type types[3 + KPI_SUM_COUNT] = {PG_INT8, PG_TEXT, PG_INT8};
    struct rows rows = {.params = &store->params};
    for (int i = 0; i < KPI_SUM_COUNT; i++)
        types[3 + i] = PG_INT8;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, store->shard);
    pg_params_arrays(&store->params, types, 3 + KPI_SUM_COUNT);
    kpi_each_row(&store->base.kpi, put_row, &rows);
    return rows.count == 0 ? 0 : pg_queue(store, PG_KPI_ADD, &store->params, NULL, NULL);
}

/*
 * The longest wait of a minute is looked for anew among its calls, as they are then: its rows, of all workers,
 * are locked first, so that what another worker has written there is committed and seen, and what it is about to
 * write comes later. With them go the rows that are added to, in one order: two workers that do this at the same
 * time wait for each other in one direction only.
 */
static int queue_rows(struct pg_store *store)
{
    const int lowered = put_keys(store);
    int result = 0;
    if (lowered > 0) {
        pg_one_int8(&store->params, store->shard);
        result = pg_queue(store, PG_KPI_LOCK, &store->params, NULL, NULL);
    }
    if (result == 0)
        result = queue_sums(store);
    if (result < 0 || lowered == 0)
        return result;
    put_keys(store);
    return pg_queue(store, PG_KPI_LOWER, &store->params, NULL, NULL);
}

static int put_minute(void *arg, int64_t minute, int64_t events, int64_t callers)
{
    struct rows *rows = arg;
    pg_put_int8(rows->params, 1, minute);
    pg_put_int8(rows->params, 2, events);
    pg_put_int8(rows->params, 3, callers);
    rows->count++;
    return 0;
}

static int queue_minutes(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_INT8, PG_INT8, PG_INT8};
    struct rows rows = {.params = &store->params};
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, store->shard);
    pg_params_arrays(&store->params, types, 3);
    kpi_each_minute(&store->base.kpi, put_minute, &rows);
    return rows.count == 0 ? 0 : pg_queue(store, PG_KPI_ADD_MINUTES, &store->params, NULL, NULL);
}

static int put_answer(void *arg, int64_t minute, int64_t upper_ms, int64_t n, int64_t max_ms)
{
    struct rows *rows = arg;
    pg_put_int8(rows->params, 1, minute);
    pg_put_int8(rows->params, 2, upper_ms);
    pg_put_int8(rows->params, 3, n);
    pg_put_int8(rows->params, 4, max_ms);
    rows->count++;
    return 0;
}

static int queue_answers(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_INT8, PG_INT8, PG_INT8, PG_INT8};
    struct rows rows = {.params = &store->params};
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, store->shard);
    pg_params_arrays(&store->params, types, 4);
    kpi_each_answer(&store->base.kpi, put_answer, &rows);
    return rows.count == 0 ? 0 : pg_queue(store, PG_KPI_ADD_ANSWERS, &store->params, NULL, NULL);
}

int pg_kpi_queue(struct pg_store *store)
{
    int result = queue_minutes(store);
    if (result == 0)
        result = queue_answers(store);
    return result < 0 ? result : queue_rows(store);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

struct reading {
    store_kpi_fn row;
    store_kpi_action_fn action;
    void *arg;
    int64_t *sum;
    int stopped; /* by the row's function */
};

static int take_rows(struct pg_store *store, const PGresult *result, void *arg)
{
    struct reading *reading = arg;
    (void)store;
    for (int row = 0; row < PQntuples(result) && !reading->stopped; row++) {
        struct store_kpi sums = {.max_wait_ms = pg_get_int8(result, row, 2)};
        int64_t *sum[KPI_SUM_COUNT];
        kpi_sums_list(&sums, sum);
        for (int i = 0; i < KPI_SUM_COUNT; i++)
            *sum[i] = pg_get_int8(result, row, 3 + i);
        reading->stopped = reading->row(reading->arg, pg_get_int8(result, row, 0),
                                        pg_get_text(result, row, 1), &sums);
    }
    return 0;
}

static int take_answers(struct pg_store *store, const PGresult *result, void *arg)
{
    struct reading *reading = arg;
    (void)store;
    for (int row = 0; row < PQntuples(result) && !reading->stopped; row++)
        reading->stopped =
            reading->action(reading->arg, pg_get_int8(result, row, 0), pg_get_int8(result, row, 1),
                            pg_get_int8(result, row, 2));
    return 0;
}

static int take_sum(struct pg_store *store, const PGresult *result, void *arg)
{
    const struct reading *reading = arg;
    (void)store;
    *reading->sum = pg_get_int8(result, 0, 0);
    return 0;
}

/* step_minutes: 0 for a statement that has none. */
static int read_minutes(struct store *base, enum pg_statement which, int64_t from_minute,
                        int64_t to_minute, int64_t step_minutes, pg_take_fn take,
                        struct reading *reading)
{
    struct pg_store *store = pg_of(base);
    int result = pg_prepare_reading(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, from_minute);
    pg_one_int8(&store->params, to_minute);
    if (step_minutes > 0)
        pg_one_int8(&store->params, step_minutes);
    result = pg_query(store, which, &store->params, take, reading);
    return result == 0 && reading->stopped ? STORE_E_STOPPED : result;
}

int pg_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
           store_kpi_fn row, void *arg)
{
    struct reading reading = {.row = row, .arg = arg};
    return read_minutes(store, PG_KPI_LIST, from_minute, to_minute, step_minutes, take_rows,
                        &reading);
}

int pg_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count)
{
    struct reading reading = {.sum = count};
    return read_minutes(store, PG_KPI_CALLERS, from_minute, to_minute, 0, take_sum, &reading);
}

int pg_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                   store_kpi_action_fn row, void *arg)
{
    struct reading reading = {.action = row, .arg = arg};
    return read_minutes(store, PG_KPI_ACTIONS, from_minute, to_minute, 0, take_answers, &reading);
}

int pg_kpi_events(struct store *store, int64_t from_minute, int64_t *count)
{
    struct reading reading = {.sum = count};
    return read_minutes(store, PG_KPI_EVENTS, from_minute, INT64_MAX, 0, take_sum, &reading);
}
