import { hash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIB, startS3Server, type S3Server } from '../fixtures/s3-server.ts';
import { createRefusals } from './refusals.ts';
import { settleKey } from './settle-key.ts';

const { signal } = new AbortController();
const NOTHING = { deletedAt: null, putAt: null, wasCopied: false, mayConclude: false };
/** Goes up in parts, so that it is hashed part by part. */
const song = randomBytes(12 * MIB + 1);
let s3: S3Server;

beforeEach(async () => {
  s3 = await startS3Server();
  s3.place('r2/song', song);
});
afterEach(() => s3.close());

const settle = () =>
  settleKey(
    {
      r2: s3.store('r2'),
      legacy: s3.store('legacy', { secretAccessKey: 'another' }),
      switchedAt: 0,
      refusals: createRefusals(),
      signal,
    },
    'song',
    NOTHING,
  );
/** Once legacy has made the object of its parts. */
function onceStored(then: () => void): void {
  s3.loses = (call) => {
    if (call.startsWith('POST legacy/song?uploadId=')) then();
    return false;
  };
}

describe('a large upload that is mirrored back', () => {
  it('is in legacy byte by byte, and left alone from then on', async () => {
    expect(await settle()).toBe('copied');
    expect(s3.objects.get('legacy/song')?.bytes.equals(song)).toBe(true);
    expect(s3.objects.get('legacy/song')?.etag).toMatch(/-3$/);
    const puts = () => s3.calls.filter((call) => call.startsWith('PUT')).length;
    const before = puts();
    expect(await settle()).toBe('in step');
    expect(puts()).toBe(before);
  });

  it('is not believed to be there when legacy holds other bytes than it says', async () => {
    onceStored(() => {
      const stored = s3.objects.get('legacy/song');
      const bytes = Buffer.from(song);
      bytes.writeUInt8(bytes.readUInt8(7 * MIB) ^ 1, 7 * MIB);
      if (stored !== undefined) s3.place('legacy/song', bytes, stored.etag, stored.headers);
    });
    await expect(settle()).rejects.toThrow(
      new RegExp(`holds other bytes of song \\(SHA-256 [0-9a-f]{64}\\) than were sent \\(${hash('sha256', song)}\\)`),
    );
  });

  it('is not believed to be there when legacy took it and has it not', async () => {
    onceStored(() => s3.objects.delete('legacy/song'));
    await expect(settle()).rejects.toThrow('s3:legacy took song and does not have it');
  });
});
