// koa-postgres.mjs: Koa with its router and body parser on PostgreSQL, one transaction an event.
// PORT, PBX_URL, POOL_SIZE and libpq's PG* come from the environment.
import Router from '@koa/router';
import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import pg from 'pg';
import { makeCounts, makePbxClient, readEvent } from './event.mjs';

const pool = new pg.Pool({ max: Number(process.env.POOL_SIZE ?? 64) });

await pool.query(`
  CREATE TABLE IF NOT EXISTS events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, identity bytea NOT NULL UNIQUE,
    call_id text NOT NULL, type text NOT NULL, time bigint NOT NULL, received bigint NOT NULL,
    body text NOT NULL
  );
  CREATE TABLE IF NOT EXISTS users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number text NOT NULL UNIQUE,
    created bigint NOT NULL
  );
  CREATE TABLE IF NOT EXISTS calls (
    call_id text PRIMARY KEY, rank integer NOT NULL, time bigint NOT NULL, status text NOT NULL,
    direction text NOT NULL, our_number text NOT NULL, their_number text NOT NULL,
    queue text NOT NULL, payload text NOT NULL
  );
  CREATE INDEX IF NOT EXISTS calls_rank ON calls (rank);
  CREATE TABLE IF NOT EXISTS actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, call_id text NOT NULL,
    destination text NOT NULL, created bigint NOT NULL, delivered bigint
  );
`);

// Statements with a name are prepared once on each connection.
const INSERT_EVENT = {
  name: 'insert-event',
  text: `INSERT INTO events (identity, call_id, type, time, received, body)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (identity) DO NOTHING`,
};
const ADVANCE_CALL = {
  name: 'advance-call',
  text: `INSERT INTO calls (call_id, rank, time, status, direction, our_number, their_number, queue,
      payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (call_id) DO UPDATE SET rank = excluded.rank, time = excluded.time,
      status = excluded.status,
      queue = CASE excluded.queue WHEN '' THEN calls.queue ELSE excluded.queue END
    WHERE (excluded.time, excluded.rank) > (calls.time, calls.rank)`,
};
// Of two standby events of one new number at once one makes the user, the other finds it made.
const CREATE_USER = {
  name: 'create-user',
  text: 'INSERT INTO users (number, created) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING',
};
const FIND_USER = { name: 'find-user', text: 'SELECT id FROM users WHERE number = $1' };
const INSERT_ACTION = {
  name: 'insert-action',
  text: 'INSERT INTO actions (call_id, destination, created) VALUES ($1, $2, $3) RETURNING id',
};
const MARK_DELIVERED = {
  name: 'mark-delivered',
  text: 'UPDATE actions SET delivered = $1 WHERE id = $2',
};

async function chooseQueue(client, number, now) {
  if (number === '') return '901';
  const found = await client.query({ ...FIND_USER, values: [number] });
  if (found.rowCount > 0) return '900';
  const created = await client.query({ ...CREATE_USER, values: [number, now] });
  return created.rowCount > 0 ? '901' : '900';
}

async function runEvent(client, event, raw) {
  const now = Date.now();
  const inserted = await client.query({
    ...INSERT_EVENT,
    values: [event.identity, event.callId, event.type, event.time, now, raw],
  });
  if (inserted.rowCount === 0 || event.rank < 0) return undefined;
  await client.query({
    ...ADVANCE_CALL,
    values: [event.callId, event.rank, event.time, event.type, event.direction, event.ourNumber,
      event.theirNumber, event.queue, raw],
  });
  if (event.type !== 'call.standby') return undefined;
  const destination = await chooseQueue(client, event.theirNumber, now);
  const action = await client.query({
    ...INSERT_ACTION,
    values: [event.callId, destination, now],
  });
  return { id: action.rows[0].id, destination };
}

// What is to be sent to the PBX now that this is committed, or undefined.
async function handleEvent(event, raw) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const action = await runEvent(client, event, raw);
    await client.query('COMMIT');
    return action;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}

const pbx = makePbxClient(process.env.PBX_URL,
  (id) => pool.query({ ...MARK_DELIVERED, values: [Date.now(), id] }));
const router = new Router();

router.post('/api/client/webhook', async (context) => {
  const raw = context.request.rawBody;
  const event = readEvent(context.request.body, raw);
  if (event === null) context.throw(400, 'not an event');
  const action = await handleEvent(event, raw);
  context.status = 204;
  if (action !== undefined) pbx.send(action.id, event.callId, action.destination);
});

router.post('/api/dashboard/count', async (context) => {
  const [calls, users] = await Promise.all([
    pool.query('SELECT rank, count(*) AS count FROM calls GROUP BY rank'),
    pool.query('SELECT count(*) AS count FROM users'),
  ]);
  context.body = makeCounts(calls.rows, users.rows[0].count);
});

router.get('/pending', (context) => {
  context.body = { pending: pbx.pending, failed: pbx.failed };
});

const app = new Koa();
app.silent = true;
app.use(bodyParser({ jsonLimit: '1mb' })).use(router.routes()).use(router.allowedMethods());
app.listen(Number(process.env.PORT), '127.0.0.1');
