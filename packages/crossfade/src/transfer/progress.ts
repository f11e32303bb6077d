export interface TransferProgress {
  readonly objects: number;
  readonly totalObjects: number;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** `null` until a rate can be told. */
  readonly remainingSeconds: number | null;
}

export interface ProgressCount {
  /** So much more is to be done. */
  expect(objects: number, bytes: number): void;
  /** Bytes that went by; fewer than none where an attempt was in vain. */
  moved(bytes: number): void;
  /** One more object is done. */
  finished(): void;
  /** The last report. */
  end(): void;
}

const EVERY_MS = 500;
/** A rate over less than this share of the bytes says nothing of the rest. */
const LEAST_SHARE = 0.01;

/**
 * Counts what is done and reports it at most twice a second, and once at the end. Totals grow as
 * they are counted, and with what turns up late.
 */
export function createProgress(report: (progress: TransferProgress) => void): ProgressCount {
  const start = performance.now();
  const total = { objects: 0, bytes: 0 };
  let objects = 0;
  let bytes = 0;
  let reported = start;
  const tell = (): void => {
    const seconds = (performance.now() - start) / 1000;
    const totalObjects = Math.max(total.objects, objects);
    const totalBytes = Math.max(total.bytes, bytes);
    const bytesPerSecond = seconds === 0 ? 0 : Math.round(bytes / seconds);
    const known = bytesPerSecond > 0 && bytes >= totalBytes * LEAST_SHARE;
    const remainingSeconds = known ? Math.round((totalBytes - bytes) / bytesPerSecond) : null;
    report({ objects, totalObjects, bytes, totalBytes, bytesPerSecond, remainingSeconds });
  };
  const tellSometimes = (): void => {
    const now = performance.now();
    if (now - reported < EVERY_MS) return;
    reported = now;
    tell();
  };
  return {
    expect(more, moreBytes) {
      total.objects += more;
      total.bytes += moreBytes;
    },
    moved(count) {
      bytes += count;
      tellSometimes();
    },
    finished() {
      objects++;
      tellSometimes();
    },
    end: tell,
  };
}
