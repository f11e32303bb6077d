import { expect, it } from 'vitest';
import { UnsendableHeader } from '../providers/object-meta.ts';
import { isRefusedForGood, ProviderError } from '../providers/provider-error.ts';
import { copyObjects } from './copy.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { TransferStopped } from './stop-early.ts';

const { signal } = new AbortController();

it.each(['ENOSPC', 'EDQUOT', 'EROFS'])(
  'a copy to a disk that answers %s stops with that reason, and what arrived stays',
  async (code) => {
    const [from, to] = [memoryStore('legacy'), memoryStore('./media')];
    for (let index = 0; index < 500; index++) from.place(String(index).padStart(4, '0'), 'x');
    const full = Object.assign(new Error(`${code}: write`), { code });
    let puts = 0;
    const failing = {
      ...to,
      put: async (...object: Parameters<typeof to.put>) => (++puts > 20 ? Promise.reject(full) : to.put(...object)),
    };
    const stopped: unknown = await copyObjects({ from, to: failing, concurrency: 4, signal }).catch(
      (error: unknown) => error,
    );
    expect(stopped).toBeInstanceOf(TransferStopped);
    expect(stopped).toMatchObject({ cause: full });
    expect([to.objects.size, puts < 40]).toEqual([20, true]);
  },
);

const refused = (status: number, code: string | null) =>
  new ProviderError('r2', 'PUT media/x', { status, code, message: 'no reason given' });

it.each([
  ['a header that no request can carry', new UnsendableHeader('x has the header content-type with "夜"')],
  ['a request that cannot be written', new TypeError('invalid content-type header')],
  ['413, without a code', refused(413, null)],
  ['415, without a code', refused(415, null)],
  ...['EntityTooLarge', 'InvalidKey', 'InvalidMimeType', 'InvalidObjectState', 'KeyTooLongError'].map(
    (code): [string, Error] => [code, refused(400, code)],
  ),
  ...['MetadataTooLarge', 'MethodNotAllowed', 'NoSuchKey'].map((code): [string, Error] => [code, refused(400, code)]),
])("%s is one object's own fault: a hundred and fifty in a row stop no other", async (_name, error) => {
  const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
  const last = '~ the last one';
  for (let index = 0; index < 150; index++) from.place(String(index).padStart(4, '0'), 'x');
  from.place(last, 'x');
  let puts = 0;
  const failing = {
    ...to,
    put: async (...object: Parameters<typeof to.put>) =>
      object[0] === last ? to.put(...object) : Promise.reject((puts++, error)),
  };
  const result = await copyObjects({ from, to: failing, concurrency: 150, signal });
  expect(result).toMatchObject({ listed: 151, copied: 1, failures: 150 });
  // What cannot be written, or is refused for what it is, will not fare better at the next attempt.
  if (error instanceof TypeError || isRefusedForGood(error)) expect(puts).toBe(150);
});
