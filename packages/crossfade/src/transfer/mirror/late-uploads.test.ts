import { describe, expect, it } from 'vitest';
import { memoryStore } from '../fixtures/memory-store.ts';
import { carryLateUploads } from './late-uploads.ts';
import { marking } from './object-marks.ts';
import { NO_EVIDENCE } from './seen-events.ts';
import { metaOf } from '../../providers/object-meta.ts';

const { signal } = new AbortController();
const META = metaOf({ contentType: 'audio/wav' });

/** Both stores hold `both`; of `known` a manifest or an event tells. */
function production(both: readonly string[], known: readonly string[] = []) {
  const [r2, legacy] = [memoryStore('r2'), memoryStore('legacy')];
  for (const key of both) for (const store of [r2, legacy]) store.place(key, key);
  const evidenceOf = async (keys: ReadonlySet<string>) =>
    new Map(known.filter((key) => keys.has(key)).map((key) => [key, { ...NO_EVIDENCE, wasCopied: true }]));
  return { r2, legacy, carry: () => carryLateUploads({ r2, legacy, seen: { evidenceOf }, signal }) };
}

describe('an upload that reached legacy after the last catch-up', () => {
  it('is carried to R2, and a second time there is nothing to do', async () => {
    const { r2, legacy, carry } = production(['a', 'b']);
    legacy.place('late', 'bytes');
    expect(await carry()).toEqual({ carried: ['late'], failed: [] });
    expect(r2.objects.get('late')?.bytes.toString()).toBe('bytes');
    // Legacy may delete it again, and its time in R2 does not tell that it is a copy.
    expect(r2.objects.get('late')?.meta.custom).toMatchObject({ 'crossfade-legacy': 'carried-over' });
    expect(await carry()).toEqual({ carried: [], failed: [] });
  });

  it('is told from what was deleted in R2: a manifest or an event knows that, or the mirror wrote it', async () => {
    const { r2, legacy, carry } = production(['a'], ['deleted']);
    legacy.place('deleted', 'copied once');
    await marking(legacy, 'etag').put('mirrored', Buffer.from('x'), 1, META);
    expect(await carry()).toEqual({ carried: [], failed: [] });
    expect([...r2.objects.keys()]).toEqual(['a']);
  });

  it('is left alone when R2 has it by now, or legacy no more', async () => {
    const { r2, legacy, carry } = production([]);
    legacy.place('late', 'old');
    legacy.place('gone', 'x');
    const { head } = legacy;
    legacy.head = async (key) => {
      r2.place('late', 'newer');
      return key === 'gone' ? null : head(key);
    };
    expect(await carry()).toEqual({ carried: [], failed: [] });
    expect(r2.objects.get('late')?.bytes.toString()).toBe('newer');
  });

  it('that cannot be copied is told with its reason, keeps back no other, and is carried when it can be', async () => {
    const { r2, legacy, carry } = production([]);
    for (const key of ['a', 'b', 'c']) legacy.place(key, key);
    const { put } = r2;
    r2.put = async (key, ...rest) => {
      if (key === 'b') throw new Error('R2 is full');
      return put(key, ...rest);
    };
    expect(await carry()).toEqual({ carried: ['a', 'c'], failed: [{ key: 'b', reason: 'R2 is full' }] });
    r2.put = put;
    expect(await carry()).toEqual({ carried: ['b'], failed: [] });
  });
});
