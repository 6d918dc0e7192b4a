-- call.pgbench.sql: one call of seven events, for pgbench: the SQL that pbxhook's worker has to get done for
-- them, as a server would send it that commits each event by itself. For run.sh alone. Identities begin
-- with the time, as pbxhook's do, so that the index grows at its end here too; each client counts in a row of
-- its own, so that none waits for another.
\set call random(1, 1000000000000)
\set caller random(1, 200000)

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 0), 20, '0'), 'hex'),
        'bench-' || :call, 'call.new', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
INSERT INTO pbxhook.calls (call_id, status, status_at, created_at, code, direction, our_number, their_number,
        queue, actor)
    VALUES ('bench-' || :call, 'call.new', now(), now(), '', 'inbound', '0800111111', :caller::text, '', '')
    ON CONFLICT (call_id) DO NOTHING;
INSERT INTO pbxhook.payloads (call, payload)
    SELECT id, (:body)::jsonb FROM pbxhook.calls WHERE call_id = 'bench-' || :call;
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('call.new', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
COMMIT;

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 1), 20, '0'), 'hex'),
        'bench-' || :call, 'call.standby', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
UPDATE pbxhook.calls SET status = 'call.standby', status_at = now()
    WHERE call_id = 'bench-' || :call AND status_at <= now();
SELECT id FROM pbxhook.users WHERE number = :caller::text;
INSERT INTO pbxhook.users (number, created_at) VALUES (:caller::text, now()) ON CONFLICT (number) DO NOTHING;
INSERT INTO pbxhook.actions (key, call_id, event_id, state, state_at, delegate, due_at, received_at, expires_at,
        attempts, owner, lease_until, body)
    VALUES ('bench-' || :call, 'bench-' || :call, 0, 'sending', now(), true, now(), now(), now() + interval '10 s',
        1, 'pgbench', now() + interval '10 s',
        '{"type":"call.waiting","call_id":"bench-' || :call || '","destination":"900"}');
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('call.standby', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
UPDATE pbxhook.counts SET n = n - 1 WHERE name = 'call.new' AND shard = 64 + :client_id;
COMMIT;

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 2), 20, '0'), 'hex'),
        'bench-' || :call, 'call.waiting', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
UPDATE pbxhook.calls SET status = 'call.waiting', status_at = now(), queue = '900'
    WHERE call_id = 'bench-' || :call AND status_at <= now();
UPDATE pbxhook.actions SET state = 'delivered', state_at = now(), http_status = 200
    WHERE call_id = 'bench-' || :call AND state = 'sending';
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('call.waiting', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
UPDATE pbxhook.counts SET n = n - 1 WHERE name = 'call.standby' AND shard = 64 + :client_id;
COMMIT;

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 3), 20, '0'), 'hex'),
        'bench-' || :call, 'actor.entered', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
UPDATE pbxhook.calls SET status = 'actor.entered', status_at = now()
    WHERE call_id = 'bench-' || :call AND status_at <= now();
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('actor.entered', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
UPDATE pbxhook.counts SET n = n - 1 WHERE name = 'call.waiting' AND shard = 64 + :client_id;
COMMIT;

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 4), 20, '0'), 'hex'),
        'bench-' || :call, 'call.ongoing', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
UPDATE pbxhook.calls SET status = 'call.ongoing', status_at = now()
    WHERE call_id = 'bench-' || :call AND status_at <= now();
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('call.ongoing', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
UPDATE pbxhook.counts SET n = n - 1 WHERE name = 'actor.entered' AND shard = 64 + :client_id;
COMMIT;

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 5), 20, '0'), 'hex'),
        'bench-' || :call, 'actor.left', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
UPDATE pbxhook.calls SET status = 'actor.left', status_at = now()
    WHERE call_id = 'bench-' || :call AND status_at <= now();
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('actor.left', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
UPDATE pbxhook.counts SET n = n - 1 WHERE name = 'call.ongoing' AND shard = 64 + :client_id;
COMMIT;

BEGIN;
INSERT INTO pbxhook.events (identity, call_id, type, happened_at, received_at, spool, spool_seq, body)
    VALUES (decode(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || lpad(to_hex(:call::bigint * 8 + 6), 20, '0'), 'hex'),
        'bench-' || :call, 'call.finished', now(), now(), 'pgbench', :call, (:body)::jsonb)
    ON CONFLICT (identity) DO NOTHING;
UPDATE pbxhook.calls SET status = 'call.finished', status_at = now(), finished_at = now()
    WHERE call_id = 'bench-' || :call AND status_at <= now();
INSERT INTO pbxhook.counts AS c (name, shard, n) VALUES ('call.finished', 64 + :client_id, 1)
    ON CONFLICT (name, shard) DO UPDATE SET n = c.n + 1;
UPDATE pbxhook.counts SET n = n - 1 WHERE name = 'actor.left' AND shard = 64 + :client_id;
COMMIT;
