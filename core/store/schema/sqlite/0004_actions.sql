-- A call's actions, by the call's number: like call_events (0002), and for the same reason. call is NULL in what was
-- written before this, or while no call of that call_id was known, and once the call was removed; such an action is
-- found by its call_id.
ALTER TABLE actions ADD COLUMN call INTEGER; -- calls.id
DROP INDEX actions_call;
CREATE INDEX actions_call ON actions (call) WHERE call IS NOT NULL;
CREATE INDEX actions_stray ON actions (call_id) WHERE call IS NULL;
