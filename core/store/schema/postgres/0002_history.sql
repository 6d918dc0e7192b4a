-- What people look calls up by. An event in the middle of a call changes none of these columns, so its new row
-- stays on its page.
CREATE INDEX calls_created ON pbxhook.calls (created_at, id);
CREATE INDEX calls_queue ON pbxhook.calls (queue, created_at, id) WHERE queue <> '';
CREATE INDEX calls_number ON pbxhook.calls (their_number, created_at, id) WHERE their_number <> '';

-- A call's whole timeline.
CREATE INDEX events_call ON pbxhook.events USING hash (call_id);
CREATE INDEX actions_call ON pbxhook.actions USING hash (call_id);

-- The order in which events became readable. Ids are drawn before a transaction commits, so a smaller one may
-- appear behind a greater one; what is ordered by (tx, id), and read only up to the oldest transaction that
-- still runs, grows at its end alone.
ALTER TABLE pbxhook.events ADD COLUMN tx xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX events_tx ON pbxhook.events (tx, id);
