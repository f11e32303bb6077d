// What Supabase Storage's S3 protocol does, as seen on supabase/storage 1.11.2 unless a line says otherwise.
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StorageBackend } from './object-blobs.ts';
import { startTemporaryProject, type TemporaryProject } from './temporary-project.ts';

const MIB = 1024 * 1024;
const LIMIT = 40 * MIB;
const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex');

function clientOf({ s3 }: TemporaryProject): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
}
const at = (Key: string) => ({ Bucket: 'media', Key });

let project: TemporaryProject;
let s3: S3Client;
beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.60', 'secret', { fileSizeLimit: LIMIT });
  s3 = clientOf(project);
});
afterAll(() => project.close());

async function put(name: string, body: string | Buffer = 'x', more: object = {}): Promise<void> {
  await s3.send(new PutObjectCommand({ ...at(name), Body: body, ...more }));
}
async function text(name: string): Promise<string | undefined> {
  return (await s3.send(new GetObjectCommand(at(name)))).Body?.transformToString();
}
/** Begins an upload and writes the parts, in this order. */
async function upload(client: S3Client, name: string, parts: readonly (readonly [number, Buffer])[]) {
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand(at(name)));
  const written: { PartNumber: number; ETag: string }[] = [];
  for (const [PartNumber, Body] of parts) {
    const { ETag = '' } = await client.send(new UploadPartCommand({ ...at(name), UploadId, PartNumber, Body }));
    written.push({ PartNumber, ETag });
  }
  const complete = (Parts: typeof written) =>
    client.send(new CompleteMultipartUploadCommand({ ...at(name), UploadId, MultipartUpload: { Parts } }));
  return { UploadId, written, complete };
}

describe('what is refused', () => {
  it.each(['ü', '#', '[', ']', '%', '~', 'a'.repeat(1025)])(
    'a key with %s: 400 InvalidKey to PUT and GET, 400 without a body to HEAD',
    async (name) => {
      await expect(put(name)).rejects.toMatchObject({ name: 'InvalidKey', $metadata: { httpStatusCode: 400 } });
      await expect(text(name)).rejects.toMatchObject({ name: 'InvalidKey' });
      const head = s3.send(new HeadObjectCommand(at(name)));
      await expect(head).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } });
      await expect(s3.send(new CreateMultipartUploadCommand(at(name)))).rejects.toMatchObject({ name: 'InvalidKey' });
    },
  );
  it('an object or the sum of an upload above the limit: 413 EntityTooLarge', async () => {
    await expect(put('large', Buffer.alloc(LIMIT + 1))).rejects.toMatchObject({ $metadata: { httpStatusCode: 413 } });
    const { UploadId } = await upload(s3, 'large', [[1, Buffer.alloc(LIMIT)]]);
    const second = new UploadPartCommand({ ...at('large'), UploadId, PartNumber: 2, Body: 'x' });
    await expect(s3.send(second)).rejects.toMatchObject({ name: 'EntityTooLarge' });
    const again = new UploadPartCommand({ ...at('large'), UploadId, PartNumber: 1, Body: 'x' });
    await expect(s3.send(again)).resolves.toBeDefined();
  });
  it('a type that the bucket does not take, to PUT and to CreateMultipartUpload: 415 InvalidMimeType', async () => {
    const body = JSON.stringify({ name: 'narrow', allowed_mime_types: ['audio/wav'] });
    const headers = { ...project.service, 'content-type': 'application/json' };
    await fetch(`${project.url}/storage/v1/bucket`, { method: 'POST', headers, body });
    const target = { Bucket: 'narrow', Key: 'a', ContentType: 'image/png' };
    for (const send of [
      () => s3.send(new PutObjectCommand({ ...target, Body: 'x' })),
      () => s3.send(new CreateMultipartUploadCommand(target)),
    ])
      await expect(send()).rejects.toMatchObject({ name: 'InvalidMimeType', $metadata: { httpStatusCode: 415 } });
    await s3.send(new PutObjectCommand({ ...target, ContentType: 'audio/wav', Body: 'x' }));
  });
  it('of a bucket that is not there, GET knows no key and PUT no bucket', async () => {
    const target = { Bucket: 'nothing', Key: 'a' };
    await expect(s3.send(new GetObjectCommand(target))).rejects.toMatchObject({ name: 'NoSuchKey' });
    await expect(s3.send(new PutObjectCommand({ ...target, Body: 'x' }))).rejects.toMatchObject({
      name: 'NoSuchBucket',
    });
    await expect(s3.send(new ListObjectsV2Command({ Bucket: 'nothing' }))).rejects.toMatchObject({
      name: 'NoSuchBucket',
    });
  });
  it('parts out of order, and a part that was never written', async () => {
    const { written, complete } = await upload(s3, 'parts', [
      [1, Buffer.alloc(5 * MIB)],
      [2, Buffer.from('b')],
    ]);
    await expect(complete(written.toReversed())).rejects.toMatchObject({ name: 'InvalidPartOrder' });
    await expect(complete([...written, { PartNumber: 3, ETag: '"x"' }])).rejects.toMatchObject({ name: 'InvalidPart' });
    await complete(written);
    expect((await text('parts'))?.length).toBe(5 * MIB + 1);
  });
  it('an upload under another key than the one that it was begun with', async () => {
    const { UploadId } = await upload(s3, 'mine', []);
    const other = new UploadPartCommand({ ...at('yours'), UploadId, PartNumber: 1, Body: 'x' });
    await expect(s3.send(other)).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });
});

describe('what is not the object itself leaves the object alone', () => {
  it('tagging and ACL are refused by name, and no tags are told', async () => {
    await put('tagged', 'bytes');
    const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
    for (const send of [
      () => s3.send(new PutObjectTaggingCommand({ ...at('tagged'), Tagging })),
      () => s3.send(new PutObjectAclCommand({ ...at('tagged'), ACL: 'private' })),
      () => s3.send(new DeleteObjectTaggingCommand(at('tagged'))),
    ])
      await expect(send()).rejects.toMatchObject({ name: 'NotImplemented' });
    expect((await s3.send(new GetObjectTaggingCommand(at('tagged')))).TagSet ?? []).toEqual([]);
    expect(await text('tagged')).toBe('bytes');
  });
});

describe('custom metadata', () => {
  it('comes back as headers; what is no ASCII string is only counted', async () => {
    await put('described', 'x', { Metadata: { mood: 'blue' } });
    const metadata = { Title: 'Beyoncé', take: 2, Plain: 'yes', empty: '' };
    const headers = { ...project.service, 'x-metadata': Buffer.from(JSON.stringify(metadata)).toString('base64') };
    await fetch(`${project.url}/storage/v1/object/media/counted`, { method: 'POST', headers, body: 'x' });
    expect((await s3.send(new HeadObjectCommand(at('described')))).Metadata).toEqual({ mood: 'blue' });
    const counted = await s3.send(new HeadObjectCommand(at('counted')));
    expect([counted.Metadata, counted.MissingMeta]).toEqual([{ plain: 'yes' }, 3]);
  });
});

describe('a copy by the server', () => {
  it('takes x-amz-copy-source as it is, encoded or not', async () => {
    await put('a b+c&d', 'bytes');
    const copy = (source: string) => s3.send(new CopyObjectCommand({ ...at('copied'), CopySource: `media/${source}` }));
    await expect(copy(encodeURIComponent('a b+c&d'))).rejects.toMatchObject({ name: 'NoSuchKey' });
    await copy('a b+c&d');
    expect(await text('copied')).toBe('bytes');
  });
  it('of a part, whole or in a range, copies the bytes', async () => {
    await put('source', '0123456789');
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand(at('joined')));
    const part = (PartNumber: number, CopySourceRange?: string) =>
      s3.send(
        new UploadPartCopyCommand({
          ...at('joined'),
          UploadId,
          PartNumber,
          CopySource: 'media/source',
          CopySourceRange,
        }),
      );
    const parts = [];
    for (const [number, range] of [[1], [2, 'bytes=2-4']] as const)
      parts.push({ PartNumber: number, ETag: (await part(number, range)).CopyPartResult?.ETag ?? '' });
    await expect(part(3, 'bytes=5-10')).rejects.toMatchObject({ name: 'InvalidRange' });
    await s3.send(new CompleteMultipartUploadCommand({ ...at('joined'), UploadId, MultipartUpload: { Parts: parts } }));
    expect(await text('joined')).toBe('0123456789234');
  });
});

it('ListParts tells number, ETag and time of a part, and no size', async () => {
  const { UploadId } = await upload(s3, 'told', [[1, Buffer.from('a')]]);
  const { Parts } = await s3.send(new ListPartsCommand({ ...at('told'), UploadId }));
  expect(Parts).toEqual([{ PartNumber: 1, ETag: `"${md5('a')}"`, LastModified: expect.any(Date) }]);
});

it('a header is signed as it is: two blanks that AWS collapses are a wrong signature', async () => {
  await expect(put('blanks', 'x', { Metadata: { title: 'a  b' } })).rejects.toMatchObject({
    name: 'SignatureDoesNotMatch',
  });
  await put('blanks', 'x', { Metadata: { title: 'a b' } });
});

describe('a listing', () => {
  it('encodes keys when asked to, slashes too, and says so', async () => {
    const names = ['enc/a b', "enc/+&'()", 'enc/c/d'];
    for (const name of names) await put(name);
    const asked = { Bucket: 'media', Prefix: 'enc/', EncodingType: 'url' } as const;
    for (const told of [await s3.send(new ListObjectsV2Command(asked)), await s3.send(new ListObjectsCommand(asked))]) {
      expect([told.EncodingType, told.Prefix]).toEqual(['url', 'enc%2F']);
      expect(told.Contents?.map((one) => one.Key)).toEqual(['enc%2F%2B%26%27%28%29', 'enc%2Fa%20b', 'enc%2Fc%2Fd']);
    }
    const plain = await s3.send(new ListObjectsV2Command({ Bucket: 'media', Prefix: 'enc/' }));
    expect(plain.EncodingType).toBeUndefined();
    expect(plain.Contents?.map((one) => one.Key)).toEqual(names.toSorted());
  });
  it.each(['', '/'])('of version 1 goes on after its marker, with the delimiter %j', async (Delimiter) => {
    for (const name of ['v1/a/1', 'v1/a/2', 'v1/b', 'v1/c', 'v1/d/1']) await put(name);
    const told: (string | undefined)[] = [];
    for (let Marker: string | undefined, pages = 0; pages < 9; pages++) {
      const page = await s3.send(
        new ListObjectsCommand({
          Bucket: 'media',
          Prefix: 'v1/',
          MaxKeys: 2,
          Marker,
          ...(Delimiter === '' ? {} : { Delimiter }),
        }),
      );
      const keys = page.Contents?.map((one) => one.Key) ?? [];
      told.push(...keys, ...(page.CommonPrefixes?.map((one) => one.Prefix) ?? []));
      if (page.IsTruncated !== true) break;
      // S3 API: NextMarker is told only where a delimiter was.
      expect(page.NextMarker === undefined).toBe(Delimiter === '');
      Marker = page.NextMarker ?? keys.at(-1);
    }
    const whole =
      Delimiter === '' ? ['v1/a/1', 'v1/a/2', 'v1/b', 'v1/c', 'v1/d/1'] : ['v1/a/', 'v1/b', 'v1/c', 'v1/d/'];
    expect(told.toSorted()).toEqual(whole);
  });
  it('of unfinished uploads is told in pages', async () => {
    for (const name of ['un/a', 'un/b', 'un/c']) await upload(s3, name, []);
    const first = await s3.send(new ListMultipartUploadsCommand({ Bucket: 'media', Prefix: 'un/', MaxUploads: 2 }));
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = first;
    const rest = await s3.send(
      new ListMultipartUploadsCommand({ Bucket: 'media', Prefix: 'un/', KeyMarker, UploadIdMarker }),
    );
    expect([...(first.Uploads ?? []), ...(rest.Uploads ?? [])].map((one) => one.Key)).toEqual(['un/a', 'un/b', 'un/c']);
  });
});

describe.each<{ backend: StorageBackend; address: string }>([
  { backend: 'file-md5', address: '127.0.0.61' },
  { backend: 'file-mtime', address: '127.0.0.62' },
])('with the backend $backend', ({ backend, address }) => {
  it("tells a part's ETag without quotes and compares it to the letter; the whole has an ETag of its own kind", async () => {
    const files = await startTemporaryProject(address, 'secret', { backend });
    const client = clientOf(files);
    const bytes = [Buffer.alloc(17 * MIB, 1), Buffer.from('end')] as const;
    const { UploadId, written, complete } = await upload(client, 'a', [
      [1, bytes[0]],
      [2, bytes[1]],
    ]);
    expect(written.map((one) => one.ETag)).toEqual(bytes.map(md5));
    const { Parts } = await client.send(new ListPartsCommand({ ...at('a'), UploadId }));
    expect(Parts?.map((one) => one.ETag)).toEqual(bytes.map(md5));
    const quoted = written.map((one) => ({ ...one, ETag: `"${one.ETag}"` }));
    await expect(complete(quoted)).rejects.toMatchObject({ name: 'InvalidChecksum' });
    await complete(written);
    const { ETag } = await client.send(new HeadObjectCommand(at('a')));
    if (backend === 'file-md5') expect(ETag).toBe(`"${md5(Buffer.concat(bytes))}"`);
    else expect(ETag).toMatch(/^"[0-9a-f]+(\.[0-9a-f]+)?-1100003"$/);
    await files.close();
  });
});

it('as hosted, an object above 16 MiB has an ETag of parts, and its parts have quotes', async () => {
  await put('above', Buffer.alloc(17 * MIB));
  expect((await s3.send(new HeadObjectCommand(at('above')))).ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
  const { written } = await upload(s3, 'quoted', [[1, Buffer.from('a')]]);
  expect(written[0]?.ETag).toBe(`"${md5('a')}"`);
});
