import type { Env } from './env.ts';

/** One in so many plain successful requests is written down; each counts for all of them. */
const SAMPLE = 10;

export interface Observation {
  readonly kind: 'request' | 'read-through' | 'refused' | 'rum' | 'event-lost';
  /** The route's pattern, or the name of a front-end timing: never a path, a key or a user. */
  readonly name: string;
  /** HTTP status, or `ok` / `failed`. */
  readonly status: string;
  readonly source?: string;
  /** ms, or what the timing's name says. */
  readonly value?: number;
  /** For how many this one stands. */
  readonly weight?: number;
}

/**
 * Writes one data point without making anybody wait: index and blob1 the kind, blob2 name, blob3 status, blob4 source,
 * blob5 version; double1 the value, double2 the weight.
 */
export function observe(env: Env, later: (work: Promise<unknown>) => void, observation: Observation): void {
  const { kind, name, status, source = '', value = 0, weight = 1 } = observation;
  try {
    // Synchronous at the vendor; elsewhere a call whose promise has to be kept alive.
    const written: unknown = env.TELEMETRY.writeDataPoint({
      indexes: [kind],
      blobs: [kind, name, status, source, env.VERSION.id],
      doubles: [value, weight],
    });
    later(Promise.resolve(written).catch((error: unknown) => console.error('telemetry', String(error))));
  } catch (error) {
    // Telemetry never fails a request.
    console.error('telemetry', String(error));
  }
}

/** A request's own data point: all that failed, and one in ten of the others. */
export function observeRequest(
  env: Env,
  later: (work: Promise<unknown>) => void,
  request: { name: string; status: number; source: string; ms: number },
): void {
  const { name, status, source, ms: value } = request;
  const plain = status < 400;
  if (plain && Math.random() >= 1 / SAMPLE) return;
  const kind = status === 429 ? 'refused' : 'request';
  observe(env, later, { kind, name, status: String(status), source, value, weight: plain ? SAMPLE : 1 });
}
