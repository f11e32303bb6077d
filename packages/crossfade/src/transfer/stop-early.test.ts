import { expect, it } from 'vitest';
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
