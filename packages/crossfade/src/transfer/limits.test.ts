import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { copyObjects } from './copy.ts';
import { EgressSpent, withEgressLimit } from './egress.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { LimitsError, watchLimits, type LiveLimits } from './limits.ts';
import { TransferStopped } from './stop-early.ts';

const { signal } = new AbortController();
const NONE = { bytesPerSecond: null, requestsPerSecond: null, egressBytes: null };

describe('a limit of bytes that are read in all', () => {
  it('stops the copy before it is passed, and a second run goes on with the rest', async () => {
    const [source, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (let index = 0; index < 10; index++) source.place(`key-${index}`, 'x'.repeat(100));
    let read = 0;
    source.onGet = () => {
      read += 100;
      return null;
    };
    const from = withEgressLimit(source, () => 550);
    const stopped: unknown = await copyObjects({ from, to, concurrency: 1, signal }).catch((error: unknown) => error);
    expect(stopped).toBeInstanceOf(TransferStopped);
    expect(stopped).toMatchObject({ message: expect.stringMatching(/egress limit is reached/) });
    expect(to.objects.size).toBe(5);
    // What is refused may have been opened, but not been read.
    expect(read).toBeLessThanOrEqual(700);
    expect(await copyObjects({ from: withEgressLimit(source, () => 550), to, concurrency: 1, signal })).toMatchObject({
      copied: 5,
      failed: [],
    });
  });

  it('counts what is read again, and can be lifted meanwhile', async () => {
    const source = memoryStore('legacy');
    source.place('a', 'x'.repeat(100));
    let limit: number | null = 150;
    const store = withEgressLimit(source, () => limit);
    (await store.get('a'))?.body.resume();
    await expect(store.get('a')).rejects.toThrow(EgressSpent);
    limit = null;
    expect(await store.get('a')).toMatchObject({ size: 100 });
  });
});

describe('a file of limits', () => {
  let folder: string;
  let limits: LiveLimits | null = null;
  const told: string[] = [];
  const file = (): string => join(folder, 'limits.json');
  const open = (): LiveLimits =>
    (limits = watchLimits(file(), { ...NONE, requestsPerSecond: 7 }, (text) => told.push(text)));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'crossfade-limits-'));
    told.length = 0;
  });
  afterEach(() => {
    limits?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('need not be there, and counts as soon as it is', async () => {
    const { current } = open();
    expect(current()).toEqual({ ...NONE, requestsPerSecond: 7 });
    writeFileSync(file(), '{"bytesPerSecond": 1000}');
    await vi.waitFor(() => expect(current()).toEqual({ ...NONE, bytesPerSecond: 1000, requestsPerSecond: 7 }), 10_000);
  });

  it('lifts with null what the command had', () => {
    writeFileSync(file(), '{"requestsPerSecond": null}');
    expect(open().current()).toEqual(NONE);
  });

  it.each(['{', '{"bandwidth": 1}', '{"egressBytes": "10G"}', '{"requestsPerSecond": 0}'])(
    'that cannot be understood any more is told and changes nothing: %s',
    async (text) => {
      writeFileSync(file(), '{"bytesPerSecond": 1000}');
      const { current } = open();
      writeFileSync(file(), text);
      await vi.waitFor(() => expect(told.at(-1)).toContain('holds no limits, the ones before stay'), 10_000);
      expect(current()).toEqual({ ...NONE, bytesPerSecond: 1000, requestsPerSecond: 7 });
    },
  );
});

describe('a file that says no limits', () => {
  it.each([
    ['a size with its unit', '{"egressBytes":"5K"}'],
    ['a negative one', '{"egressBytes":-5}'],
    ['a name that is none', '{"bytesPerSec":5}'],
    ['a list', '[]'],
    ['no JSON', 'egressBytes=5'],
  ])('%s: is refused at the start, since going on would be going on without limits', (_what, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'crossfade-limits-'));
    const path = join(folder, 'limits.json');
    writeFileSync(path, text);
    try {
      expect(() => watchLimits(path, NONE, () => {})).toThrow(LimitsError);
      expect(() => watchLimits(path, NONE, () => {})).toThrow(`${path} holds no limits`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
