// Servers that answer late, unevenly, or not more often than they like: here it counts how many requests are on their
// way at once. rclone has to be told; Crossfade runs without any setting, beside the best that rclone was told.
import type { Manners } from './admission.ts';
import { startFastPair } from './servers.ts';
import { KIB } from './sets.ts';
import { crossfade, rcloneWith, type Attempt } from './subjects.ts';

export interface ServerPair {
  readonly name: string;
  /** What its servers do, for people. */
  readonly does: string;
  readonly manners: Manners;
  /** Of 4 KiB. */
  readonly objects: number;
  /** Crossfade's wall time over that of rclone's best, at most. */
  readonly goal: number;
}

const THROTTLED = { perSecond: 200 };
export const PAIRS: readonly ServerPair[] = [
  {
    name: 'latency',
    does: '30 ms to read, 120 ms to write',
    manners: { readMs: 30, writeMs: 120 },
    objects: 4000,
    goal: 1.25,
  },
  { name: 'random', does: '5 to 300 ms, at random', manners: { randomMs: [5, 300] }, objects: 4000, goal: 1.5 },
  { name: 'throttled', does: '200 requests a second', manners: THROTTLED, objects: 3000, goal: 1.5 },
  {
    name: 'throttled-told',
    does: '200 requests a second, Retry-After: 1',
    manners: { ...THROTTLED, retryAfterSeconds: 1 },
    objects: 3000,
    goal: 1.5,
  },
];

/** As many of them at once as a person might try; the likely best comes first, see below. */
export const TRANSFERS = [64, 256, 16, 4] as const;
/** What is not done after so many times the best's time cannot be the best: it is stopped. */
const HOPELESS = 1.5;
const OBJECT_BYTES = 4 * KIB;

export interface PairRow {
  readonly pair: ServerPair;
  /** One for each round. */
  readonly crossfade: readonly Attempt[];
  /** By `--transfers`; one for each round. */
  readonly rclone: ReadonlyMap<number, readonly Attempt[]>;
}

export async function measurePair(pair: ServerPair, rounds: number): Promise<PairRow> {
  console.error(`${pair.name} (${pair.does}): ${describeObjects(pair)} …`);
  const servers = await startFastPair({ name: pair.name, objects: pair.objects, bytes: OBJECT_BYTES }, pair.manners);
  const own: Attempt[] = [];
  const peers = new Map<number, Attempt[]>(TRANSFERS.map((transfers) => [transfers, []]));
  const told = (who: string, attempt: Attempt): Attempt => {
    console.error(`  ${who}: ${describeAttempt(attempt)}`);
    return attempt;
  };
  try {
    for (let round = 0; round < rounds; round++) {
      let bestSeconds = Infinity;
      for (const [transfers, attempts] of peers) {
        const limitMs = bestSeconds * HOPELESS * 1000;
        const attempt = await rcloneWith(transfers).attempt(servers.from, await servers.freshTarget(), limitMs);
        attempts.push(told(`rclone --transfers ${transfers}`, attempt));
        if (attempt.ended === 'done') bestSeconds = Math.min(bestSeconds, attempt.seconds);
      }
      own.push(told('crossfade', await crossfade.attempt(servers.from, await servers.freshTarget(), Infinity)));
    }
  } finally {
    await servers.close();
  }
  return { pair, crossfade: own, rclone: peers };
}

export const describeObjects = ({ objects }: ServerPair): string => `${objects} × ${OBJECT_BYTES / KIB} KiB`;

export function describeAttempt({ ended, seconds, cpuSeconds, said }: Attempt): string {
  const took = `${seconds.toFixed(1)} s`;
  if (ended === 'stopped') return `more than ${took}`;
  if (ended === 'failed') return `FAILED after ${took}: ${said.slice(-300)}`;
  return `${took}, CPU ${cpuSeconds.toFixed(1)} s`;
}
