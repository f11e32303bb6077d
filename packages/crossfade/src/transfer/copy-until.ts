import { copyObjects, type CopyOptions } from './copy.ts';
import { measureLag } from './pending.ts';

/** Passes in a row that do not bring the lag down: changes come faster than they are copied. */
const IN_VAIN = 3;

export interface CaughtUp {
  readonly copied: number;
  readonly bytes: number;
  /** Were there already when the last pass looked. */
  readonly present: number;
  readonly passes: number;
  /** When the last pass began, epoch ms: what has changed in the source since then may not be in the target. */
  readonly since: number;
  /** Measured after the last pass, s; `null` when nobody asked for a bound. */
  readonly lagSeconds: number | null;
  /** `false` when the lag stays above the bound. */
  readonly caughtUp: boolean;
}

/**
 * Copies once, or again and again until the lag is within `maxLagSeconds`. Gives up when three passes in a row did not
 * bring it down. Throws as `copyObjects` does.
 */
export async function copyUntil(
  options: CopyOptions,
  maxLagSeconds: number | null,
  onLag: (seconds: number, pending: number) => void = () => {},
): Promise<CaughtUp> {
  const { refuses, filter } = options;
  const holdable = (key: string): boolean => filter?.(key) !== false && (refuses?.(key) ?? null) === null;
  let [copied, bytes, best, inVain] = [0, 0, Infinity, 0];
  for (let passes = 1; ; passes++) {
    const since = Date.now();
    // What a store cannot hold is told once, by the first pass.
    const result = await copyObjects(passes === 1 ? options : { ...options, filter: holdable });
    copied += result.copied;
    bytes += result.bytes;
    const done = { copied, bytes, present: result.present, passes, since };
    if (maxLagSeconds === null) return { ...done, lagSeconds: null, caughtUp: true };
    const lag = await measureLag({ ...options, filter: holdable });
    onLag(lag.seconds, lag.pending);
    if (lag.seconds <= maxLagSeconds) return { ...done, lagSeconds: lag.seconds, caughtUp: true };
    inVain = lag.seconds < best ? 0 : inVain + 1;
    best = Math.min(best, lag.seconds);
    if (inVain === IN_VAIN || result.copied === 0) return { ...done, lagSeconds: lag.seconds, caughtUp: false };
  }
}
