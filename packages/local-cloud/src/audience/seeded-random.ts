/** Numbers from 0 up to 1, the same ones for the same seed. */
export type Random = () => number;

/** Another stream for each path below a seed, so that what one listener does changes nothing for the next. */
export function randomOf(seed: number, ...path: readonly number[]): Random {
  let state = path.reduce((mixed, part) => scramble(mixed ^ scramble(part + 1)), scramble(seed));
  // mulberry32: small, fast, and good enough for choices.
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function scramble(value: number): number {
  const mixed = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  return Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b) ^ (mixed >>> 13);
}

export function pick<Item>(items: readonly Item[], random: Random): Item | undefined {
  return items[Math.floor(random() * items.length)];
}

export function bytesFrom(random: Random, size: number): Buffer {
  const bytes = Buffer.alloc(size + 4);
  for (let index = 0; index < size; index += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), index);
  return bytes.subarray(0, size);
}

/** A name as a random UUID looks; the same one for the same seed. */
export function uuidFrom(random: Random): string {
  const hex = bytesFrom(random, 16).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}
