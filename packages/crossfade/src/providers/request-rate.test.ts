import { describe, expect, it } from 'vitest';
import { createRequestRate } from './request-rate.ts';

interface Played {
  /** Good answers in each second. */
  readonly perSecond: readonly number[];
  readonly refused: number;
}

/** So many askers at once before a server that lets so many requests a second in, by a clock that jumps. */
async function play(options: {
  readonly allowed: number;
  readonly askers: number;
  readonly latencyMs: number;
  readonly retryAfterMs?: number;
  readonly most?: (now: number) => number | null;
  readonly seconds: number;
}): Promise<Played> {
  const { allowed, askers, latencyMs, retryAfterMs = null, most = () => null, seconds } = options;
  let now = 0;
  const events: { readonly at: number; readonly happens: () => void }[] = [];
  const after = (ms: number, happens: () => void): void => {
    const event = { at: now + ms, happens };
    events.splice(events.findLastIndex(({ at }) => at <= event.at) + 1, 0, event);
  };
  const passes = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve));
  const rate = createRequestRate(() => most(now), { now: () => now, after });
  let [tokens, filled, refused] = [allowed, 0, 0];
  const perSecond = Array.from({ length: seconds }, () => 0);
  async function ask(): Promise<void> {
    for (;;) {
      await rate.turn();
      await passes(latencyMs);
      tokens = Math.min(allowed, tokens + ((now - filled) / 1000) * allowed);
      filled = now;
      if (tokens >= 1) {
        tokens--;
        rate.answered();
        perSecond[Math.floor(now / 1000)] = (perSecond[Math.floor(now / 1000)] ?? 0) + 1;
      } else {
        refused++;
        rate.refused(retryAfterMs);
        await passes(retryAfterMs ?? 150);
      }
    }
  }
  for (let index = 0; index < askers; index++) void ask();
  while (now < seconds * 1000) {
    // What a promise has to do is done before the clock goes on.
    await new Promise((resolve) => setImmediate(resolve));
    const next = events.shift();
    if (next === undefined) break;
    now = next.at;
    next.happens();
  }
  return { perSecond: perSecond.slice(0, seconds), refused };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a store that allows so many requests a second', () => {
  it.each([
    { allowed: 200, askers: 16, latencyMs: 1 },
    { allowed: 200, askers: 16, latencyMs: 1, retryAfterMs: 1000 },
    { allowed: 200, askers: 64, latencyMs: 100, retryAfterMs: 1000 },
    { allowed: 20, askers: 16, latencyMs: 5 },
  ])('gives nine tenths of them, and refuses few: %o', async (how) => {
    const { perSecond, refused } = await play({ ...how, seconds: 20 });
    expect(mean(perSecond)).toBeGreaterThan(0.9 * how.allowed);
    expect(refused).toBeLessThan(0.25 * perSecond.reduce((sum, value) => sum + value, 0));
  });

  it('that never refuses is never slowed down', async () => {
    const { perSecond, refused } = await play({ allowed: 1e9, askers: 8, latencyMs: 10, seconds: 5 });
    expect(refused).toBe(0);
    expect(mean(perSecond)).toBeGreaterThan(780);
  });
});

describe('a limit of requests a second', () => {
  it('holds, and a change of it is heard while it waits', async () => {
    const most = (now: number): number => (now < 5000 ? 10 : 50);
    const { perSecond } = await play({ allowed: 1e9, askers: 32, latencyMs: 1, most, seconds: 10 });
    expect(perSecond.slice(0, 5).every((count) => count <= 11 && count >= 9)).toBe(true);
    expect(perSecond.slice(6).every((count) => count <= 52 && count >= 48)).toBe(true);
  });
});

it('Retry-After stops everything until then', async () => {
  let now = 0;
  const timers: { readonly at: number; readonly happens: () => void }[] = [];
  const rate = createRequestRate(() => null, {
    now: () => now,
    after: (ms, happens) => timers.push({ at: now + ms, happens }),
  });
  rate.refused(700);
  let went = false;
  void rate.turn().then(() => (went = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect([went, timers.map(({ at }) => at)]).toEqual([false, [700]]);
  now = 700;
  timers[0]?.happens();
  await new Promise((resolve) => setImmediate(resolve));
  expect(went).toBe(true);
});
