import type { SharedProgress } from '../transfer/shared/shared-progress.ts';
import { durationText } from './transfer-progress.ts';

const MIB = 1024 * 1024;

/** What a worker says of itself and of all: `w1: 12/s 3.1 MiB/s; with 3 others 40/s 11.0 MiB/s; 7 of 64 partitions`. */
export function workerLine(id: string, progress: SharedProgress): string {
  const { workers, partitions } = progress;
  if (partitions === 0) return `${id}: nothing to do; begin a transfer: crossfade copy FROM TO --shared`;
  const mine = workers.find((one) => one.id === id);
  const others = workers.length - (mine === undefined ? 0 : 1);
  const whole = others === 0 ? '' : `; with ${others} other${others === 1 ? '' : 's'} ${rateOf(workers)}`;
  return `${id}: ${rateOf(mine === undefined ? [] : [mine])}${whole}; ${partitionsText(progress)}, ${amountText(progress)}`;
}

/** What whoever waits for a shared copy sees: the whole first, then each worker. */
export function sharedLines(progress: SharedProgress, remainingSeconds: number | null): string[] {
  const { workers, planning } = progress;
  const left = remainingSeconds === null ? '' : `; ${durationText(remainingSeconds)} left`;
  const whole = planning
    ? 'the keys are cut into partitions'
    : `${partitionsText(progress)}, ${amountText(progress)}; ${rateOf(workers)}${left}`;
  return [whole, ...workers.map((one) => `  ${one.id}: ${rateOf([one])}, ${amountText(one)}`)];
}

export function amountText({ objects, bytes }: { readonly objects: number; readonly bytes: number }): string {
  return `${objects} objects, ${(bytes / MIB).toFixed(1)} MiB`;
}

function partitionsText({ partitions, done, failed }: SharedProgress): string {
  return `${done} of ${partitions} partitions${failed === 0 ? '' : `, ${failed} failed`}`;
}

function rateOf(workers: SharedProgress['workers']): string {
  const objects = workers.reduce((sum, one) => sum + one.objectsPerSecond, 0);
  const bytes = workers.reduce((sum, one) => sum + one.bytesPerSecond, 0);
  return `${objects.toFixed(0)}/s ${(bytes / MIB).toFixed(1)} MiB/s`;
}
