// report.mjs: reads what run.sh wrote, and says what it means.
//
//   half-rate RUNS               prints half of pbxhook's sustained rate, events/s
//   undisturbed RUNS LOAD        whether the host left the machine its cores during this load
//   report RUNS RESULTS [--check]   prints the report and writes RESULTS/report.md; with --check the
//                                exit status is 1 when a target is missed or was not measured, or
//                                something went wrong
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';

const NAMES = {
  pbxhook: 'pbxhook, SQLite',
  fastify: 'Fastify, better-sqlite3 (FULL)',
  pbxhook_pg1: 'pbxhook, PostgreSQL, 1 worker',
  pbxhook_pg2: 'pbxhook, PostgreSQL, 2 workers',
  koa: 'Koa, PostgreSQL',
  pgbench: 'pgbench, a transaction an event',
};

// What pbxhook is compared with on each store.
const PAIRS = [['pbxhook', 'fastify'], ['pbxhook', 'koa'], ['fastify', 'koa'],
  ...['pbxhook_pg1', 'pbxhook_pg2'].flatMap((one) => [[one, 'koa'], [one, 'pgbench'], [one, 'pbxhook']])];

const TARGETS = {
  fastifyRatio: 8, koaRatio: 10, pgbenchRatio: 2, halfRateP99Ms: 5, standbyP99Ms: 20, memoryMib: 64,
};

// The host of a virtual machine may take its cores away (/proc/stat, "steal"). A round with more of that is no
// measurement of a server's slowest answers: 1 % of the time is enough to be in every hundredth.
const STOLEN_MAX_PERCENT = 0.5;

function readJson(path) {
  return fs.existsSync(path) ? JSON.parse(fs.readFileSync(path, 'utf8')) : undefined;
}

function readText(path) {
  return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').trim() : '';
}

// In percent of the cores' time during a load; NaN if nobody looked.
function readStolen(runs, load) {
  return Number(readText(`${runs}/${load}.stolen`) || Number.NaN);
}

const isUndisturbed = (round) => round.stolen <= STOLEN_MAX_PERCENT;

function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// One round of one server. Sustained: acknowledged events, by the time from the first request until all
// of them are handled in the store. A Node.js server answers after its commit, so its store is caught up
// with the last answer; its actions may be still on their way, which is told apart.
function readRound(runs, server, round) {
  const load = readJson(`${runs}/closed-${server}-${round}.load.json`);
  const settled = readJson(`${runs}/closed-${server}-${round}.settled.json`);
  if (!load || !settled) return undefined;
  const seconds = load.duration_s;
  const settledSeconds = (settled.at_ms - load.started_ms) / 1000;
  return {
    load,
    stolen: readStolen(runs, `closed-${server}-${round}`),
    acknowledged: load.ok / seconds,
    sustained: server.startsWith('pbxhook') ? load.ok / Math.max(settledSeconds, seconds) : load.ok / seconds,
    behindSeconds: Math.max(0, settledSeconds - seconds),
    clean: load.ok === load.requests,
    failed: settled.failed ?? 0,
  };
}

function readRounds(runs) {
  const servers = {};
  for (const server of Object.keys(NAMES)) {
    const rounds = [];
    for (let round = 1; ; round += 1) {
      const found = readRound(runs, server, round);
      if (!found) break;
      rounds.push(found);
    }
    if (rounds.length > 0) servers[server] = rounds;
  }
  return servers;
}

function getSustained(rounds) {
  return median(rounds.map((round) => round.sustained));
}

// The ratio of each pair of neighbours in time, and of those the median.
function getRatio(servers, one, other) {
  if (!servers[one] || !servers[other]) return undefined;
  return median(servers[one].map(
    (round, i) => round.sustained / (servers[other][i]?.sustained ?? Number.NaN)));
}

// Half of the sustained rate of the rounds that the host left alone, or of all, if it left none alone.
function getHalfRate(rounds) {
  const undisturbed = rounds.filter(isUndisturbed);
  return Math.max(1, Math.round(getSustained(undisturbed.length > 0 ? undisturbed : rounds) / 2));
}

const show = (value, digits = 0) => (Number.isFinite(value) ? value.toFixed(digits) : 'n/a');

// A figure of a round, with what the host took if that was too much.
const showRound = (value, round, digits) => show(value, digits)
  + (isUndisturbed(round) ? '' : ` (the host took ${show(round.stolen, 1)} %)`);

function row(...cells) {
  return `| ${cells.join(' | ')} |`;
}

function getVersion(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8' }).split('\n')[0].trim();
  } catch {
    return 'n/a';
  }
}

function getStolenPercent(runs) {
  const [begun, ended] = ['begun', 'ended'].map((when) => readText(`${runs}/stolen.${when}`).split(' ').map(Number));
  return 100 * (ended[0] - begun[0]) / (ended[1] - begun[1]);
}

function describeMachine(runs, results) {
  const disk = readJson(`${runs}/disk.json`);
  const lock = readJson(`${results}/node/package-lock.json`);
  const packages = ['koa', '@koa/router', 'koa-bodyparser', 'pg', 'fastify', 'better-sqlite3', 'undici']
    .map((name) => [name, lock?.packages[`node_modules/${name}`]?.version])
    .filter(([, version]) => version)
    .map(([name, version]) => `${name} ${version}`);
  return [
    row('machine', ''), row('---', '---'),
    row('CPU', `${os.cpus()[0]?.model ?? 'n/a'}, ${os.cpus().length} cores`),
    row('memory', `${show(os.totalmem() / 2 ** 30, 1)} GiB`),
    row('kernel', `${os.type()} ${os.release()}`),
    row('disk', `${readText(`${runs}/disk.type`)}; 4 KiB append + fdatasync: median `
      + `${show(disk?.median_us)} us, p99 ${show(disk?.p99_us)} us`),
    row('taken by the host', `${show(getStolenPercent(runs), 1)} % of the cores' time in the whole run`),
    row('versions', [`Node.js ${process.version}`, readText(`${runs}/postgres.version`),
      getVersion('cc', '--version'), ...packages].filter(Boolean).join('; ')),
  ];
}

function describeThroughput(servers) {
  const lines = [
    row('closed loop, 64 connections', 'sustained events/s', 'acknowledged events/s', 'ack p50 ms',
      'p99 ms', 'p99.9 ms', 'behind at the end', 'rounds'),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---'),
  ];
  for (const [server, rounds] of Object.entries(servers)) {
    const latency = (name) => show(median(rounds.map((round) => round.load.latency_ms[name])), 2);
    lines.push(row(NAMES[server], show(getSustained(rounds)),
      show(median(rounds.map((round) => round.acknowledged))), latency('p50'), latency('p99'),
      latency('p99.9'), `${show(median(rounds.map((round) => round.behindSeconds)), 2)} s`,
      rounds.map((round) => showRound(round.sustained, round)).join(', ')));
  }
  return lines;
}

function describePbxhook(half, calls) {
  const lines = [
    row('pbxhook', 'load', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'RSS at most, MiB',
      'sum of peaks, MiB'),
    row('---', '---', '---:', '---:', '---:', '---:', '---:', '---:'),
  ];
  const memory = (run) => [show(run.memory && run.memory.greatest_rss_kib / 1024, 1),
    show(run.memory && run.memory.peak_kib / 1024, 1)];
  if (half) {
    const latency = half.load.latency_ms;
    lines.push(row('acknowledgement', `open loop, ${show(half.load.rate)} events/s (p99 of the rounds: ${
      half.load.rounds_p99.join(', ')})`,
      show(latency.p50, 2), show(latency.p99, 2), show(latency['p99.9'], 2), show(latency.max, 2),
      ...memory(half)));
  }
  if (calls) {
    for (const [key, name] of [['webhook_answer', 'acknowledgement'],
      ['standby_to_action', 'standby -> action']]) {
      const latency = calls.mock.latency_ms[key];
      lines.push(row(name, `${show(calls.mock.calls.per_second)} calls/s`, show(latency.p50, 2),
        show(latency.p99, 2), show(latency.p99_9, 2), show(latency.max, 2), ...memory(calls)));
    }
  }
  return lines;
}

function judge(servers, half, calls) {
  const memories = [half, calls].map((run) => run?.memory?.peak_kib).filter(Boolean);
  const verdicts = [];
  const add = (text, value, met, digits = 2) => verdicts.push({
    met: value !== undefined && met,
    text: `${value === undefined ? 'NOT MEASURED' : met ? 'met' : 'MISSED'}: ${text}: `
      + `${show(value, digits)}`,
  });
  if (servers.pbxhook) {
    const ratio = getRatio(servers, 'pbxhook', 'fastify');
    add(`pbxhook over Fastify with better-sqlite3, at least ${TARGETS.fastifyRatio} times`, ratio,
      ratio >= TARGETS.fastifyRatio);
  }
  if (servers.pbxhook_pg1 || servers.pbxhook_pg2) {
    for (const [other, least] of [['koa', TARGETS.koaRatio], ['pgbench', TARGETS.pgbenchRatio]]) {
      const best = Math.max(...['pbxhook_pg1', 'pbxhook_pg2']
        .map((one) => getRatio(servers, one, other) ?? Number.NEGATIVE_INFINITY));
      add(`pbxhook on PostgreSQL over ${NAMES[other]}, at least ${least} times`,
        Number.isFinite(best) ? best : undefined, best >= least);
    }
  }
  if (!servers.pbxhook) return verdicts;
  // A rate that the host made low is no half of what is sustained.
  const isMeasured = half?.load.is_measured && servers.pbxhook.some(isUndisturbed);
  const ack = isMeasured ? half.load.latency_ms.p99 : undefined;
  const why = half && !isMeasured
    ? `, in too many rounds the host took more than ${STOLEN_MAX_PERCENT} % of the cores` : '';
  add(`p99 ack at half of the sustained rate (${show(half?.load.rate)}/s${why}), at most ${
    TARGETS.halfRateP99Ms} ms`, ack,
    ack <= TARGETS.halfRateP99Ms && half.load.lost === 0 && half.load.overdue === 0);
  const standby = calls?.mock.latency_ms.standby_to_action.p99;
  add(`standby -> action p99 at 500 calls/s, at most ${TARGETS.standbyP99Ms} ms`, standby,
    standby <= TARGETS.standbyP99Ms && calls.mock.ok);
  const isWhole = [half, calls].every((run) => run?.memory?.processes.length > 1);
  const peak = memories.length > 0 && isWhole ? Math.max(...memories) / 1024 : undefined;
  add(`resident memory of all processes, peaks summed, at most ${TARGETS.memoryMib} MiB`, peak,
    peak <= TARGETS.memoryMib, 1);
  return verdicts;
}

function listTroubles(servers, half, calls) {
  const troubles = [];
  for (const [server, rounds] of Object.entries(servers)) {
    rounds.forEach((round, i) => {
      if (!round.clean || round.failed > 0) {
        troubles.push(`${NAMES[server]}, round ${i + 1}: ${round.load.requests - round.load.ok} events `
          + `not acknowledged, ${round.failed} actions failed`);
      }
    });
  }
  if (half && (half.load.lost > 0 || half.load.overdue > 0)) {
    troubles.push(`half rate: ${half.load.lost} events not acknowledged, `
      + `${half.load.overdue} never sent`);
  }
  if (calls && !calls.mock.ok) {
    troubles.push(`calls: ${calls.mock.calls.wrong} wrong of ${calls.mock.calls.placed}`);
  }
  return troubles;
}

// Of the open loop's rounds that count the one whose p99 is the median: a pause of the machine spoils one, not all.
function readMedianLoad(runs) {
  const loads = [];
  for (let round = 1; ; round += 1) {
    const load = readJson(`${runs}/half-rate-${round}.load.json`);
    if (!load) break;
    load.stolen = readStolen(runs, `half-rate-${round}`);
    loads.push(load);
  }
  if (loads.length === 0) return undefined;
  const counting = loads.filter(isUndisturbed);
  const isMeasured = counting.length >= Number(readText(`${runs}/rounds`) || Number.NaN);
  const sorted = (isMeasured ? counting : [...loads]).sort((a, b) => a.latency_ms.p99 - b.latency_ms.p99);
  return {
    ...sorted[sorted.length >> 1], // of two in the middle, the slower
    is_measured: isMeasured,
    rounds_p99: loads.map((load) => showRound(load.latency_ms.p99, load, 1)), // as they were run
    // An event that was lost counts, in whatever round it was.
    lost: loads.reduce((sum, load) => sum + load.requests - load.ok, 0),
    overdue: loads.reduce((sum, load) => sum + load.overdue, 0),
  };
}

function makeReport(runs, results) {
  const servers = readRounds(runs);
  const load = readMedianLoad(runs);
  const mock = readJson(`${runs}/calls.mock.json`);
  const half = load && { load, memory: readJson(`${runs}/half-rate.memory.json`) };
  const calls = mock && { mock, memory: readJson(`${runs}/calls.memory.json`) };
  const verdicts = judge(servers, half, calls);
  const ratios = PAIRS
    .map(([one, other]) => [one, other, getRatio(servers, one, other)])
    .filter(([, , ratio]) => ratio !== undefined)
    .map(([one, other, ratio]) => row(`${NAMES[one]} / ${NAMES[other]}`, `${show(ratio, 2)} times`));
  const troubles = listTroubles(servers, half, calls);
  const lines = [
    `# pbxhook benchmark, ${new Date().toISOString().slice(0, 16)}Z`, '',
    ...describeMachine(runs, results), '',
    ...describeThroughput(servers), '',
    'Sustained counts until everything acknowledged is handled in the store: for pbxhook by its '
      + 'metrics; a Node.js server answers after its commit, and "behind" is how long its actions '
      + 'took to be delivered after the last answer. pgbench has no server, no JSON and no actions to send. '
      + 'Medians of the rounds.', '',
    ...(ratios.length > 0 ? [row('ratio, median of the pairs', ''), row('---', '---:'), ...ratios, '']
      : []),
    ...(half || calls ? [...describePbxhook(half, calls), ''] : []),
    ...verdicts.map(({ text }) => `- ${text}`),
    ...troubles.map((text) => `- TROUBLE: ${text}`),
  ];
  const met = verdicts.length > 0 && verdicts.every((verdict) => verdict.met) && troubles.length === 0;
  return { text: `${lines.join('\n')}\n`, met };
}

const [command, runs, ...rest] = process.argv.slice(2);
if (command === 'half-rate') {
  const rounds = readRounds(runs).pbxhook;
  console.log(getHalfRate(rounds));
} else if (command === 'undisturbed') {
  process.exitCode = isUndisturbed({ stolen: readStolen(runs, rest[0]) }) ? 0 : 1;
} else {
  const [results, flag] = rest;
  const { text, met } = makeReport(runs, results);
  fs.writeFileSync(`${results}/report.md`, text);
  process.stdout.write(text);
  if (flag === '--check' && !met) process.exitCode = 1;
}
