// kpi-ask.mjs URL: asks a server that counts.sh has filled for the indicators of a whole day, again and again, and
// prints how long that takes.
const [url] = process.argv.slice(2);
const route = `${url}/api/dashboard/kpi?from=2023-11-15T00:00:00Z&to=2023-11-16T00:00:00Z&bucket=15m`;
const times = [];
let offered = 0;

for (let i = 0; i < 220; i += 1) {
  const begun = performance.now();
  const response = await fetch(route);
  const text = await response.text();
  if (!response.ok) throw new Error(`${route}: ${response.status} ${text}`);
  if (i >= 20) times.push(performance.now() - begun);
  offered = JSON.parse(text).data.all.offered;
}
times.sort((a, b) => a - b);
console.log(`\nGET /api/dashboard/kpi, a day of ${offered.toLocaleString('en')} calls in five queues, ${times.length} requests: `
  + `median ${times[times.length >> 1].toFixed(1)} ms, p99 ${times[Math.floor(times.length * 0.99)].toFixed(1)} ms`);
