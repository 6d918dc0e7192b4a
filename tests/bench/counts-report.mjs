// counts-report.mjs RUNS SMALL BIG: the medians of counts.sh. Each block's median is one value.
import fs from 'node:fs';

const [runs, small, big] = process.argv.slice(2);

function median(values) {
  values.sort((a, b) => a - b);
  return values[values.length >> 1];
}

function readBlocks(name) {
  const blocks = [];
  for (let i = 1; fs.existsSync(`${runs}/${name}-${i}.json`); i += 1) {
    blocks.push(JSON.parse(fs.readFileSync(`${runs}/${name}-${i}.json`, 'utf8')));
  }
  return blocks;
}

function summarise(name) {
  const blocks = readBlocks(name);
  return {
    requests: blocks.reduce((sum, block) => sum + block.ok, 0),
    p50: median(blocks.map((block) => block.latency_ms.p50)),
    p99: median(blocks.map((block) => block.latency_ms.p99)),
  };
}

const results = [[small, summarise('small')], [big, summarise('big')]];
console.log('| POST /api/dashboard/count | requests | median ms | p99 ms |');
console.log('| --- | ---: | ---: | ---: |');
for (const [calls, result] of results) {
  console.log(`| ${Number(calls).toLocaleString('en')} finished calls | ${result.requests} | `
    + `${result.p50.toFixed(3)} | ${result.p99.toFixed(3)} |`);
}
console.log(`\nratio of the medians, big to small: ${(results[1][1].p50 / results[0][1].p50).toFixed(2)}`);
