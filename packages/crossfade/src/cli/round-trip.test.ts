import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { WorkersRuntime } from '@crossfade/local-cloud/cloudflare/runtime-contract';
import { createWorkersRuntime } from '@crossfade/local-cloud/cloudflare/workers-runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from '../../../local-cloud/src/supabase/temporary-project.ts';
import { metaOf } from '../providers/object-meta.ts';
import { HOMELESS_KEYS, strangeObjects, type StrangeObject } from '../transfer/fixtures/strange-objects.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const R2_KEYS = { accessKeyId: 'round-trip-key', secretAccessKey: 'round-trip-secret' };
const COUNT = 500;

// What each vendor's own documents say it holds; none of this is asked of the code under test.
/** supabase/storage, `src/storage/limits.ts`: `isValidKey`. */
const SUPABASE_KEY = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]+$/;
const supabaseHolds = (key: string): boolean => SUPABASE_KEY.test(key);
const bytesOf = (text: string): number => Buffer.byteLength(text);
/** A file system's names, and Crossfade's own folder. */
function folderHolds(key: string): boolean {
  const parts = key.replace(/\/$/, '').split('/');
  return parts.every(
    (part) => !['', '.', '..'].includes(part) && bytesOf(part) <= 255 && part.toLowerCase() !== '.crossfade',
  );
}
/** A file and a folder of one name: one of the two can be there. */
const clashes = (key: string, keys: readonly string[]): boolean =>
  keys.some(
    (other) =>
      other !== key &&
      (other.startsWith(`${key.replace(/\/$/, '')}/`) || key.startsWith(`${other.replace(/\/$/, '')}/`)),
  );

let folder = '';
let project: TemporaryProject;
let runtime: WorkersRuntime;
let supabase: S3Client;
let r2: S3Client;
let objects: readonly StrangeObject[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-round-trip-'));
  [project, runtime] = await Promise.all([
    startTemporaryProject('127.0.0.63', 'round-trip-supabase'),
    createWorkersRuntime({
      folder: join(folder, 'r2'),
      edge: { address: '127.0.0.63', port: 20_000 + Math.floor(Math.random() * 20_000) },
      workersSubdomain: 'team',
      r2Credentials: R2_KEYS,
      sinks: { onMessages: async () => {}, onDataPoint: () => {} },
    }),
  ]);
  const made = await fetch(`${project.url}/storage/v1/bucket`, {
    method: 'POST',
    headers: { ...project.service, 'content-type': 'application/json' },
    body: JSON.stringify({ id: 'back', name: 'back', public: false }),
  });
  expect(made.ok, await made.text()).toBe(true);
  await Promise.all([runtime.ensureBucket('one'), runtime.ensureBucket('two')]);
  const client = (endpoint: string, region: string, credentials: typeof R2_KEYS): S3Client =>
    new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  supabase = client(project.s3.endpoint, project.s3.region, project.s3);
  r2 = client(runtime.r2Endpoint, 'auto', R2_KEYS);
  objects = strangeObjects(COUNT);
  await writeFile(join(folder, 'stores.env'), stores());
});
afterAll(async () => {
  supabase.destroy();
  r2.destroy();
  await Promise.all([project.close(), runtime.close()]);
  await rm(folder, { recursive: true, force: true });
});

function stores(): string {
  const store = (name: string, bucket: string, endpoint: string, region: string, keys: typeof R2_KEYS): string[] => [
    `CROSSFADE_STORE_${name}=s3://${bucket}`,
    `CROSSFADE_STORE_${name}_ENDPOINT=${endpoint}`,
    `CROSSFADE_STORE_${name}_REGION=${region}`,
    `CROSSFADE_STORE_${name}_ACCESS_KEY_ID=${keys.accessKeyId}`,
    `CROSSFADE_STORE_${name}_SECRET_ACCESS_KEY=${keys.secretAccessKey}`,
  ];
  return [
    ...store('APP', 'media', project.s3.endpoint, project.s3.region, project.s3),
    ...store('BACK', 'back', project.s3.endpoint, project.s3.region, project.s3),
    ...store('ONE', 'one', runtime.r2Endpoint, 'auto', R2_KEYS),
    ...store('TWO', 'two', runtime.r2Endpoint, 'auto', R2_KEYS),
    // Known of R2 by its address, which this one does not have.
    'CROSSFADE_STORE_TWO_NORMALIZES_KEYS=true',
    '',
  ].join('\n');
}

interface Copied {
  readonly listed: number;
  readonly proven: number;
  readonly failed: number;
  readonly gone: number;
  readonly late: number;
  readonly findings: Record<string, { key: string; reason?: string }[]>;
}

async function copy(from: string, to: string): Promise<Copied & { readonly failedKeys: string[] }> {
  const args = ['copy', from, to, '--env', 'stores.env', '--json'];
  const out = await new Promise<string>((resolve) => {
    const env = { ...process.env, NO_COLOR: '1' };
    execFile(process.execPath, [MAIN, ...args], { cwd: folder, env, maxBuffer: 1 << 26 }, (_error, text, err) => {
      expect(text, err).not.toBe('');
      resolve(text);
    });
  });
  const answer = JSON.parse(out) as Copied;
  expect(answer.listed).toBe(answer.proven + answer.failed + answer.gone + answer.late);
  const failures = ['failed', 'missing', 'different'].flatMap((kind) => answer.findings[kind] ?? []);
  const failedKeys = failures.map(({ key }) => key).toSorted();
  expect(failedKeys).toHaveLength(answer.failed);
  for (const { key, reason } of answer.findings['failed'] ?? []) expect(reason, key).toMatch(/\w/);
  return { ...answer, failedKeys };
}

/** By the vendor's client, as a store was given them; a value in another alphabet is an encoded word on the wire. */
async function put(client: S3Client, bucket: string, { key, bytes, meta }: StrangeObject): Promise<void> {
  const word = (value: string): string =>
    /^[!-~]+( [!-~]+)*$/.test(value) && !value.startsWith('=?')
      ? value
      : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
  await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: bytes,
      ContentType: meta.contentType ?? undefined,
      CacheControl: meta.cacheControl ?? undefined,
      ContentDisposition: meta.contentDisposition ?? undefined,
      ContentEncoding: meta.contentEncoding ?? undefined,
      ContentLanguage: meta.contentLanguage ?? undefined,
      ...(meta.expires === null ? {} : { Expires: new Date(meta.expires) }),
      Metadata: Object.fromEntries(Object.entries(meta.custom).map(([name, value]) => [name, word(value)])),
    }),
  );
}

interface Held {
  readonly bytes: string;
  readonly contentType: string | undefined;
  readonly cacheControl: string | undefined;
  readonly disposition: string | undefined;
  readonly encoding: string | undefined;
  readonly language: string | undefined;
  readonly expires: string | undefined;
  readonly custom: Readonly<Record<string, string>>;
}

/** RFC 2047, the one form that S3 uses. */
const decoded = (value: string): string =>
  value.replaceAll(/=\?UTF-8\?B\?([^?]*)\?=(?:\s+(?==\?))?/gi, (_word, text: string) =>
    Buffer.from(text, 'base64').toString(),
  );

async function held(client: S3Client, bucket: string, key: string): Promise<Held> {
  const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  // The original's time goes along as `mtime`; it is no part of what was put.
  const custom = Object.entries(found.Metadata ?? {}).filter(([name]) => name !== 'mtime');
  return {
    bytes: Buffer.from((await found.Body?.transformToByteArray()) ?? []).toString('base64'),
    contentType: found.ContentType,
    cacheControl: found.CacheControl,
    disposition: found.ContentDisposition,
    encoding: found.ContentEncoding,
    language: found.ContentLanguage,
    expires: found.ExpiresString,
    custom: Object.fromEntries(custom.map(([name, value]) => [name, decoded(value)])),
  };
}

async function keysIn(client: S3Client, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
    keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return keys.toSorted();
}

const sorted = (all: Iterable<string>): string[] => [...all].toSorted();

// Each hop is a process with some hundred requests, of which a busy machine makes a minute.
describe('500 objects of every shape go Supabase → R2 → folder → R2 → Supabase', { timeout: 240_000 }, () => {
  const keys = (): string[] => objects.map(({ key }) => key);
  const inSupabase = (): string[] => keys().filter(supabaseHolds);

  it('the store that they begin in holds what its vendor says, and refuses the others', async () => {
    for (const object of objects) {
      const putting = put(supabase, 'media', object);
      if (supabaseHolds(object.key)) await putting;
      else await expect(putting, object.key).rejects.toThrow(/Invalid key|InvalidKey/i);
    }
    expect(await keysIn(supabase, 'media')).toEqual(sorted(inSupabase()));
    for (const key of HOMELESS_KEYS)
      for (const [client, bucket] of [
        [supabase, 'media'],
        [r2, 'one'],
      ] as const)
        await expect(put(client, bucket, { key, bytes: Buffer.from('x'), meta: metaOf({}) }), key).rejects.toThrow();
    // What Supabase cannot hold begins in R2, which holds every other key.
    for (const object of objects) if (!supabaseHolds(object.key)) await put(r2, 'one', object);
  });

  it('Supabase → R2: all of them, with bytes and metadata', async () => {
    const { listed, proven, failedKeys } = await copy('app', 'one');
    expect([listed, proven, failedKeys]).toEqual([inSupabase().length, inSupabase().length, []]);
    expect(await keysIn(r2, 'one')).toEqual(sorted(keys()));
    for (const key of inSupabase()) expect(await held(r2, 'one', key), key).toEqual(await held(supabase, 'media', key));
  });

  it('R2 → folder: all that a folder can hold, and each other one by name', async () => {
    const { listed, failedKeys } = await copy('one', './held');
    expect(listed).toBe(COUNT);
    const cannot = keys().filter((key) => !folderHolds(key));
    const either = keys().filter((key) => folderHolds(key) && clashes(key, keys().filter(folderHolds)));
    expect(failedKeys.filter((key) => !either.includes(key))).toEqual(sorted(cannot));
  });

  it('folder → R2: every file, as it was before', async () => {
    const { proven, failedKeys } = await copy('./held', 'two');
    expect(failedKeys).toEqual([]);
    const there = await keysIn(r2, 'two');
    expect(proven).toBe(there.length);
    for (const key of there) expect(await held(r2, 'two', key), key).toEqual(await held(r2, 'one', key));
  });

  it('R2 → Supabase: all that Supabase can hold, and each other one by name', async () => {
    const before = await keysIn(r2, 'two');
    const { failedKeys } = await copy('two', 'back');
    expect(failedKeys).toEqual(sorted(before.filter((key) => !supabaseHolds(key))));
    const back = await keysIn(supabase, 'back');
    expect(back).toEqual(before.filter(supabaseHolds));
    for (const key of back.filter((one) => inSupabase().includes(one)))
      expect(await held(supabase, 'back', key), key).toEqual(await held(supabase, 'media', key));
  });

  it('two names that are one key in R2 are both told before either is copied', async () => {
    await writeFile(join(folder, 'held', 'caf\u00e9.wav'), 'composed');
    await writeFile(join(folder, 'held', 'cafe\u0301.wav'), 'decomposed');
    const { findings, failedKeys } = await copy('./held', 'two');
    expect(failedKeys).toEqual(sorted(['caf\u00e9.wav', 'cafe\u0301.wav']));
    for (const { reason } of findings['failed'] ?? []) expect(reason).toMatch(/Unicode|normal/i);
    expect(await keysIn(r2, 'two')).not.toContain('caf\u00e9.wav');
  });
});
