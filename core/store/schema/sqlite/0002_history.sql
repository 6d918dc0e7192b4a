-- What people look calls up by. Each index grows at its end, or at the end of its queue's or caller's part;
-- none is touched by an event in the middle of a call.
CREATE INDEX calls_created ON calls (created_ms);
CREATE INDEX calls_queue ON calls (queue, created_ms) WHERE queue <> '';
CREATE INDEX calls_number ON calls (their_number, created_ms) WHERE their_number <> '';

-- A call's whole timeline.
CREATE INDEX events_call ON events (call_id, time_ms);
CREATE INDEX actions_call ON actions (call_id);
