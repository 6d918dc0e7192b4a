// stream-report.mjs RUNS READERS RATE ROUNDS: the medians of stream.sh.
import fs from 'node:fs';

const [runs, readers, rate, rounds] = process.argv.slice(2);

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function summarise(name) {
  const of = (read) => median(Array.from({ length: Number(rounds) }, (_, i) => read(`${runs}/${name}-${i + 1}`)));
  return {
    p50: of((run) => JSON.parse(fs.readFileSync(`${run}.json`, 'utf8')).latency_ms.p50),
    p99: of((run) => JSON.parse(fs.readFileSync(`${run}.json`, 'utf8')).latency_ms.p99),
    mib: of((run) => Number(fs.readFileSync(`${run}.kib`, 'utf8')) / 1024),
  };
}

const [without, with_them] = [summarise('without'), summarise('with')];
console.log(`| ${rate} events/s | ack p50 ms | ack p99 ms | receiver's memory MiB |`);
console.log('| --- | ---: | ---: | ---: |');
for (const [name, one] of [['no reader of the stream', without], [`${readers} readers`, with_them]])
  console.log(`| ${name} | ${one.p50.toFixed(2)} | ${one.p99.toFixed(2)} | ${one.mib.toFixed(1)} |`);
console.log(`\nratio of the p99, with to without: ${(with_them.p99 / without.p99).toFixed(2)}`);
