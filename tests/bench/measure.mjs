// measure.mjs: the small things that run.sh and counts.sh measure or wait for. One command a call:
//
//   port                      prints a free loopback port
//   disk DIRECTORY            prints {median_us, p99_us} of 4 KiB appended and fdatasync'ed
//   answers URL PID           waits until the server answers with 2xx
//   caught-up URL REPORT...   waits until pbxhook's store holds what pbxhook-load's reports, which may be
//                             still to come, say was acknowledged
//   delivered URL REPORT...   waits for the reports, and until a Node.js server has no action on its way
//   memory PID                samples the process and its children until SIGTERM
//   pgbench LOG S REPORT      writes what pgbench printed of S seconds as one of pbxhook-load's reports
//
// The last four print {at_ms, ...}, in milliseconds since 1970.
import fs from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
const PATIENCE_MS = 120_000;

function findPort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function measureDisk(directory) {
  const path = `${directory}/fdatasync.probe`;
  const file = fs.openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  const times = [];
  for (let i = 0; i < 300; i += 1) {
    const begun = process.hrtime.bigint();
    fs.writeSync(file, block);
    fs.fdatasyncSync(file);
    times.push(Number(process.hrtime.bigint() - begun) / 1000);
  }
  fs.closeSync(file);
  fs.unlinkSync(path);
  times.sort((a, b) => a - b);
  return { median_us: times[150], p99_us: times[297] };
}

async function waitUntil(what, check, patienceMs = PATIENCE_MS, pollMs = POLL_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${patienceMs / 1000} s`);
    await sleep(pollMs);
  }
}

function isRunning(pid) {
  try {
    // A process that ended and was not waited for is still there, as a zombie.
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function waitForAnswer(url, pid) {
  await waitUntil(url, async () => {
    if (!isRunning(pid)) throw new Error(`process ${pid} ended`);
    try {
      const answer = await fetch(url);
      await answer.arrayBuffer();
      return answer.ok ? true : undefined;
    } catch {
      return undefined;
    }
  }, 20_000);
}

// The sum of a metric over its labels; undefined when it is not there.
function readMetric(text, name) {
  let sum;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name) || !/^[ {]/.test(line.slice(name.length))) continue;
    sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}

function readAcknowledged(path) {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8')).ok;
  } catch {
    return undefined; // not there, or not whole yet
  }
}

// The report's acknowledged events, once it is there. This program is started before the load, so that its start is no
// part of what is measured, and sleeps until the directory changes.
function waitForReport(path) {
  return new Promise((resolve, reject) => {
    const watcher = fs.watch(dirname(path));
    const look = () => {
      const acknowledged = readAcknowledged(path);
      if (acknowledged === undefined) return;
      watcher.close();
      resolve(acknowledged);
    };
    watcher.on('change', look).on('error', reject);
    look();
  });
}

async function waitForReports(paths) {
  let sum = 0;
  for (const path of paths) sum += await waitForReport(path);
  return sum;
}

async function waitForStore(url, ...reports) {
  const acknowledged = await waitForReports(reports);
  return waitUntil('the store catching up', async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const atMs = Date.now();
    const names = ['pbxhook_events_handled_total', 'pbxhook_events_duplicate_total',
      'pbxhook_spool_events'];
    const [handled, duplicate, waiting] = names.map((name) => readMetric(text, name));
    if (handled === undefined || waiting === undefined) {
      throw new Error(`${url}/metrics has no ${names.join(' or ')}`);
    }
    if (handled + (duplicate ?? 0) < acknowledged || waiting > 0) return undefined;
    return { at_ms: atMs, handled, duplicate };
  });
}

async function waitForActions(url, ...reports) {
  await waitForReports(reports);
  return waitUntil('the actions', async () => {
    const { pending, failed } = await (await fetch(`${url}/pending`)).json();
    return pending === 0 ? { at_ms: Date.now(), failed } : undefined;
  });
}

function readChildren(task) {
  try {
    return fs.readFileSync(`${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch (error) {
    if (fs.existsSync(task)) throw error;
    return []; // it ended meanwhile
  }
}

// The process and its children, asked of its own threads: looking through all of /proc takes a millisecond of the
// cores that are measured, ten times a second.
function listFamily(pid) {
  const tasks = `/proc/${pid}/task`;
  if (!fs.existsSync(tasks)) return [];
  return [pid, ...fs.readdirSync(tasks).flatMap((task) => readChildren(`${tasks}/${task}`))];
}

function readMemory(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { name: /^Name:\s+(.*)/m.exec(status)[1], peak_kib: read('VmHWM'), rss_kib: read('VmRSS') };
}

async function sampleMemory(pid) {
  const processes = new Map();
  let greatestKib = 0;
  let lastKib = 0;
  let over = false;
  process.on('SIGTERM', () => { over = true; });
  while (!over) {
    let sumKib = 0;
    for (const member of listFamily(pid)) {
      try {
        const memory = readMemory(member);
        processes.set(member, memory);
        sumKib += memory.rss_kib;
      } catch { /* it ended meanwhile */ }
    }
    if (sumKib > 0) lastKib = sumKib;
    greatestKib = Math.max(greatestKib, sumKib);
    await sleep(100);
  }
  const members = [...processes].map(([member, memory]) => ({ pid: member, ...memory }));
  return {
    at_ms: Date.now(),
    processes: members,
    // Each one's own peak; the kernel keeps VmHWM loosely, so it may be below what was seen.
    peak_kib: Math.max(greatestKib, members.reduce((sum, { peak_kib: peak }) => sum + peak, 0)),
    greatest_rss_kib: greatestKib, // of all at one time
    last_rss_kib: lastKib,
  };
}

// A script's run is a call: seven events. pgbench tells no percentiles.
function convertPgbench(log, seconds, report) {
  const text = fs.readFileSync(log, 'utf8');
  const read = (pattern) => Number(pattern.exec(text)?.[1]);
  const calls = read(/^number of transactions actually processed: (\d+)/m);
  const failed = read(/^number of failed transactions: (\d+)/m);
  if (!(calls > 0)) throw new Error(`${log}: no transactions`);
  const atMs = Date.now();
  const ms = read(/^latency average = ([\d.]+) ms/m) / 7;
  fs.writeFileSync(report, JSON.stringify({
    ok: calls * 7, requests: (calls + failed) * 7, duration_s: seconds,
    started_ms: atMs - seconds * 1000, latency_ms: { mean: ms },
  }));
  return { at_ms: atMs };
}

const commands = {
  port: findPort,
  disk: measureDisk,
  answers: (url, pid) => waitForAnswer(url, Number(pid)),
  'caught-up': waitForStore,
  delivered: waitForActions,
  memory: (pid) => sampleMemory(Number(pid)),
  pgbench: (log, seconds, report) => convertPgbench(log, Number(seconds), report),
};

const [name, ...rest] = process.argv.slice(2);
try {
  const result = await commands[name](...rest);
  if (result !== undefined) console.log(typeof result === 'object' ? JSON.stringify(result) : result);
} catch (error) {
  console.error(`measure.mjs ${name}: ${error.message}`);
  process.exitCode = 1;
}
