-- What people look calls up by. Each index grows at its end, or at the end of its queue's or caller's part;
-- none is touched by an event in the middle of a call.
CREATE INDEX calls_created ON calls (created_ms);
CREATE INDEX calls_queue ON calls (queue, created_ms) WHERE queue <> '';
CREATE INDEX calls_number ON calls (their_number, created_ms) WHERE their_number <> '';

-- A call's whole timeline. By the call's number, not its call_id: the calls of one moment have numbers side by
-- side, so a batch of events writes a page or two here, where an index by call_id would have it write a page
-- for each event.
CREATE TABLE call_events (
    call INTEGER NOT NULL,        -- calls.id
    event INTEGER NOT NULL,       -- events.id
    PRIMARY KEY (call, event)
) STRICT, WITHOUT ROWID;
-- Events of which there is no call, or not yet.
CREATE TABLE stray_events (
    call_id TEXT NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (call_id, event)
) STRICT, WITHOUT ROWID;
INSERT INTO call_events SELECT c.id, e.id FROM events e JOIN calls c ON c.call_id = e.call_id;
INSERT INTO stray_events SELECT call_id, id FROM events WHERE call_id NOT IN (SELECT call_id FROM calls);
CREATE INDEX actions_call ON actions (call_id);
