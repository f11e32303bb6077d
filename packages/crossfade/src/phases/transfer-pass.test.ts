import { expect, it } from 'vitest';
import type { RolloutContext } from '../rollout/context.ts';
import { memoryStore } from '../transfer/fixtures/memory-store.ts';
import { copyToR2 } from './transfer-pass.ts';

/** A legacy store to which somebody uploads whenever an object is read: no pass ever finds nothing new. */
function copyWhileUsersUpload(maxLagSeconds: number) {
  const [legacy, r2] = [memoryStore('legacy'), memoryStore('r2')];
  let uploads = 0;
  legacy.place('upload-0', 'bytes');
  legacy.onGet = () => {
    legacy.place(`upload-${++uploads}`, 'bytes');
    return null;
  };
  const context = {
    providers: { legacyStore: legacy, r2: { production: r2 } },
    config: { transfer: { concurrency: 2, maxLagSeconds } },
    signal: new AbortController().signal,
    record: async () => {},
  };
  // A copy asks for nothing else.
  return copyToR2(context as unknown as RolloutContext, 'copy');
}

it('a copy is caught up when it is less far behind than the bound, although users go on uploading', async () => {
  expect(await copyWhileUsersUpload(30)).toMatchObject({ passes: 8 });
});

it('a copy that is further behind than that says so', async () => {
  await expect(copyWhileUsersUpload(0)).rejects.toThrow('they come faster than the copy');
});
