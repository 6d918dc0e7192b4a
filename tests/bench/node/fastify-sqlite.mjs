// fastify-sqlite.mjs: Fastify and better-sqlite3, one transaction an event, synchronous=FULL.
// PORT, PBX_URL and DATABASE (a file) come from the environment.
import Database from 'better-sqlite3';
import Fastify from 'fastify';
import { makeCounts, makePbxClient, readEvent } from './event.mjs';

const db = new Database(process.env.DATABASE);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`
  CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, call_id TEXT NOT NULL,
    type TEXT NOT NULL, time INTEGER NOT NULL, received INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, created INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY, rank INTEGER NOT NULL, time INTEGER NOT NULL, status TEXT NOT NULL,
    direction TEXT NOT NULL, our_number TEXT NOT NULL, their_number TEXT NOT NULL,
    queue TEXT NOT NULL, payload TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS calls_rank ON calls (rank);
  CREATE TABLE IF NOT EXISTS actions (
    id INTEGER PRIMARY KEY, call_id TEXT NOT NULL, destination TEXT NOT NULL,
    created INTEGER NOT NULL, delivered INTEGER
  ) STRICT;
`);

const insertEvent = db.prepare(`INSERT INTO events (identity, call_id, type, time, received, body)
  VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO NOTHING`);
const advanceCall = db.prepare(`INSERT INTO calls (call_id, rank, time, status, direction, our_number,
    their_number, queue, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (call_id) DO UPDATE SET rank = excluded.rank, time = excluded.time,
    status = excluded.status, queue = iif(excluded.queue = '', queue, excluded.queue)
  WHERE (excluded.time, excluded.rank) > (calls.time, calls.rank)`);
const findUser = db.prepare('SELECT id FROM users WHERE number = ?');
const insertUser = db.prepare('INSERT INTO users (number, created) VALUES (?, ?)');
const insertAction = db.prepare(
  'INSERT INTO actions (call_id, destination, created) VALUES (?, ?, ?)');
const markDelivered = db.prepare('UPDATE actions SET delivered = ? WHERE id = ?');
const countCalls = db.prepare('SELECT rank, count(*) AS count FROM calls GROUP BY rank');
const countUsers = db.prepare('SELECT count(*) AS count FROM users');

// What is to be sent to the PBX once this is committed, or undefined.
const handleEvent = db.transaction((event, raw) => {
  const now = Date.now();
  const { changes } = insertEvent.run(event.identity, event.callId, event.type, event.time, now, raw);
  if (changes === 0 || event.rank < 0) return undefined;
  advanceCall.run(event.callId, event.rank, event.time, event.type, event.direction,
    event.ourNumber, event.theirNumber, event.queue, raw);
  if (event.type !== 'call.standby') return undefined;
  let destination = '901';
  if (event.theirNumber !== '') {
    if (findUser.get(event.theirNumber)) destination = '900';
    else insertUser.run(event.theirNumber, now);
  }
  const { lastInsertRowid } = insertAction.run(event.callId, destination, now);
  return { id: lastInsertRowid, destination };
});

const pbx = makePbxClient(process.env.PBX_URL, (id) => markDelivered.run(Date.now(), id));
const app = Fastify({ logger: false, bodyLimit: 1 << 20 });

// The raw text is kept: the event's identity is its digest, and the database stores it.
app.removeContentTypeParser('application/json');
app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
  try {
    request.raw.text = text;
    done(null, JSON.parse(text));
  } catch (error) {
    error.statusCode = 400;
    done(error);
  }
});

app.post('/api/client/webhook', (request, reply) => {
  const raw = request.raw.text;
  const event = readEvent(request.body, raw);
  if (event === null) return reply.code(400).send({ error: 'not an event' });
  const action = handleEvent.immediate(event, raw);
  reply.code(204).send();
  if (action !== undefined) pbx.send(action.id, event.callId, action.destination);
  return reply;
});

app.post('/api/dashboard/count', (request, reply) =>
  reply.send(makeCounts(countCalls.all(), countUsers.get().count)));

app.get('/pending', (request, reply) => reply.send({ pending: pbx.pending, failed: pbx.failed }));

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
