-- counts-fill.postgres.sql: finished calls, as many as the variable calls says, and a user to each ten of them, into
-- a store that pbxhook has made (core/store/schema/postgres) and nobody has open. For counts.sh alone. It writes
-- no events, as the counts do not look at them. Calls come ten a second, to five queues in turn; each waits up to
-- 39 s, and one of ten hangs up.
BEGIN;

-- call_id goes up with id, so that its index grows at the end.
INSERT INTO pbxhook.calls (call_id, status, status_at, finished_at, created_at, code, direction, our_number,
                           their_number, queue, actor, wait_queue, waiting_at, offered_at, answered_at, left_at,
                           ended_at)
SELECT format('%s-0000-4000-8000-%s', lpad(to_hex(i), 8, '0'), lpad(to_hex(i), 12, '0')), 'call.finished',
       at + interval '1 minute', at + interval '1 minute', at, '', 'inbound', '0800111111',
       '55119' || lpad((i / 10)::text, 8, '0'), (900 + i % 5)::text, 'maria.souza', (900 + i % 5)::text,
       at + interval '1 s', at + interval '1 s',
       CASE WHEN i % 10 > 0 THEN at + interval '1 s' + i % 40 * interval '1 s' END,
       CASE WHEN i % 10 > 0 THEN at + interval '59 s' END, at + interval '1 minute'
FROM (SELECT i, timestamptz '2023-11-14 22:13:20Z' + i * interval '100 ms' AS at
      FROM generate_series(1, :calls) AS i) AS series;

INSERT INTO pbxhook.users (number, created_at)
SELECT '55119' || lpad(i::text, 8, '0'), now() FROM generate_series(0, :calls / 10 - 1) AS i;

-- As core/store/kpi.c would have summed them up.
INSERT INTO pbxhook.kpi
SELECT floor(extract(epoch FROM offered_at) / 60), wait_queue, 0, max(wait), count(*), count(answered_at),
       count(*) FILTER (WHERE NOT has), coalesce(sum(wait) FILTER (WHERE has), 0), count(*) FILTER (WHERE has),
       coalesce(sum(extract(epoch FROM left_at - answered_at) * 1000), 0), count(*) FILTER (WHERE has),
       coalesce(sum(extract(epoch FROM ended_at - answered_at) * 1000), 0),
       count(*) FILTER (WHERE has AND wait <= 5000), count(*) FILTER (WHERE has AND wait <= 10000),
       count(*) FILTER (WHERE has AND wait <= 15000), count(*) FILTER (WHERE has AND wait <= 20000),
       count(*) FILTER (WHERE has AND wait <= 30000), count(*) FILTER (WHERE has AND wait <= 60000),
       count(*) FILTER (WHERE has AND wait <= 120000),
       count(*) FILTER (WHERE NOT has AND wait <= 5000), count(*) FILTER (WHERE NOT has AND wait <= 10000),
       count(*) FILTER (WHERE NOT has AND wait <= 15000), count(*) FILTER (WHERE NOT has AND wait <= 20000),
       count(*) FILTER (WHERE NOT has AND wait <= 30000), count(*) FILTER (WHERE NOT has AND wait <= 60000),
       count(*) FILTER (WHERE NOT has AND wait <= 120000)
FROM (SELECT *, (extract(epoch FROM coalesce(answered_at, ended_at) - offered_at) * 1000)::bigint AS wait,
             answered_at IS NOT NULL AS has FROM pbxhook.calls) AS c
GROUP BY 1, 2;
INSERT INTO pbxhook.kpi_minutes
SELECT floor(extract(epoch FROM created_at) / 60), 0, count(*) * 7, 0 FROM pbxhook.calls GROUP BY 1;

INSERT INTO pbxhook.counts (name, shard, n)
VALUES ('call.finished', 0, (SELECT count(*) FROM pbxhook.calls)),
       ('users', 0, (SELECT count(*) FROM pbxhook.users))
ON CONFLICT (name, shard) DO UPDATE SET n = excluded.n;

COMMIT;
VACUUM ANALYZE;
