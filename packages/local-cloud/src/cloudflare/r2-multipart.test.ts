import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
  paginateListParts,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { hash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { WorkersRuntime } from './runtime-contract.ts';
import { createWorkersRuntime } from './workers-runtime.ts';

const EDGE = '127.0.0.52';
const HOST = 'media.example.com';
const PART = 5 * 1024 * 1024;
const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
let folder = '';
let port = 0;
let runtime: WorkersRuntime;
let s3: S3Client;
/** A bucket of each test's own. */
let Bucket = '';
let buckets = 0;

const client = (
  secretAccessKey = 'secret',
  requestChecksumCalculation: 'WHEN_REQUIRED' | 'WHEN_SUPPORTED' = 'WHEN_SUPPORTED',
): S3Client =>
  new S3Client({
    requestChecksumCalculation,
    endpoint: runtime.r2Endpoint,
    region: 'auto',
    forcePathStyle: true,
    credentials: { ...credentials, secretAccessKey },
    maxAttempts: 1,
  });

async function open(): Promise<void> {
  runtime = await createWorkersRuntime({
    folder,
    edge: { address: EDGE, port },
    workersSubdomain: 'team',
    r2Credentials: credentials,
    sinks: { onMessages: async () => {}, onDataPoint: () => {} },
  });
  s3 = client();
}

async function begin(Key: string): Promise<string> {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  return UploadId;
}
const put = (Key: string, UploadId: string, PartNumber: number, Body: Uint8Array | string) =>
  s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
const list = (over: Partial<ConstructorParameters<typeof ListMultipartUploadsCommand>[0]> = {}) =>
  s3.send(new ListMultipartUploadsCommand({ Bucket, ...over }));
const keysOf = (listed: Awaited<ReturnType<typeof list>>): (string | undefined)[] =>
  (listed.Uploads ?? []).map((upload) => upload.Key);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-multipart-'));
  port = 20_000 + Math.floor(Math.random() * 20_000);
  await open();
});
beforeEach(async () => {
  Bucket = `uploads-${++buckets}`;
  await runtime.ensureBucket(Bucket);
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

describe('unfinished uploads', () => {
  it('are none in a bucket that nobody has used', async () => {
    const listed = await list();
    expect(listed).toMatchObject({ Bucket, IsTruncated: false, MaxUploads: 1000 });
    expect(listed.Uploads).toBeUndefined();
  });

  it('are listed by key, and those of one key by their beginning', async () => {
    const before = Date.now();
    const ids: Record<string, string> = {};
    for (const name of ['b', 'é & <ü>', 'a', 'b again'])
      ids[name] = await begin(name.slice(0, name === 'b again' ? 1 : 99));
    await put('a', ids['a'] ?? '', 1, 'x');
    const { Uploads = [] } = await list();
    expect(Uploads.map(({ Key, UploadId }) => [Key, UploadId])).toEqual([
      ['a', ids['a']],
      ['b', ids['b']],
      ['b', ids['b again']],
      ['é & <ü>', ids['é & <ü>']],
    ]);
    for (const { Initiated } of Uploads) {
      expect(Initiated?.getTime()).toBeGreaterThanOrEqual(before - 1);
      expect(Initiated?.getTime()).toBeLessThanOrEqual(Date.now());
    }
    // An upload's time stays what it was told to be.
    expect((await list()).Uploads).toEqual(Uploads);
    expect(keysOf(await list({ Prefix: 'b' }))).toEqual(['b', 'b']);
    expect((await list({ Prefix: 'é', EncodingType: 'url' })).Uploads?.[0]?.Key).toBe(encodeURIComponent('é & <ü>'));
  });

  it('come in pages, of which each begins where the one before ended, even when the last one is over by then', async () => {
    const ids: string[] = [];
    for (const key of ['a', 'b', 'b', 'c']) ids.push(await begin(key));
    const first = await list({ MaxUploads: 2 });
    expect(first).toMatchObject({ IsTruncated: true, MaxUploads: 2, NextKeyMarker: 'b', NextUploadIdMarker: ids[1] });
    expect(keysOf(first)).toEqual(['a', 'b']);
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'b', UploadId: ids[1] }));
    const second = await list({ KeyMarker: 'b', UploadIdMarker: ids[1] });
    expect(second.Uploads?.map((one) => one.UploadId)).toEqual([ids[2], ids[3]]);
    expect(second).toMatchObject({ IsTruncated: false, KeyMarker: 'b', UploadIdMarker: ids[1] });
    expect(second.NextKeyMarker).toBeUndefined();
    expect(keysOf(await list({ KeyMarker: 'b' }))).toEqual(['c']);
    expect((await list({ MaxUploads: 3 })).IsTruncated).toBe(false);
    await expect(list({ MaxUploads: 0 })).rejects.toMatchObject({ name: 'InvalidArgument' });
  });

  it('are put together by folder where a delimiter is named, over pages too', async () => {
    for (const key of ['x/1/a', 'x/1/b', 'x/2', 'x/3/a', 'y']) await begin(key);
    const all = await list({ Prefix: 'x/', Delimiter: '/' });
    expect(all.CommonPrefixes).toEqual([{ Prefix: 'x/1/' }, { Prefix: 'x/3/' }]);
    expect(keysOf(all)).toEqual(['x/2']);
    const first = await list({ Prefix: 'x/', Delimiter: '/', MaxUploads: 1 });
    expect(first).toMatchObject({ IsTruncated: true, NextKeyMarker: 'x/1/', CommonPrefixes: [{ Prefix: 'x/1/' }] });
    const second = await list({ Prefix: 'x/', Delimiter: '/', KeyMarker: 'x/1/' });
    expect([keysOf(second), second.CommonPrefixes]).toEqual([['x/2'], [{ Prefix: 'x/3/' }]]);
  });

  it('are shown to nobody with another secret, and not of a bucket that is not there', async () => {
    await begin('a');
    const wrong = client('wrong');
    await expect(wrong.send(new ListMultipartUploadsCommand({ Bucket }))).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
    await expect(list({ Bucket: 'nowhere' })).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });
});

describe('the parts of an upload', () => {
  it('are named by their MD5s, listed by number in pages, and the last one sent counts', async () => {
    const UploadId = await begin('song');
    for (const [number, bytes] of [
      [3, 'three'],
      [1, 'one'],
      [2, 'old'],
      [2, 'two!'],
    ] as const)
      expect((await put('song', UploadId, number, bytes)).ETag).toBe(`"${hash('md5', bytes)}"`);
    const listed = await s3.send(new ListPartsCommand({ Bucket, Key: 'song', UploadId }));
    expect(listed).toMatchObject({ Bucket, Key: 'song', UploadId, IsTruncated: false, MaxParts: 1000 });
    expect(listed.Parts).toMatchObject([
      { PartNumber: 1, Size: 3, ETag: `"${hash('md5', 'one')}"` },
      { PartNumber: 2, Size: 4, ETag: `"${hash('md5', 'two!')}"` },
      { PartNumber: 3, Size: 5, ETag: `"${hash('md5', 'three')}"` },
    ]);
    expect(Math.abs((listed.Parts?.[0]?.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    const page = await s3.send(new ListPartsCommand({ Bucket, Key: 'song', UploadId, MaxParts: 2 }));
    expect(page).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '2', MaxParts: 2 });
    const numbers: (number | undefined)[] = [];
    for await (const { Parts = [] } of paginateListParts(
      { client: s3, pageSize: 1 },
      { Bucket, Key: 'song', UploadId },
    ))
      numbers.push(...Parts.map((part) => part.PartNumber));
    expect(numbers).toEqual([1, 2, 3]);
  });

  it('are told of no upload that is unknown, of another key, aborted or finished', async () => {
    const parts = (Key: string, UploadId: string) => s3.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    const [aborted, finished, open] = [await begin('a'), await begin('b'), await begin('c')];
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'a', UploadId: aborted }));
    const { ETag } = await put('b', finished, 1, 'bytes');
    const all = { Parts: [{ PartNumber: 1, ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'b', UploadId: finished, MultipartUpload: all }));
    for (const [key, id] of [
      ['a', aborted],
      ['b', finished],
      ['other', open],
      ['c', 'unknown'],
    ] as const)
      await expect(parts(key, id), key).rejects.toMatchObject({
        name: 'NoSuchUpload',
        $metadata: { httpStatusCode: 404 },
      });
    expect(keysOf(await list())).toEqual(['c']);
  });

  it('make the object by the ETags that were answered or listed, and by no others', async () => {
    const song = randomBytes(PART + 7);
    const UploadId = await begin('a song/ü+1');
    await put('a song/ü+1', UploadId, 1, song.subarray(0, PART));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'rest', Body: song.subarray(PART) }));
    const copied = await s3.send(
      new UploadPartCopyCommand({ Bucket, Key: 'a song/ü+1', UploadId, PartNumber: 2, CopySource: `${Bucket}/rest` }),
    );
    expect(copied.CopyPartResult?.ETag).toBe(`"${hash('md5', song.subarray(PART))}"`);
    const { Parts = [] } = await s3.send(new ListPartsCommand({ Bucket, Key: 'a song/ü+1', UploadId }));
    const complete = (parts: typeof Parts) =>
      s3.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key: 'a song/ü+1',
          UploadId,
          MultipartUpload: { Parts: parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })) },
        }),
      );
    await expect(complete(Parts.map((part) => ({ ...part, ETag: hash('md5', 'else') })))).rejects.toMatchObject({
      name: 'InvalidPart',
    });
    const wrong = Parts.map((part, at) => (at === 1 ? { ...part, ETag: hash('md5', 'else') } : part));
    await expect(complete(wrong)).rejects.toMatchObject({ name: 'InvalidPart' });
    const md5s = Buffer.concat(
      [song.subarray(0, PART), song.subarray(PART)].map((part) => hash('md5', part, 'buffer')),
    );
    const done = await complete(Parts);
    expect(done.ETag).toBe(`"${hash('md5', md5s)}-2"`);
    expect(done.Location?.startsWith(new URL(runtime.r2Endpoint).origin)).toBe(true);
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'a song/ü+1' }));
    expect(hash('md5', (await Body?.transformToByteArray()) ?? '')).toBe(hash('md5', song));
  });

  it('are the same over a restart, and go on to an object', async () => {
    const UploadId = await begin('kept');
    await put('kept', UploadId, 1, 'bytes');
    const before = await list();
    await runtime.close();
    await open();
    await runtime.ensureBucket(Bucket);
    expect((await list()).Uploads).toEqual(before.Uploads);
    const { Parts = [] } = await s3.send(new ListPartsCommand({ Bucket, Key: 'kept', UploadId }));
    expect(Parts).toMatchObject([{ PartNumber: 1, Size: 5, ETag: `"${hash('md5', 'bytes')}"` }]);
    const all = { Parts: [{ PartNumber: 1, ETag: Parts[0]?.ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'kept', UploadId, MultipartUpload: all }));
    expect((await list()).Uploads).toBeUndefined();
  });

  it('are seen as well when they came by a presigned link, or by a Worker’s binding', async () => {
    const linked = await begin('linked');
    const command = new UploadPartCommand({ Bucket, Key: 'linked', UploadId: linked, PartNumber: 1 });
    // Otherwise the SDK signs the checksum of an empty body into the link, and R2 refuses whatever is sent there.
    const presigning = client('secret', 'WHEN_REQUIRED');
    const answer = await fetch(await getSignedUrl(presigning, command), { method: 'PUT', body: 'by link' });
    expect(answer.headers.get('etag')).toBe(`"${hash('md5', 'by link')}"`);
    const version = {
      script: 'media',
      versionId: randomUUID(),
      tag: '',
      createdOn: new Date().toISOString(),
      mainModule: 'index.js',
      modules: {
        'index.js': `export default { async fetch(request, env) {
          const upload = await env.MEDIA.createMultipartUpload('bound');
          const part = await upload.uploadPart(1, 'by binding');
          if (new URL(request.url).pathname === '/whole') await upload.complete([part]);
          return new Response(upload.uploadId);
        } }`,
      },
      compatibilityDate: '2026-07-01',
      compatibilityFlags: [],
      objectClasses: [],
      bindings: [{ type: 'r2_bucket' as const, name: 'MEDIA', bucket_name: Bucket }],
    };
    await runtime.addVersion(version);
    runtime.setRoutes([{ pattern: `${HOST}/*`, script: 'media' }]);
    runtime.setDeployment('media', [{ versionId: version.versionId, percentage: 100 }]);
    const ask = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const options = { host: EDGE, port, path, headers: { host: HOST }, agent: false };
        http.get(options, (response) => resolve(text(response))).once('error', reject);
      });
    const bound = await ask('/');
    await ask('/whole');
    expect((await list()).Uploads?.map(({ Key, UploadId }) => [Key, UploadId])).toEqual([
      ['bound', bound],
      ['linked', linked],
    ]);
    const { Parts } = await s3.send(new ListPartsCommand({ Bucket, Key: 'bound', UploadId: bound }));
    expect(Parts).toMatchObject([{ PartNumber: 1, Size: 10, ETag: `"${hash('md5', 'by binding')}"` }]);
  });
});
