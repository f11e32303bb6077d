// Bodies in aws-chunked frames, as S3 API describes them ("Signature calculations for the Authorization header").
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createHash, createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from './temporary-project.ts';

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');
const at = (Key: string) => ({ Bucket: 'media', Key });

let project: TemporaryProject;
let s3: S3Client;
beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.63');
  const { endpoint, region, accessKeyId, secretAccessKey } = project.s3;
  s3 = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
});
afterAll(() => project.close());

async function put(name: string, body: string): Promise<void> {
  await s3.send(new PutObjectCommand({ ...at(name), Body: body }));
}
async function text(name: string): Promise<string | undefined> {
  return (await s3.send(new GetObjectCommand(at(name)))).Body?.transformToString();
}

describe('a body in aws-chunked frames', () => {
  it("of the AWS SDK's streams is stored without its frames", async () => {
    const bytes = Buffer.alloc(300_000, 'abc');
    await s3.send(
      new PutObjectCommand({ ...at('framed'), Body: Readable.from([bytes]), ContentLength: bytes.byteLength }),
    );
    expect(md5(Buffer.from((await text('framed')) ?? ''))).toBe(md5(bytes));
  });

  const hmac = (key: string | Buffer, value: string): Buffer => createHmac('sha256', key).update(value).digest();
  const sha256 = (value: string | Buffer): string => createHash('sha256').update(value).digest('hex');

  /** A PUT whose frames are cut and signed by hand, as S3 API describes it. */
  async function putFramed(
    name: string,
    bytes: Buffer,
    how: {
      cuts: readonly number[];
      kind: 'signed' | 'signed-trailer' | 'unsigned-trailer';
      isChunked: boolean;
      spoil?: boolean;
    },
  ): Promise<Response> {
    const { region, accessKeyId, secretAccessKey } = project.s3;
    const url = new URL(`${project.s3.endpoint}/media/${name}`);
    const timestamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const scope = `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`;
    const trailing = how.kind !== 'signed';
    const payload =
      how.kind === 'unsigned-trailer'
        ? 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
        : `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailing ? '-TRAILER' : ''}`;
    const headers: Record<string, string> = {
      'content-encoding': 'aws-chunked',
      host: url.host,
      'x-amz-content-sha256': payload,
      'x-amz-date': timestamp,
      'x-amz-decoded-content-length': String(bytes.byteLength),
      ...(trailing ? { 'x-amz-trailer': 'x-amz-checksum-sha256' } : {}),
    };
    const names = Object.keys(headers).toSorted();
    const canonical = [
      'PUT',
      url.pathname,
      '',
      ...names.map((one) => `${one}:${headers[one]}`),
      '',
      names.join(';'),
      payload,
    ];
    const date = hmac(`AWS4${secretAccessKey}`, scope.slice(0, 8));
    const key = hmac(hmac(hmac(date, region), 's3'), 'aws4_request');
    const sign = (...lines: string[]): string => hmac(key, lines.join('\n')).toString('hex');
    let previous = sign('AWS4-HMAC-SHA256', timestamp, scope, sha256(canonical.join('\n')));
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${previous}`;
    const frames: Buffer[] = [];
    const edges = [0, ...how.cuts.map((cut) => cut % (bytes.byteLength + 1)), bytes.byteLength].toSorted(
      (a, b) => a - b,
    );
    const pieces = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
    for (const piece of [...pieces.filter((one) => one.byteLength > 0), Buffer.alloc(0)]) {
      const size = piece.byteLength.toString(16);
      if (how.kind === 'unsigned-trailer') frames.push(Buffer.from(`${size}\r\n`));
      else {
        previous = sign('AWS4-HMAC-SHA256-PAYLOAD', timestamp, scope, previous, sha256(''), sha256(piece));
        const told = how.spoil === true ? previous.replace(/^./, (one) => (one === '0' ? '1' : '0')) : previous;
        frames.push(Buffer.from(`${size};chunk-signature=${told}\r\n`));
      }
      if (piece.byteLength > 0) frames.push(piece, Buffer.from('\r\n'));
    }
    if (trailing) {
      const trailer = `x-amz-checksum-sha256:${createHash('sha256').update(bytes).digest('base64')}`;
      frames.push(Buffer.from(`${trailer}\r\n`));
      if (how.kind === 'signed-trailer') {
        const signature = sign('AWS4-HMAC-SHA256-TRAILER', timestamp, scope, previous, sha256(`${trailer}\n`));
        frames.push(Buffer.from(`x-amz-trailer-signature:${signature}\r\n`));
      }
    }
    frames.push(Buffer.from('\r\n'));
    const body = new Uint8Array(Buffer.concat(frames));
    const sent = how.isChunked ? new Blob([body]).stream() : body;
    return fetch(url, { method: 'PUT', headers, body: sent, duplex: 'half' } as RequestInit);
  }

  it('is taken apart wherever it was cut: signed or not, with trailers or without, with a Content-Length or without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.array(fc.nat(5000), { maxLength: 6 }),
        fc.constantFrom('signed', 'signed-trailer', 'unsigned-trailer'),
        fc.boolean(),
        async (array, cuts, kind, isChunked) => {
          const bytes = Buffer.from(array);
          const answer = await putFramed('framed', bytes, { cuts, kind, isChunked });
          expect([answer.status, await answer.text()]).toEqual([200, '']);
          const read = await s3.send(new GetObjectCommand(at('framed')));
          expect(Buffer.from((await read.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true);
          expect(read.ContentEncoding).toBeUndefined();
        },
      ),
      { numRuns: 30 },
    );
  });
  it('is refused when a frame is signed wrongly, and leaves the object as it was', async () => {
    await put('framed', 'before');
    const how = { cuts: [2], kind: 'signed', isChunked: false, spoil: true } as const;
    const answer = await putFramed('framed', Buffer.from('after'), how);
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')]);
    expect(await text('framed')).toBe('before');
  });
});
