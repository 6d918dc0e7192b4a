/*
 * sqlite_kpi.c: a call's milestones, of which the schema's triggers make the indicators' sums, and reading
 * those. Called through store.c and by sqlite_calls.c.
 */
#include "store/sqlite_internal.h"

/* ---- Writing ------------------------------------------------------------------------------------- */

int sqlite_kpi_mark(struct sqlite_store *store, const struct event *event, int64_t call)
{
    const struct sqlite_param id = param_int(call), time = param_int(event->time_ms);
    switch (event->state) {
    case LIFECYCLE_WAITING:
        return sqlite_run(store, SQL_KPI_MARK_WAITING,
                          SQL_PARAMS(id, time, param_text(event->field[EVENT_QUEUE])));
    case LIFECYCLE_ENTERED:
    case LIFECYCLE_ONGOING:
        return sqlite_run(store, SQL_KPI_MARK_ANSWERED, SQL_PARAMS(id, time));
    case LIFECYCLE_LEFT:
        return sqlite_run(store, SQL_KPI_MARK_LEFT, SQL_PARAMS(id, time));
    case LIFECYCLE_FINISHED:
        return sqlite_run(store, SQL_KPI_MARK_ENDED, SQL_PARAMS(id, time));
    default:
        return 0;
    }
}

/* ---- Reading ------------------------------------------------------------------------------------- */

static void take_sums(sqlite3_stmt *stmt, int column, struct store_kpi *out)
{
    int64_t *const sums[] = {&out->max_wait_ms, &out->offered, &out->answered,
                             &out->abandoned,   &out->wait_ms, &out->talked,
                             &out->talk_ms,     &out->handled, &out->handle_ms};
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        *sums[i] = sqlite3_column_int64(stmt, column++);
    for (int i = 0; i < STORE_KPI_LIMITS; i++)
        out->answered_within[i] = sqlite3_column_int64(stmt, column++);
    for (int i = 0; i < STORE_KPI_LIMITS; i++)
        out->abandoned_within[i] = sqlite3_column_int64(stmt, column++);
}

int sqlite_kpi(struct store *store, int64_t from_minute, int64_t to_minute, store_kpi_fn row,
               void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_KPI_LIST,
                              SQL_PARAMS(param_int(from_minute), param_int(to_minute)), &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        struct store_kpi sums;
        take_sums(stmt, 2, &sums);
        if (row(arg, sqlite3_column_int64(stmt, 0), sqlite_column_string(stmt, 1), &sums) != 0) {
            sqlite3_reset(stmt);
            return STORE_E_STOPPED;
        }
    }
    return result;
}

int sqlite_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_KPI_CALLERS,
                              SQL_PARAMS(param_int(from_minute), param_int(to_minute)), &stmt);
    if (result == 0)
        result = sqlite_next(sqlite, stmt);
    if (result <= 0)
        return result;
    *count = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
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

/* The first event with this id or a greater one: 1, or 0 when there is none. */
static int event_at(struct sqlite_store *store, int64_t id, int64_t *found, int64_t *received_ms)
{
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, SQL_EVENT_AT, SQL_PARAMS(param_int(id)), &stmt);
    if (result == 0)
        result = sqlite_next(store, stmt);
    if (result == 1) {
        *found = sqlite3_column_int64(stmt, 0);
        *received_ms = sqlite3_column_int64(stmt, 1);
        sqlite3_reset(stmt);
    }
    return result;
}

/*
 * Events are stored in the order in which they arrived, so the first one of a time is found by halving the
 * ids: twenty-odd looks, whatever the store holds, and no index that every event would have to keep.
 */
int sqlite_events_since(struct store *store, int64_t since_ms, int64_t *count)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct store_place last = {0};
    int64_t low = 1, id, received_ms;
    int result = sqlite_events_newest(store, 0, &last);
    int64_t high = last.id + 1; /* the first id that is new enough is in low ... high */

    *count = 0;
    while (result >= 0 && low < high) {
        int64_t middle = low + (high - low) / 2;
        result = event_at(sqlite, middle, &id, &received_ms);
        if (result == 1 && received_ms < since_ms)
            low = id + 1;
        else
            high = middle;
    }
    if (result < 0)
        return result;
    *count = last.id + 1 - low;
    return 0;
}
