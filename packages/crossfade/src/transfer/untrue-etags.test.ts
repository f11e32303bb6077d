import { hash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listingOf, pagesOf } from '../providers/listing.ts';
import { copyObjects } from './copy.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { MIB, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { verifyObjects } from './verify.ts';

// Objects whose ETag has the form of an MD5 and is none: rclone#1824, s3cmd#498, s3fs#584.
const KMS = { 'x-amz-server-side-encryption': 'aws:kms' };
const DSSE = { 'x-amz-server-side-encryption': 'aws:kms:dsse' };
const SSE_C = { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' };
const UNTOLD = {};
const otherMd5 = (md5: string): string => hash('md5', `encrypted ${md5}`);

let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const { signal } = new AbortController();
const stores = () => ({ from: s3.store('old'), to: s3.store('new', { secretAccessKey: 'another' }) });
const options = () => ({ ...stores(), concurrency: 2, signal });
const gets = (path: string): number => s3.calls.filter((call) => call === `GET ${path}`).length;
const puts = (path: string): number => s3.calls.filter((call) => call === `PUT ${path}`).length;
const ENCRYPTIONS = [
  ['SSE-KMS', KMS],
  ['DSSE', DSSE],
  ['SSE-C', SSE_C],
  ['an encryption that nobody names', UNTOLD],
] as const;
const SIZES = [
  ['no bytes', 0],
  ['some bytes', 1000],
  ['20 MiB in parts', 20 * MIB],
] as const;
const CASES = ENCRYPTIONS.flatMap(([name, headers]) => SIZES.map(([size, count]) => ({ name, headers, size, count })));

describe('an ETag that is no MD5', () => {
  it.each(CASES)('at the source, by $name, keeps nobody from copying and proving $size', async ({ headers, count }) => {
    const bytes = randomBytes(count);
    s3.place('old/song', bytes, otherMd5(hash('md5', bytes)), headers);
    expect(await copyObjects(options())).toMatchObject({ copied: 1, failed: [] });
    expect(s3.objects.get('new/song')?.bytes.equals(bytes)).toBe(true);
    const verified = await verifyObjects(options());
    expect(verified).toMatchObject({ objects: 1, verified: 1, mismatched: [] });
  });

  it.each(CASES)('at the target, by $name, keeps nobody from copying and proving $size', async ({ headers, count }) => {
    const bytes = randomBytes(count);
    s3.place('old/song', bytes);
    s3.encrypts = { etagOf: otherMd5, headers };
    s3.namesPart = otherMd5;
    expect(await copyObjects(options())).toMatchObject({ copied: 1, failed: [] });
    expect(s3.objects.get('new/song')?.bytes.equals(bytes)).toBe(true);
    expect(await verifyObjects(options())).toMatchObject({ objects: 1, verified: 1, mismatched: [] });
  });

  it('does not bring an object again that is there, and brings one that is newer', async () => {
    s3.place('old/song', 'the song', otherMd5('a'), KMS);
    expect(await copyObjects(options())).toMatchObject({ copied: 1, present: 0 });
    // The server's times are all the same: the target's has to be later for it to be the copy.
    const times = { old: '2026-01-02T03:04:05Z', new: '2026-01-02T03:04:06Z' };
    const dated = (bucket: 'old' | 'new') => {
      const store = s3.store(bucket, bucket === 'new' ? { secretAccessKey: 'another' } : {});
      return {
        ...store,
        list: () =>
          listingOf(async function* () {
            for await (const page of pagesOf(store.list()))
              yield page.map((head) => ({ ...head, lastModified: times[bucket] }));
          }),
      };
    };
    const again = { from: dated('old'), to: dated('new'), concurrency: 1, signal };
    expect(await copyObjects(again)).toMatchObject({ copied: 0, present: 1 });
    times.old = '2026-01-02T03:04:07Z';
    expect(await copyObjects(again)).toMatchObject({ copied: 1, present: 0 });
  });

  it('costs one reading and one upload where the headers tell it, and a second of each where they do not', async () => {
    const bytes = randomBytes(1000);
    s3.place('old/told', bytes, otherMd5('a'), KMS);
    s3.place('old/untold', bytes, otherMd5('b'));
    expect(await copyObjects(options())).toMatchObject({ copied: 2 });
    expect([gets('old/told'), puts('new/told')]).toEqual([1, 1]);
    expect([gets('old/untold'), puts('new/untold')]).toEqual([2, 2]);
  });

  it.each(SIZES)('is no excuse for a source that sends %s otherwise each time', async (_name, count) => {
    if (count === 0) return;
    const bytes = randomBytes(count);
    s3.place('old/song', bytes, otherMd5('a'));
    let reads = 0;
    s3.fault = (call) => {
      if (!call.startsWith('GET old/song')) return false;
      const changed = Buffer.from(bytes);
      changed[0] = reads++ % 256;
      s3.place('old/song', changed, otherMd5('a'));
      return false;
    };
    const { failed, copied } = await copyObjects(options());
    expect([copied, failed]).toEqual([
      0,
      [{ key: 'song', reason: expect.stringContaining('and those it sent again') }],
    ]);
  });

  it.each([
    ['whole', 1000, 'read back they have'],
    ['in parts', 6 * MIB, 'stored other parts'],
  ])('is no excuse for a target that stores other bytes, %s', async (_name, count, reason) => {
    s3.place('old/song', randomBytes(count), 'W1');
    s3.encrypts = { etagOf: otherMd5, headers: UNTOLD };
    s3.namesPart = otherMd5;
    s3.fault = (call) => {
      const stored = s3.objects.get('new/song');
      if (call === 'HEAD new/song' && stored !== undefined)
        s3.place('new/song', Buffer.concat([stored.bytes.subarray(1), Buffer.from('?')]), stored.etag);
      return false;
    };
    const { failed, copied } = await copyObjects(options());
    expect([copied, failed]).toEqual([0, [{ key: 'song', reason: expect.stringContaining(reason) }]]);
  });

  it('lets nobody call other bytes the same', async () => {
    s3.place('old/song', 'the song', otherMd5('a'), KMS);
    s3.place('new/song', 'the tune', otherMd5('b'), KMS);
    expect((await verifyObjects(options())).mismatched).toMatchObject([{ key: 'song', reason: 'SHA-256' }]);
  });

  it('is proven to a store that streams, too', async () => {
    const bytes = randomBytes(17 * MIB);
    s3.place('old/song', bytes, otherMd5('a'));
    const to = memoryStore('new');
    expect(await copyObjects({ ...options(), to })).toMatchObject({ copied: 1, failed: [] });
    expect(to.objects.get('song')?.bytes.equals(bytes)).toBe(true);
  });
});

describe('a copy that the store makes itself', () => {
  it.each(ENCRYPTIONS)('is believed under %s', async (_name, headers) => {
    s3.place('old/song', 'the song', otherMd5('a'), headers);
    const within = { ...options(), to: s3.store('new') };
    expect(await copyObjects(within)).toMatchObject({ copied: 1, failed: [] });
    expect(puts('new/song')).toBe(1);
    expect(s3.objects.get('new/song')?.bytes.toString()).toBe('the song');
  });
});
