-- The indicators (GET /api/dashboard/kpi) are kept while calls happen, so that a day of them is read without a
-- look at its calls. A call's milestones stand in its row; whatever changes one of them takes what the call
-- had added away and adds what it is now, so late, missing and repeated events leave the sums exact. That is
-- done by core/store/kpi.c, once a transaction.

-- waiting_ms: first call.waiting, in wait_queue. answered_ms: first actor.entered or call.ongoing. left_ms and
-- ended_ms: last actor.left and call.finished. offered_ms: the earlier of waiting_ms and answered_ms. All by the
-- PBX's clock. A call is counted in the minute, and the queue, of its first wait.
ALTER TABLE calls ADD COLUMN waiting_ms INTEGER;
ALTER TABLE calls ADD COLUMN wait_queue TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN answered_ms INTEGER;
ALTER TABLE calls ADD COLUMN left_ms INTEGER;
ALTER TABLE calls ADD COLUMN ended_ms INTEGER;
ALTER TABLE calls ADD COLUMN offered_ms INTEGER;

-- For a minute's longest wait when the call that had it turns out to have waited less.
CREATE INDEX calls_offered ON calls (offered_ms) WHERE offered_ms IS NOT NULL;

-- Sums of a minute and queue. answered_20: answered within 20 s; abandoned_20: abandoned within 20 s.
CREATE TABLE kpi (
    minute INTEGER NOT NULL,      -- since 1970
    queue TEXT NOT NULL,
    max_wait_ms INTEGER NOT NULL,
    offered INTEGER NOT NULL, answered INTEGER NOT NULL, abandoned INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL, talked INTEGER NOT NULL, talk_ms INTEGER NOT NULL,
    handled INTEGER NOT NULL, handle_ms INTEGER NOT NULL, answered_5 INTEGER NOT NULL,
    answered_10 INTEGER NOT NULL, answered_15 INTEGER NOT NULL, answered_20 INTEGER NOT NULL,
    answered_30 INTEGER NOT NULL, answered_60 INTEGER NOT NULL, answered_120 INTEGER NOT NULL,
    abandoned_5 INTEGER NOT NULL, abandoned_10 INTEGER NOT NULL, abandoned_15 INTEGER NOT NULL,
    abandoned_20 INTEGER NOT NULL, abandoned_30 INTEGER NOT NULL, abandoned_60 INTEGER NOT NULL,
    abandoned_120 INTEGER NOT NULL,
    PRIMARY KEY (minute, queue)
) STRICT, WITHOUT ROWID;

-- How many events arrived, and callers were made known, in a minute.
CREATE TABLE kpi_minutes (
    minute INTEGER PRIMARY KEY,
    events INTEGER NOT NULL,
    callers INTEGER NOT NULL
) STRICT;
INSERT INTO kpi_minutes SELECT minute, sum(events), sum(callers) FROM (
    SELECT received_ms / 60000 AS minute, 1 AS events, 0 AS callers FROM events
    UNION ALL SELECT created_ms / 60000, 0, 1 FROM users)
    GROUP BY minute;

-- How long the PBX's answers to actions took from the arrival of the event that asked for them: a histogram.
-- upper_ms is a bucket's bound; the last has none.
CREATE TABLE kpi_actions (
    minute INTEGER NOT NULL,      -- of the event's arrival
    upper_ms INTEGER NOT NULL,
    n INTEGER NOT NULL,
    max_ms INTEGER NOT NULL,
    PRIMARY KEY (minute, upper_ms)
) STRICT, WITHOUT ROWID;
