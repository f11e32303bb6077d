// What supabase/storage 1.11.2 does over S3 otherwise than S3, where it bears on what a copy sends.
import { hash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from '../../../local-cloud/src/supabase/temporary-project.ts';
import { encodeValue } from '../providers/s3/header-text.ts';
import { compositeEtagOf } from '../providers/s3/parts.ts';
import { createSupabaseS3 } from '../providers/supabase/supabase-s3.ts';
import { copyObjects } from './copy.ts';
import { MIB, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { createRefusals } from './mirror/refusals.ts';
import { settleKey } from './mirror/settle-key.ts';
import { verifyObjects } from './verify.ts';

const PART = 5 * MIB;
const { signal } = new AbortController();
type Store = ReturnType<typeof createSupabaseS3>;
let project: TemporaryProject;
let legacy: Store;
beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.68');
  legacy = createSupabaseS3({ ...project.s3, label: 'legacy', bucket: 'media', partSizeBytes: PART });
});
afterAll(async () => {
  await legacy.close();
  await project.close();
});

async function md5In(store: Store, key: string): Promise<string | null> {
  const opened = await store.get(key);
  return opened === null ? null : hash('md5', Buffer.concat(await opened.body.toArray()));
}

/** The store, with each part's number noted before it is sent. */
function noting(sent: number[], beforeEach: (number: number) => void = () => {}): Store {
  return {
    ...legacy,
    putPart(upload, number, ...rest) {
      beforeEach(number);
      sent.push(number);
      return legacy.putPart(upload, number, ...rest);
    },
  };
}

describe('an upload that broke off between its parts, whose sizes ListParts does not tell', () => {
  const song = randomBytes(4 * PART + 7);
  const md5s = Array.from({ length: 5 }, (_, at) => hash('md5', song.subarray(at * PART, (at + 1) * PART)));

  /** Sends two parts of `key`, and is stopped. */
  async function breakOff(from: ReturnType<typeof memoryStore>, key: string): Promise<void> {
    const stop = new AbortController();
    const sent: number[] = [];
    const to = noting(sent, () => {
      if (sent.length === 2) {
        stop.abort(new Error('killed'));
        stop.signal.throwIfAborted();
      }
    });
    await expect(copyObjects({ from, to, concurrency: 1, signal: stop.signal })).rejects.toThrow('killed');
    const [left] = await legacy.listUploads(key);
    expect(left?.parts).toEqual(sent.toSorted().map((number) => ({ number, size: null, md5: md5s[number - 1] })));
    expect(left?.parts).toHaveLength(2);
  }

  it.each([
    ['its MD5', hash('md5', song)],
    ['the MD5 of its parts’', compositeEtagOf(md5s)],
    ['no hash', 'W1'],
  ])('is gone on with, and sends no part twice: the source tells %s', async (kind, etag) => {
    const from = memoryStore('r2');
    const key = `resumed/${kind.replaceAll(/\W+/g, '-')}`;
    from.place(key, song, { etag });
    await breakOff(from, key);
    const [begun] = await legacy.listUploads(key);
    const sent: number[] = [];
    expect(await copyObjects({ from, to: noting(sent), concurrency: 2, signal })).toMatchObject({
      copied: 1,
      failed: [],
    });
    const there = begun?.parts.map(({ number }) => number) ?? [];
    expect([...there, ...sent].toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(await md5In(legacy, key)).toBe(hash('md5', song));
    expect(await legacy.listUploads(key)).toEqual([]);
  });

  it.each([
    ['other bytes', randomBytes(PART)],
    ['fewer bytes', song.subarray(0, PART - 1)],
  ])('takes over no part that holds %s', async (kind, wrong) => {
    const from = memoryStore('r2');
    const key = `foreign/${kind}`;
    from.place(key, song);
    await breakOff(from, key);
    const [begun] = await legacy.listUploads(key);
    await legacy.putPart({ key, id: begun?.id ?? '' }, 1, wrong, hash('md5', wrong));
    expect(await copyObjects({ from, to: legacy, concurrency: 2, signal })).toMatchObject({ copied: 1, failed: [] });
    expect(await md5In(legacy, key)).toBe(hash('md5', song));
  });
});

describe('blanks in headers, which Supabase signs as they are and S3 several in a row as one', () => {
  const values = ['two  blanks', 'a\tb', ' both ends ', 'é  é', '  '];
  const cases = values.flatMap((value) => [10, PART + 1].map((size) => [value, size] as const));
  let s3: S3Server;
  let r2: ReturnType<S3Server['store']>;
  beforeAll(async () => {
    s3 = await startS3Server();
    r2 = s3.store('r2');
  });
  afterAll(() => s3.close());

  /** An object of R2's whose headers hold the value as somebody sent it, or encoded where no header holds it as it is. */
  function place(key: string, value: string, size: number): void {
    const isSendable = value === value.trim() && /^[\t\x20-\x7e]*$/.test(value);
    s3.place(`r2/${key}`, randomBytes(size), undefined, {
      'content-type': 'audio/wav',
      'cache-control': 'public,  max-age=60',
      'x-amz-meta-title': isSendable ? value : (encodeValue(value) ?? ''),
    });
  }
  async function expectKept(key: string, value: string): Promise<void> {
    expect((await legacy.head(key))?.meta).toMatchObject({
      contentType: 'audio/wav',
      cacheControl: 'public, max-age=60',
      custom: { title: value },
    });
  }

  it.each(cases)('go along with a copy, and once only: %j, of %i bytes', async (value, size) => {
    s3.objects.clear();
    const key = `copied/${values.indexOf(value)}-${size}`;
    place(key, value, size);
    const options = { from: r2, to: legacy, concurrency: 1, signal };
    expect(await copyObjects(options)).toMatchObject({ copied: 1, failed: [] });
    await expectKept(key, value);
    expect(await verifyObjects({ ...options, deep: true })).toMatchObject({ verified: 1, mismatched: [] });
    expect(await copyObjects(options)).toMatchObject({ copied: 0, failed: [] });
  });

  it.each(cases)('go along with the mirror, and once only: %j, of %i bytes', async (value, size) => {
    const key = `mirrored/${values.indexOf(value)}-${size}`;
    place(key, value, size);
    const evidence = { deletedAt: null, putAt: Date.now(), wasCopied: false, mayConclude: false };
    const settle = () => settleKey({ r2, legacy, switchedAt: 0, refusals: createRefusals(), signal }, key, evidence);
    expect(await settle()).toBe('copied');
    await expectKept(key, value);
    expect(await settle()).toBe('in step');
  });
});
