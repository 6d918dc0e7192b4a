-- counts-fill.postgres.sql: finished calls, as many as the variable calls says, and a user to each ten of them, into
-- a store that pbxhook has made (core/store/schema/postgres) and nobody has open. For counts.sh alone. It writes
-- no events, as the counts do not look at them.
BEGIN;

-- call_id goes up with id, so that its index grows at the end.
INSERT INTO pbxhook.calls (call_id, status, status_at, finished_at, created_at, code, direction, our_number,
                           their_number, queue, actor)
SELECT format('%s-0000-4000-8000-%s', lpad(to_hex(i), 8, '0'), lpad(to_hex(i), 12, '0')), 'call.finished',
       at + interval '1 minute', at + interval '1 minute', at, '', 'inbound', '0800111111',
       '55119' || lpad((i / 10)::text, 8, '0'), '900', 'maria.souza'
FROM (SELECT i, timestamptz '2023-11-14 22:13:20Z' + i * interval '100 ms' AS at
      FROM generate_series(1, :calls) AS i) AS series;

INSERT INTO pbxhook.users (number, created_at)
SELECT '55119' || lpad(i::text, 8, '0'), now() FROM generate_series(0, :calls / 10 - 1) AS i;

INSERT INTO pbxhook.counts (name, shard, n)
VALUES ('call.finished', 0, (SELECT count(*) FROM pbxhook.calls)),
       ('users', 0, (SELECT count(*) FROM pbxhook.users))
ON CONFLICT (name, shard) DO UPDATE SET n = excluded.n;

COMMIT;
VACUUM ANALYZE;
