import { copyObjects, type CopyFailure, type CopyOptions, type CopyResult } from './copy.ts';
import { measureLag } from './pending.ts';

/** Passes in a row that do not bring the lag down: changes come faster than they are copied. */
const IN_VAIN = 3;

export interface CaughtUp {
  readonly copied: number;
  readonly bytes: number;
  /** Were there already when the last pass looked. */
  readonly present: number;
  /** What the last pass listed, and what the target was given or had of it by then. */
  readonly listed: number;
  readonly arrived: number;
  /** Of what the last pass listed. */
  readonly gone: number;
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
 * bring it down. With a bound, an object that one pass could not copy is told by `onFailed` only when the last pass
 * could not either; until then a pass's failures are held. Throws as `copyObjects` does.
 */
export async function copyUntil(
  options: CopyOptions,
  maxLagSeconds: number | null,
  onLag: (seconds: number, pending: number) => void = () => {},
): Promise<CaughtUp> {
  const { refuses, filter } = options;
  const holdable = (key: string): boolean => filter?.(key) !== false && (refuses?.(key) ?? null) === null;
  let [copied, bytes, refused, best, inVain] = [0, 0, 0, Infinity, 0];
  for (let passes = 1; ; passes++) {
    const since = Date.now();
    // What a store cannot hold is told once, by the first pass.
    const pass = passes === 1 ? options : { ...options, filter: holdable };
    const { result, failures } = maxLagSeconds === null ? await copyTelling(pass) : await copyHolding(pass);
    copied += result.copied;
    bytes += result.bytes;
    if (passes === 1) refused = result.failures - failures.length;
    const { present, gone } = result;
    // What was refused is left out of the later passes, and is listed all the same.
    const listed = passes === 1 ? result.listed : result.listed + refused;
    const arrived = result.copied + present + result.keptNewer.length;
    const done = { copied, bytes, present, listed, arrived, gone, passes, since };
    if (maxLagSeconds === null) return { ...done, lagSeconds: null, caughtUp: true };
    const lag = await measureLag({ ...options, filter: holdable });
    onLag(lag.seconds, lag.pending);
    inVain = lag.seconds < best ? 0 : inVain + 1;
    best = Math.min(best, lag.seconds);
    const caughtUp = lag.seconds <= maxLagSeconds;
    // Another pass may bring what failed in this one; where nothing failed and nothing came, it would do the same again.
    const hopeless = inVain === IN_VAIN || (result.copied === 0 && failures.length === 0);
    if (!caughtUp && !hopeless) continue;
    await tellAll(options, failures);
    return { ...done, lagSeconds: lag.seconds, caughtUp };
  }
}

interface Pass {
  readonly result: CopyResult;
  /** What is not told yet. */
  readonly failures: readonly CopyFailure[];
}

async function copyTelling(options: CopyOptions): Promise<Pass> {
  return { result: await copyObjects(options), failures: [] };
}

/** Tells at once only what the target cannot hold: no later pass will bring it. */
async function copyHolding(options: CopyOptions): Promise<Pass> {
  const failures: CopyFailure[] = [];
  const onFailed: CopyOptions['onFailed'] = (failure) => {
    if ((options.refuses?.(failure.key) ?? null) !== null) return options.onFailed?.(failure);
    failures.push(failure);
  };
  try {
    return { result: await copyObjects({ ...options, onFailed }), failures };
  } catch (error) {
    // There is no later pass.
    await tellAll(options, failures);
    throw error;
  }
}

async function tellAll({ onFailed }: CopyOptions, failures: readonly CopyFailure[]): Promise<void> {
  for (const failure of failures) await onFailed?.(failure);
}
