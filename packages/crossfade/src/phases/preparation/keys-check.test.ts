import { describe, expect, it } from 'vitest';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { memoryStore } from '../../transfer/fixtures/memory-store.ts';
import { keysCheck } from './keys-check.ts';

const COMPOSED = 'library/Beyonc\u00e9.mp3';
const DECOMPOSED = 'library/Beyonce\u0301.mp3';

interface World {
  legacy?: readonly string[];
  r2?: readonly string[];
  accepted?: RolloutConfig['transfer']['accepted'];
  whyUnservable?: (key: string) => string | null;
  refuses?: (key: string) => string | null;
}

async function judge(world: World) {
  const [legacy, r2] = [memoryStore('legacy'), memoryStore('r2')];
  for (const key of world.legacy ?? []) legacy.place(key, 'x');
  for (const key of world.r2 ?? []) r2.place(key, 'x');
  if (world.refuses !== undefined) legacy.refuses = world.refuses;
  const kept: string[] = [];
  const context = {
    config: {
      worker: world.whyUnservable === undefined ? {} : { whyUnservable: world.whyUnservable },
      transfer: world.accepted === undefined ? {} : { accepted: world.accepted },
    },
    providers: { legacyStore: legacy, r2: { production: r2 } },
    signal: new AbortController().signal,
    keep: async (path: string, content: string) => {
      kept.push(content);
      return path;
    },
  };
  // The check asks for nothing else.
  const verdict = await keysCheck().run(context as unknown as RolloutContext);
  return { ...verdict, kept };
}

describe('keys before they are copied', () => {
  it('are all there is to say where each survives the way there and back', async () => {
    const plain = await judge({ legacy: ['a', 'Wait... what.mp3', COMPOSED, 'a/b'], r2: ['a'] });
    expect(plain).toMatchObject({ status: 'pass', measured: { keys: 4, accepted: 0 } });
  });

  it('that the Worker will not serve are named with its own reason, and are a gate until they are accepted', async () => {
    const whyUnservable = (key: string): string | null => (key.includes('//') ? 'holds "//"' : null);
    const world = { legacy: ['a', 'a//b', 'c//d'], whyUnservable };
    expect(await judge(world)).toMatchObject({
      status: 'fail',
      summary: 'the Worker will not serve "a//b" (the key holds "//"), "c//d" (the key holds "//")',
      measured: { keys: 3, unservable: 2 },
      evidence: ['preparation/keys.json'],
    });
    expect(await judge({ ...world, accepted: { unservableKeys: ['a//b'] } })).toMatchObject({
      status: 'fail',
      measured: { unservable: 1, accepted: 1 },
    });
    const all = await judge({ ...world, accepted: { unservableKeys: ['a//b', 'c//d'] } });
    expect(all).toMatchObject({ status: 'pass', measured: { unservable: 0, accepted: 2 } });
    // Accepted is not forgotten.
    expect(all.kept[0]).toContain('c//d');
  });

  it('are named ten at a time, and all of them in the evidence', async () => {
    const legacy = Array.from({ length: 25 }, (_, at) => `x${at}`);
    const { summary, kept } = await judge({ legacy, whyUnservable: () => 'is no good' });
    expect(summary).toMatch(/, and 15 more$/);
    expect(legacy.every((key) => kept[0]?.includes(`"${key}"`))).toBe(true);
  });

  it.each([
    ['the composed and the decomposed form', [COMPOSED, DECOMPOSED]],
    ['two forms, none of them normal', ['e\u0323\u0302', '\u00ea\u0323']],
    ['three at once', ['\u1ec7', 'e\u0323\u0302', '\u00ea\u0323']],
    ['a sign and the letter that it stands for', ['\u212b', '\u00c5']],
    ['Hangul', ['\ud55c', '\u1112\u1161\u11ab']],
  ])('that R2 takes for one object are named, each with what tells them apart: %s', async (_name, legacy) => {
    const { status, summary, measured } = await judge({ legacy: [...legacy, 'other'] });
    expect(status).toBe('fail');
    expect(measured).toMatchObject({ sameInR2: legacy.length });
    expect(summary).toContain('they differ only by Unicode normalisation');
    expect(legacy.every((key) => summary.includes(JSON.stringify(key)))).toBe(true);
    expect(summary).toMatch(/\\u\{[0-9a-f]+\}/);
  });

  it('that are alone in their form are left alone, and so are those that only look alike', async () => {
    // A Cyrillic and a Latin "a" are two letters, and so is a ligature (NFKC would fold it, NFC does not).
    expect(await judge({ legacy: [DECOMPOSED, 'a', '\u0430', 'ﬁ', 'fi'] })).toMatchObject({ status: 'pass' });
  });

  it('asks legacy for no form that it could not hold', async () => {
    const refuses = (key: string): string | null => (key === COMPOSED ? 'takes no "é"' : null);
    expect(await judge({ legacy: [DECOMPOSED], refuses })).toMatchObject({ status: 'pass' });
  });

  it('in R2 that legacy could not take back are named, and are a gate until they are accepted', async () => {
    const refuses = (key: string): string | null => (key.includes('#') ? 'takes no "#" in a key' : null);
    const world = { legacy: ['a'], r2: ['a', 'a#b'], refuses };
    expect(await judge(world)).toMatchObject({
      status: 'fail',
      summary: 'R2 holds what the old store could not take back: "a#b" (takes no "#" in a key)',
      measured: { refusedByLegacy: 1 },
    });
    expect(await judge({ ...world, accepted: { refusedKeys: ['a#b'] } })).toMatchObject({ status: 'pass' });
  });
});
