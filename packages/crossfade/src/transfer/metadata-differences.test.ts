import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { metaOf, SYSTEM_HEADERS, SYSTEM_HEADER_NAMES } from '../providers/object-meta.ts';
import type { ObjectMeta } from '../providers/providers.ts';
import { copyObjects } from './copy.ts';
import { copyUntil } from './copy-until.ts';
import { memoryStore, type MemoryStore } from './fixtures/memory-store.ts';
import { metaDifferences } from './metadata-differences.ts';
import { measureLag } from './pending.ts';
import { verifyObjects } from './verify.ts';

const { signal } = new AbortController();
const copy = (from: MemoryStore, to: MemoryStore, over: object = {}) =>
  copyObjects({ from, to, concurrency: 2, signal, ...over });
const verify = (from: MemoryStore, to: MemoryStore) => verifyObjects({ from, to, concurrency: 2, signal, deep: true });

async function copied(...keys: readonly string[]): Promise<[MemoryStore, MemoryStore]> {
  const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
  for (const key of keys) from.place(key, `bytes of ${key}`);
  await copy(from, to);
  return [from, to];
}

const FULL = metaOf({
  contentType: 'audio/wav',
  cacheControl: 'max-age=60',
  contentDisposition: 'inline',
  contentEncoding: 'gzip',
  contentLanguage: 'en',
  expires: 'Thu, 01 Jan 2026 00:00:00 GMT',
  custom: { title: 'one' },
});

describe('metadata that changed in the source under the same bytes', () => {
  it.each([
    ...SYSTEM_HEADER_NAMES.map((field): [string, ObjectMeta] => [SYSTEM_HEADERS[field], { ...FULL, [field]: 'other' }]),
    ...SYSTEM_HEADER_NAMES.map((field): [string, ObjectMeta] => [SYSTEM_HEADERS[field], { ...FULL, [field]: null }]),
    ['x-amz-meta-title', { ...FULL, custom: { title: 'two' } }],
    ['x-amz-meta-title', { ...FULL, custom: {} }],
    ['x-amz-meta-album', { ...FULL, custom: { title: 'one', album: 'new' } }],
  ])('%s is corrected by a copy, counted by the lag, and found by a deep verification', async (name, changed) => {
    // aws-cli#4881, #1953: sizes and ETags are equal, so the object counts as present.
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const key of ['a', 'b']) from.place(key, key, { meta: FULL });
    await copy(from, to);
    expect((await verify(from, to)).account).toMatchObject({ proven: 2, failed: 0 });
    from.place('a', 'a', { meta: changed });
    const found = await verify(from, to);
    expect(found.account).toMatchObject({ listed: 2, proven: 1, failed: 1 });
    expect(found.mismatched).toMatchObject([{ key: 'a', reason: name }]);
    expect((await measureLag({ from, to, signal })).pending).toBe(1);
    expect(await copyUntil({ from, to, concurrency: 1, signal }, 10)).toMatchObject({ caughtUp: true, copied: 1 });
    expect(to.objects.get('a')?.meta).toMatchObject({ ...changed, custom: expect.objectContaining(changed.custom) });
    expect((await verify(from, to)).account).toMatchObject({ proven: 2, failed: 0 });
    expect(await copy(from, to)).toMatchObject({ copied: 0, present: 2 });
  });

  it('costs no call where the target was written later than the source', async () => {
    const [from, to] = await copied('a', 'b');
    const asked: string[] = [];
    from.head = async (key) => (asked.push(key), null);
    expect(await copy(from, to)).toMatchObject({ present: 2 });
    expect(asked).toEqual([]);
  });

  it('fails by name where the target takes a header and does not keep it', async () => {
    const [from, to] = await copied('a', 'b');
    const { put } = to;
    to.put = (key, body, size, meta, md5) => put(key, body, size, { ...meta, contentLanguage: null }, md5);
    from.place('a', 'bytes of a', { meta: { ...FULL, contentLanguage: 'de' } });
    expect(await copy(from, to)).toMatchObject({
      listed: 2,
      present: 1,
      copied: 0,
      failures: 1,
      failed: [{ key: 'a', reason: 'r2 has the bytes, and does not keep content-language' }],
    });
    // A store that is known not to hold it owes nothing.
    from.place('a', 'bytes of a', { meta: { ...FULL, contentLanguage: 'fr' } });
    expect(await copy(from, to, { to: { ...to, unheldHeaders: ['contentLanguage'] } })).toMatchObject({ failures: 0 });
  });

  it('that cannot be asked for fails that object alone', async () => {
    const [from, to] = await copied('a', 'b', 'c');
    for (const key of ['a', 'b']) from.place(key, `bytes of ${key}`, { meta: FULL });
    const { head } = from;
    from.head = async (key) => {
      if (key === 'a') throw new Error('403 AccessDenied');
      return head(key);
    };
    expect(await copy(from, to)).toMatchObject({
      copied: 1,
      present: 1,
      failed: [{ key: 'a', reason: '403 AccessDenied' }],
    });
  });

  it('of what the mirror or the Worker wrote to both is left as the target has it', async () => {
    const [from, to] = await copied('mirrored', 'both');
    from.place('mirrored', 'bytes of mirrored', { meta: metaOf({ custom: { 'crossfade-mirrored': 'etag' } }) });
    const both = to.objects.get('both');
    if (both !== undefined) both.meta = { ...FULL, custom: { 'crossfade-legacy': 'written-to-both' } };
    from.place('both', 'bytes of both');
    expect(await copy(from, to)).toMatchObject({ copied: 0, present: 2 });
    expect(to.objects.get('both')?.meta.contentDisposition).toBe('inline');
  });
});

describe('what is no difference', () => {
  const stores = { from: memoryStore('legacy'), to: memoryStore('r2') };

  it('is the time and the marks that Crossfade adds, whatever else there is', () => {
    const custom = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string());
    const mark = fc.constantFrom('mtime', 'crossfade-legacy', 'crossfade-mirrored');
    fc.assert(
      fc.property(custom, fc.dictionary(mark, fc.string()), (kept, added) => {
        const source = metaOf({ custom: kept });
        expect(
          metaDifferences(stores, { meta: source }, { meta: { ...source, custom: { ...kept, ...added } } }),
        ).toEqual([]);
      }),
    );
  });

  it('is a default that a store fills in, and a header that one of them cannot hold; nothing else is', () => {
    const none = { meta: metaOf({}) };
    const filled = { meta: metaOf({ contentType: 'binary/octet-stream', cacheControl: 'no-cache' }) };
    expect(metaDifferences(stores, none, filled)).toEqual([]);
    expect(metaDifferences(stores, filled, none)).toEqual(['content-type', 'cache-control']);
    const from = { ...stores.from, unheldHeaders: ['expires' as const] };
    expect(
      metaDifferences({ ...stores, from }, none, { meta: metaOf({ expires: '0', contentEncoding: 'br' }) }),
    ).toEqual(['content-encoding']);
    const timed = { meta: metaOf({ custom: { mtime: '1' } }) };
    expect(metaDifferences(stores, timed, none)).toEqual(['x-amz-meta-mtime']);
  });
});
