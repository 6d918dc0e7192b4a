-- counts-fill.sqlite.sql: finished calls, as many as the parameter :calls says, and a user to each ten of
-- them, into a store that pbxhook has made (core/store/schema/sqlite) and nobody has open. For counts.sh
-- alone: it switches durability off, and writes no events, as the counts do not look at them. Calls come
-- ten a second, to five queues in turn; each waits up to 39 s, and one of ten hangs up.
PRAGMA synchronous = OFF;
PRAGMA cache_size = -200000;
BEGIN IMMEDIATE;

-- call_id goes up with id, so that its index grows at the end and five million rows take seconds.
INSERT INTO calls (call_id, status, status_ms, finished_ms, created_ms, code, direction, our_number,
                   their_number, queue, actor, wait_queue, waiting_ms, offered_ms, answered_ms, left_ms,
                   ended_ms)
WITH RECURSIVE series (i) AS (
    SELECT 1
    UNION ALL
    SELECT i + 1 FROM series WHERE i < :calls
)
SELECT printf('%08x-0000-4000-8000-%012x', i, i), 'call.finished',
       1700000000000 + i * 100 + 60000, 1700000000000 + i * 100 + 60000, 1700000000000 + i * 100, '', 'inbound', '0800111111',
       printf('55119%08d', i / 10), 900 + i % 5, 'maria.souza', 900 + i % 5,
       1700000000000 + i * 100 + 1000, 1700000000000 + i * 100 + 1000,
       iif(i % 10 = 0, NULL, 1700000000000 + i * 100 + 1000 + i % 40 * 1000),
       iif(i % 10 = 0, NULL, 1700000000000 + i * 100 + 59000), 1700000000000 + i * 100 + 60000
FROM series;

INSERT INTO users (number, created_ms)
WITH RECURSIVE series (i) AS (
    SELECT 0
    UNION ALL
    SELECT i + 1 FROM series WHERE i < :calls / 10 - 1
)
SELECT printf('55119%08d', i), 1700000000000 + i * 1000 FROM series;

-- As core/store/kpi.c would have summed them up.
INSERT INTO kpi
SELECT offered_ms / 60000, wait_queue, max(wait), count(*), count(answered_ms), sum(answered_ms IS NULL),
       sum(iif(answered_ms IS NULL, 0, wait)), count(answered_ms), coalesce(sum(left_ms - answered_ms), 0),
       count(answered_ms), coalesce(sum(ended_ms - answered_ms), 0),
       sum(has AND wait <= 5000), sum(has AND wait <= 10000), sum(has AND wait <= 15000),
       sum(has AND wait <= 20000), sum(has AND wait <= 30000), sum(has AND wait <= 60000),
       sum(has AND wait <= 120000),
       sum(NOT has AND wait <= 5000), sum(NOT has AND wait <= 10000), sum(NOT has AND wait <= 15000),
       sum(NOT has AND wait <= 20000), sum(NOT has AND wait <= 30000), sum(NOT has AND wait <= 60000),
       sum(NOT has AND wait <= 120000)
FROM (SELECT *, coalesce(answered_ms, ended_ms) - offered_ms AS wait, answered_ms IS NOT NULL AS has FROM calls)
GROUP BY 1, 2;
INSERT INTO kpi_minutes SELECT created_ms / 60000, count(*) * 7, 0 FROM calls GROUP BY 1;

UPDATE counts SET n = (SELECT count(*) FROM calls) WHERE name = 'call.finished';
UPDATE counts SET n = (SELECT count(*) FROM users) WHERE name = 'users';

COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
