/*
 * sqlite_history.c: the calls that were, each call's timeline, and the events in the order in which they
 * were stored. Called through store.c in either mode. It never writes.
 */
#include "store/sqlite_internal.h"

/* The statement whose index leaves the least to look at: each of them knows all conditions. */
static enum sqlite_statement choose_statement(const struct store_call_filter *filter)
{
    const unsigned finished = 1u << LIFECYCLE_FINISHED;
    if (filter->number[0] != '\0')
        return SQL_CALL_LIST_BY_NUMBER;
    if (filter->states != 0 && (filter->states & finished) == 0)
        return SQL_CALL_LIST_UNFINISHED;
    if (filter->queue[0] != '\0')
        return SQL_CALL_LIST_BY_QUEUE;
    return SQL_CALL_LIST;
}

int sqlite_calls(struct store *store, const struct store_call_filter *filter, store_call_fn row,
                 void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    char states[STORE_STATES_SIZE];
    sqlite3_stmt *stmt;

    store_write_states(filter->states, states);
    int result = sqlite_query(sqlite, choose_statement(filter),
                              SQL_PARAMS(param_int(filter->before_ms), param_int(filter->before_id),
                                         param_int(filter->from_ms), param_text(states),
                                         param_text(filter->queue), param_text(filter->number),
                                         param_int(filter->limit)),
                              &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        result = sqlite_take_call(sqlite, stmt, &sqlite->listed_call);
        if (result == 0 && row(arg, &sqlite->listed_call.call) != 0)
            result = STORE_E_STOPPED;
        if (result < 0) {
            sqlite3_reset(stmt);
            break;
        }
    }
    return result;
}

/* ---- Events -------------------------------------------------------------------------------------- */

/* Steps a query whose columns are those of SQL_EVENT_LIST. */
static int hand_out_events(struct sqlite_store *store, sqlite3_stmt *stmt, store_event_fn row,
                           void *arg)
{
    int result;
    while ((result = sqlite_next(store, stmt)) == 1) {
        const struct store_event event = {
            .place = {.id = sqlite3_column_int64(stmt, 0)},
            .call_id = sqlite_column_string(stmt, 1),
            .type = sqlite_column_string(stmt, 2),
            .time_ms = sqlite3_column_int64(stmt, 3),
            .received_ms = sqlite3_column_int64(stmt, 4),
            .body = sqlite_column_string(stmt, 5),
        };
        if (row(arg, &event) != 0) {
            sqlite3_reset(stmt);
            return STORE_E_STOPPED;
        }
    }
    return result;
}

int sqlite_events_after(struct store *store, const struct store_place *after, int limit,
                        store_event_fn row, void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_EVENT_LIST,
                              SQL_PARAMS(param_int(after->id), param_int(limit)), &stmt);
    return result < 0 ? result : hand_out_events(sqlite, stmt, row, arg);
}

int sqlite_events_newest(struct store *store, int count, struct store_place *before)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_EVENT_NEWEST, SQL_PARAMS(param_int(count)), &stmt);
    if (result == 0)
        result = sqlite_next(sqlite, stmt);
    if (result <= 0)
        return result;
    before->id = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

int sqlite_call_events(struct store *store, const char *call_id, int limit, store_event_fn row,
                       void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_EVENT_LIST_OF_CALL,
                              SQL_PARAMS(param_text(call_id), param_int(limit)), &stmt);
    return result < 0 ? result : hand_out_events(sqlite, stmt, row, arg);
}

/* ---- Actions ------------------------------------------------------------------------------------- */

int sqlite_call_actions(struct store *store, const char *call_id, int limit,
                        store_past_action_fn row, void *arg)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_ACTION_LIST_OF_CALL,
                              SQL_PARAMS(param_text(call_id), param_int(limit)), &stmt);
    if (result < 0)
        return result;
    while ((result = sqlite_next(sqlite, stmt)) == 1) {
        const struct store_past_action action = {
            .id = sqlite3_column_int64(stmt, 0),
            .event_id = sqlite3_column_int64(stmt, 1),
            .state = sqlite_column_string(stmt, 2),
            .state_ms = sqlite3_column_int64(stmt, 3),
            .received_ms = sqlite3_column_int64(stmt, 4),
            .attempts = sqlite3_column_int(stmt, 5),
            .http_status = sqlite3_column_int(stmt, 6),
            .detail = sqlite_column_string(stmt, 7),
            .body = sqlite_column_string(stmt, 8),
        };
        if (row(arg, &action) != 0) {
            sqlite3_reset(stmt);
            return STORE_E_STOPPED;
        }
    }
    return result;
}
