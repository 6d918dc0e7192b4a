/*
 * postgres_statements.c: every statement of pbxhook's own, in one place so that it can be read beside the
 * schema. They name the schema: a plugin may have a table of any name. Rows are locked in an order that is
 * the same in every pbxhook, so that two batches wait for each other in one direction only.
 */
#include "store/postgres_internal.h"

#define CALL_COLUMNS                                                                               \
    "call_id, code, direction, our_number, their_number, queue, actor, status, created_at, "       \
    "status_at, id"

/* What all lists of calls ask: $1, $2 the place before which, $3 since when, $4 states, $5 queue, $6 number. */
#define CALL_IS_WANTED                                                                              \
    "(created_at, id) < ($1::timestamptz, $2::int8) AND created_at >= $3::timestamptz "             \
    "AND status IS NOT NULL AND ($4::text = '' OR position(',' || status || ',' IN $4::text) > 0) " \
    "AND ($5::text = '' OR queue = $5::text) AND ($6::text = '' OR their_number = $6::text) "       \
    "ORDER BY created_at DESC, id DESC LIMIT $7::int8"

#define EVENT_COLUMNS                                                                              \
    "tx::text::int8, id, call_id, type, happened_at, received_at, "                                \
    "CASE jsonb_typeof(body) WHEN 'string' THEN body #>> '{}' ELSE body::text END"

/* All transactions before it have ended. */
#define EVENT_IS_SETTLED "tx < pg_snapshot_xmin(pg_current_snapshot())"

/* The condition of the index actions_unsettled. */
#define ACTION_IS_UNSETTLED "(state IN ('sending', 'unknown') OR (state = 'pending' AND doubtful))"

#define ACTION_OF_A_IS_UNSETTLED                                                                   \
    "(a.state IN ('sending', 'unknown') OR (a.state = 'pending' AND a.doubtful))"

#define ACTION_WAS_LEFT "'the worker left before the answer came'"
#define ACTION_IS_FREE  "owner = NULL, lease_until = NULL"

#define EVENTS_ADD(body)                                                                           \
    "INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, "       \
    "spool_seq, body) "                                                                            \
    "SELECT identity, call_id, type, happened, received, $1::text, seq, " body " "                 \
    "FROM unnest($2::bytea[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], "      \
    "$7::int8[], $8::text[]) WITH ORDINALITY "                                                     \
    "AS v (identity, call_id, type, happened, received, seq, body, place) "                        \
    "ORDER BY identity, place ON CONFLICT (identity) DO NOTHING RETURNING identity, id"

#define SETTINGS(plugin, planner, cache)                                                           \
    "SELECT set_config('pbxhook.plugin', '" plugin "', true), "                                    \
    "set_config('enable_seqscan', '" planner "', true), "                                          \
    "set_config('enable_hashjoin', '" planner "', true), "                                         \
    "set_config('enable_mergejoin', '" planner "', true), "                                        \
    "set_config('plan_cache_mode', '" cache "', true)"

static const char *const statement_sql[PG_STATEMENT_COUNT] = {
    [PG_BEGIN] = "BEGIN",
    [PG_COMMIT] = "COMMIT",
    [PG_ROLLBACK] = "ROLLBACK",
    [PG_SAVEPOINT_OPEN] = "SAVEPOINT handling",
    [PG_SAVEPOINT_RELEASE] = "RELEASE handling",
    [PG_SAVEPOINT_UNDO] = "ROLLBACK TO handling",
    [PG_STATEMENT_OPEN] = "SAVEPOINT statement",
    [PG_STATEMENT_RELEASE] = "RELEASE statement",
    [PG_STATEMENT_UNDO] = "ROLLBACK TO statement",
    [PG_GUARD_ON] = SETTINGS("on", "on", "auto"),
    [PG_GUARD_OFF] = SETTINGS("off", "off", "force_generic_plan"),
    [PG_DDL_LOCK] = "SELECT pg_advisory_xact_lock(" PG_ADVISORY_KEY ")",

    [PG_EVENTS_ADD] = EVENTS_ADD("body::jsonb"),
    [PG_EVENTS_ADD_SAFELY] = EVENTS_ADD("pbxhook.body(body)"),
    [PG_EVENTS_FIND] = "SELECT identity, id, spool = $2::text, spool_seq, received_at "
                       "FROM pbxhook.events WHERE identity = ANY ($1::bytea[])",
    [PG_EVENTS_DROP] = "DELETE FROM pbxhook.events WHERE identity = ANY ($1::bytea[])",

    [PG_EVENTS_LIST] = "SELECT " EVENT_COLUMNS " FROM pbxhook.events "
                       "WHERE (tx, id) > ($1::int8::text::xid8, $2::int8) "
                       "AND " EVENT_IS_SETTLED " ORDER BY tx, id LIMIT $3::int8",
    [PG_EVENTS_NEWEST] = "SELECT tx::text::int8, id FROM pbxhook.events "
                         "WHERE " EVENT_IS_SETTLED " ORDER BY tx DESC, id DESC "
                         "OFFSET $1::int8 LIMIT 1",
    [PG_EVENTS_OF_CALL] = "SELECT " EVENT_COLUMNS " FROM pbxhook.events WHERE call_id = $1::text "
                          "ORDER BY happened_at, id LIMIT $2::int8",

    [PG_CALLS_LOCK] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls WHERE call_id = ANY ($1::text[]) "
                      "ORDER BY call_id COLLATE \"C\" FOR NO KEY UPDATE",
    [PG_CALLS_ADD] =
        "INSERT INTO pbxhook.calls (call_id, status, status_at, finished_at, created_at, code, "
        "direction, our_number, their_number, queue, actor) "
        "SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], "
        "$5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], "
        "$11::text[]) AS v (call_id) ORDER BY call_id COLLATE \"C\" "
        "ON CONFLICT (call_id) DO NOTHING",
    [PG_CALLS_UPDATE] =
        "UPDATE pbxhook.calls c SET status = v.status, status_at = v.status_at, "
        "finished_at = v.finished_at, created_at = v.created_at, code = v.code, "
        "direction = v.direction, our_number = v.our_number, their_number = v.their_number, "
        "queue = v.queue, actor = v.actor "
        "FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], "
        "$5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], "
        "$11::text[]) AS v (call_id, status, status_at, finished_at, created_at, code, direction, "
        "our_number, their_number, queue, actor) WHERE c.call_id = v.call_id",
    [PG_CALL_FIND] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls WHERE call_id = $1::text",
    [PG_CALLS_ACTIVE] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls WHERE finished_at IS NULL "
                        "AND status IS NOT NULL ORDER BY call_id COLLATE \"C\"",
    [PG_CALLS_LIST] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls WHERE " CALL_IS_WANTED,
    [PG_CALLS_LIST_BY_NUMBER] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls "
                                "WHERE their_number = $6::text AND their_number <> '' "
                                "AND " CALL_IS_WANTED,
    [PG_CALLS_LIST_BY_QUEUE] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls "
                               "WHERE queue = $5::text AND queue <> '' AND " CALL_IS_WANTED,
    [PG_CALLS_LIST_UNFINISHED] = "SELECT " CALL_COLUMNS " FROM pbxhook.calls "
                                 "WHERE finished_at IS NULL AND " CALL_IS_WANTED,
    [PG_PAYLOADS_ADD] =
        "INSERT INTO pbxhook.payloads (call, payload) "
        "SELECT c.id, CASE WHEN v.is_plain THEN v.body::jsonb ELSE pbxhook.body(v.body) END "
        "FROM unnest($1::text[], $2::text[], $3::bool[]) AS v (call_id, body, is_plain) "
        "JOIN pbxhook.calls c ON c.call_id = v.call_id ON CONFLICT (call) DO NOTHING",

    [PG_USERS_FIND] = "SELECT number, id, created_at FROM pbxhook.users "
                      "WHERE number = ANY ($1::text[])",
    [PG_USERS_ADD] = "INSERT INTO pbxhook.users (id, number, created_at) "
                     "SELECT * FROM unnest($1::int8[], $2::text[], $3::timestamptz[]) "
                     "AS v (id, number) ORDER BY number COLLATE \"C\" "
                     "ON CONFLICT (number) DO NOTHING",
    [PG_USER_IDS] = "SELECT nextval('pbxhook.users_id_seq') FROM generate_series(1, $1::int8)",

    [PG_COUNTS_ADD] = "INSERT INTO pbxhook.counts (name, shard, n) "
                      "SELECT name, $1::int8, n FROM unnest($2::text[], $3::int8[]) AS v (name, n) "
                      "ORDER BY name COLLATE \"C\" "
                      "ON CONFLICT (name, shard) DO UPDATE SET n = counts.n + excluded.n",
    [PG_COUNTS_LIST] = "SELECT name, sum(n)::int8 FROM pbxhook.counts GROUP BY name",

    [PG_ACTIONS_UNSETTLED] = "SELECT id, call_id FROM pbxhook.actions "
                             "WHERE call_id = ANY ($1::text[]) AND " ACTION_IS_UNSETTLED " "
                             "AND delegate",
    [PG_ACTIONS_OF_CALL] =
        "SELECT id, event_id, state, state_at, received_at, attempts, coalesce(http_status, 0), "
        "coalesce(detail, ''), body FROM pbxhook.actions WHERE call_id = $1::text "
        "ORDER BY id LIMIT $2::int8",
    [PG_ACTIONS_ADD] =
        "INSERT INTO pbxhook.actions (key, call_id, event_id, state, state_at, delegate, due_at, "
        "received_at, expires_at, attempts, body) "
        "SELECT key, call_id, event_id, 'pending', received, delegate, least(received, expires), "
        "received, expires, 0, body "
        "FROM unnest($1::text[], $2::text[], $3::int8[], $4::bool[], $5::timestamptz[], "
        "$6::timestamptz[], $7::text[]) "
        "AS v (key, call_id, event_id, delegate, received, expires, body)",
    [PG_ACTIONS_CONFIRM] =
        "UPDATE pbxhook.actions a SET state = 'confirmed', state_at = v.since, " ACTION_IS_FREE " "
        "FROM unnest($1::int8[], $2::timestamptz[]) AS v (id, since) "
        "WHERE a.id = v.id AND " ACTION_OF_A_IS_UNSETTLED,
    [PG_ACTIONS_EXPIRE] =
        "UPDATE pbxhook.actions a SET state = CASE WHEN doubtful THEN 'unknown' ELSE 'expired' END, "
        "state_at = $1::timestamptz FROM (SELECT id FROM pbxhook.actions "
        "WHERE state = 'pending' AND due_at <= $1::timestamptz AND expires_at <= $1::timestamptz "
        "ORDER BY due_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED) AS d "
        "WHERE a.id = d.id RETURNING a.doubtful",
    [PG_ACTIONS_CLAIM] =
        "UPDATE pbxhook.actions a SET state = 'sending', state_at = $1::timestamptz, "
        "attempts = attempts + 1, owner = $3::text, lease_until = $4::timestamptz "
        "FROM (SELECT id FROM pbxhook.actions WHERE state = 'pending' "
        "AND due_at <= $1::timestamptz AND expires_at > $1::timestamptz "
        "ORDER BY due_at, id LIMIT $2::int8 FOR UPDATE SKIP LOCKED) AS d WHERE a.id = d.id "
        "RETURNING a.id, key, call_id, body, received_at, expires_at, attempts, due_at",
    /* What its owner did not settle in time: it is gone, or was cut off. */
    [PG_ACTIONS_LEASES] =
        "UPDATE pbxhook.actions a SET "
        "state = CASE WHEN $2::bool AND expires_at > $1::timestamptz THEN 'pending' "
        "ELSE 'unknown' END, "
        "doubtful = doubtful OR ($2::bool AND expires_at > $1::timestamptz), "
        "state_at = $1::timestamptz, due_at = least(due_at, $1::timestamptz), " ACTION_IS_FREE ", "
        "detail = " ACTION_WAS_LEFT " "
        "FROM (SELECT id FROM pbxhook.actions WHERE state = 'sending' "
        "AND lease_until <= $1::timestamptz ORDER BY lease_until LIMIT 1000 "
        "FOR UPDATE SKIP LOCKED) AS d WHERE a.id = d.id RETURNING a.state = 'unknown'",
    [PG_ACTIONS_SETTLE] =
        "UPDATE pbxhook.actions a SET state_at = v.since, "
        "state = CASE WHEN v.state = 'expired' AND a.doubtful THEN 'unknown' ELSE v.state END, "
        "doubtful = a.doubtful OR v.doubtful, "
        "due_at = CASE WHEN v.state = 'pending' THEN least(v.due, a.expires_at) ELSE a.due_at END, "
        "http_status = v.http_status, detail = v.detail, " ACTION_IS_FREE " "
        "FROM unnest($1::int8[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::int4[], "
        "$6::text[], $7::bool[]) AS v (id, state, since, due, http_status, detail, doubtful) "
        "WHERE a.id = v.id AND a.state = 'sending' AND a.owner = $8::text "
        "RETURNING a.id, " ACTION_OF_A_IS_UNSETTLED,
    [PG_ACTIONS_ANNOTATE] =
        "UPDATE pbxhook.actions a SET http_status = v.http_status, detail = v.detail "
        "FROM unnest($1::int8[], $2::int4[], $3::text[]) AS v (id, http_status, detail) "
        "WHERE a.id = v.id AND a.state = 'confirmed'",
    [PG_ACTIONS_ABANDON] =
        "UPDATE pbxhook.actions SET state = 'unknown', state_at = $1::timestamptz, "
        "detail = CASE WHEN state = 'sending' THEN " ACTION_WAS_LEFT
        " ELSE detail END, " ACTION_IS_FREE " WHERE " ACTION_IS_UNSETTLED " AND state <> 'unknown' "
        "AND (state = 'pending' OR owner = $3::text) "
        "AND (NOT $2::bool OR expires_at <= $1::timestamptz)",
    [PG_ACTIONS_DOUBT] = "UPDATE pbxhook.actions SET state = 'pending', doubtful = true, "
                         "state_at = $1::timestamptz, due_at = least(due_at, $1::timestamptz), "
                         "detail = " ACTION_WAS_LEFT ", " ACTION_IS_FREE " "
                         "WHERE state = 'sending' AND owner = $2::text",
    [PG_ACTIONS_NEXT_DUE] =
        "SELECT least((SELECT due_at FROM pbxhook.actions WHERE state = 'pending' "
        "ORDER BY due_at LIMIT 1), (SELECT lease_until FROM pbxhook.actions "
        "WHERE state = 'sending' ORDER BY lease_until LIMIT 1))",
    [PG_CLAIMS_LOCK] = "SELECT id FROM pbxhook.actions WHERE id = ANY ($1::int8[]) ORDER BY id "
                       "FOR UPDATE",
    [PG_CLAIMS_UNDO] =
        "UPDATE pbxhook.actions SET state = 'pending', attempts = attempts - 1, " ACTION_IS_FREE
        " WHERE id = ANY ($1::int8[]) AND state = 'sending' "
        "AND owner = $2::text",

    [PG_RETRIES_PUT] =
        "INSERT INTO pbxhook.handlings AS h (event_id, plugin, state, attempts, due_at, failed_at, "
        "error, body) SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::int4[], "
        "$5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[]) AS v (event_id, plugin) "
        "ORDER BY event_id, plugin COLLATE \"C\" "
        "ON CONFLICT (event_id, plugin) DO UPDATE SET state = excluded.state, "
        "attempts = excluded.attempts, due_at = excluded.due_at, failed_at = excluded.failed_at, "
        "error = excluded.error, body = coalesce(h.body, excluded.body)",
    [PG_RETRIES_DONE] = "DELETE FROM pbxhook.handlings h USING unnest($1::int8[], $2::text[]) "
                        "AS v (event_id, plugin) "
                        "WHERE h.event_id = v.event_id AND h.plugin = v.plugin",
    [PG_RETRIES_DUE] =
        "SELECT h.event_id, h.plugin, h.attempts, e.identity, e.call_id, e.type, e.happened_at, "
        "e.received_at, e.spool_seq, coalesce(h.body, "
        "CASE jsonb_typeof(e.body) WHEN 'string' THEN e.body #>> '{}' ELSE e.body::text END) "
        "FROM pbxhook.handlings h JOIN pbxhook.events e ON e.id = h.event_id "
        "WHERE h.state = 'retry' AND h.due_at <= $1::timestamptz "
        "ORDER BY h.due_at, h.event_id, h.plugin LIMIT $2::int8 FOR UPDATE OF h SKIP LOCKED",
    [PG_RETRIES_NEXT_DUE] = "SELECT due_at FROM pbxhook.handlings WHERE state = 'retry' "
                            "ORDER BY due_at LIMIT 1",
};

const char *pg_statement_sql(enum pg_statement which)
{
    return statement_sql[which];
}
