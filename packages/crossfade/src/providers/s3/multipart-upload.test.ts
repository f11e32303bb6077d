import { hash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIB, refuse, startS3Server, type S3Server } from '../../transfer/fixtures/s3-server.ts';
import { compositeEtagOf } from './parts.ts';
import { metaOf } from '../object-meta.ts';

const PART = 5 * MIB;
const META = metaOf({ contentType: 'audio/wav' });
const song = randomBytes(3 * PART + 1);
let s3: S3Server;

beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const stream = (bytes: Buffer = song): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.byteLength; at += 700_001) yield bytes.subarray(at, at + 700_001);
    })(),
    { objectMode: false },
  );
const put = (body: Readable = stream()) => s3.store('new').put('song', body, song.byteLength, META);

describe('a stream that goes up in parts', () => {
  it('is the object, however it comes in pieces', async () => {
    const parts = [0, 1, 2, 3].map((at) => hash('md5', song.subarray(at * PART, (at + 1) * PART)));
    expect(await put()).toEqual({ etag: compositeEtagOf(parts) });
    expect(s3.objects.get('new/song')?.bytes.equals(song)).toBe(true);
    expect(s3.uploads.size).toBe(0);
  });

  it('leaves nothing when a part is refused, and says why', async () => {
    s3.fault = (call, _request, response) => call.includes('partNumber=2') && refuse(response, 403, 'AccessDenied');
    const body = stream();
    await expect(put(body)).rejects.toThrow('AccessDenied');
    expect([s3.objects.size, s3.uploads.size, body.destroyed]).toEqual([0, 0, true]);
  });

  it('leaves nothing when the body breaks off', async () => {
    const body = Readable.from(
      (async function* () {
        yield song.subarray(0, 2 * PART);
        throw new Error('the source went away');
      })(),
      { objectMode: false },
    );
    await expect(put(body)).rejects.toThrow('the source went away');
    expect([s3.objects.size, s3.uploads.size]).toEqual([0, 0]);
  });

  it('leaves nothing when the body is shorter than it announced', async () => {
    await expect(put(stream(song.subarray(1)))).rejects.toThrow(
      `the body of song held ${song.byteLength - 1} bytes, announced were ${song.byteLength}`,
    );
    expect([s3.objects.size, s3.uploads.size]).toEqual([0, 0]);
  });

  it('tells both when the upload cannot be aborted either', async () => {
    s3.fault = (call, _request, response) =>
      (call.includes('partNumber=2') || call.startsWith('DELETE')) && refuse(response, 403, 'AccessDenied');
    await expect(put()).rejects.toThrow(/^the upload of song failed \(.*AccessDenied.*\) and could not be aborted$/);
  });

  it('does not take a part of which the store holds other bytes', async () => {
    const other = hash('md5', 'other bytes');
    s3.namesPart = (md5) => (md5 === hash('md5', song.subarray(PART, 2 * PART)) ? other : md5);
    await expect(put()).rejects.toThrow(`part 2 of song was stored with the MD5 ${other}`);
    expect([s3.objects.size, s3.uploads.size]).toEqual([0, 0]);
  });
});
