/*
 * sqlite_statements.c: every statement of pbxhook's own, in one place so that it can be read beside the
 * schema, and the few functions that prepare, bind and step one. Called by the other files of the
 * backend. It never runs what a plugin wrote: that is sqlite_plugin_sql.c.
 *
 * The partial indexes serve a statement only when it repeats their condition word for word.
 */
#include "store/sqlite_internal.h"

#define CALL_COLUMNS                                                                               \
    "call_id, code, direction, our_number, their_number, queue, actor, status, created_ms, "       \
    "status_ms, id"

/* What all lists of calls ask: ?1, ?2 the place before which, ?3 since when, ?4 states, ?5 queue, ?6 number. */
#define CALL_IS_WANTED                                                                             \
    "(created_ms, id) < (?1, ?2) AND created_ms >= ?3 AND status IS NOT NULL "                     \
    "AND (?4 = '' OR instr(?4, ',' || status || ',')) AND (?5 = '' OR queue = ?5) "                \
    "AND (?6 = '' OR their_number = ?6)"

#define EVENT_COLUMNS "id, call_id, type, time_ms, received_ms, body"

/* By two indexes: of calls' numbers, and of the call_ids of actions without a call. */
#define ACTIONS_OF_CALL                                                                            \
    "SELECT id FROM actions WHERE call = (SELECT id FROM calls WHERE call_id = ?1) "               \
    "UNION ALL SELECT id FROM actions WHERE call IS NULL AND call_id = ?1"

/* The condition of the index actions_unsettled. */
#define ACTION_IS_UNSETTLED                                                                        \
    "(state IN ('sending', 'unknown') OR (state = 'pending' AND doubtful = 1))"

/* The condition of the index actions_ended. */
#define ACTION_HAS_ENDED "state IN ('delivered', 'confirmed', 'rejected', 'expired')"

#define ACTION_WAS_LEFT  "'the worker left before the answer came'"

/* As take_retry() reads them. */
#define RETRY_COLUMNS                                                                              \
    "h.event_id, h.plugin, h.attempts, e.identity, e.call_id, e.type, e.time_ms, e.received_ms, "  \
    "e.spool_seq, e.body, h.strikes, h.error"

/* As take_letter() reads them. */
#define LETTER_COLUMNS                                                                             \
    "h.event_id, h.plugin, h.error, e.call_id, e.type, h.failed_ms, e.received_ms, h.attempts"

#define KPI_PARAM(column) ", ?"

#define LETTER_IS_NEW     "state = 'retry', attempts = 0, strikes = 0, claimed = 0"

static const char *const statement_sql[SQL_STATEMENT_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT_OPEN] = "SAVEPOINT handling",
    [SQL_SAVEPOINT_RELEASE] = "RELEASE handling",
    [SQL_SAVEPOINT_UNDO] = "ROLLBACK TO handling",
    [SQL_SAVEPOINT_FLUSH] = "SAVEPOINT flush",

    [SQL_COUNT_ADD] = "UPDATE counts SET n = n + ?2 WHERE name = ?1",
    [SQL_COUNT_LIST] = "SELECT name, n FROM counts",

    [SQL_EVENT_ADD] = "INSERT INTO events (identity, call_id, type, time_ms, received_ms, "
                      "spool_seq, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                      "ON CONFLICT (identity) DO NOTHING",
    [SQL_EVENT_LIST] = "SELECT " EVENT_COLUMNS " FROM events WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_EVENT_NEWEST] = "SELECT id FROM events WHERE id > 0 ORDER BY id DESC LIMIT 1 OFFSET ?1",
    [SQL_EVENT_LINK] = "INSERT INTO call_events (call, event) VALUES (?1, ?2)",
    [SQL_STRAY_ADD] = "INSERT INTO stray_events (call_id, event) VALUES (?1, ?2)",
    [SQL_STRAY_LINK] = "INSERT INTO call_events SELECT ?1, event FROM stray_events "
                       "WHERE call_id = ?2",
    [SQL_STRAY_DROP] = "DELETE FROM stray_events WHERE call_id = ?1",
    [SQL_EVENT_LIST_OF_CALL] = "SELECT " EVENT_COLUMNS " FROM events WHERE id IN ("
                               "SELECT event FROM call_events "
                               "WHERE call = (SELECT id FROM calls WHERE call_id = ?1) "
                               "UNION ALL SELECT event FROM stray_events WHERE call_id = ?1) "
                               "ORDER BY time_ms, id LIMIT ?2",
    [SQL_EVENT_FIND] = "SELECT id, spool_seq, received_ms FROM events WHERE identity = ?1",

    [SQL_CALL_LOOK_UP] = "SELECT id, status, status_ms, created_ms, code <> '', direction <> '', "
                         "our_number <> '', their_number <> '', queue <> '', actor <> '', "
                         "waiting_ms, answered_ms, left_ms, ended_ms, wait_queue "
                         "FROM calls WHERE call_id = ?1",
    [SQL_CALL_ADD] =
        "INSERT INTO calls (call_id, status, status_ms, finished_ms, created_ms, code, "
        "direction, our_number, their_number, queue, actor) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_CALL_ADVANCE] = "UPDATE calls SET status = ?2, status_ms = ?3, answered_ms = ?4, "
                         "left_ms = ?5, ended_ms = ?6 WHERE id = ?1",
    [SQL_CALL_TIMES] = "UPDATE calls SET answered_ms = ?2, left_ms = ?3, ended_ms = ?4 "
                       "WHERE id = ?1",
    [SQL_CALL_OFFER] = "UPDATE calls SET offered_ms = ?2, waiting_ms = ?3, wait_queue = ?4 "
                       "WHERE id = ?1",
    /* Apart from it: a column that a statement sets has its index written, the same value or not. */
    [SQL_CALL_FOLLOW] = "UPDATE calls SET queue = iif(?2 = '', queue, ?2), "
                        "actor = iif(?3 = '', actor, ?3) "
                        "WHERE id = ?1 AND (?2 NOT IN ('', queue) OR ?3 NOT IN ('', actor))",
    [SQL_CALL_FINISH] = "UPDATE calls SET finished_ms = ?2 WHERE id = ?1",
    [SQL_CALL_FILL] = "UPDATE calls SET code = iif(code = '', ?2, code), "
                      "direction = iif(direction = '', ?3, direction), "
                      "our_number = iif(our_number = '', ?4, our_number), "
                      "their_number = iif(their_number = '', ?5, their_number), "
                      "queue = iif(queue = '', ?6, queue), actor = iif(actor = '', ?7, actor), "
                      "created_ms = min(created_ms, ?8) WHERE id = ?1",
    [SQL_CALL_ADD_PAYLOAD] = "INSERT INTO payloads (call, payload) VALUES (?1, ?2) "
                             "ON CONFLICT (call) DO NOTHING",
    [SQL_CALL_FIND] = "SELECT " CALL_COLUMNS " FROM calls WHERE call_id = ?1",
    [SQL_CALL_LIST_ACTIVE] = "SELECT " CALL_COLUMNS " FROM calls "
                             "WHERE finished_ms IS NULL AND status IS NOT NULL ORDER BY call_id",
    [SQL_CALL_LIST] = "SELECT " CALL_COLUMNS " FROM calls WHERE " CALL_IS_WANTED " "
                      "ORDER BY created_ms DESC, id DESC LIMIT ?7",
    [SQL_CALL_LIST_BY_NUMBER] = "SELECT " CALL_COLUMNS " FROM calls INDEXED BY calls_number "
                                "WHERE their_number = ?6 AND their_number <> '' "
                                "AND " CALL_IS_WANTED " "
                                "ORDER BY created_ms DESC, id DESC LIMIT ?7",
    [SQL_CALL_LIST_BY_QUEUE] = "SELECT " CALL_COLUMNS " FROM calls INDEXED BY calls_queue "
                               "WHERE queue = ?5 AND queue <> '' AND " CALL_IS_WANTED " "
                               "ORDER BY created_ms DESC, id DESC LIMIT ?7",
    [SQL_CALL_LIST_UNFINISHED] = "SELECT " CALL_COLUMNS " FROM calls INDEXED BY calls_active "
                                 "WHERE finished_ms IS NULL AND " CALL_IS_WANTED " "
                                 "ORDER BY created_ms DESC, id DESC LIMIT ?7",

    [SQL_USER_ADD] = "INSERT INTO users (number, created_ms) VALUES (?1, ?2) "
                     "ON CONFLICT (number) DO NOTHING",
    [SQL_USER_FIND] = "SELECT id, created_ms FROM users WHERE number = ?1",

    [SQL_ACTION_ADD] = "INSERT INTO actions (key, call_id, event_id, state, state_ms, due_ms, "
                       "received_ms, expires_ms, attempts, body, call) "
                       "VALUES (?1, ?2, ?3, 'pending', ?4, ?4, ?4, ?5, 0, ?6, "
                       "(SELECT id FROM calls WHERE call_id = ?2))",
    [SQL_ACTION_LIST_OF_CALL] = "SELECT id, event_id, state, state_ms, received_ms, attempts, "
                                "http_status, detail, body FROM actions "
                                "WHERE id IN (" ACTIONS_OF_CALL ") ORDER BY id LIMIT ?2",
    [SQL_ACTION_DUE] = "SELECT id, key, call_id, body, received_ms, expires_ms, attempts, "
                       "doubtful "
                       "FROM actions WHERE state = 'pending' AND due_ms <= ?1 "
                       "ORDER BY due_ms, id LIMIT 1",
    [SQL_ACTION_CLAIM] = "UPDATE actions SET state = 'sending', state_ms = ?2, "
                         "attempts = attempts + 1, expires_ms = min(expires_ms, ?3) WHERE id = ?1",
    [SQL_ACTION_EXPIRE] = "UPDATE actions SET state = iif(doubtful = 1, 'unknown', 'expired'), "
                          "state_ms = ?2 WHERE id = ?1",
    [SQL_ACTION_NEXT_DUE] = "SELECT due_ms FROM actions WHERE state = 'pending' "
                            "ORDER BY due_ms LIMIT 1",
    [SQL_ACTIONS_FORWARD] = "UPDATE actions SET due_ms = min(?1, expires_ms), "
                            "expires_ms = min(expires_ms, ?2) "
                            "WHERE state = 'pending' AND due_ms > ?2",
    [SQL_ACTION_SETTLE] = "UPDATE actions SET state_ms = ?3, "
                          "state = iif(?2 = 'expired' AND doubtful = 1, 'unknown', ?2), "
                          "doubtful = max(doubtful, ?7), "
                          "due_ms = iif(?2 = 'pending', min(?4, expires_ms), due_ms), "
                          "http_status = ?5, detail = ?6 "
                          "WHERE id = ?1 AND state = 'sending'",
    [SQL_ACTION_ANNOTATE] = "UPDATE actions SET http_status = ?2, detail = ?3 "
                            "WHERE id = ?1 AND state = 'confirmed'",
    [SQL_ACTION_UNCONFIRMED] = "SELECT id, received_ms FROM actions "
                               "WHERE call_id = ?1 AND " ACTION_IS_UNSETTLED " "
                               "AND iif(json_valid(body), json_type(body, '$.destination'), NULL) "
                               "IS NOT NULL LIMIT 1",
    [SQL_ACTION_CONFIRM] = "UPDATE actions SET state = 'confirmed', state_ms = ?2 WHERE id = ?1",
    [SQL_ACTION_ABANDON] = "UPDATE actions SET state = 'unknown', state_ms = ?1, "
                           "detail = iif(state = 'sending', " ACTION_WAS_LEFT ", detail) "
                           "WHERE " ACTION_IS_UNSETTLED " AND state <> 'unknown' "
                           "AND (?2 = 0 OR expires_ms <= ?1) RETURNING id, call_id, attempts",
    [SQL_ACTION_DOUBT] = "UPDATE actions SET state = 'pending', doubtful = 1, state_ms = ?1, "
                         "due_ms = min(due_ms, ?1), detail = " ACTION_WAS_LEFT " "
                         "WHERE " ACTION_IS_UNSETTLED " AND state = 'sending'",

    [SQL_RETRY_PUT] = "INSERT INTO handlings (event_id, plugin, state, attempts, strikes, due_ms, "
                      "failed_ms, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
                      "ON CONFLICT (event_id, plugin) DO UPDATE SET state = excluded.state, "
                      "attempts = excluded.attempts, strikes = excluded.strikes, claimed = 0, "
                      "due_ms = excluded.due_ms, failed_ms = excluded.failed_ms, "
                      "error = excluded.error",
    [SQL_RETRY_DONE] = "DELETE FROM handlings WHERE event_id = ?1 AND plugin = ?2",
    [SQL_RETRY_DUE] =
        "SELECT " RETRY_COLUMNS " FROM handlings h JOIN events e ON e.id = h.event_id "
        "WHERE h.state = 'retry' AND h.due_ms <= ?1 "
        "ORDER BY h.due_ms, h.event_id, h.plugin LIMIT ?2",
    [SQL_RETRY_FIND] =
        "SELECT " RETRY_COLUMNS " FROM handlings h JOIN events e ON e.id = h.event_id "
        "WHERE h.event_id = ?1 AND h.plugin = ?2 AND h.state = 'retry'",
    [SQL_RETRY_CLAIM] = "UPDATE handlings SET attempts = attempts + 1, strikes = strikes + 1, "
                        "claimed = 1, due_ms = ?3 "
                        "WHERE event_id = ?1 AND plugin = ?2 AND state = 'retry'",
    [SQL_RETRIES_RELEASE] = "UPDATE handlings SET claimed = 0, due_ms = min(due_ms, ?1), "
                            "attempts = attempts - ?2, strikes = strikes - ?2 WHERE claimed = 1",
    [SQL_RETRY_NEXT_DUE] = "SELECT due_ms FROM handlings WHERE state = 'retry' "
                           "ORDER BY due_ms LIMIT 1",
    [SQL_RETRIES_FORWARD] = "UPDATE handlings SET due_ms = iif(claimed = 1, ?3, ?1) "
                            "WHERE state = 'retry' AND due_ms > ?2",

    [SQL_LETTER_LIST] =
        "SELECT " LETTER_COLUMNS " FROM handlings h JOIN events e ON e.id = h.event_id "
        "WHERE h.state = 'dead' AND (h.failed_ms, h.event_id, h.plugin) < (?1, ?2, ?3) "
        "ORDER BY h.failed_ms DESC, h.event_id DESC, h.plugin DESC LIMIT ?4",
    [SQL_LETTER_FIND] = "SELECT " LETTER_COLUMNS ", e.body "
                        "FROM handlings h JOIN events e ON e.id = h.event_id "
                        "WHERE h.event_id = ?1 AND h.plugin = ?2 AND h.state = 'dead'",
    [SQL_LETTER_COUNT] = "SELECT count(*) FROM handlings WHERE state = 'dead' AND failed_ms >= 0",
    [SQL_LETTER_REPLAY] = "UPDATE handlings SET " LETTER_IS_NEW ", due_ms = ?3 "
                          "WHERE event_id = ?1 AND plugin = ?2 AND state = 'dead'",
    [SQL_LETTERS_REPLAY] = "UPDATE handlings SET " LETTER_IS_NEW ", due_ms = ?3 "
                           "WHERE (event_id, plugin) IN (SELECT event_id, plugin FROM handlings "
                           "WHERE state = 'dead' AND failed_ms < ?1 ORDER BY failed_ms LIMIT ?2)",
    [SQL_LETTER_DROP] =
        "DELETE FROM handlings WHERE event_id = ?1 AND plugin = ?2 AND state = 'dead'",

    /* An event stays while a plugin is to handle it again, while its call is active, and while it is the newest:
     * the next one would get its number, and who has read up to there would miss it. */
    [SQL_PRUNE_LIST_EVENTS] =
        "SELECT received_ms, id, "
        "NOT EXISTS (SELECT 1 FROM handlings h WHERE h.event_id = e.id AND h.state = 'retry') "
        "AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.call_id = e.call_id "
        "AND c.finished_ms IS NULL AND c.status IS NOT NULL) "
        "AND id < (SELECT max(id) FROM events) "
        "FROM events e WHERE (received_ms, id) > (?1, ?2) AND received_ms < ?3 "
        "ORDER BY received_ms, id LIMIT ?4",
    /* A call stays while one of its actions has not ended, and while one of its events is to be handled
     * again: it would come back with that event alone. The lists are made once for all rows. */
    [SQL_PRUNE_LIST_CALLS] =
        "SELECT finished_ms, id, "
        "NOT EXISTS (SELECT 1 FROM actions WHERE call_id = c.call_id AND " ACTION_IS_UNSETTLED ") "
        "AND call_id NOT IN (SELECT call_id FROM actions WHERE state = 'pending') "
        "AND call_id NOT IN (SELECT e.call_id FROM handlings h JOIN events e ON e.id = h.event_id "
        "WHERE h.state = 'retry') "
        "FROM calls c WHERE finished_ms IS NOT NULL AND (finished_ms, id) > (?1, ?2) "
        "AND finished_ms < ?3 ORDER BY finished_ms, id LIMIT ?4",
    [SQL_PRUNE_LIST_ACTIONS] = "SELECT state_ms, id, 1 FROM actions "
                               "WHERE " ACTION_HAS_ENDED " AND (state_ms, id) > (?1, ?2) "
                               "AND state_ms < ?3 ORDER BY state_ms, id LIMIT ?4",
    [SQL_PRUNE_DEAD_LETTERS] = "SELECT count(*) FROM handlings WHERE event_id = ?1",
    [SQL_PRUNE_HANDLINGS] = "DELETE FROM handlings WHERE event_id = ?1",
    [SQL_PRUNE_EVENT_LINK] = "DELETE FROM call_events WHERE event = ?1 AND call = (SELECT c.id "
                             "FROM events e JOIN calls c ON c.call_id = e.call_id WHERE e.id = ?1)",
    [SQL_PRUNE_STRAY] = "DELETE FROM stray_events WHERE event = ?1 "
                        "AND call_id = (SELECT call_id FROM events WHERE id = ?1)",
    [SQL_PRUNE_EVENT] = "DELETE FROM events WHERE id = ?1",
    [SQL_PRUNE_PAYLOAD] = "DELETE FROM payloads WHERE call = ?1",
    [SQL_PRUNE_CALL_LINKS] = "INSERT INTO stray_events SELECT c.call_id, l.event FROM calls c "
                             "JOIN call_events l ON l.call = c.id WHERE c.id = ?1",
    [SQL_PRUNE_CALL_UNLINK] = "DELETE FROM call_events WHERE call = ?1",
    [SQL_PRUNE_CALL_ACTIONS] = "UPDATE actions SET call = NULL WHERE call = ?1",
    [SQL_PRUNE_CALL] = "DELETE FROM calls WHERE id = ?1",
    [SQL_PRUNE_ACTION] = "DELETE FROM actions WHERE id = ?1",
    [SQL_KPI_ADD] =
        "INSERT INTO kpi (minute, queue, max_wait_ms" KPI_SUM_COLUMNS ") "
        "VALUES (?, ?, ?" KPI_EACH_SUM(
            KPI_PARAM) ") "
                       "ON CONFLICT (minute, queue) DO UPDATE SET "
                       "max_wait_ms = max(kpi.max_wait_ms, excluded.max_wait_ms)" KPI_ADD_SUMS,
    /* The call that may have had the minute's longest wait, ?3, has waited less. */
    [SQL_KPI_LOWER] = "UPDATE kpi SET max_wait_ms = coalesce((SELECT max("
                      "max(0, coalesce(answered_ms, ended_ms) - offered_ms)) FROM calls "
                      "WHERE offered_ms >= ?1 * 60000 AND offered_ms < (?1 + 1) * 60000 "
                      "AND wait_queue = ?2), 0) "
                      "WHERE minute = ?1 AND queue = ?2 AND max_wait_ms <= ?3",
    [SQL_KPI_ADD_MINUTE] = "INSERT INTO kpi_minutes (minute, events, callers) VALUES (?1, ?2, ?3) "
                           "ON CONFLICT (minute) DO UPDATE SET events = events + ?2, "
                           "callers = callers + ?3",
    [SQL_KPI_ADD_ANSWERS] = "INSERT INTO kpi_actions (minute, upper_ms, n, max_ms) "
                            "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (minute, upper_ms) DO UPDATE "
                            "SET n = n + ?3, max_ms = max(max_ms, ?4)",
    [SQL_KPI_LIST] = "SELECT minute, queue, max_wait_ms" KPI_SUM_COLUMNS " "
                     "FROM kpi WHERE minute >= ?1 AND minute < ?2",
    [SQL_KPI_CALLERS] = "SELECT coalesce(sum(callers), 0) FROM kpi_minutes "
                        "WHERE minute >= ?1 AND minute < ?2",
    [SQL_KPI_EVENTS] = "SELECT coalesce(sum(events), 0) FROM kpi_minutes WHERE minute >= ?1",
    [SQL_KPI_ACTIONS] = "SELECT upper_ms, sum(n), max(max_ms) FROM kpi_actions "
                        "WHERE minute >= ?1 AND minute < ?2 GROUP BY upper_ms ORDER BY upper_ms",
};

const char *sqlite_statement_sql(enum sqlite_statement which)
{
    return statement_sql[which];
}

static int bind(sqlite3_stmt *stmt, int index, const struct sqlite_param *param)
{
    switch (param->type) {
    case PARAM_INT:
        return sqlite3_bind_int64(stmt, index, param->integer);
    case PARAM_TEXT:
        return sqlite3_bind_text(stmt, index, param->bytes, param->size, SQLITE_STATIC);
    case PARAM_BLOB:
        return sqlite3_bind_blob(stmt, index, param->bytes, param->size, SQLITE_STATIC);
    case PARAM_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, index);
}

int sqlite_query(struct sqlite_store *store, enum sqlite_statement which,
                 const struct sqlite_param *params, int count, sqlite3_stmt **out)
{
    sqlite3_stmt **slot = &store->statement[which];
    if (*slot == NULL && sqlite3_prepare_v3(store->db, statement_sql[which], -1,
                                            SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
        return sqlite_fail(store);
    for (int i = 0; i < count; i++) {
        if (bind(*slot, i + 1, &params[i]) != SQLITE_OK)
            return sqlite_fail(store);
    }
    *out = *slot;
    return 0;
}

int sqlite_next(struct sqlite_store *store, sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return 1;
    int result = code == SQLITE_DONE ? 0 : sqlite_fail(store);
    sqlite3_reset(stmt);
    return result;
}

int sqlite_run(struct sqlite_store *store, enum sqlite_statement which,
               const struct sqlite_param *params, int count)
{
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, which, params, count, &stmt);
    return result < 0 ? result : sqlite_next(store, stmt);
}

int sqlite_query_int(struct sqlite_store *store, enum sqlite_statement which, int64_t *out)
{
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, which, SQL_NO_PARAMS, &stmt);
    if (result < 0)
        return result;
    result = sqlite_next(store, stmt);
    if (result == 1) {
        *out = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
    }
    return result;
}

void sqlite_finalize_all(struct sqlite_store *store)
{
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statement[i]);
        store->statement[i] = NULL;
    }
}
