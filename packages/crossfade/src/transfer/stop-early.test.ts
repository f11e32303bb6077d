import { describe, expect, it } from 'vitest';
import { ProviderError, unreachable } from '../providers/provider-error.ts';
import { copyObjects } from './copy.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { stoppingEarly } from './stop-early.ts';

function manyObjects(): ReturnType<typeof memoryStore> {
  const from = memoryStore('legacy');
  for (let index = 0; index < 500; index++) from.place(String(index).padStart(4, '0'), 'x');
  return from;
}

const full = (code: string) => Object.assign(new Error(`${code}: write`), { code });
const refused = (details: { status: number; code: string }) =>
  new ProviderError('r2', 'PUT', { ...details, message: 'no' });

describe('a copy stops with the reason', () => {
  it.each([
    ['the disk is full', full('ENOSPC')],
    ['the quota is used up', full('EDQUOT')],
    ['the disk can only be read', full('EROFS')],
    ['the credentials have expired', refused({ status: 400, code: 'ExpiredToken' })],
    ['the credentials are refused', refused({ status: 401, code: 'Unauthorized' })],
  ])('when %s', async (_name, error) => {
    const [from, to] = [manyObjects(), memoryStore('r2')];
    let puts = 0;
    const failing = {
      ...to,
      put: async (...object: Parameters<typeof to.put>) => (++puts > 20 ? Promise.reject(error) : to.put(...object)),
    };
    const stop = new AbortController();
    const copy = copyObjects({
      from,
      to: stoppingEarly(failing, (why) => stop.abort(why)),
      concurrency: 4,
      signal: stop.signal,
    });
    await expect(copy).rejects.toBe(error);
    // What arrived stays, and nothing else was tried.
    expect([to.objects.size, puts < 40]).toEqual([20, true]);
  });

  it('when nobody answers any more, not when one call was lost', async () => {
    const [from, to] = [manyObjects(), memoryStore('r2')];
    const gone = unreachable('r2', 'PUT', 'http://r2.example', new Error('refused'));
    const stop = new AbortController();
    let puts = 0;
    const flaky = {
      ...to,
      put: async (...object: Parameters<typeof to.put>) =>
        ++puts % 5 === 0 || puts > 200 ? Promise.reject(gone) : to.put(...object),
    };
    const copy = copyObjects({
      from,
      to: stoppingEarly(flaky, (why) => stop.abort(why)),
      concurrency: 12,
      signal: stop.signal,
    });
    await expect(copy).rejects.toBe(gone);
    expect(to.objects.size).toBe(160);
  });
});

it('one object that fails stops no other', async () => {
  const [from, to] = [manyObjects(), memoryStore('r2')];
  const stop = new AbortController();
  const picky = {
    ...to,
    put: async (...object: Parameters<typeof to.put>) =>
      object[0] === '0007' ? Promise.reject(refused({ status: 403, code: 'AccessDenied' })) : to.put(...object),
  };
  const result = await copyObjects({
    from,
    to: stoppingEarly(picky, (why) => stop.abort(why)),
    concurrency: 12,
    signal: stop.signal,
  });
  expect(result).toMatchObject({ copied: 499, failed: [{ key: '0007' }] });
});
