/** So much is read between two collections, bytes. */
const COLLECT_EVERY = 16 * 1024 * 1024;

let sinceCollected = 0;

/**
 * Tells that so many bytes that a socket read were copied to where they stay. Each read is memory of its own, outside
 * of V8's heap and dead a moment later. Left to itself V8 makes so few small objects meanwhile that it waits until all
 * that memory is a burden, and then goes through everything that lives: 17 times for 400 MiB, a third of the CPU. A
 * look at the young objects alone, of which next to none live, costs a millisecond. Nothing is done where Node was not
 * given `--expose-gc` (`scripts/node-flags.mjs`).
 */
export function wasCopied(bytes: number): void {
  sinceCollected += bytes;
  if (sinceCollected < COLLECT_EVERY || globalThis.gc === undefined) return;
  sinceCollected = 0;
  globalThis.gc({ type: 'minor', execution: 'sync' });
}
