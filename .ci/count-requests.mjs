// `node count-requests.mjs LEAST REPORT…`: adds up what the audience asked in all of these rehearsals. Fails where it
// asked less often than LEAST, or where a request failed that no scenario planted.
import { readFileSync } from 'node:fs';

const [least, ...files] = process.argv.slice(2);
let requests = 0;
let unplanted = 0;
for (const file of files) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  // One rehearsal's report, or the table of several.
  requests += report.traffic?.requests ?? report.requests;
  unplanted += report.unplanted ?? (report.outcome === 'completed' ? report.traffic.failed : 0);
}
console.log(`${requests} requests (at least ${least}), ${unplanted} failed that nobody planted`);
process.exit(requests >= Number(least) && unplanted === 0 ? 0 : 1);
