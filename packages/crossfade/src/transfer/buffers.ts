const MIB = 1024 * 1024;

/**
 * Buffers out of a memory that is bounded for all of a transfer. Large ones are used again: what is freed to the
 * garbage collector instead comes back late, and the memory grows by all that waits for it.
 */
export interface Buffers {
  /** Resolves when there is room; who asked first gets it first. More than the whole waits for the whole. */
  borrow(bytes: number): Promise<Buffer>;
  /** `reusable` is false where somebody may still be reading from it. */
  giveBack(buffer: Buffer, reusable: boolean): void;
}

export function createBuffers(totalBytes: number): Buffers {
  let free = totalBytes;
  const idle = new Map<number, Buffer[]>();
  /** What a lent buffer was cut from; small ones are not kept. */
  const lent = new Map<Buffer, { readonly whole: Buffer | null; readonly counted: number }>();
  const waiting: { readonly bytes: number; readonly start: (buffer: Buffer) => void }[] = [];

  const counted = (bytes: number): number => Math.min(capacityFor(bytes), totalBytes);

  function lend(bytes: number): Buffer {
    free -= counted(bytes);
    const capacity = capacityFor(bytes);
    const whole = bytes < MIB ? null : (idle.get(capacity)?.pop() ?? Buffer.allocUnsafeSlow(capacity));
    const buffer = whole === null ? Buffer.allocUnsafe(bytes) : whole.subarray(0, bytes);
    lent.set(buffer, { whole, counted: counted(bytes) });
    return buffer;
  }

  return {
    borrow(bytes) {
      if (waiting.length === 0 && free >= counted(bytes)) return Promise.resolve(lend(bytes));
      return new Promise((start) => waiting.push({ bytes, start }));
    },
    giveBack(buffer, reusable) {
      const loan = lent.get(buffer);
      if (loan === undefined) throw new Error('a buffer was given back that nobody had borrowed');
      lent.delete(buffer);
      free += loan.counted;
      if (loan.whole !== null && reusable) {
        const same = idle.get(loan.whole.byteLength) ?? [];
        same.push(loan.whole);
        idle.set(loan.whole.byteLength, same);
      }
      for (let next = waiting[0]; next !== undefined && free >= counted(next.bytes); next = waiting[0]) {
        waiting.shift();
        next.start(lend(next.bytes));
      }
    },
  };
}

/** Large buffers come in few sizes, so that they fit again. */
function capacityFor(bytes: number): number {
  return bytes < MIB ? bytes : 2 ** Math.ceil(Math.log2(bytes));
}
