-- The indicators (GET /api/dashboard/kpi) are kept while calls happen, so that a day of them is read without a
-- look at its calls. A call's milestones stand in its row; whatever changes one of them takes what the call
-- had added away and adds what it is now, so late, missing and repeated events leave the sums exact. That is
-- done by core/store/kpi.c, once a transaction.

-- waiting_at: first call.waiting, in wait_queue. answered_at: first actor.entered or call.ongoing. left_at and
-- ended_at: last actor.left and call.finished. offered_at: the earlier of waiting_at and answered_at. All by the
-- PBX's clock. A call is counted in the minute, and the queue, of its first wait.
ALTER TABLE pbxhook.calls
    ADD COLUMN waiting_at timestamptz,
    ADD COLUMN answered_at timestamptz,
    ADD COLUMN left_at timestamptz,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN offered_at timestamptz,
    ADD COLUMN wait_queue text NOT NULL DEFAULT '';

-- For a minute's longest wait when the call that had it turns out to have waited less. Calls lie in the order of
-- their times, more or less, and it is seldom asked.
CREATE INDEX calls_offered ON pbxhook.calls USING brin (offered_at) WITH (pages_per_range = 32);

-- Sums of a minute, since 1970, and queue. answered_20: answered within 20 s; abandoned_20: abandoned within 20 s.
-- Shards are as those of table counts.
CREATE TABLE pbxhook.kpi (
    minute bigint NOT NULL,
    queue text NOT NULL,
    shard smallint NOT NULL,
    max_wait_ms bigint NOT NULL,
    offered bigint NOT NULL, answered bigint NOT NULL, abandoned bigint NOT NULL,
    wait_ms bigint NOT NULL, talked bigint NOT NULL, talk_ms bigint NOT NULL,
    handled bigint NOT NULL, handle_ms bigint NOT NULL, answered_5 bigint NOT NULL,
    answered_10 bigint NOT NULL, answered_15 bigint NOT NULL, answered_20 bigint NOT NULL,
    answered_30 bigint NOT NULL, answered_60 bigint NOT NULL, answered_120 bigint NOT NULL,
    abandoned_5 bigint NOT NULL, abandoned_10 bigint NOT NULL, abandoned_15 bigint NOT NULL,
    abandoned_20 bigint NOT NULL, abandoned_30 bigint NOT NULL, abandoned_60 bigint NOT NULL,
    abandoned_120 bigint NOT NULL,
    PRIMARY KEY (minute, queue, shard)
) WITH (fillfactor = 50);

-- How many events arrived, and callers were made known, in a minute.
CREATE TABLE pbxhook.kpi_minutes (
    minute bigint NOT NULL,
    shard smallint NOT NULL,
    events bigint NOT NULL,
    callers bigint NOT NULL,
    PRIMARY KEY (minute, shard)
) WITH (fillfactor = 50);
INSERT INTO pbxhook.kpi_minutes SELECT minute, 0, sum(events), sum(callers) FROM (
    SELECT floor(extract(epoch FROM received_at) / 60)::bigint AS minute, 1 AS events, 0 AS callers
    FROM pbxhook.events
    UNION ALL SELECT floor(extract(epoch FROM created_at) / 60)::bigint, 0, 1 FROM pbxhook.users) AS v
    GROUP BY minute;

-- How long the PBX's answers to actions took from the arrival of the event that asked for them: a histogram.
-- upper_ms is a bucket's bound; the last has none.
CREATE TABLE pbxhook.kpi_actions (
    minute bigint NOT NULL,            -- of the event's arrival
    upper_ms bigint NOT NULL,
    shard smallint NOT NULL,
    n bigint NOT NULL,
    max_ms bigint NOT NULL,
    PRIMARY KEY (minute, upper_ms, shard)
) WITH (fillfactor = 50);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['kpi', 'kpi_minutes', 'kpi_actions'] LOOP
        EXECUTE format('CREATE TRIGGER refuse_plugin BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE '
                       'ON pbxhook.%I FOR EACH STATEMENT '
                       'WHEN (current_setting(''pbxhook.plugin'', true) = ''on'') '
                       'EXECUTE FUNCTION pbxhook.refuse_plugin()', name);
    END LOOP;
END $$;
