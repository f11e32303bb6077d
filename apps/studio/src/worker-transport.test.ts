import { describe, expect, it } from 'vitest';
import { readBegun, readSent } from './worker-transport.ts';

const EXPIRES = '2026-01-01T00:00:00.000Z';

describe('an upload that the Worker signed', () => {
  it('is one link, with the headers that it was signed with', () => {
    const signed = {
      key: 'k',
      url: 'https://m/k',
      method: 'PUT',
      headers: { 'content-type': 'audio/wav' },
      expiresAt: EXPIRES,
    };
    expect(readBegun(signed, 'audio/mpeg')).toEqual({
      kind: 'single',
      key: 'k',
      url: 'https://m/k',
      headers: { 'content-type': 'audio/wav' },
      expiresAt: EXPIRES,
    });
    expect(readBegun({ key: 'k', url: 'u', expiresAt: EXPIRES }, 'audio/mpeg')).toMatchObject({
      headers: { 'content-type': 'audio/mpeg' },
    });
  });

  it('is a number of parts', () => {
    const multipart = { uploadId: 'u', partSizeBytes: 8_388_608, parts: 3 };
    expect(readBegun({ key: 'k', expiresAt: EXPIRES, multipart }, 'audio/wav')).toEqual({
      kind: 'parts',
      key: 'k',
      expiresAt: EXPIRES,
      ...multipart,
      done: [],
    });
  });

  it('is refused when it is neither', () => {
    expect(() => readBegun({ key: 'k', expiresAt: EXPIRES }, 'audio/wav')).toThrow('our side');
    expect(() => readBegun({ key: 'k', expiresAt: EXPIRES, multipart: {} }, 'audio/wav')).toThrow('our side');
  });
});

describe('the answer to bytes', () => {
  it('holds the ETag, or comes from the bucket itself', () => {
    expect(readSent(201, '{"part":1,"etag":"e"}', null)).toBe('e');
    expect(readSent(200, '', null)).toBeNull();
  });

  it.each([
    [403, '{"error":{"code":"SIGNATURE_EXPIRED"}}', 'SIGNATURE_EXPIRED'],
    [429, '{"error":{"code":"QUOTA_EXCEEDED"}}', 'QUOTA_EXCEEDED'],
    [502, '<html>Bad gateway</html>', 'INTERNAL'],
    [413, '', 'FILE_TOO_LARGE'],
  ])('%i %s is %s', (status, text, code) => {
    expect(() => readSent(status, text, '9')).toThrow(expect.objectContaining({ code }));
  });
});
