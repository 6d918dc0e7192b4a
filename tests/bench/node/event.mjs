// event.mjs: what both servers share: reading the seed's envelope, and telling the PBX the queue.
import { createHash } from 'node:crypto';
import { Pool } from 'undici';

const RANKS = new Map(
  ['call.new', 'call.standby', 'call.waiting', 'actor.entered', 'call.ongoing', 'actor.left',
    'call.finished'].map((type, rank) => [type, rank]));

const WORDS = ['new', 'standby', 'waiting', 'entered', 'ongoing', 'left', 'finished'];

// The members that are stored, or null when the body is not an event of a call.
export function readEvent(body, raw) {
  const call = body?.chamada;
  if (typeof call?.call_id !== 'string' || typeof call.type !== 'string') return null;
  const time = Date.parse(call.timestamp);
  if (Number.isNaN(time)) return null;
  return {
    identity: createHash('sha256').update(raw).digest(),
    callId: call.call_id,
    type: call.type,
    rank: RANKS.get(call.type) ?? -1,
    time,
    direction: call.direction ?? '',
    ourNumber: call.our_number ?? '',
    theirNumber: call.their_number ?? '',
    queue: call.queue ?? '',
  };
}

// Rows {rank, count} and the number of users as the dashboard wants them.
export function makeCounts(rows, userCount) {
  const eventCall = Object.fromEntries(WORDS.map((word) => [word, 0]));
  let activeCallsCount = 0;
  for (const { rank, count } of rows) {
    eventCall[WORDS[rank]] = Number(count);
    if (WORDS[rank] !== 'finished') activeCallsCount += Number(count);
  }
  return { data: { userCount: Number(userCount), activeCallsCount, eventCall } };
}

// Posts actions over kept-alive connections; nobody waits for it but `pending`.
export function makePbxClient(url, noteDelivered) {
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: 64, pipelining: 1 });
  const client = { pending: 0, failed: 0, send };

  async function send(actionId, callId, destination) {
    client.pending += 1;
    try {
      const answer = await pool.request({
        method: 'POST',
        path: pathname,
        headers: { 'content-type': 'application/json', 'idempotency-key': String(actionId) },
        body: JSON.stringify({ type: 'call.waiting', call_id: callId, destination }),
      });
      await answer.body.dump();
      if (answer.statusCode >= 300) throw new Error(`PBX answered ${answer.statusCode}`);
      await noteDelivered(actionId);
    } catch (error) {
      client.failed += 1;
      if (client.failed === 1) console.error(`action ${actionId}: ${error.message}`);
    } finally {
      client.pending -= 1;
    }
  }

  return client;
}
