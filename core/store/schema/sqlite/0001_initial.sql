-- The store's first shape. One script is one version of the schema (PRAGMA user_version); a script that
-- was released never changes. All times are milliseconds since 1970-01-01T00:00:00Z; an absent text is ''.

-- Every event, once: identity is what makes a repeated one a duplicate.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    identity BLOB NOT NULL UNIQUE,
    call_id TEXT NOT NULL,
    type TEXT NOT NULL,
    time_ms INTEGER NOT NULL,     -- when the PBX says it happened
    received_ms INTEGER NOT NULL, -- when it arrived here
    spool_seq INTEGER NOT NULL,   -- with received_ms: tells a replay after a crash from a duplicate
    body TEXT NOT NULL
) STRICT;

-- What is removed when it is old: the next rows, found without looking at the rest. New ones come at the
-- end, so that keeping them costs little.
CREATE INDEX events_received ON events (received_ms);

-- Every call, in the order they were first heard of, so that id goes with time. status is the type of
-- the event with the greatest (time, place in the life cycle); NULL when the call is known only by
-- events outside the seven. finished_ms is status_ms of a finished call, else NULL: a column of its own,
-- so that an event in the middle of a call leaves the index below alone.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL UNIQUE,
    status TEXT,
    status_ms INTEGER,
    finished_ms INTEGER,
    created_ms INTEGER NOT NULL,  -- time of its earliest event
    code TEXT NOT NULL,
    direction TEXT NOT NULL,
    our_number TEXT NOT NULL,
    their_number TEXT NOT NULL,
    queue TEXT NOT NULL,
    actor TEXT NOT NULL
) STRICT;

-- Small for ever: a finished call leaves it.
CREATE INDEX calls_active ON calls (call_id) WHERE finished_ms IS NULL;
CREATE INDEX calls_finished ON calls (finished_ms) WHERE finished_ms IS NOT NULL;

-- The body of the call's first call.new. Beside the call, not in it: a call's row is rewritten with each
-- event, and without the payload thirty of them share a page.
CREATE TABLE payloads (
    call INTEGER PRIMARY KEY,     -- calls.id
    payload TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- nobody else's ever: a plugin may have kept that of one who is forgotten
    number TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;

-- The outbox: what the PBX is to be told. state is pending, sending, delivered, confirmed, rejected,
-- expired or unknown. doubtful is 1 once a try has ended with nobody knowing whether the PBX got it and it
-- is to be sent again. due_ms is never behind expires_ms, so what is past its deadline is always due.
CREATE TABLE actions (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,            -- the Idempotency-Key
    call_id TEXT NOT NULL,
    event_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    state_ms INTEGER NOT NULL,    -- since when
    doubtful INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    http_status INTEGER,          -- of the last answer
    detail TEXT,                  -- one line for people
    body TEXT NOT NULL
) STRICT;

-- Each holds only what is still on its way.
CREATE INDEX actions_pending ON actions (due_ms) WHERE state = 'pending';
CREATE INDEX actions_unsettled ON actions (call_id)
    WHERE (state IN ('sending', 'unknown') OR (state = 'pending' AND doubtful = 1));

CREATE INDEX actions_ended ON actions (state_ms)
    WHERE state IN ('delivered', 'confirmed', 'rejected', 'expired');

-- Handlings that failed. state is retry or dead: a dead letter. claimed is 1 while a worker has it in hand,
-- and strikes counts the times that it was in hand and its worker did not come back.
CREATE TABLE handlings (
    event_id INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    strikes INTEGER NOT NULL DEFAULT 0,
    claimed INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL,
    failed_ms INTEGER NOT NULL,   -- the last time
    error TEXT NOT NULL,
    PRIMARY KEY (event_id, plugin)
) STRICT, WITHOUT ROWID;

CREATE INDEX handlings_due ON handlings (due_ms) WHERE state = 'retry';
CREATE INDEX handlings_claimed ON handlings (claimed) WHERE claimed = 1;
CREATE INDEX handlings_dead ON handlings (failed_ms, event_id, plugin) WHERE state = 'dead';

-- The dashboard's numbers, written with each commit: users, and calls by their present status.
CREATE TABLE counts (
    name TEXT PRIMARY KEY,
    n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counts (name, n) VALUES
    ('users', 0), ('call.new', 0), ('call.standby', 0), ('call.waiting', 0), ('actor.entered', 0),
    ('call.ongoing', 0), ('actor.left', 0), ('call.finished', 0);
