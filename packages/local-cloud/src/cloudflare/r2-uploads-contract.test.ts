import { Readable } from 'node:stream';
import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type ChecksumAlgorithm,
} from '@aws-sdk/client-s3';
import { array, assert, asyncProperty, nat, uint8Array } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unframed } from './aws-chunked.ts';
import { checksumAlgorithms } from './checksums.ts';
import { Bucket, startTestBucket, type TestBucket } from './r2-test-bucket.ts';

let r2: TestBucket;
const stored = async (key: string): Promise<string> => (await r2.raw('GET', key)).body.toString();
const crc32Of = (text: string): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64');
};
const framed = (text: string, trailers = ''): string =>
  `${text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`}0\r\n${trailers}\r\n`;
const streaming = (text: string, over: Record<string, string> = {}) => ({
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': String(text.length),
  ...over,
});

beforeAll(async () => {
  r2 = await startTestBucket();
}, 60_000);
afterAll(() => r2.close());

// The format is AWS's (API reference, "sigv4-streaming-trailers"); that R2 takes it unsigned, and not signed, is what
// users of its S3 API tell: cloudflare/cloudflare-docs#6133, soto-project/soto#643.
describe('a framed body (aws-chunked)', () => {
  it('of the AWS SDK, which streams so by default, is stored without its frames', async () => {
    const song = randomBytes(300_000);
    const Body = Readable.from([song.subarray(0, 70_000), song.subarray(70_000)]);
    await r2.client().send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: song.length }));
    expect((await r2.raw('GET', 'stream')).body.equals(song)).toBe(true);
  });

  it('is stored without its frames with a trailer and without one, and never tells that coding', async () => {
    const text = 'one two three';
    const trailer = `x-amz-checksum-crc32:${crc32Of(text)}\r\n`;
    for (const [key, body, over] of [
      ['bare', framed(text), {}],
      ['empty', framed(''), { 'x-amz-decoded-content-length': '0' }],
      ['trailed', framed(text, trailer), { 'x-amz-trailer': 'x-amz-checksum-crc32' }],
      ['coded', framed(text), { 'content-encoding': 'aws-chunked,zstd' }],
    ] as const) {
      expect((await r2.raw('PUT', key, { body, headers: streaming(text, over) })).status, key).toBe(200);
      expect(await stored(key), key).toBe(key === 'empty' ? '' : text);
    }
    expect((await r2.raw('HEAD', 'bare')).headers['content-encoding']).toBeUndefined();
    expect((await r2.raw('HEAD', 'coded')).headers['content-encoding']).toBe('zstd');
  });

  it('whose trailer has another checksum is BadDigest, and what was there stays', async () => {
    await r2.raw('PUT', 'kept', { body: 'old' });
    const trailer = `x-amz-checksum-crc32:${crc32Of('another')}\r\n`;
    const headers = streaming('new', { 'x-amz-trailer': 'x-amz-checksum-crc32' });
    const wrong = await r2.raw('PUT', 'kept', { body: framed('new', trailer), headers });
    expect([wrong.status, wrong.body.toString()]).toEqual([400, expect.stringContaining('<Code>BadDigest</Code>')]);
    const missing = await r2.raw('PUT', 'kept', { body: framed('new'), headers });
    expect([missing.status, missing.body.toString()]).toEqual([400, expect.stringContaining('InvalidDigest')]);
    expect(await stored('kept')).toBe('old');
  });

  it.each([
    ['ends early', '5\r\nab'],
    ['has no frames', 'plain text'],
    ['has a frame that is longer than it says', '2\r\nabc\r\n0\r\n\r\n'],
    ['holds less than was announced', '2\r\nab\r\n0\r\n\r\n'],
    ['goes on behind its end', '3\r\nabc\r\n0\r\n\r\nxx'],
  ])('that %s is refused, and nothing of it is stored', async (_what, body) => {
    const answer = await r2.raw('PUT', 'malformed', { body, headers: streaming('abc') });
    expect(answer.status).toBe(400);
    expect((await r2.raw('GET', 'malformed')).status).toBe(404);
  });

  it('whose frames are signed is not implemented, in R2’s words', async () => {
    for (const payload of ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER']) {
      const answer = await r2.raw('PUT', 'signed', { body: framed('abc'), headers: streaming('abc'), payload });
      expect([answer.status, answer.body.toString()]).toEqual([
        501,
        expect.stringContaining(`${payload} not implemented`),
      ]);
    }
    expect((await r2.raw('GET', 'signed')).status).toBe(404);
  });

  it('without the length of what it holds is 411 MissingContentLength', async () => {
    const answer = await r2.raw('PUT', 'no length', {
      body: framed('abc'),
      headers: { 'content-encoding': 'aws-chunked' },
    });
    expect([answer.status, answer.body.toString()]).toEqual([411, expect.stringContaining('MissingContentLength')]);
  });

  it('is the same however the network cuts it', async () => {
    await assert(
      asyncProperty(
        array(uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 }),
        array(nat(200), { maxLength: 8 }),
        async (frames, cuts) => {
          const whole = Buffer.concat([
            ...frames.flatMap((bytes) => [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
            Buffer.from('0\r\nx-amz-checksum-crc32: abc=\r\n\r\n'),
          ]);
          const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).toSorted((a, b) => a - b), whole.length];
          const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
          const told: string[] = [];
          const decoder = unframed((name, value) => told.push(name, value));
          const read = Readable.from(pieces.filter((piece) => piece.length > 0)).pipe(decoder);
          expect(Buffer.concat(await read.toArray()).equals(Buffer.concat(frames))).toBe(true);
          expect(told).toEqual(['x-amz-checksum-crc32', 'abc=']);
        },
      ),
    );
  });
});

// R2's error codes: BadDigest 400 "Provided checksum does not match the uploaded content", InvalidDigest 400.
describe('a checksum that comes with an upload', () => {
  const algorithms: ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

  it.each([
    ['crc32', Buffer.from('cbf43926', 'hex').toString('base64')],
    ['crc32c', Buffer.from('e3069283', 'hex').toString('base64')],
    ['crc64nvme', Buffer.from('ae8b14860a799888', 'hex').toString('base64')],
    ['sha1', hash('sha1', '123456789', 'base64')],
    ['sha256', hash('sha256', '123456789', 'base64')],
  ])('%s of "123456789" is the check value of its specification', (name, expected) => {
    const checksum = checksumAlgorithms[name]?.start();
    checksum?.update(Buffer.from('1234'));
    checksum?.update(Buffer.from('56789'));
    expect(checksum?.digest()).toBe(expected);
  });

  it.each(algorithms)('%s is taken when it is right, by PutObject and UploadPart, and told back', async (algorithm) => {
    const client = r2.client();
    const field = `Checksum${algorithm}` as const;
    const Key = `right ${algorithm}`;
    const put = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'bytes', ChecksumAlgorithm: algorithm }));
    expect(put[field]).toMatch(/=$/);
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: algorithm }),
    );
    const part = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'bytes', ChecksumAlgorithm: algorithm }),
    );
    expect(part[field]).toBe(put[field]);
    const Parts = [{ PartNumber: 1, ETag: part.ETag, [field]: part[field] }];
    await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
    expect(await stored(Key)).toBe('bytes');
  });

  it.each(algorithms)('%s is 400 BadDigest when it is of other bytes, and nothing is stored', async (algorithm) => {
    const name = algorithm.toLowerCase();
    const checksum = checksumAlgorithms[name]?.start();
    checksum?.update(Buffer.from('other bytes'));
    const headers = { [`x-amz-checksum-${name}`]: checksum?.digest() ?? '' };
    const Key = `wrong ${name}`;
    const put = await r2.raw('PUT', Key, { body: 'bytes', headers });
    expect([put.status, put.body.toString()]).toEqual([400, expect.stringContaining('<Code>BadDigest</Code>')]);
    const { UploadId = '' } = await r2.client().send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const query = { uploadId: UploadId, partNumber: '1' };
    const part = await r2.raw('PUT', Key, { body: 'bytes', headers, query });
    expect([part.status, part.body.toString()]).toEqual([400, expect.stringContaining('<Code>BadDigest</Code>')]);
    expect((await r2.raw('GET', Key)).status).toBe(404);
  });

  it('in a presigned link counts as well', async () => {
    // What the SDK signs into a link by default is the checksum of no bytes: kyantech/Palmr#378.
    const query = { 'x-amz-checksum-crc32': 'AAAAAA==' };
    expect((await r2.raw('PUT', 'linked', { body: 'bytes', query })).status).toBe(400);
    expect((await r2.raw('PUT', 'linked', { body: '', query })).status).toBe(200);
  });

  it('that is none is InvalidDigest; a Content-MD5 and a payload’s hash are held against the bytes too', async () => {
    for (const [headers, code] of [
      [{ 'x-amz-checksum-crc32': 'AAAA' }, 'InvalidDigest'],
      [{ 'x-amz-checksum-sha256': 'nothing' }, 'InvalidDigest'],
      [{ 'content-md5': 'AAAA' }, 'InvalidDigest'],
      [{ 'content-md5': hash('md5', 'other', 'base64') }, 'BadDigest'],
    ] as const) {
      const answer = await r2.raw('PUT', 'no digest', { body: 'bytes', headers: { ...headers } });
      expect([answer.status, answer.body.toString()]).toEqual([400, expect.stringContaining(`<Code>${code}</Code>`)]);
    }
    const payload = hash('sha256', 'other');
    const answer = await r2.raw('PUT', 'no digest', { body: 'bytes', payload });
    expect([answer.status, answer.body.toString()]).toEqual([
      400,
      expect.stringContaining('XAmzContentSHA256Mismatch'),
    ]);
    expect((await r2.raw('GET', 'no digest')).status).toBe(404);
  });

  it('of a large body is judged before its last bytes are stored', async () => {
    const bytes = randomBytes(9_000_000);
    await r2.raw('PUT', 'large', { body: 'old' });
    const headers = { 'x-amz-checksum-sha256': hash('sha256', 'other', 'base64') };
    expect((await r2.raw('PUT', 'large', { body: bytes, headers })).status).toBe(400);
    expect(await stored('large')).toBe('old');
    const right = { 'x-amz-checksum-sha256': hash('sha256', bytes, 'base64') };
    expect((await r2.raw('PUT', 'large', { body: bytes, headers: right })).status).toBe(200);
    const { Body } = await r2.client().send(new GetObjectCommand({ Bucket, Key: 'large' }));
    expect(hash('md5', (await Body?.transformToByteArray()) ?? '')).toBe(hash('md5', bytes));
  });

  it('over the whole object is for CRC64NVME alone', async () => {
    const create = (ChecksumAlgorithm: ChecksumAlgorithm, ChecksumType: 'FULL_OBJECT' | 'COMPOSITE') =>
      r2.client().send(new CreateMultipartUploadCommand({ Bucket, Key: 'type', ChecksumAlgorithm, ChecksumType }));
    await create('CRC64NVME', 'FULL_OBJECT');
    await create('CRC32', 'COMPOSITE');
    await expect(create('CRC32', 'FULL_OBJECT')).rejects.toMatchObject({ name: 'NotImplemented' });
    await expect(create('CRC64NVME', 'COMPOSITE')).rejects.toMatchObject({ name: 'NotImplemented' });
  });
});
