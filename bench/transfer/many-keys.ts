import { startFastPair } from './servers.ts';
import { crossfade, type Run } from './subjects.ts';

/** With which the many are compared. */
const FEW = 20_000;
/** Peak memory may be so much more, as a share: what the garbage collector leaves lying is never quite the same. */
const SLACK = 1.1;

/**
 * Lists and verifies a bucket of so many keys against itself: nothing is copied, every key is decided on twice.
 * Answers with a line for people. Throws when it takes more memory than a bucket of 20,000.
 */
export async function measureManyKeys(keys: number): Promise<string> {
  const few = await listAndVerify(FEW);
  const many = await listAndVerify(keys);
  const told = (count: number, run: Run): string =>
    `${count} keys: ${run.seconds.toFixed(1)} s, CPU ${run.cpuSeconds.toFixed(1)} s, peak ${run.peakMiB.toFixed(0)} MiB`;
  const lines = `${told(FEW, few)}\n${told(keys, many)}`;
  if (many.peakMiB > few.peakMiB * SLACK) throw new Error(`${lines}\nmemory grows with the keys`);
  return lines;
}

async function listAndVerify(objects: number): Promise<Run> {
  const pair = await startFastPair({ name: 'keys', objects, bytes: 1 });
  try {
    return await crossfade.run(pair.from, pair.from);
  } finally {
    await pair.close();
  }
}
