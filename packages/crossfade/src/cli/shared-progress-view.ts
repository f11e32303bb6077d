import type { SharedProgress } from '../transfer/shared/shared-progress.ts';
import { sharedLines } from './shared-progress-text.ts';

const PLAIN_EVERY_MS = 5000;

export interface SharedProgressView {
  /** Shows it: on a terminal in place, elsewhere as lines now and then. */
  show(progress: SharedProgress): void;
  /** Leaves the last of it there; what comes then stands below. */
  end(): void;
}

/** `now` is in ms. */
export function createSharedProgressView(
  out: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>,
  now: () => number = () => performance.now(),
): SharedProgressView {
  const live = out.isTTY === true;
  const remaining = createRemaining(now);
  let shown = 0;
  let told = -Infinity;
  let untold: string[] = [];
  const clear = (): void => {
    if (shown > 0) out.write(`\u001b[${shown}A\u001b[0J`);
    shown = 0;
  };
  const tell = (): void => {
    if (untold.length > 0) out.write(untold.map((line) => `${line}\n`).join(''));
    untold = [];
    told = now();
  };
  return {
    show(progress) {
      const lines = sharedLines(progress, remaining(progress));
      if (live) {
        clear();
        const width = Math.max(20, (out.columns ?? 80) - 1);
        out.write(lines.map((line) => `${line.slice(0, width)}\n`).join(''));
        shown = lines.length;
        return;
      }
      untold = lines;
      if (now() - told >= PLAIN_EVERY_MS) tell();
    },
    end() {
      shown = 0;
      tell();
    },
  };
}

/**
 * How long the rest takes, s, by the partitions that were ended since this process has been looking: how many objects
 * there are nobody knows. `null` until one has ended.
 */
function createRemaining(now: () => number): (progress: SharedProgress) => number | null {
  let first: { readonly at: number; readonly ended: number } | null = null;
  return ({ planning, partitions, done, failed }) => {
    if (planning) return null;
    const ended = done + failed;
    first ??= { at: now(), ended };
    const since = ended - first.ended;
    return since === 0 ? null : ((now() - first.at) / 1000 / since) * (partitions - ended);
  };
}
