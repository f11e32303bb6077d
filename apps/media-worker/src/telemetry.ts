import type { Env } from './env.ts';

/** Requests that are alike become one data point for so long, ms: four a second at most, whatever the traffic. */
const WINDOW_MS = 250;
/** A window that was not closed by then was lost with the request that opened it, ms. */
const STALE_MS = 1000;

export interface Observation {
  readonly kind: 'request' | 'read-through' | 'refused' | 'rum' | 'event-lost';
  /** The route's pattern, or the name of a front-end timing: never a path, a key or a user. */
  readonly name: string;
  /** HTTP status, or `ok` / `failed`. */
  readonly status: string;
  readonly source?: string;
  /** ms, or what the timing's name says. */
  readonly value?: number;
  /** For how many this one stands; `value` is their mean then. */
  readonly weight?: number;
  /** The largest `value` of them. */
  readonly most?: number;
}

/**
 * Writes one data point without making anybody wait: index and blob1 the kind, blob2 name, blob3 status, blob4 source,
 * blob5 version; double1 the value, double2 the weight, double3 the largest value.
 */
export function observe(env: Env, later: (work: Promise<unknown>) => void, observation: Observation): void {
  const { kind, name, status, source = '', value = 0, weight = 1, most = value } = observation;
  try {
    // Synchronous at the vendor; elsewhere a call whose promise has to be kept alive.
    const written: unknown = env.TELEMETRY.writeDataPoint({
      indexes: [kind],
      blobs: [kind, name, status, source, env.VERSION.id],
      doubles: [value, weight, most],
    });
    later(Promise.resolve(written).catch((error: unknown) => console.error('telemetry', String(error))));
  } catch (error) {
    // Telemetry never fails a request.
    console.error('telemetry', String(error));
  }
}

interface Window {
  /** Epoch ms. */
  readonly opened: number;
  count: number;
  ms: number;
  mostMs: number;
}
const windows = new Map<string, Window>();

/**
 * Counts a request. The first of a kind opens a window and writes for all that came while it was open: every one is
 * counted, and a busy isolate pays for few.
 */
export function observeRequest(
  env: Env,
  later: (work: Promise<unknown>) => void,
  request: { name: string; status: number; source: string; ms: number },
): void {
  const { name, status, source, ms } = request;
  const id = `${env.VERSION.id} ${status} ${source} ${name}`;
  const open = windows.get(id);
  const now = Date.now();
  // Who opened it may have gone away before it was written: then it is written by who comes.
  if (open !== undefined && now - open.opened < STALE_MS) {
    open.count += 1;
    open.ms += ms;
    open.mostMs = Math.max(open.mostMs, ms);
    return;
  }
  const window: Window = {
    opened: now,
    count: 1 + (open?.count ?? 0),
    ms: ms + (open?.ms ?? 0),
    mostMs: Math.max(ms, open?.mostMs ?? 0),
  };
  windows.set(id, window);
  const close = (): void => {
    if (windows.get(id) !== window) return;
    windows.delete(id);
    const kind = status === 429 ? 'refused' : 'request';
    const { count: weight, mostMs: most } = window;
    observe(env, later, { kind, name, status: String(status), source, value: window.ms / weight, weight, most });
  };
  later(scheduler.wait(WINDOW_MS).then(close));
}
