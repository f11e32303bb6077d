import type { TransferProgress } from '../transfer/progress.ts';

const PLAIN_EVERY_MS = 5000;
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes as people read them, in steps of 1,000. */
export function sizeText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** One line: how much is done of how much, how fast, and how long it takes yet. */
export function progressText(what: string, progress: TransferProgress): string {
  const { objects, totalObjects, bytes, totalBytes, bytesPerSecond, remainingSeconds } = progress;
  const parts = [
    `${what} ${objects.toLocaleString('en')} of ${totalObjects.toLocaleString('en')} objects`,
    `${sizeText(bytes)} of ${sizeText(totalBytes)}`,
    `${sizeText(bytesPerSecond)}/s`,
    ...(remainingSeconds === null ? [] : [`${durationText(remainingSeconds)} left`]),
  ];
  return parts.join(' · ');
}

export interface ProgressView {
  /** Shows it: on a terminal in place, elsewhere as a line now and then. */
  show(what: string, progress: TransferProgress): void;
  /** A line that stays. */
  say(line: string): void;
}

export function createProgressView(out: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>): ProgressView {
  const live = out.isTTY === true;
  let shown = false;
  let told = performance.now();
  const clear = (): void => {
    if (shown) out.write('\r\u001b[2K');
    shown = false;
  };
  return {
    show(what, progress) {
      const line = progressText(what, progress);
      if (live) {
        clear();
        out.write(line.slice(0, Math.max(20, (out.columns ?? 80) - 1)));
        shown = true;
        return;
      }
      const now = performance.now();
      if (now - told < PLAIN_EVERY_MS) return;
      told = now;
      out.write(`${line}\n`);
    },
    say(line) {
      clear();
      out.write(`${line}\n`);
    },
  };
}
