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

/* As put_call() fills them. */
#define CALL_ARRAYS                                                                                \
    "unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], "     \
    "$6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], "                   \
    "$12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], "             \
    "$16::timestamptz[], $17::text[])"

/* The body of the event e as it came: what json can't hold is kept as a string with its text. */
#define EVENT_BODY                                                                                 \
    "CASE json_typeof(e.body) WHEN 'string' THEN e.body #>> '{}' ELSE e.body::text END"

#define EVENT_COLUMNS "tx::text::int8, id, call_id, type, happened_at, received_at, " EVENT_BODY

/* Behind CALL_COLUMNS, for the indicators. */
#define CALL_TIMES ", waiting_at, answered_at, left_at, ended_at, wait_queue "

/* All transactions before it have ended. */
#define EVENT_IS_SETTLED "tx < pg_snapshot_xmin(pg_current_snapshot())"

/* The condition of the index actions_unsettled. */
#define ACTION_IS_UNSETTLED "(state IN ('sending', 'unknown') OR (state = 'pending' AND doubtful))"

#define ACTION_OF_A_IS_UNSETTLED                                                                   \
    "(a.state IN ('sending', 'unknown') OR (a.state = 'pending' AND a.doubtful))"

/* A condition that no partial index is looked for: the rows are found by their key, one by one. */
#define BY_KEY(condition) "CASE WHEN " condition " THEN true ELSE false END"

#define ACTION_WAS_LEFT   "'the worker left before the answer came'"
#define ACTION_IS_FREE    "owner = NULL, lease_until = NULL"

/* As take_retry() reads them. */
#define RETRY_COLUMNS                                                                              \
    "h.event_id, h.plugin, h.attempts, e.identity, e.call_id, e.type, e.happened_at, "             \
    "e.received_at, e.spool_seq, coalesce(h.body, " EVENT_BODY "), h.strikes, h.error "            \
    "FROM pbxhook.handlings h JOIN pbxhook.events e ON e.id = h.event_id "

/* As take_letter() reads them. */
#define LETTER_COLUMNS                                                                             \
    "h.event_id, h.plugin, h.error, e.call_id, e.type, h.failed_at, e.received_at, h.attempts "
#define LETTER_IS_NEW "state = 'retry', attempts = 0, strikes = 0, owner = NULL"

#define EVENTS_ADD(body)                                                                           \
    "INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, "       \
    "spool_seq, body) "                                                                            \
    "SELECT identity, call_id, type, happened, received, $1::text, seq, " body " "                 \
    "FROM unnest($2::bytea[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], "      \
    "$7::int8[], $8::text[]) WITH ORDINALITY "                                                     \
    "AS v (identity, call_id, type, happened, received, seq, body, place) "                        \
    "ORDER BY identity, place ON CONFLICT (identity) DO NOTHING RETURNING identity, id"

/* In the order of identities, which is that of the events' own times; $4 is such a time's identity. */
#define PRUNE_EVENTS(table, range)                                                                 \
    "SELECT identity, id, "                                                                        \
    "NOT EXISTS (SELECT FROM pbxhook.handlings h WHERE h.event_id = e.id AND h.state = 'retry') "  \
    "AND NOT EXISTS (SELECT FROM pbxhook.calls c WHERE c.call_id = e.call_id "                     \
    "AND c.finished_at IS NULL AND c.status IS NOT NULL) "                                         \
    "FROM " table " e WHERE identity > $1::bytea AND " range " "                                   \
    "AND received_at < $2::timestamptz ORDER BY identity LIMIT $3::int8 "                          \
    "FOR UPDATE OF e SKIP LOCKED"

#define KPI_ARRAYS                                                                                 \
    "$5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], "       \
    "$12::int8[], $13::int8[], $14::int8[], $15::int8[], $16::int8[], $17::int8[], $18::int8[], "  \
    "$19::int8[], $20::int8[], $21::int8[], $22::int8[], $23::int8[], $24::int8[], $25::int8[], "  \
    "$26::int8[]"

#define KPI_SUMMED_UP(column) ", sum(" #column ")::int8"

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

    [PG_EVENTS_ADD] = EVENTS_ADD("body::json"),
    [PG_EVENTS_ADD_SAFELY] = EVENTS_ADD("pbxhook.body(body)::json"),
    [PG_EVENTS_FIND] = "SELECT identity, id, spool = $2::text, spool_seq, received_at "
                       "FROM pbxhook.events WHERE identity = ANY ($1::bytea[])",
    [PG_EVENTS_DROP] = "DELETE FROM pbxhook.events WHERE identity = ANY ($1::bytea[])",

    [PG_EVENTS_LIST] = "SELECT " EVENT_COLUMNS " FROM pbxhook.events e "
                       "WHERE (tx, id) > ($1::int8::text::xid8, $2::int8) "
                       "AND " EVENT_IS_SETTLED " ORDER BY tx, id LIMIT $3::int8",
    [PG_EVENTS_NEWEST] = "SELECT tx::text::int8, id FROM pbxhook.events "
                         "WHERE " EVENT_IS_SETTLED " ORDER BY tx DESC, id DESC "
                         "OFFSET $1::int8 LIMIT 1",
    [PG_EVENTS_OF_CALL] = "SELECT " EVENT_COLUMNS " FROM pbxhook.events e WHERE call_id = $1::text "
                          "ORDER BY happened_at, id LIMIT $2::int8",

    [PG_CALLS_LOCK] =
        "SELECT " CALL_COLUMNS CALL_TIMES "FROM pbxhook.calls WHERE call_id = ANY ($1::text[]) "
        "ORDER BY call_id COLLATE \"C\" FOR NO KEY UPDATE",
    [PG_CALLS_ADD] =
        "INSERT INTO pbxhook.calls (call_id, status, status_at, finished_at, created_at, code, "
        "direction, our_number, their_number, queue, actor, waiting_at, answered_at, left_at, "
        "ended_at, offered_at, wait_queue) SELECT * FROM " CALL_ARRAYS
        " AS v (call_id) ORDER BY call_id COLLATE \"C\" "
        "ON CONFLICT (call_id) DO NOTHING",
    [PG_CALLS_UPDATE] =
        "UPDATE pbxhook.calls c SET status = v.status, status_at = v.status_at, "
        "finished_at = v.finished_at, created_at = v.created_at, code = v.code, "
        "direction = v.direction, our_number = v.our_number, their_number = v.their_number, "
        "queue = v.queue, actor = v.actor, waiting_at = v.waiting_at, answered_at = v.answered_at, "
        "left_at = v.left_at, ended_at = v.ended_at, offered_at = v.offered_at, "
        "wait_queue = v.wait_queue FROM " CALL_ARRAYS " AS v (call_id, status, status_at, "
        "finished_at, created_at, code, direction, our_number, their_number, queue, actor, "
        "waiting_at, answered_at, left_at, ended_at, offered_at, wait_queue) WHERE c.call_id = v.call_id",
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

    [PG_KPI_ADD] =
        "INSERT INTO pbxhook.kpi (shard, minute, queue, max_wait_ms" KPI_SUM_COLUMNS ") "
        "SELECT $1::int8, * FROM unnest($2::int8[], $3::text[], $4::int8[], " KPI_ARRAYS ") "
        "ON CONFLICT (minute, queue, shard) DO UPDATE SET "
        "max_wait_ms = greatest(kpi.max_wait_ms, excluded.max_wait_ms)" KPI_ADD_SUMS,
    [PG_KPI_LOCK] = "SELECT FROM pbxhook.kpi k "
                    "JOIN unnest($1::int8[], $2::text[], $3::int8[]) AS v (minute, queue, lowered) "
                    "ON k.minute = v.minute AND k.queue = v.queue "
                    "AND (v.lowered IS NOT NULL OR k.shard = $4::int8) "
                    "ORDER BY k.minute, k.queue COLLATE \"C\", k.shard FOR UPDATE OF k",
    [PG_KPI_LOWER] =
        "UPDATE pbxhook.kpi k SET max_wait_ms = coalesce((SELECT floor(extract(epoch FROM "
        "max(greatest(coalesce(answered_at, ended_at) - offered_at, interval '0'))) * 1000) "
        "FROM pbxhook.calls c WHERE c.offered_at >= to_timestamp(v.minute * 60) "
        "AND c.offered_at < to_timestamp(v.minute * 60 + 60) AND c.wait_queue = v.queue), 0) "
        "FROM unnest($1::int8[], $2::text[], $3::int8[]) AS v (minute, queue, lowered) "
        "WHERE k.minute = v.minute AND k.queue = v.queue AND k.max_wait_ms <= v.lowered",
    [PG_KPI_ADD_MINUTES] =
        "INSERT INTO pbxhook.kpi_minutes AS k (shard, minute, events, callers) "
        "SELECT $1::int8, * FROM unnest($2::int8[], $3::int8[], $4::int8[]) "
        "ON CONFLICT (minute, shard) DO UPDATE SET events = k.events + excluded.events, "
        "callers = k.callers + excluded.callers",
    [PG_KPI_ADD_ANSWERS] =
        "INSERT INTO pbxhook.kpi_actions AS k (shard, minute, upper_ms, n, max_ms) "
        "SELECT $1::int8, * FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[]) "
        "ON CONFLICT (minute, upper_ms, shard) DO UPDATE SET n = k.n + excluded.n, "
        "max_ms = greatest(k.max_ms, excluded.max_ms)",
    /* libpq holds the whole answer: summed up here it is as long as what is asked for, not as the time. */
    [PG_KPI_LIST] = "SELECT min(minute), queue, max(max_wait_ms)" KPI_EACH_SUM(
        KPI_SUMMED_UP) " "
                       "FROM pbxhook.kpi WHERE minute >= $1::int8 AND minute < $2::int8 "
                       "GROUP BY (minute - $1::int8) / $3::int8, queue",
    [PG_KPI_CALLERS] = "SELECT coalesce(sum(callers), 0)::int8 FROM pbxhook.kpi_minutes "
                       "WHERE minute >= $1::int8 AND minute < $2::int8",
    [PG_KPI_EVENTS] = "SELECT coalesce(sum(events), 0)::int8 FROM pbxhook.kpi_minutes "
                      "WHERE minute >= $1::int8 AND minute < $2::int8",
    [PG_KPI_ACTIONS] = "SELECT upper_ms, sum(n)::int8, max(max_ms) FROM pbxhook.kpi_actions "
                       "WHERE minute >= $1::int8 AND minute < $2::int8 "
                       "GROUP BY upper_ms ORDER BY upper_ms",

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
    /* Claimed as they are made: one row version less than to add them and claim them then. */
    [PG_ACTIONS_ADD_CLAIMED] =
        "INSERT INTO pbxhook.actions (key, call_id, event_id, state, state_at, delegate, due_at, "
        "received_at, expires_at, attempts, body, owner, lease_until) "
        "SELECT key, call_id, event_id, 'sending', $8::timestamptz, delegate, "
        "least(received, expires), received, expires, 1, body, $9::text, $10::timestamptz "
        "FROM unnest($1::text[], $2::text[], $3::int8[], $4::bool[], $5::timestamptz[], "
        "$6::timestamptz[], $7::text[]) "
        "AS v (key, call_id, event_id, delegate, received, expires, body) "
        "RETURNING id, key, call_id, body, received_at, expires_at, attempts, due_at, false, false",
    [PG_ACTIONS_CONFIRM] =
        "UPDATE pbxhook.actions a SET state = 'confirmed', state_at = v.since, " ACTION_IS_FREE " "
        "FROM unnest($1::int8[], $2::timestamptz[]) AS v (id, since) "
        "WHERE a.id = v.id AND " BY_KEY(
            ACTION_OF_A_IS_UNSETTLED) " "
                                      "RETURNING a.received_at, a.state_at",
    /* Those that are due first, or past their deadline: due_at is never behind it. */
    [PG_ACTIONS_CLAIM] =
        "UPDATE pbxhook.actions a SET state = CASE WHEN NOT d.is_late THEN 'sending' "
        "WHEN a.doubtful THEN 'unknown' ELSE 'expired' END, state_at = $1::timestamptz, "
        "attempts = attempts + CASE WHEN d.is_late THEN 0 ELSE 1 END, "
        "expires_at = least(expires_at, $5::timestamptz), "
        "owner = CASE WHEN NOT d.is_late THEN $3::text END, "
        "lease_until = CASE WHEN NOT d.is_late THEN $4::timestamptz END "
        "FROM (SELECT id, expires_at <= $1::timestamptz AS is_late FROM pbxhook.actions "
        "WHERE state = 'pending' AND due_at <= $1::timestamptz "
        "ORDER BY due_at, id LIMIT $2::int8 FOR UPDATE SKIP LOCKED) AS d WHERE a.id = d.id "
        "RETURNING a.id, key, call_id, body, received_at, expires_at, attempts, due_at, d.is_late, "
        "a.doubtful",
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
        "WHERE a.id = v.id AND " BY_KEY(
            "a.state = 'sending' AND a.owner = $8::text") " "
                                                          "RETURNING a.id, " ACTION_OF_A_IS_UNSETTLED,
    [PG_ACTIONS_ANNOTATE] =
        "UPDATE pbxhook.actions a SET http_status = v.http_status, detail = v.detail "
        "FROM unnest($1::int8[], $2::int4[], $3::text[]) AS v (id, http_status, detail) "
        "WHERE a.id = v.id AND " BY_KEY("a.state = 'confirmed'"),
    [PG_ACTIONS_ABANDON] =
        "UPDATE pbxhook.actions SET state = 'unknown', state_at = $1::timestamptz, "
        "detail = CASE WHEN state = 'sending' THEN " ACTION_WAS_LEFT
        " ELSE detail END, " ACTION_IS_FREE " WHERE " ACTION_IS_UNSETTLED " AND state <> 'unknown' "
        "AND (state = 'pending' OR owner = $3::text) "
        "AND (NOT $2::bool OR expires_at <= $1::timestamptz) RETURNING id, call_id, attempts",
    [PG_ACTIONS_DOUBT] = "UPDATE pbxhook.actions SET state = 'pending', doubtful = true, "
                         "state_at = $1::timestamptz, due_at = least(due_at, $1::timestamptz), "
                         "detail = " ACTION_WAS_LEFT ", " ACTION_IS_FREE " "
                         "WHERE state = 'sending' AND owner = $2::text",
    [PG_ACTIONS_NEXT_DUE] = "SELECT (SELECT due_at FROM pbxhook.actions WHERE state = 'pending' "
                            "ORDER BY due_at LIMIT 1), (SELECT lease_until FROM pbxhook.actions "
                            "WHERE state = 'sending' ORDER BY lease_until LIMIT 1)",
    /* Who has one in hand now sees to it himself. */
    [PG_ACTIONS_FORWARD] =
        "UPDATE pbxhook.actions a SET due_at = least($1::timestamptz, expires_at), "
        "expires_at = least(expires_at, $2::timestamptz) "
        "FROM (SELECT id FROM pbxhook.actions WHERE state = 'pending' AND due_at > $2::timestamptz "
        "FOR UPDATE SKIP LOCKED) AS d WHERE a.id = d.id",
    [PG_LEASES_FORWARD] =
        "UPDATE pbxhook.actions a SET lease_until = $1::timestamptz "
        "FROM (SELECT id FROM pbxhook.actions WHERE state = 'sending' "
        "AND lease_until > $2::timestamptz FOR UPDATE SKIP LOCKED) AS d WHERE a.id = d.id",
    [PG_ACTIONS_LOCK] = "SELECT id FROM pbxhook.actions WHERE id = ANY ($1::int8[]) ORDER BY id "
                        "FOR UPDATE",
    [PG_CLAIMS_UNDO] =
        "UPDATE pbxhook.actions SET state = 'pending', attempts = attempts - 1, " ACTION_IS_FREE
        " WHERE id = ANY ($1::int8[]) AND state = 'sending' "
        "AND owner = $2::text",

    [PG_RETRIES_PUT] =
        "INSERT INTO pbxhook.handlings AS h (event_id, plugin, state, attempts, due_at, failed_at, "
        "error, body, strikes) SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::int4[], "
        "$5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[], $9::int4[]) "
        "AS v (event_id, plugin) "
        "ORDER BY event_id, plugin COLLATE \"C\" "
        "ON CONFLICT (event_id, plugin) DO UPDATE SET state = excluded.state, "
        "attempts = excluded.attempts, due_at = excluded.due_at, failed_at = excluded.failed_at, "
        "error = excluded.error, body = coalesce(h.body, excluded.body), "
        "strikes = excluded.strikes, owner = NULL",
    [PG_RETRIES_DONE] = "DELETE FROM pbxhook.handlings h USING unnest($1::int8[], $2::text[]) "
                        "AS v (event_id, plugin) "
                        "WHERE h.event_id = v.event_id AND h.plugin = v.plugin",
    [PG_RETRY_FIND] = "SELECT " RETRY_COLUMNS
                      "WHERE h.event_id = $1::int8 AND h.plugin = $2::text AND h.state = 'retry' "
                      /* A commit that is still under way comes to its end first. */
                      "FOR UPDATE OF h",
    [PG_RETRY_CLAIM] = "UPDATE pbxhook.handlings SET attempts = attempts + 1, "
                       "strikes = strikes + 1, owner = $4::text, due_at = $3::timestamptz "
                       "WHERE event_id = $1::int8 AND plugin = $2::text AND state = 'retry'",
    [PG_RETRIES_RELEASE] = "UPDATE pbxhook.handlings SET owner = NULL, "
                           "due_at = least(due_at, $1::timestamptz), "
                           "attempts = attempts - $3::int8, strikes = strikes - $3::int8 "
                           "WHERE owner = $2::text",
    [PG_LETTERS_LIST] =
        "SELECT " LETTER_COLUMNS "FROM pbxhook.handlings h "
        "JOIN pbxhook.events e ON e.id = h.event_id WHERE h.state = 'dead' "
        "AND (h.failed_at, h.event_id, h.plugin COLLATE \"C\") "
        "< ($1::timestamptz, $2::int8, $3::text COLLATE \"C\") "
        "ORDER BY h.failed_at DESC, h.event_id DESC, h.plugin COLLATE \"C\" DESC LIMIT $4::int8",
    [PG_LETTER_FIND] = "SELECT " LETTER_COLUMNS ", coalesce(h.body, " EVENT_BODY ") "
                       "FROM pbxhook.handlings h JOIN pbxhook.events e ON e.id = h.event_id "
                       "WHERE h.event_id = $1::int8 AND h.plugin = $2::text AND h.state = 'dead'",
    [PG_LETTERS_COUNT] = "SELECT count(*) FROM pbxhook.handlings WHERE state = 'dead'",
    [PG_LETTER_REPLAY] = "UPDATE pbxhook.handlings SET " LETTER_IS_NEW ", due_at = $3::timestamptz "
                         "WHERE event_id = $1::int8 AND plugin = $2::text AND state = 'dead'",
    [PG_LETTERS_REPLAY] =
        "UPDATE pbxhook.handlings SET " LETTER_IS_NEW ", due_at = $3::timestamptz "
        "WHERE (event_id, plugin) IN (SELECT event_id, plugin FROM pbxhook.handlings "
        "WHERE state = 'dead' AND failed_at < $1::timestamptz ORDER BY failed_at "
        "LIMIT $2::int8 FOR UPDATE SKIP LOCKED)",
    [PG_LETTER_DROP] = "DELETE FROM pbxhook.handlings "
                       "WHERE event_id = $1::int8 AND plugin = $2::text AND state = 'dead'",
    [PG_RETRIES_DUE] =
        "SELECT " RETRY_COLUMNS "WHERE h.state = 'retry' AND h.due_at <= $1::timestamptz "
        "ORDER BY h.due_at, h.event_id, h.plugin LIMIT $2::int8 FOR UPDATE OF h SKIP LOCKED",
    [PG_RETRIES_NEXT_DUE] = "SELECT due_at FROM pbxhook.handlings WHERE state = 'retry' "
                            "ORDER BY due_at LIMIT 1",
    [PG_RETRIES_FORWARD] =
        "UPDATE pbxhook.handlings h "
        "SET due_at = CASE WHEN owner IS NULL THEN $1::timestamptz ELSE $3::timestamptz END "
        "FROM (SELECT event_id, plugin FROM pbxhook.handlings WHERE state = 'retry' "
        "AND due_at > $2::timestamptz FOR UPDATE SKIP LOCKED) AS d "
        "WHERE h.event_id = d.event_id AND h.plugin = d.plugin",

    /* The name says the month; only of what has such a name. */
    [PG_PRUNE_MONTHS] =
        "SELECT relname::text, month_end FROM (SELECT c.relname, "
        "CASE WHEN c.relname ~ '^events_[0-9]{4}_[0-9]{2}$' "
        "THEN (to_date(substr(c.relname, 8), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' "
        "END AS month_end FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'pbxhook.events'::regclass) AS m "
        "WHERE month_end <= $1::timestamptz ORDER BY month_end LIMIT 1",
    [PG_PRUNE_MONTH_NEEDED] =
        "SELECT (EXISTS (SELECT FROM pbxhook.calls WHERE finished_at IS NULL "
        "AND status IS NOT NULL AND created_at < $1::timestamptz) "
        "OR EXISTS (SELECT FROM pbxhook.handlings h JOIN pbxhook.events e ON e.id = h.event_id "
        "WHERE h.state = 'retry' AND e.happened_at < $1::timestamptz))::int::int8",
    [PG_PRUNE_EVENTS] = PRUNE_EVENTS("pbxhook.events", "identity < $4::bytea"),
    [PG_PRUNE_STRAY_EVENTS] = PRUNE_EVENTS("pbxhook.events_other", "identity >= $4::bytea"),
    /* A call stays while one of its actions has not ended, and while one of its events is to be handled
     * again: it would come back with that event alone. The lists are made once for all rows. */
    [PG_PRUNE_CALLS] =
        "SELECT finished_at, id, "
        "NOT EXISTS (SELECT FROM pbxhook.actions a WHERE a.call_id = c.call_id "
        "AND " ACTION_OF_A_IS_UNSETTLED ") "
        "AND call_id <> ALL (ARRAY(SELECT call_id FROM pbxhook.actions WHERE state = 'pending')) "
        "AND call_id <> ALL (ARRAY(SELECT e.call_id FROM pbxhook.handlings h "
        "JOIN pbxhook.events e ON e.id = h.event_id WHERE h.state = 'retry')) "
        "FROM pbxhook.calls c WHERE finished_at IS NOT NULL "
        "AND (finished_at, id) > ($1::timestamptz, $2::int8) AND finished_at < $3::timestamptz "
        "ORDER BY finished_at, id LIMIT $4::int8 FOR UPDATE OF c SKIP LOCKED",
    [PG_PRUNE_ACTIONS] =
        "SELECT state_at, id, true FROM pbxhook.actions "
        "WHERE state IN ('delivered', 'confirmed', 'rejected', 'expired') "
        "AND (state_at, id) > ($1::timestamptz, $2::int8) AND state_at < $3::timestamptz "
        "ORDER BY state_at, id LIMIT $4::int8 FOR UPDATE SKIP LOCKED",
    [PG_PRUNE_LETTERS] = "SELECT count(*) FROM pbxhook.handlings WHERE event_id = ANY ($1::int8[])",
    [PG_PRUNE_HANDLINGS] = "DELETE FROM pbxhook.handlings WHERE event_id = ANY ($1::int8[])",
    [PG_PRUNE_PAYLOADS_REMOVE] = "DELETE FROM pbxhook.payloads WHERE call = ANY ($1::int8[])",
    [PG_PRUNE_CALLS_REMOVE] = "DELETE FROM pbxhook.calls WHERE id = ANY ($1::int8[])",
    [PG_PRUNE_ACTIONS_REMOVE] = "DELETE FROM pbxhook.actions WHERE id = ANY ($1::int8[])",
};

const char *pg_statement_sql(enum pg_statement which)
{
    return statement_sql[which];
}
