import { describe, expect, it } from 'vitest';
import type { CopyFailure } from './copy.ts';
import { copyUntil } from './copy-until.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { measureLag } from './pending.ts';

const { signal } = new AbortController();
const secondsAgo = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

describe('the lag', () => {
  it('is the age of the oldest change that the target lacks', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const one of [from, to]) one.place('there', 'same');
    expect(await measureLag({ from, to, signal })).toEqual({ pending: 0, seconds: 0 });
    from.place('new', 'x', { lastModified: secondsAgo(20) });
    from.place('overwritten', 'after', { lastModified: secondsAgo(90) });
    to.place('overwritten', 'before', { lastModified: secondsAgo(300) });
    const lag = await measureLag({ from, to, signal });
    expect(lag.pending).toBe(2);
    expect(lag.seconds).toBeGreaterThanOrEqual(90);
    expect(lag.seconds).toBeLessThan(95);
    expect((await measureLag({ from, to, signal, filter: (key) => key === 'new' })).pending).toBe(1);
  });
});

describe('a copy until it has caught up', () => {
  it('takes what is uploaded while it runs, and ends when the lag is within its bound', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    from.place('a', 'x', { lastModified: secondsAgo(100) });
    let uploads = 0;
    from.onGet = () => {
      if (uploads < 3) from.place(`late-${uploads++}`, 'y', { lastModified: secondsAgo(50) });
      return null;
    };
    const lags: number[] = [];
    const result = await copyUntil({ from, to, concurrency: 1, signal }, 10, (seconds) => lags.push(seconds));
    expect(result).toMatchObject({ caughtUp: true, copied: 4, passes: 4, lagSeconds: 0 });
    expect([...to.objects.keys()].sort()).toEqual([...from.objects.keys()].sort());
    expect(lags.slice(0, 3).every((seconds) => seconds >= 50)).toBe(true);
  });

  it('is content with a change that is younger than the bound', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    from.place('a', 'x', { lastModified: secondsAgo(100) });
    from.onGet = () => {
      from.place('young', 'y', { lastModified: secondsAgo(1) });
      return null;
    };
    expect(await copyUntil({ from, to, concurrency: 1, signal }, 10)).toMatchObject({ caughtUp: true, passes: 1 });
    expect(to.objects.has('young')).toBe(false);
  });

  it('gives up when changes come faster than they are copied', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    let uploads = 0;
    const upload = (): void => from.place(`a-${uploads++}`, 'x', { lastModified: secondsAgo(100 + uploads) });
    upload();
    from.onGet = () => {
      upload();
      return null;
    };
    expect(await copyUntil({ from, to, concurrency: 1, signal }, 10)).toMatchObject({ caughtUp: false, passes: 4 });
  });

  it('does not wait for what the target cannot hold', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    from.place('a', 'x', { lastModified: secondsAgo(100) });
    from.place('strange', 'x', { lastModified: secondsAgo(100) });
    const failed: string[] = [];
    const refuses = (key: string): string | null => (key === 'strange' ? 'no such key' : null);
    const options = {
      from,
      to,
      concurrency: 1,
      signal,
      refuses,
      onFailed: ({ key }: { key: string }) => void failed.push(key),
    };
    expect(await copyUntil(options, 10)).toMatchObject({ caughtUp: true, copied: 1, passes: 1 });
    expect(failed).toEqual(['strange']);
  });

  it('an object that one pass could not copy and a later one could has not failed; one that no pass could has', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const key of ['good', 'later', 'never']) from.place(key, 'x', { lastModified: secondsAgo(100) });
    const asked = new Map<string, number>();
    from.onGet = (key) => {
      const times = (asked.get(key) ?? 0) + 1;
      asked.set(key, times);
      // Three times in one pass: a copy tries each object again.
      if (key === 'never' || (key === 'later' && times <= 3)) throw new Error('no such thing');
      return null;
    };
    const failed: CopyFailure[] = [];
    const onFailed = (failure: CopyFailure): void => void failed.push(failure);
    const result = await copyUntil({ from, to, concurrency: 1, signal, onFailed }, 10);
    expect(result).toMatchObject({ caughtUp: false, copied: 2 });
    expect(failed).toEqual([{ key: 'never', reason: expect.stringContaining('no such thing') }]);

    asked.clear();
    from.objects.delete('never');
    to.objects.clear();
    failed.length = 0;
    expect(await copyUntil({ from, to, concurrency: 1, signal, onFailed }, 10)).toMatchObject({ caughtUp: true });
    expect(failed).toEqual([]);
  });

  it('tells what has failed so far when it is stopped', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const key of ['a', 'b']) from.place(key, 'x', { lastModified: secondsAgo(100) });
    const stop = new AbortController();
    from.onGet = (key) => {
      if (key === 'b') stop.abort(new Error('enough'));
      throw new Error('no such thing');
    };
    const failed: string[] = [];
    const onFailed = ({ key }: CopyFailure): void => void failed.push(key);
    const copying = copyUntil({ from, to, concurrency: 1, signal: stop.signal, onFailed }, 10);
    await expect(copying).rejects.toThrow('enough');
    expect(failed).toEqual(['a']);
  });
});
