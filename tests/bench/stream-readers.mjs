// stream-readers.mjs URL COUNT: reads the live stream so many times at once, until SIGTERM. Prints "ready" when all
// have had their first counts, and at the end how many events they were told.
import http from 'node:http';

const [url, count] = [process.argv[2], Number(process.argv[3])];
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
let ready = 0, events = 0, ended = 0;

for (let i = 0; i < count; i += 1) {
  http.get(`${url}/api/dashboard/stream`, { agent }, (response) => {
    let is_first = true;
    if (response.statusCode !== 200) throw new Error(`the stream answers ${response.statusCode}`);
    response.on('data', () => {
      events += 1;
      if (is_first && (ready += 1) === count) console.log('ready');
      is_first = false;
    });
    response.on('end', () => { ended += 1; });
  }).on('error', (error) => { throw error; });
}
process.on('SIGTERM', () => {
  console.log(`${events} chunks to ${count} readers, ${ended} cut off`);
  process.exit(ended === 0 ? 0 : 1);
});
