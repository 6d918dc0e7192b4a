-- counts-fill.sqlite.sql: finished calls, as many as the parameter :calls says, and a user to each ten of
-- them, into a store that pbxhook has made (core/store/schema/sqlite) and nobody has open. For counts.sh
-- alone: it switches durability off, and writes no events, as the counts do not look at them.
PRAGMA synchronous = OFF;
PRAGMA cache_size = -200000;
BEGIN IMMEDIATE;

-- call_id goes up with id, so that its index grows at the end and five million rows take seconds.
INSERT INTO calls (call_id, status, status_ms, finished_ms, created_ms, code, direction, our_number,
                   their_number, queue, actor)
WITH RECURSIVE series (i) AS (
    SELECT 1
    UNION ALL
    SELECT i + 1 FROM series WHERE i < :calls
)
SELECT printf('%08x-0000-4000-8000-%012x', i, i), 'call.finished',
       1700000000000 + i * 100 + 60000, 1700000000000 + i * 100 + 60000, 1700000000000 + i * 100, '', 'inbound', '0800111111',
       printf('55119%08d', i / 10), '900', 'maria.souza'
FROM series;

INSERT INTO users (number, created_ms)
WITH RECURSIVE series (i) AS (
    SELECT 0
    UNION ALL
    SELECT i + 1 FROM series WHERE i < :calls / 10 - 1
)
SELECT printf('55119%08d', i), 1700000000000 + i * 1000 FROM series;

UPDATE counts SET n = (SELECT count(*) FROM calls) WHERE name = 'call.finished';
UPDATE counts SET n = (SELECT count(*) FROM users) WHERE name = 'users';

COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
