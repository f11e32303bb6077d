export interface TransferProgress {
  readonly objects: number;
  readonly totalObjects: number;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** `null` until a rate can be told. */
  readonly remainingSeconds: number | null;
}

const EVERY_MS = 500;
/** A rate over less than this share of the bytes says nothing of the rest. */
const LEAST_SHARE = 0.01;

/** Counts what is done and reports it at most twice a second, and once at the end. */
export function createProgress(totalObjects: number, totalBytes: number, report: (progress: TransferProgress) => void) {
  const start = performance.now();
  let objects = 0;
  let bytes = 0;
  let reported = 0;
  const tell = (): void => {
    const seconds = (performance.now() - start) / 1000;
    const bytesPerSecond = seconds === 0 ? 0 : Math.round(bytes / seconds);
    const known = bytesPerSecond > 0 && bytes >= totalBytes * LEAST_SHARE;
    const remainingSeconds = known ? Math.max(0, Math.round((totalBytes - bytes) / bytesPerSecond)) : null;
    report({ objects, totalObjects, bytes, totalBytes, bytesPerSecond, remainingSeconds });
  };
  return {
    add(size: number): void {
      objects++;
      bytes += size;
      const now = performance.now();
      if (now - reported < EVERY_MS) return;
      reported = now;
      tell();
    },
    done: tell,
  };
}
