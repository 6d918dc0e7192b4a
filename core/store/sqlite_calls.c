/*
 * sqlite_calls.c: the record of each event, and what the events make of their calls: the status goes
 * to the greatest (time, place in the life cycle), what a call lacks is filled in. Called through
 * store.c, inside a transaction.
 */
#include "store/sqlite_internal.h"

#include <stdio.h>

/* ---- Calls --------------------------------------------------------------------------------------- */

/* The texts that are filled in, in the order of the columns of SQL_CALL_LOOK_UP. */
static const enum event_field filled_field[] = {
    EVENT_CODE, EVENT_DIRECTION, EVENT_OUR_NUMBER, EVENT_THEIR_NUMBER, EVENT_QUEUE, EVENT_ACTOR};

#define FILLED_COUNT        ((int)(sizeof(filled_field) / sizeof(filled_field[0])))
#define FILLED_FIRST_COLUMN 4

/* The fields that the event has something in, of those that are filled in. */
static unsigned filled_by(const struct event *event)
{
    unsigned filled = 0;
    for (int i = 0; i < FILLED_COUNT; i++) {
        if (event->field[filled_field[i]][0] != '\0')
            filled |= 1u << filled_field[i];
    }
    return filled;
}

static int64_t time_or_never(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? KPI_NEVER
                                                            : sqlite3_column_int64(stmt, column);
}

static void take_times(sqlite3_stmt *stmt, int column, struct kpi_times *times)
{
    times->waiting_ms = time_or_never(stmt, column);
    times->answered_ms = time_or_never(stmt, column + 1);
    times->left_ms = time_or_never(stmt, column + 2);
    times->ended_ms = time_or_never(stmt, column + 3);
    snprintf(times->queue, sizeof(times->queue), "%s", sqlite_column_string(stmt, column + 4));
}

/* 1 and *out, or 0. */
static int look_up(struct sqlite_store *store, const char *call_id, struct sqlite_known_call *out)
{
    if (sqlite_call_cache_find(&store->call_cache, call_id, out))
        return 1;
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, SQL_CALL_LOOK_UP, SQL_PARAMS(param_text(call_id)), &stmt);
    if (result == 0)
        result = sqlite_next(store, stmt);
    if (result <= 0)
        return result;
    out->id = sqlite3_column_int64(stmt, 0);
    out->state = lifecycle_from_type(sqlite_column_string(stmt, 1));
    out->status_ms = sqlite3_column_int64(stmt, 2);
    out->created_ms = sqlite3_column_int64(stmt, 3);
    out->filled = 0;
    for (int i = 0; i < FILLED_COUNT; i++) {
        if (sqlite3_column_int(stmt, FILLED_FIRST_COLUMN + i))
            out->filled |= 1u << filled_field[i];
    }
    take_times(stmt, FILLED_FIRST_COLUMN + FILLED_COUNT, &out->times);
    sqlite3_reset(stmt);
    return 1;
}

/* A milestone. */
static struct sqlite_param param_time(int64_t time_ms)
{
    return time_ms == KPI_NEVER ? (struct sqlite_param){.type = PARAM_NULL} : param_int(time_ms);
}

static struct sqlite_param time_if(int condition, int64_t time_ms)
{
    return condition ? param_int(time_ms) : (struct sqlite_param){.type = PARAM_NULL};
}

static int add_call(struct sqlite_store *store, const struct event *event,
                    struct sqlite_known_call *out)
{
    int has_status = event->state != LIFECYCLE_NONE;
    const char *const *field = event->field;
    int result = sqlite_run(
        store, SQL_CALL_ADD,
        SQL_PARAMS(param_text(field[EVENT_CALL_ID]),
                   param_text(has_status ? lifecycle_type(event->state) : NULL),
                   time_if(has_status, event->time_ms),
                   time_if(event->state == LIFECYCLE_FINISHED, event->time_ms),
                   param_int(event->time_ms), param_text(field[EVENT_CODE]),
                   param_text(field[EVENT_DIRECTION]), param_text(field[EVENT_OUR_NUMBER]),
                   param_text(field[EVENT_THEIR_NUMBER]), param_text(field[EVENT_QUEUE]),
                   param_text(field[EVENT_ACTOR])));
    if (result < 0)
        return result;
    if (has_status)
        store->base.delta.calls[event->state]++;
    *out = (struct sqlite_known_call){.id = sqlite3_last_insert_rowid(store->db),
                                      .state = event->state,
                                      .status_ms = has_status ? event->time_ms : 0,
                                      .created_ms = event->time_ms,
                                      .filled = filled_by(event)};
    kpi_times_init(&out->times);
    result = sqlite_run(store, SQL_STRAY_LINK,
                        SQL_PARAMS(param_int(out->id), param_text(field[EVENT_CALL_ID])));
    return result < 0
               ? result
               : sqlite_run(store, SQL_STRAY_DROP, SQL_PARAMS(param_text(field[EVENT_CALL_ID])));
}

/* An UPDATE of a call found no row: somebody deleted it beside us. The batch is run again. */
static int check_updated(struct sqlite_store *store, const struct sqlite_known_call *call)
{
    if (sqlite3_changes(store->db) == 1)
        return 0;
    return store_fail(&store->base, STORE_E_FAILED,
                      "%s: call %lld was deleted by another program; the store is for one writer",
                      store->path, (long long)call->id);
}

/* An event equal to the present status in both leaves it: it is the same one again. */
static int is_ahead(const struct event *event, const struct sqlite_known_call *call)
{
    if (event->state == LIFECYCLE_NONE)
        return 0;
    if (call->state == LIFECYCLE_NONE || event->time_ms > call->status_ms)
        return 1;
    return event->time_ms == call->status_ms && event->state > call->state;
}

/* Makes the event the call's status, with its milestones; queue and actor follow it when it has them. */
static int advance(struct sqlite_store *store, const struct event *event,
                   struct sqlite_known_call *call)
{
    const unsigned follow = 1u << EVENT_QUEUE | 1u << EVENT_ACTOR;
    int result =
        sqlite_run(store, SQL_CALL_ADVANCE,
                   SQL_PARAMS(param_int(call->id), param_text(lifecycle_type(event->state)),
                              param_int(event->time_ms), param_time(call->times.answered_ms),
                              param_time(call->times.left_ms), param_time(call->times.ended_ms)));
    if (result == 0)
        result = check_updated(store, call);
    if (result == 0 && (filled_by(event) & follow) != 0)
        result = sqlite_run(store, SQL_CALL_FOLLOW,
                            SQL_PARAMS(param_int(call->id), param_text(event->field[EVENT_QUEUE]),
                                       param_text(event->field[EVENT_ACTOR])));
    if (result == 0 && (event->state == LIFECYCLE_FINISHED || call->state == LIFECYCLE_FINISHED))
        result =
            sqlite_run(store, SQL_CALL_FINISH,
                       SQL_PARAMS(param_int(call->id),
                                  time_if(event->state == LIFECYCLE_FINISHED, event->time_ms)));
    if (result < 0)
        return result;
    if (call->state != LIFECYCLE_NONE)
        store->base.delta.calls[call->state]--;
    store->base.delta.calls[event->state]++;
    call->state = event->state;
    call->status_ms = event->time_ms;
    call->filled |= filled_by(event) & follow;
    return 0;
}

/* Writes only where there is nothing yet: the first value of a field stays. */
static int fill(struct sqlite_store *store, const struct event *event,
                struct sqlite_known_call *call)
{
    if (event->time_ms >= call->created_ms && (filled_by(event) & ~call->filled) == 0)
        return 0;
    const char *const *field = event->field;
    int result = sqlite_run(
        store, SQL_CALL_FILL,
        SQL_PARAMS(param_int(call->id), param_text(field[EVENT_CODE]),
                   param_text(field[EVENT_DIRECTION]), param_text(field[EVENT_OUR_NUMBER]),
                   param_text(field[EVENT_THEIR_NUMBER]), param_text(field[EVENT_QUEUE]),
                   param_text(field[EVENT_ACTOR]), param_int(event->time_ms)));
    if (result == 0)
        result = check_updated(store, call);
    if (result < 0)
        return result;
    if (event->time_ms < call->created_ms)
        call->created_ms = event->time_ms;
    call->filled |= filled_by(event);
    return 0;
}

/* Keeps the milestones that are new, where advance() has not. */
static int keep_times(struct sqlite_store *store, const struct kpi_times *before,
                      const struct sqlite_known_call *call, int is_advanced)
{
    const struct kpi_times *times = &call->times;
    const int64_t offered_ms = kpi_offered_ms(times);
    int result = 0;
    if (!is_advanced)
        result = sqlite_run(store, SQL_CALL_TIMES,
                            SQL_PARAMS(param_int(call->id), param_time(times->answered_ms),
                                       param_time(times->left_ms), param_time(times->ended_ms)));
    /* Seldom, and by itself: offered_ms has an index. */
    if (result == 0 &&
        (times->waiting_ms != before->waiting_ms || offered_ms != kpi_offered_ms(before)))
        result = sqlite_run(store, SQL_CALL_OFFER,
                            SQL_PARAMS(param_int(call->id), param_time(offered_ms),
                                       param_time(times->waiting_ms), param_text(times->queue)));
    if (result == 0 && kpi_call_changed(&store->base.kpi, before, times) < 0)
        result = sqlite_out_of_memory(store);
    return result;
}

/* Makes of the call what the event says. */
static int change(struct sqlite_store *store, const struct event *event, int is_new,
                  struct sqlite_known_call *call)
{
    const struct kpi_times before = call->times;
    const int is_timed = kpi_times_note(&call->times, event);
    const int advances = !is_new && is_ahead(event, call);
    int result = advances ? advance(store, event, call) : 0;
    if (result == 0 && !is_new)
        result = fill(store, event, call);
    return result < 0 || !is_timed ? result : keep_times(store, &before, call, advances);
}

int sqlite_call_put(struct store *store, const struct event *event, int with_payload)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    const char *call_id = event->field[EVENT_CALL_ID];
    struct sqlite_known_call call;
    int result = look_up(sqlite, call_id, &call);
    const int is_new = result == 0;
    if (is_new)
        result = add_call(sqlite, event, &call);
    if (result >= 0)
        result = change(sqlite, event, is_new, &call);
    if (result == 0 && with_payload)
        result = sqlite_run(
            sqlite, SQL_CALL_ADD_PAYLOAD,
            SQL_PARAMS(param_int(call.id), param_sized_text(event->body, event->body_size)));
    if (result == 0)
        sqlite_call_cache_put(&sqlite->call_cache, call_id, &call);
    return result;
}

/* ---- Events -------------------------------------------------------------------------------------- */

/* Puts the event into its call's timeline. */
static int link_event(struct sqlite_store *store, const char *call_id, int64_t event)
{
    struct sqlite_known_call call;
    int result = look_up(store, call_id, &call);
    if (result < 0)
        return result;
    if (result == 0)
        return sqlite_run(store, SQL_STRAY_ADD, SQL_PARAMS(param_text(call_id), param_int(event)));
    sqlite_call_cache_put(&store->call_cache, call_id, &call);
    return sqlite_run(store, SQL_EVENT_LINK, SQL_PARAMS(param_int(call.id), param_int(event)));
}

/* The event's identity is taken: by this very event, or by another one? */
static int find_first(struct sqlite_store *store, const struct event *event, int64_t *id)
{
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, SQL_EVENT_FIND,
                              SQL_PARAMS(param_blob(event->identity, EVENT_IDENTITY_SIZE)), &stmt);
    if (result == 0)
        result = sqlite_next(store, stmt);
    if (result < 0)
        return result;
    if (result == 0)
        return store_fail(&store->base, STORE_E_CORRUPT,
                          "%s: the index of table events does not agree with it%s", store->path,
                          sqlite_advice(SQLITE_CORRUPT));
    *id = sqlite3_column_int64(stmt, 0);
    int is_same = sqlite3_column_int64(stmt, 1) == event->seq &&
                  sqlite3_column_int64(stmt, 2) == event->received_ms;
    sqlite3_reset(stmt);
    return is_same ? STORE_EVENT_REPLAY : STORE_EVENT_DUPLICATE;
}

int sqlite_event_add(struct store *store, const struct event *event, int64_t *id)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    int result = sqlite_run(
        sqlite, SQL_EVENT_ADD,
        SQL_PARAMS(param_blob(event->identity, EVENT_IDENTITY_SIZE),
                   param_text(event->field[EVENT_CALL_ID]), param_text(event->field[EVENT_TYPE]),
                   param_int(event->time_ms), param_int(event->received_ms), param_int(event->seq),
                   param_sized_text(event->body, event->body_size)));
    if (result < 0)
        return result;
    if (sqlite3_changes(sqlite->db) == 0)
        return find_first(sqlite, event, id);
    *id = sqlite3_last_insert_rowid(sqlite->db);
    result = link_event(sqlite, event->field[EVENT_CALL_ID], *id);
    return result < 0 ? result : STORE_EVENT_NEW;
}
