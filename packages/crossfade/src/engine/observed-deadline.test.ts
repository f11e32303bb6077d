import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../rollout/until.ts';
import { startObservedDeadline } from './observed-deadline.ts';

/** As a stopped process sleeps: nothing of it runs, timers are late. */
function asleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('an observed deadline', () => {
  it('is over once so much time was seen to pass', async () => {
    const start = performance.now();
    await startObservedDeadline(100).over;
    expect(performance.now() - start).toBeGreaterThanOrEqual(100);
  });

  it('counts a sleep as one tick: what was missed is no delay', async () => {
    const start = performance.now();
    const deadline = startObservedDeadline(200);
    let over = false;
    void deadline.over.then(() => (over = true));
    await pause(20);
    asleep(600);
    await pause(50);
    expect(over).toBe(false);
    await deadline.over;
    expect(performance.now() - start).toBeGreaterThanOrEqual(600 + 150);
  });

  it('is never over once it was stopped', async () => {
    const deadline = startObservedDeadline(20);
    onTestFinished(() => deadline.stop());
    let over = false;
    void deadline.over.then(() => (over = true));
    deadline.stop();
    await pause(80);
    expect(over).toBe(false);
  });
});

it('a wait for the world goes on after a sleep: it has not asked for that long', async () => {
  let reads = 0;
  const asked = until(
    async () => {
      reads++;
      if (reads === 2) asleep(400);
      return reads;
    },
    (count) => count === 6,
    { timeoutMs: 200, everyMs: 10 },
  );
  expect(await asked).toMatchObject({ good: true, reading: 6 });
});
