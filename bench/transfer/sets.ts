import { createHash } from 'node:crypto';

export const KIB = 1024;
const MIB = 1024 * KIB;
/** Objects above it came up in parts of it, as Supabase and the usual clients do: their ETags are composite. */
export const PART_BYTES = 16 * MIB;
const BLOCK_BYTES = MIB;
const POOL_BYTES = 16 * MIB;

export interface TransferSet {
  readonly name: string;
  readonly objects: number;
  /** Of each object. */
  readonly bytes: number;
}

export const SETS: readonly TransferSet[] = [
  { name: 'small', objects: 20_000, bytes: 4 * KIB },
  { name: 'medium', objects: 400, bytes: MIB },
  { name: 'large', objects: 8, bytes: 256 * MIB },
];

/** At most this much of what rclone takes; `null` where nothing is asked. */
export interface Goal {
  readonly wall: number | null;
  readonly cpu: number | null;
}

const FAST: Goal = { wall: 0.7, cpu: 0.5 };
/** R2's simulator takes as long as both copies do, whoever sends, so that only being slower would say something. */
const LOCAL_CLOUD: Goal = { wall: 1, cpu: null };
/** On the loopback one core of the target's fills with MD5s: no link that anybody copies over shows this ratio. */
const PRINTED_ONLY: Goal = { wall: null, cpu: null };

export function goalOf(servers: string, { name }: TransferSet): Goal {
  if (name === 'medium') return PRINTED_ONLY;
  return servers === 'fast' ? FAST : LOCAL_CLOUD;
}

export const keyOf = (index: number): string => `users/${String(index % 97).padStart(2, '0')}/object-${index}.wav`;

/** Bytes that no compressor shortens, alike in every run; made by a generator, since they are no secret. */
function makePool(): Buffer {
  const pool = new Uint32Array(POOL_BYTES / 4);
  let state = 0x9e3779b9;
  for (let at = 0; at < pool.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    pool[at] = state;
  }
  return Buffer.from(pool.buffer);
}

export interface Contents {
  /** The bytes `start` to `end` (exclusive) of an object, in pieces that are not copied. */
  pieces(index: number, start: number, end: number): Buffer[];
  etag(index: number, size: number): string;
}

/** What the objects hold, from one pool of 16 MiB: each block begins elsewhere in it, so no two objects are alike. */
export function createContents(): Contents {
  const pool = makePool();
  function pieces(index: number, start: number, end: number): Buffer[] {
    const all: Buffer[] = [];
    for (let at = start; at < end;) {
      const block = Math.floor(at / BLOCK_BYTES);
      const within = at - block * BLOCK_BYTES;
      const taken = Math.min(BLOCK_BYTES - within, end - at);
      const offset = (index * 7919 + block * 104_729) % (POOL_BYTES - BLOCK_BYTES);
      all.push(pool.subarray(offset + within, offset + within + taken));
      at += taken;
    }
    return all;
  }
  const digest = (index: number, start: number, end: number): Buffer => {
    const hash = createHash('md5');
    for (const piece of pieces(index, start, end)) hash.update(piece);
    return hash.digest();
  };
  return {
    pieces,
    etag(index, size) {
      if (size <= PART_BYTES) return digest(index, 0, size).toString('hex');
      const parts: Buffer[] = [];
      for (let at = 0; at < size; at += PART_BYTES) parts.push(digest(index, at, Math.min(size, at + PART_BYTES)));
      return `${createHash('md5').update(Buffer.concat(parts)).digest('hex')}-${parts.length}`;
    },
  };
}
