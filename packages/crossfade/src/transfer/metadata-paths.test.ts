import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bulkCopy } from '../phases/preparation/bulk-copy.ts';
import { sippyCopy } from '../phases/preparation/sippy-copy.ts';
import { differingMeta, metaOf } from '../providers/object-meta.ts';
import type { ObjectMeta, ObjectStore } from '../providers/providers.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { keepObject, putBack } from './backup/object-versions.ts';
import { copyOne } from './copy-one.ts';
import { MIB, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { carryLateUploads } from './mirror/late-uploads.ts';
import { createRefusals } from './mirror/refusals.ts';
import { settleKey } from './mirror/settle-key.ts';

const { signal } = new AbortController();
const KEY = 'library/Wait... what.mp3';
let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

/** Each has a credential of its own, so that neither store copies for the other. */
const stores = () => ({
  r2: s3.store('r2'),
  legacy: s3.store('legacy', { secretAccessKey: 'another' }),
  backup: s3.store('backup', { secretAccessKey: 'a third' }),
});

async function metaIn(store: ObjectStore): Promise<ObjectMeta> {
  const held = await store.head(KEY);
  if (held === null) throw new Error(`${store.label} does not have ${KEY}`);
  return held.meta;
}

/** What the source holds and what arrived. */
type Carried = readonly [ObjectMeta, ObjectMeta];

async function put(store: ObjectStore, meta: ObjectMeta, size: number): Promise<ObjectMeta> {
  await store.put(KEY, Buffer.alloc(size, 'x'), size, meta);
  return metaIn(store);
}

/** Both services promise no header but `x-amz-meta-*` (their documentation); the object has the ETag of the bytes. */
const customOf = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')));

/** What the steps of preparation ask for, and nothing else. */
function preparation(at: { cloudflare: object; legacy: ObjectStore; r2: ObjectStore }): RolloutContext {
  const endpoint = { endpoint: s3.url, region: 'auto', accessKeyId: 'key', secretAccessKey: 'secret' };
  const context = {
    config: {
      cloudflare: { r2: endpoint },
      environments: { production: { supabase: { bucket: 'legacy', s3: endpoint }, worker: { bucket: 'r2' } } },
      transfer: { concurrency: 2 },
    },
    providers: { cloudflare: at.cloudflare, legacyStore: at.legacy, r2: { production: at.r2 } },
    signal,
    record: async () => 'ev',
  };
  return context as unknown as RolloutContext;
}

/** Each path that carries an object from one store to another outside of a whole copy. */
const PATHS: Record<string, (meta: ObjectMeta, size: number) => Promise<Carried>> = {
  async 'the mirror'(meta, size) {
    const { r2, legacy } = stores();
    const source = await put(r2, meta, size);
    const evidence = { deletedAt: null, putAt: Date.now(), wasCopied: false, mayConclude: false };
    const given = { r2, legacy, switchedAt: 0, refusals: createRefusals(), signal };
    expect(await settleKey(given, KEY, evidence)).toBe('copied');
    return [source, await metaIn(legacy)];
  },
  async 'a late upload'(meta, size) {
    const { r2, legacy } = stores();
    const source = await put(legacy, meta, size);
    const seen = { evidenceOf: async () => new Map() };
    expect(await carryLateUploads({ r2, legacy, seen, signal })).toEqual({ carried: [KEY], failed: [] });
    return [source, await metaIn(r2)];
  },
  async 'a version and its restore'(meta, size) {
    const { r2, backup } = stores();
    const source = await put(r2, meta, size);
    const etag = (await r2.head(KEY))?.etag ?? '';
    const kept = await keepObject(r2, backup, { key: KEY, etag, at: new Date(0).toISOString() }, signal);
    await r2.delete(KEY);
    if (kept === null) throw new Error('the version was not kept');
    await putBack(backup, r2, kept, signal);
    return [source, await metaIn(r2)];
  },
  async 'one object copied by itself'(meta, size) {
    const { r2, legacy } = stores();
    const source = await put(legacy, meta, size);
    const listed = await legacy.head(KEY);
    if (listed === null) throw new Error('it was not stored');
    await copyOne({ from: legacy, to: r2 }, listed, signal);
    return [source, await metaIn(r2)];
  },
  async 'Super Slurper and what the step does after it'(meta, size) {
    const { r2, legacy } = stores();
    const source = await put(legacy, meta, size);
    const cloudflare = {
      listSlurperJobs: async () => [],
      createSlurperJob: async () => {
        const served = s3.objects.get(`legacy/${KEY}`);
        if (served !== undefined) s3.place(`r2/${KEY}`, served.bytes, served.etag, customOf(served.headers));
        return 'job';
      },
      slurperProgress: async () => ({ status: 'completed', objects: 1, transferred: 1, skipped: 0, failed: 0 }),
    };
    expect(await bulkCopy(preparation({ cloudflare, legacy, r2 }), [])).toMatchObject({ described: 1 });
    return [source, await metaIn(r2)];
  },
  async 'Sippy and what the step does after it'(meta, size) {
    const { r2, legacy } = stores();
    const source = await put(legacy, meta, size);
    let isOn = false;
    const cloudflare = {
      getSippy: async () => ({ enabled: isOn, source: null }),
      putSippy: async () => void (isOn = true),
      deleteSippy: async () => void (isOn = false),
    };
    async function bySippy(...asked: Parameters<ObjectStore['get']>): ReturnType<ObjectStore['get']> {
      const served = s3.objects.get(`legacy/${KEY}`);
      if (isOn && served !== undefined) s3.place(`r2/${KEY}`, served.bytes, served.etag, customOf(served.headers));
      return r2.get(...asked);
    }
    const context = preparation({ cloudflare, legacy, r2: { ...r2, get: bySippy } });
    expect(await sippyCopy(context)).toMatchObject({ transferred: 1, described: 1 });
    return [source, await metaIn(r2)];
  },
};

const TEXTS = {
  ASCII: 'attachment; filename="a.mp3"',
  'Latin-1 text': 'café',
  'UTF-8': 'Beyoncé – 愛 🎵',
  'two blanks in a row': 'two  blanks',
  'blanks at both ends': ' both ends ',
  'an encoded word of its own': '=?UTF-8?B?QmV5b25jw6k=?=',
  'a percent sequence': '100%25 sure',
  'as much as S3 takes': 'x'.repeat(1500),
};
/** System headers take ASCII; what is beyond has rules of its own in the S3 provider. */
const SYSTEM: Partial<ObjectMeta> = {
  contentType: 'audio/mpeg; charset=utf-8',
  cacheControl: 'public, max-age=60, immutable',
  contentDisposition: 'attachment; filename="a b.mp3"',
  contentEncoding: 'identity',
  contentLanguage: 'de, en-GB',
  expires: 'Wed, 21 Oct 2026 07:28:00 GMT',
};

/** Whole, and in parts. */
const SIZES = [10, 5 * MIB + 1];

describe.each(Object.entries(PATHS))('%s', (_name, carry) => {
  /** What the source holds has to arrive; our own marks come on top. */
  async function expectKept(meta: ObjectMeta, size: number): Promise<void> {
    const [source, arrived] = await carry(meta, size);
    const names = new Set(Object.keys(source.custom));
    expect([...names]).toEqual(Object.keys(meta.custom));
    const custom = Object.fromEntries(Object.entries(arrived.custom).filter(([name]) => names.has(name)));
    expect(differingMeta(source, { ...arrived, custom })).toEqual([]);
    expect(differingMeta({ ...source, custom: {} }, { ...meta, custom: {} })).toEqual([]);
    const marks = Object.keys(arrived.custom).filter((name) => !names.has(name));
    expect(marks.filter((name) => name !== 'mtime' && !name.startsWith('crossfade-'))).toEqual([]);
  }

  it.each(SIZES)('keeps all six system headers of %i bytes', async (size) => {
    await expectKept(metaOf({ ...SYSTEM, custom: { title: 'Ada' } }), size);
  });

  it.each(Object.entries(SYSTEM))('keeps %s alone, and makes up no other', async (field, value) => {
    await expectKept(metaOf({ contentType: 'audio/wav', [field]: value }), 10);
  });

  it.each(Object.entries(TEXTS))('keeps custom metadata that is %s', async (_kind, value) => {
    await expectKept(metaOf({ contentType: 'audio/wav', custom: { title: value } }), 10);
  });
});
