/*
 * sqlite_kpi.c: adds a transaction's changes to the indicators' sums, and reads those. Called through store.c
 * and by sqlite.c.
 */
#include "store/sqlite_internal.h"

/* ---- Writing ------------------------------------------------------------------------------------- */

static int add_row(void *arg, const struct kpi_row *row)
{
    struct sqlite_store *store = arg;
    struct store_kpi sums = row->sums;
    struct sqlite_param params[3 + KPI_SUM_COUNT] = {param_int(row->minute), param_text(row->queue),
                                                     param_int(sums.max_wait_ms)};
    int64_t *sum[KPI_SUM_COUNT];

    kpi_sums_list(&sums, sum);
    for (int i = 0; i < KPI_SUM_COUNT; i++)
        params[3 + i] = param_int(*sum[i]);
    int result = sqlite_run(store, SQL_KPI_ADD, params, 3 + KPI_SUM_COUNT);
    if (result == 0 && row->lowered_ms != KPI_NEVER)
        result = sqlite_run(
            store, SQL_KPI_LOWER,
            SQL_PARAMS(param_int(row->minute), param_text(row->queue), param_int(row->lowered_ms)));
    return result;
}

static int add_minute(void *arg, int64_t minute, int64_t events, int64_t callers)
{
    return sqlite_run(arg, SQL_KPI_ADD_MINUTE,
                      SQL_PARAMS(param_int(minute), param_int(events), param_int(callers)));
}

static int add_answers(void *arg, int64_t minute, int64_t upper_ms, int64_t n, int64_t max_ms)
{
    return sqlite_run(
        arg, SQL_KPI_ADD_ANSWERS,
        SQL_PARAMS(param_int(minute), param_int(upper_ms), param_int(n), param_int(max_ms)));
}

int sqlite_kpi_apply(struct sqlite_store *store)
{
    struct kpi_changes *changes = &store->base.kpi;
    int result = kpi_each_row(changes, add_row, store);
    if (result == 0)
        result = kpi_each_minute(changes, add_minute, store);
    return result < 0 ? result : kpi_each_answer(changes, add_answers, store);
}

/* ---- Reading ------------------------------------------------------------------------------------- */

int sqlite_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
               store_kpi_fn row, void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    (void)step_minutes; /* the caller adds as fast, and one row at a time is in memory */
    int result = sqlite_query(sqlite, SQL_KPI_LIST,
                              SQL_PARAMS(param_int(from_minute), param_int(to_minute)), &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        struct store_kpi sums = {.max_wait_ms = sqlite3_column_int64(stmt, 2)};
        int64_t *sum[KPI_SUM_COUNT];
        kpi_sums_list(&sums, sum);
        for (int i = 0; i < KPI_SUM_COUNT; i++)
            *sum[i] = sqlite3_column_int64(stmt, 3 + i);
        if (row(arg, sqlite3_column_int64(stmt, 0), sqlite_column_string(stmt, 1), &sums) != 0) {
            sqlite3_reset(stmt);
            return STORE_E_STOPPED;
        }
    }
    return result;
}

/* A statement that gives one sum. */
static int read_sum(struct sqlite_store *store, enum sqlite_statement which,
                    const struct sqlite_param *params, int count, int64_t *out)
{
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, which, params, count, &stmt);
    if (result == 0)
        result = sqlite_next(store, stmt);
    if (result <= 0)
        return result;
    *out = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

int sqlite_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count)
{
    return read_sum(sqlite_of(store), SQL_KPI_CALLERS,
                    SQL_PARAMS(param_int(from_minute), param_int(to_minute)), count);
}

int sqlite_kpi_events(struct store *store, int64_t from_minute, int64_t *count)
{
    return read_sum(sqlite_of(store), SQL_KPI_EVENTS, SQL_PARAMS(param_int(from_minute)), count);
}

int sqlite_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                       store_kpi_action_fn row, void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_KPI_ACTIONS,
                              SQL_PARAMS(param_int(from_minute), param_int(to_minute)), &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        if (row(arg, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                sqlite3_column_int64(stmt, 2)) != 0) {
            sqlite3_reset(stmt);
            return STORE_E_STOPPED;
        }
    }
    return result;
}
