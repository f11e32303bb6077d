import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ObjectHead } from '../providers/providers.ts';
import { candidatePartSizes, createCompositeHash, partsOf } from './composite-etag.ts';
import { memoryStore, type MemoryStore } from './fixtures/memory-store.ts';
import { openManifest, withManifest } from './manifest.ts';
import { mergeListings, type KeyPair } from './merge-listings.ts';
import { verifyObjects } from './verify.ts';

const signal = new AbortController().signal;
const verify = (from: MemoryStore, to: MemoryStore, more = {}) =>
  verifyObjects({ from, to, concurrency: 4, signal, ...more });

/** The ETag of a multipart upload, by S3's rule: the MD5 of the parts' MD5s, a dash, their number. */
function compositeEtag(bytes: Buffer, partSize: number): string {
  const digests: Buffer[] = [];
  for (let at = 0; at < bytes.byteLength; at += partSize)
    digests.push(
      createHash('md5')
        .update(bytes.subarray(at, at + partSize))
        .digest(),
    );
  return `${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${digests.length}`;
}

describe('verifying', () => {
  it('proves equal objects, and lists what is missing, extra and different', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const key of ['same', 'missing', 'other size', 'other bytes']) from.place(key, `the bytes of ${key}`);
    for (const key of ['same', 'extra']) to.place(key, `the bytes of ${key}`);
    to.place('other size', 'short');
    to.place('other bytes', 'THE BYTES OF OTHER BYTES');
    expect(await verify(from, to)).toMatchObject({
      objects: 4,
      verified: 1,
      missing: ['missing'],
      extra: ['extra'],
      mismatched: [
        { key: 'other bytes', reason: 'MD5' },
        { key: 'other size', reason: 'size', expected: '23 bytes', measured: '5 bytes' },
      ],
    });
  });

  it('names the object of which any single byte is wrong, whatever kind of ETag the source has', async () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 });
    const etag = fc.constantFrom('md5', 'composite', 'nothing known');
    await fc.assert(
      fc.asyncProperty(bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), etag, async (content, place, flip, kind) => {
        const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
        const good = Buffer.from(content);
        const bad = Buffer.from(good);
        const at = place % bad.byteLength;
        bad[at] = (bad[at] ?? 0) ^ flip;
        const over = {
          md5: {},
          composite: { etag: compositeEtag(good, 5 * 1024 * 1024) },
          'nothing known': { etag: 'W1' },
        };
        from.place('good', good, over[kind]);
        from.place('bad', good, over[kind]);
        to.place('good', good);
        to.place('bad', bad);
        const { verified, mismatched } = await verify(from, to);
        expect(verified).toBe(1);
        expect(mismatched.map(({ key }) => key)).toEqual(['bad']);
      }),
      { numRuns: 60 },
    );
  });

  it('finds, when it reads deep, bytes that are not those of their own ETag', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    from.place('rotten', 'what it should be');
    to.place('rotten', 'what it should bE', { etag: from.objects.get('rotten')?.etag ?? '' });
    expect((await verify(from, to)).verified).toBe(1);
    expect((await verify(from, to, { deep: true })).mismatched).toMatchObject([{ key: 'rotten', reason: 'SHA-256' }]);
  });

  it('does not count what the source deleted meanwhile', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    from.place('gone', 'x');
    const { list } = from;
    from.list = async function* (prefix) {
      for await (const listed of list(prefix)) {
        from.objects.delete(listed.key);
        yield listed;
      }
    };
    expect(await verify(from, to)).toMatchObject({ objects: 0, missing: [], mismatched: [] });
  });

  it('that fails leaves the manifest of the one before, and no file open or half written', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crossfade-manifest-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'manifest.jsonl');
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const store of [from, to]) store.place('song.wav', 'la');
    const { manifest } = await withManifest(file, (more) => verify(from, to, more));
    expect(manifest).toMatchObject({ file, rows: 1 });
    const before = await readFile(file, 'utf8');
    const failing = withManifest(file, async (more) => {
      await verify(from, to, more);
      throw new Error('the database is away');
    });
    await expect(failing).rejects.toThrow('the database is away');
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(await readdir(folder)).toEqual(['manifest.jsonl']);
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    expect(open.filter((path) => path.startsWith(folder))).toEqual([]);
  });

  it('keeps a manifest with one row for each verified object, and its hash', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crossfade-manifest-'));
    try {
      const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
      for (let index = 0; index < 50; index++) for (const store of [from, to]) store.place(`key ${index}`, `${index}`);
      const file = join(folder, 'manifest.jsonl');
      const manifest = await openManifest(file);
      await verify(from, to, { onVerified: manifest.write });
      const { rows, sha256 } = await manifest.close();
      const text = await readFile(file, 'utf8');
      expect(rows).toBe(50);
      expect(createHash('sha256').update(text).digest('hex')).toBe(sha256);
      const keys = text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { key: string }).key);
      expect(new Set(keys).size).toBe(50);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a composite ETag', () => {
  it('is computed as a multipart upload has it, however the bytes are chunked', () => {
    const sizes = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), sizes, sizes, (content, partSize, chunkSize) => {
        const bytes = Buffer.from(content);
        const hash = createCompositeHash(partSize);
        for (let at = 0; at < bytes.byteLength; at += chunkSize) hash.update(bytes.subarray(at, at + chunkSize));
        expect(hash.etag()).toBe(compositeEtag(bytes, partSize));
      }),
    );
  });

  it('finds the part sizes that would have cut so many parts', () => {
    const MIB = 1024 * 1024;
    expect(candidatePartSizes(66 * MIB, 5)).toContain(16 * MIB);
    expect(candidatePartSizes(66 * MIB, 9)).toContain(8 * MIB);
    expect(partsOf('d41d8cd98f00b204e9800998ecf8427e-5')).toBe(5);
    expect(partsOf('d41d8cd98f00b204e9800998ecf8427e')).toBeNull();
  });
});

describe('two listings side by side', () => {
  const head = (key: string): ObjectHead => ({ key, size: 0, etag: '', lastModified: '' });
  const listing = async function* (keys: readonly string[]) {
    for (const key of keys) yield head(key);
  };
  async function collect(pairs: AsyncIterable<KeyPair>): Promise<KeyPair[]> {
    const all: KeyPair[] = [];
    for await (const pair of pairs) all.push(pair);
    return all;
  }
  const inBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const keys = fc
    .uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }))
    .map((all) => all.toSorted(inBytes));

  it('give every key once, in byte order, with both sides where both have it', async () => {
    await fc.assert(
      fc.asyncProperty(keys, keys, async (left, right) => {
        const pairs = await collect(mergeListings(listing(left), listing(right)));
        expect(pairs.map(({ key }) => key)).toEqual([...new Set([...left, ...right])].toSorted(inBytes));
        for (const { key, from, to } of pairs) {
          expect([from !== null, to !== null]).toEqual([left.includes(key), right.includes(key)]);
        }
      }),
    );
  });

  it.each([[['b', 'a']], [['a', 'a']]])('refuse %j, in which keys would be missed', async (wrong) => {
    await expect(collect(mergeListings(listing(wrong), listing([])))).rejects.toThrow('repeats or is out of order');
  });
});
