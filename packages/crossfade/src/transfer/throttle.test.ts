import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBandwidth } from './bandwidth.ts';
import { copyObjects, type CopyOptions } from './copy.ts';
import { refuse, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { createThrottle } from './throttle.ts';

let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const { signal } = new AbortController();
const copy = (over: Partial<CopyOptions> = {}) =>
  copyObjects({
    from: s3.store('old'),
    to: s3.store('new', { secretAccessKey: 'another' }),
    concurrency: 16,
    signal,
    ...over,
  });
const place = (count: number): void => {
  for (let index = 0; index < count; index++) s3.place(`old/${index}`, `bytes ${index}`);
};

describe('a store that throttles', () => {
  it.each([
    ['429', 429, 'TooManyRequests'],
    ['503 SlowDown', 503, 'SlowDown'],
  ])('with %s gets fewer requests at once, and in the end every object', async (_name, status, code) => {
    place(300);
    let [refused, sent] = [0, 0];
    s3.fault = (call, _request, response) => {
      if (!call.startsWith('PUT new/') || ++sent % 10 !== 0 || refused >= 12) return false;
      refused++;
      return refuse(response, status, code);
    };
    const { copied, failed, fewestAtOnce } = await copy();
    expect({ copied, failed }).toEqual({ copied: 300, failed: [] });
    expect(refused).toBe(12);
    expect(fewestAtOnce).toBeLessThanOrEqual(8);
  });

  it('and names a time is left alone until then', async () => {
    place(40);
    let until = 0;
    let early = 0;
    s3.fault = (call, _request, response) => {
      if (!call.startsWith('PUT new/')) return false;
      if (until === 0) {
        // What was sent before this answer arrived does not count.
        until = performance.now() + 1000;
        return refuse(response, 503, 'SlowDown', { 'retry-after': '1' });
      }
      if (performance.now() > until - 800 && performance.now() < until - 100) early++;
      return false;
    };
    const start = performance.now();
    expect(await copy({ concurrency: 2 })).toMatchObject({ copied: 40, failed: [] });
    expect(performance.now() - start).toBeGreaterThan(900);
    expect(early).toBeLessThanOrEqual(2);
  });
});

describe('the number of requests at once', () => {
  it('is kept, and a ceiling is kept too', async () => {
    const throttle = createThrottle(3, []);
    let [now, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
    };
    await Promise.all(Array.from({ length: 50 }, () => throttle.run(work)));
    expect(most).toBe(3);
  });

  it('is halved by a flock of refusals once', () => {
    const throttle = createThrottle(16, []);
    for (let index = 0; index < 5; index++) throttle.slowDown(null);
    expect([throttle.places, throttle.fewest]).toEqual([8, 8]);
  });
});

describe('a limit of bytes a second', () => {
  it('holds for all objects together', async () => {
    place(20);
    for (let index = 0; index < 20; index++) s3.place(`old/${index}`, Buffer.alloc(1000));
    const start = performance.now();
    expect(await copy({ bytesPerSecond: 10_000 })).toMatchObject({ copied: 20, bytes: 20_000 });
    // A second's worth goes at once, the rest at the rate.
    expect(performance.now() - start).toBeGreaterThan(800);
  });

  it('lets an object pass that is larger than a second’s worth, and waits afterwards', async () => {
    const bandwidth = createBandwidth(1000);
    const start = performance.now();
    await bandwidth(1500, signal);
    expect(performance.now() - start).toBeLessThan(300);
    await bandwidth(1, signal);
    expect(performance.now() - start).toBeGreaterThan(450);
  });
});
