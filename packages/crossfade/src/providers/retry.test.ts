import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProviderError } from './provider-error.ts';
import { backOffMs, parseRetryAfter, retrying } from './retry.ts';

const failure = (status: number | null, retryAfterMs: number | null = 0): ProviderError =>
  new ProviderError('Vendor', 'GET /x', { status, message: 'no', retryAfterMs });

describe('retrying', () => {
  it.each([429, 500, 503, 408, null])(
    'asks again after %s, and gives the answer that comes at last',
    async (status) => {
      const attempts: number[] = [];
      const answer = await retrying(async (attempt) => {
        attempts.push(attempt);
        if (attempt < 3) throw failure(status);
        return 'the answer';
      });
      expect([answer, attempts]).toEqual(['the answer', [1, 2, 3]]);
    },
  );

  it.each([400, 401, 403, 404, 409, 422, 501])('does not ask again after %s', async (status) => {
    let attempts = 0;
    const call = retrying(async () => {
      attempts++;
      throw failure(status);
    });
    await expect(call).rejects.toMatchObject({ status });
    expect(attempts).toBe(1);
  });

  it('gives up after its attempts with the last error, and at once when the vendor asks for too much patience', async () => {
    let attempts = 0;
    const count = (error: Error) => async () => {
      attempts++;
      throw error;
    };
    await expect(retrying(count(failure(500)), 3)).rejects.toMatchObject({ status: 500 });
    expect(attempts).toBe(3);
    await expect(retrying(count(failure(429, 3_600_000)))).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
    expect(attempts).toBe(4);
  });

  it('waits longer each time, within bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (attempt) => {
        const ms = backOffMs(attempt);
        expect(ms).toBeGreaterThanOrEqual(Math.min(8000, 200 * 2 ** (attempt - 1)) / 2);
        expect(ms).toBeLessThanOrEqual(8000);
      }),
    );
  });

  it.each([
    ['3', 3000],
    ['0', 0],
    ['-1', 0],
    ['', null],
    [null, null],
    ['soon', null],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ])('reads Retry-After %j as %s ms', (value, expected) => {
    expect(parseRetryAfter(value)).toBe(expected);
  });
});
