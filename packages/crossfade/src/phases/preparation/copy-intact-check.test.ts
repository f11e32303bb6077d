import { expect, it } from 'vitest';
import type { RolloutContext } from '../../rollout/context.ts';
import { memoryStore, type MemoryStore } from '../../transfer/fixtures/memory-store.ts';
import { copyIntactCheck } from './copy-intact-check.ts';

const BEFORE = '2026-01-01T10:00:00.000Z';
const VERIFIED = '2026-01-01T11:00:05.000Z';
const MEANWHILE = '2026-01-01T11:00:01.000Z';

/** Legacy and R2 with the same three objects, and the verdict of a verification that took 5 s. */
function copied(verdicts = ['pass']): { legacy: MemoryStore; r2: MemoryStore; context: RolloutContext } {
  const [legacy, r2] = [memoryStore('legacy'), memoryStore('r2')];
  for (const key of ['a', 'b', 'c']) for (const store of [legacy, r2]) store.place(key, key, { lastModified: BEFORE });
  const event = (status: string) => ({
    kind: 'check.verdict',
    subject: 'production.copy',
    at: VERIFIED,
    data: { ms: 5000, verdict: { status } },
  });
  const context = {
    providers: { legacyStore: legacy, r2: { production: r2 } },
    history: async () => verdicts.map(event),
  };
  // The check asks for nothing else.
  return { legacy, r2, context: context as unknown as RolloutContext };
}

it('holds while all that was verified is in R2, whatever was uploaded to legacy since', async () => {
  const { legacy, context } = copied();
  legacy.place('new', 'new', { lastModified: MEANWHILE });
  expect(await copyIntactCheck().run(context)).toMatchObject({ status: 'pass', measured: { objects: 3, lost: 0 } });
});

it('fails when an object is gone from R2, or has another size there, and names it', async () => {
  const { r2, context } = copied();
  r2.objects.delete('b');
  r2.place('c', 'longer');
  expect(await copyIntactCheck().run(context)).toMatchObject({
    status: 'fail',
    summary: '2 objects are not in R2 any more: b, c',
  });
});

it.each([
  ['nothing was verified', []],
  ['the verification failed', ['fail']],
])('fails when %s', async (_name, verdicts) => {
  expect((await copyIntactCheck().run(copied(verdicts).context)).status).toBe('fail');
});
