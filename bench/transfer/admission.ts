// What stands before a server of the bench, as a network or a vendor's limit would: a wait, or a refusal.
import { setTimeout as wait } from 'node:timers/promises';

/** How a server lets requests in. Requests do not wait for each other: however many come, each has its own delay. */
export interface Manners {
  /** Before the answer to a GET or HEAD, a listing included, ms. */
  readonly readMs?: number;
  /** Before the answer to anything else, ms. */
  readonly writeMs?: number;
  /** Instead: before any answer, evenly between the two, ms. Drawn from a fixed seed. */
  readonly randomMs?: readonly [least: number, most: number];
  /** Requests let in a second; the others get 503 SlowDown, as S3 answers. No limit when absent. */
  readonly perSecond?: number;
  /** What a refusal says in Retry-After, seconds; nothing when absent. */
  readonly retryAfterSeconds?: number;
}

export interface Refusal {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Waits as long as a request has to, then lets it in with `null` or tells how it is refused. */
export type Admission = (method: string) => Promise<Refusal | null>;

const SEED = 0x2545f491;
/** S3's words. */
const SLOW_DOWN =
  '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

export function createAdmission(manners: Manners): Admission {
  const { perSecond, retryAfterSeconds } = manners;
  const delayOf = createDelays(manners);
  const takes = perSecond === undefined ? () => true : createBucket(perSecond);
  const told: Record<string, string> = retryAfterSeconds === undefined ? {} : { 'retry-after': `${retryAfterSeconds}` };
  const refusal: Refusal = { headers: { 'content-type': 'application/xml', ...told }, body: SLOW_DOWN };
  return async (method) => {
    if (!takes()) return refusal;
    const delayMs = delayOf(method);
    if (delayMs > 0) await wait(delayMs);
    return null;
  };
}

function createDelays({ readMs = 0, writeMs = 0, randomMs }: Manners): (method: string) => number {
  if (randomMs === undefined) return (method) => (method === 'GET' || method === 'HEAD' ? readMs : writeMs);
  const [least, most] = randomMs;
  let state = SEED;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return least + ((state >>> 0) / 2 ** 32) * (most - least);
  };
}

/** A second's worth may come at once; nothing is saved up beyond that. */
function createBucket(perSecond: number): () => boolean {
  let tokens = perSecond;
  let filled = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(perSecond, tokens + ((now - filled) / 1000) * perSecond);
    filled = now;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
