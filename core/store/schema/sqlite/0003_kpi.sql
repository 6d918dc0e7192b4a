-- The indicators (GET /api/dashboard/kpi) are kept while calls happen, so that a day of them is read without a
-- look at its calls. A call's milestones stand in its row; whatever changes one of them takes what the call
-- had added away and adds what it is now, so late, missing and repeated events leave the sums exact.

-- waiting_ms: first call.waiting, in wait_queue. answered_ms: first actor.entered or call.ongoing. left_ms and
-- ended_ms: last actor.left and call.finished. All by the PBX's clock.
ALTER TABLE calls ADD COLUMN waiting_ms INTEGER;
ALTER TABLE calls ADD COLUMN wait_queue TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN answered_ms INTEGER;
ALTER TABLE calls ADD COLUMN left_ms INTEGER;
ALTER TABLE calls ADD COLUMN ended_ms INTEGER;

-- Offered is a call that waited or was answered. It is counted in the minute, and the queue, of its first wait.
ALTER TABLE calls ADD COLUMN offered_ms INTEGER AS
    (min(coalesce(waiting_ms, answered_ms), coalesce(answered_ms, waiting_ms))) VIRTUAL;
ALTER TABLE calls ADD COLUMN is_answered INTEGER AS (answered_ms IS NOT NULL) VIRTUAL;
ALTER TABLE calls ADD COLUMN is_abandoned INTEGER AS
    (answered_ms IS NULL AND waiting_ms IS NOT NULL AND ended_ms IS NOT NULL) VIRTUAL;
-- Of an answered or abandoned call.
ALTER TABLE calls ADD COLUMN wait_ms INTEGER AS
    (max(0, coalesce(answered_ms, ended_ms) - min(coalesce(waiting_ms, answered_ms),
                                                  coalesce(answered_ms, waiting_ms)))) VIRTUAL;
ALTER TABLE calls ADD COLUMN talk_ms INTEGER AS (max(0, coalesce(left_ms, ended_ms) - answered_ms)) VIRTUAL;
ALTER TABLE calls ADD COLUMN handle_ms INTEGER AS (max(0, ended_ms - answered_ms)) VIRTUAL;

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

CREATE TRIGGER calls_kpi_add AFTER INSERT ON calls WHEN NEW.offered_ms IS NOT NULL
BEGIN
    INSERT INTO kpi (minute, queue, max_wait_ms,
        offered, answered, abandoned, wait_ms, talked, talk_ms, handled, handle_ms, answered_5,
        answered_10, answered_15, answered_20, answered_30, answered_60, answered_120, abandoned_5,
        abandoned_10, abandoned_15, abandoned_20, abandoned_30, abandoned_60, abandoned_120)
    VALUES (NEW.offered_ms / 60000, NEW.wait_queue, coalesce(NEW.wait_ms, 0),
        1, NEW.is_answered, NEW.is_abandoned, iif(NEW.is_answered, NEW.wait_ms, 0),
        NEW.talk_ms IS NOT NULL, coalesce(NEW.talk_ms, 0), NEW.handle_ms IS NOT NULL,
        coalesce(NEW.handle_ms, 0), (NEW.is_answered AND NEW.wait_ms <= 5000),
        (NEW.is_answered AND NEW.wait_ms <= 10000), (NEW.is_answered AND NEW.wait_ms <= 15000),
        (NEW.is_answered AND NEW.wait_ms <= 20000), (NEW.is_answered AND NEW.wait_ms <= 30000),
        (NEW.is_answered AND NEW.wait_ms <= 60000), (NEW.is_answered AND NEW.wait_ms <= 120000),
        (NEW.is_abandoned AND NEW.wait_ms <= 5000), (NEW.is_abandoned AND NEW.wait_ms <= 10000),
        (NEW.is_abandoned AND NEW.wait_ms <= 15000), (NEW.is_abandoned AND NEW.wait_ms <= 20000),
        (NEW.is_abandoned AND NEW.wait_ms <= 30000), (NEW.is_abandoned AND NEW.wait_ms <= 60000),
        (NEW.is_abandoned AND NEW.wait_ms <= 120000))
    ON CONFLICT (minute, queue) DO UPDATE SET
        max_wait_ms = max(max_wait_ms, excluded.max_wait_ms),
        offered = offered + excluded.offered, answered = answered + excluded.answered,
        abandoned = abandoned + excluded.abandoned, wait_ms = wait_ms + excluded.wait_ms,
        talked = talked + excluded.talked, talk_ms = talk_ms + excluded.talk_ms,
        handled = handled + excluded.handled, handle_ms = handle_ms + excluded.handle_ms,
        answered_5 = answered_5 + excluded.answered_5, answered_10 = answered_10 + excluded.answered_10,
        answered_15 = answered_15 + excluded.answered_15,
        answered_20 = answered_20 + excluded.answered_20,
        answered_30 = answered_30 + excluded.answered_30,
        answered_60 = answered_60 + excluded.answered_60,
        answered_120 = answered_120 + excluded.answered_120,
        abandoned_5 = abandoned_5 + excluded.abandoned_5,
        abandoned_10 = abandoned_10 + excluded.abandoned_10,
        abandoned_15 = abandoned_15 + excluded.abandoned_15,
        abandoned_20 = abandoned_20 + excluded.abandoned_20,
        abandoned_30 = abandoned_30 + excluded.abandoned_30,
        abandoned_60 = abandoned_60 + excluded.abandoned_60,
        abandoned_120 = abandoned_120 + excluded.abandoned_120;
END;

CREATE TRIGGER calls_kpi_subtract
AFTER UPDATE OF waiting_ms, wait_queue, answered_ms, left_ms, ended_ms ON calls WHEN OLD.offered_ms IS NOT NULL
BEGIN
    UPDATE kpi SET
        offered = offered - 1, answered = answered - OLD.is_answered,
        abandoned = abandoned - OLD.is_abandoned,
        wait_ms = wait_ms - iif(OLD.is_answered, OLD.wait_ms, 0),
        talked = talked - (OLD.talk_ms IS NOT NULL), talk_ms = talk_ms - coalesce(OLD.talk_ms, 0),
        handled = handled - (OLD.handle_ms IS NOT NULL),
        handle_ms = handle_ms - coalesce(OLD.handle_ms, 0),
        answered_5 = answered_5 - (OLD.is_answered AND OLD.wait_ms <= 5000),
        answered_10 = answered_10 - (OLD.is_answered AND OLD.wait_ms <= 10000),
        answered_15 = answered_15 - (OLD.is_answered AND OLD.wait_ms <= 15000),
        answered_20 = answered_20 - (OLD.is_answered AND OLD.wait_ms <= 20000),
        answered_30 = answered_30 - (OLD.is_answered AND OLD.wait_ms <= 30000),
        answered_60 = answered_60 - (OLD.is_answered AND OLD.wait_ms <= 60000),
        answered_120 = answered_120 - (OLD.is_answered AND OLD.wait_ms <= 120000),
        abandoned_5 = abandoned_5 - (OLD.is_abandoned AND OLD.wait_ms <= 5000),
        abandoned_10 = abandoned_10 - (OLD.is_abandoned AND OLD.wait_ms <= 10000),
        abandoned_15 = abandoned_15 - (OLD.is_abandoned AND OLD.wait_ms <= 15000),
        abandoned_20 = abandoned_20 - (OLD.is_abandoned AND OLD.wait_ms <= 20000),
        abandoned_30 = abandoned_30 - (OLD.is_abandoned AND OLD.wait_ms <= 30000),
        abandoned_60 = abandoned_60 - (OLD.is_abandoned AND OLD.wait_ms <= 60000),
        abandoned_120 = abandoned_120 - (OLD.is_abandoned AND OLD.wait_ms <= 120000),
        max_wait_ms = iif(OLD.wait_ms IS NULL OR OLD.wait_ms < max_wait_ms, max_wait_ms,
            coalesce((SELECT max(wait_ms) FROM calls WHERE offered_ms >= OLD.offered_ms / 60000 * 60000
                      AND offered_ms < (OLD.offered_ms / 60000 + 1) * 60000
                      AND wait_queue = OLD.wait_queue), 0))
    WHERE minute = OLD.offered_ms / 60000 AND queue = OLD.wait_queue;
END;

CREATE TRIGGER calls_kpi_change
AFTER UPDATE OF waiting_ms, wait_queue, answered_ms, left_ms, ended_ms ON calls WHEN NEW.offered_ms IS NOT NULL
BEGIN
    INSERT INTO kpi (minute, queue, max_wait_ms,
        offered, answered, abandoned, wait_ms, talked, talk_ms, handled, handle_ms, answered_5,
        answered_10, answered_15, answered_20, answered_30, answered_60, answered_120, abandoned_5,
        abandoned_10, abandoned_15, abandoned_20, abandoned_30, abandoned_60, abandoned_120)
    VALUES (NEW.offered_ms / 60000, NEW.wait_queue, coalesce(NEW.wait_ms, 0),
        1, NEW.is_answered, NEW.is_abandoned, iif(NEW.is_answered, NEW.wait_ms, 0),
        NEW.talk_ms IS NOT NULL, coalesce(NEW.talk_ms, 0), NEW.handle_ms IS NOT NULL,
        coalesce(NEW.handle_ms, 0), (NEW.is_answered AND NEW.wait_ms <= 5000),
        (NEW.is_answered AND NEW.wait_ms <= 10000), (NEW.is_answered AND NEW.wait_ms <= 15000),
        (NEW.is_answered AND NEW.wait_ms <= 20000), (NEW.is_answered AND NEW.wait_ms <= 30000),
        (NEW.is_answered AND NEW.wait_ms <= 60000), (NEW.is_answered AND NEW.wait_ms <= 120000),
        (NEW.is_abandoned AND NEW.wait_ms <= 5000), (NEW.is_abandoned AND NEW.wait_ms <= 10000),
        (NEW.is_abandoned AND NEW.wait_ms <= 15000), (NEW.is_abandoned AND NEW.wait_ms <= 20000),
        (NEW.is_abandoned AND NEW.wait_ms <= 30000), (NEW.is_abandoned AND NEW.wait_ms <= 60000),
        (NEW.is_abandoned AND NEW.wait_ms <= 120000))
    ON CONFLICT (minute, queue) DO UPDATE SET
        max_wait_ms = max(max_wait_ms, excluded.max_wait_ms),
        offered = offered + excluded.offered, answered = answered + excluded.answered,
        abandoned = abandoned + excluded.abandoned, wait_ms = wait_ms + excluded.wait_ms,
        talked = talked + excluded.talked, talk_ms = talk_ms + excluded.talk_ms,
        handled = handled + excluded.handled, handle_ms = handle_ms + excluded.handle_ms,
        answered_5 = answered_5 + excluded.answered_5, answered_10 = answered_10 + excluded.answered_10,
        answered_15 = answered_15 + excluded.answered_15,
        answered_20 = answered_20 + excluded.answered_20,
        answered_30 = answered_30 + excluded.answered_30,
        answered_60 = answered_60 + excluded.answered_60,
        answered_120 = answered_120 + excluded.answered_120,
        abandoned_5 = abandoned_5 + excluded.abandoned_5,
        abandoned_10 = abandoned_10 + excluded.abandoned_10,
        abandoned_15 = abandoned_15 + excluded.abandoned_15,
        abandoned_20 = abandoned_20 + excluded.abandoned_20,
        abandoned_30 = abandoned_30 + excluded.abandoned_30,
        abandoned_60 = abandoned_60 + excluded.abandoned_60,
        abandoned_120 = abandoned_120 + excluded.abandoned_120;
END;

-- A caller's first call, by the minute in which it was made known.
CREATE TABLE kpi_callers (
    minute INTEGER PRIMARY KEY,
    n INTEGER NOT NULL
) STRICT;

CREATE TRIGGER users_kpi AFTER INSERT ON users
BEGIN
    INSERT INTO kpi_callers (minute, n) VALUES (NEW.created_ms / 60000, 1)
    ON CONFLICT (minute) DO UPDATE SET n = n + 1;
END;

-- How long the PBX's answers to actions took from the arrival of the event that asked for them: a histogram.
-- upper_ms is a bucket's bound; the last has none.
CREATE TABLE kpi_actions (
    minute INTEGER NOT NULL,      -- of the event's arrival
    upper_ms INTEGER NOT NULL,
    n INTEGER NOT NULL,
    max_ms INTEGER NOT NULL,
    PRIMARY KEY (minute, upper_ms)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER actions_kpi AFTER UPDATE OF state ON actions
WHEN NEW.state IN ('delivered', 'confirmed', 'rejected') AND OLD.state NOT IN ('delivered', 'confirmed', 'rejected')
BEGIN
    INSERT INTO kpi_actions (minute, upper_ms, n, max_ms)
    VALUES (NEW.received_ms / 60000,
        CASE
            WHEN NEW.state_ms - NEW.received_ms <= 1 THEN 1
            WHEN NEW.state_ms - NEW.received_ms <= 2 THEN 2
            WHEN NEW.state_ms - NEW.received_ms <= 5 THEN 5
            WHEN NEW.state_ms - NEW.received_ms <= 10 THEN 10
            WHEN NEW.state_ms - NEW.received_ms <= 20 THEN 20
            WHEN NEW.state_ms - NEW.received_ms <= 50 THEN 50
            WHEN NEW.state_ms - NEW.received_ms <= 100 THEN 100
            WHEN NEW.state_ms - NEW.received_ms <= 200 THEN 200
            WHEN NEW.state_ms - NEW.received_ms <= 500 THEN 500
            WHEN NEW.state_ms - NEW.received_ms <= 1000 THEN 1000
            WHEN NEW.state_ms - NEW.received_ms <= 2000 THEN 2000
            WHEN NEW.state_ms - NEW.received_ms <= 5000 THEN 5000
            WHEN NEW.state_ms - NEW.received_ms <= 10000 THEN 10000
            ELSE 9223372036854775807
        END, 1, max(0, NEW.state_ms - NEW.received_ms))
    ON CONFLICT (minute, upper_ms) DO UPDATE SET n = n + 1, max_ms = max(max_ms, excluded.max_ms);
END;
