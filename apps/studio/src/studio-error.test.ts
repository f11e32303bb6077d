import { describe, expect, it } from 'vitest';
import { asStudioError, refusal, retryAfterSeconds, StudioError } from './studio-error.ts';

describe('a refusal', () => {
  it.each([
    [429, 'RATE_LIMITED', '5', true],
    [429, 'RATE_LIMITED', '300', true],
    [429, 'RATE_LIMITED', '3600', false],
    [429, 'QUOTA_EXCEEDED', '5', false],
    [503, 'DATABASE_UNAVAILABLE', null, true],
    [408, null, null, true],
    [500, 'INTERNAL', null, true],
    [403, 'PRO_ONLY', null, false],
    [413, 'FILE_TOO_LARGE', null, false],
  ])('%i %s, retry after %s: may pass %s', (status, code, retryAfter, mayPass) => {
    expect(refusal(status, code, retryAfter).mayPass).toBe(mayPass);
  });

  it.each([
    [401, 'TOKEN_INVALID'],
    [404, 'NOT_FOUND'],
    [413, 'FILE_TOO_LARGE'],
    [429, 'RATE_LIMITED'],
    [502, 'INTERNAL'],
    [418, 'INTERNAL'],
  ])('with status %i and no code of the API’s is %s', (status, code) => {
    expect(refusal(status, null, null).code).toBe(code);
  });
});

it('Retry-After comes as seconds, as a date, or not at all', () => {
  const now = Date.UTC(2026, 0, 1);
  expect(retryAfterSeconds('12', now)).toBe(12);
  expect(retryAfterSeconds(new Date(now + 90_000).toUTCString(), now)).toBe(90);
  expect(retryAfterSeconds(new Date(now - 90_000).toUTCString(), now)).toBe(0);
  expect([null, '', ' ', 'soon'].map((header) => retryAfterSeconds(header, now))).toEqual([null, null, null, null]);
});

it('whatever is thrown has words for a person', () => {
  const own = new StudioError('PRO_ONLY');
  expect(asStudioError(own)).toBe(own);
  expect(asStudioError(new DOMException('', 'NotAllowedError')).code).toBe('PLAYBACK_BLOCKED');
  expect(asStudioError(new DOMException('', 'NotSupportedError')).code).toBe('PLAYBACK_FAILED');
  expect(asStudioError(new TypeError("Cannot read properties of undefined (reading 'x')")).message).not.toContain(
    'undefined',
  );
});
