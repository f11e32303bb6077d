import { describe, expect, it, type TestContext } from 'vitest';
import type { Trouble } from '../rollout/plan.ts';
import { until } from '../rollout/until.ts';
import { startProduction, type Production } from './fixtures/production.ts';
import { createSentinel } from './sentinel.ts';

/** Starts the sentinel and waits until its canary reads. */
async function watched(
  production: Production,
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
): Promise<{ trouble: Promise<Trouble>; seen: Trouble[]; stop(): Promise<void> }> {
  const sentinel = createSentinel();
  const seen: Trouble[] = [];
  void sentinel.trouble.then((trouble) => seen.push(trouble));
  sentinel.start(production.context);
  onTestFinished(() => sentinel.stop());
  const reads = await waitFor(production, 3);
  expect(reads).toBeGreaterThanOrEqual(3);
  return { trouble: sentinel.trouble, seen, stop: () => sentinel.stop() };
}

const signedReads = ({ served }: Production): number => served.filter((one) => one.path.startsWith('/media/')).length;

/** Waits for so many more signed reads. */
async function waitFor(production: Production, more: number): Promise<number> {
  const before = signedReads(production);
  const { reading } = await until(
    async () => signedReads(production) - before,
    (reads) => reads >= more,
    { timeoutMs: 8000, everyMs: 20 },
  );
  return reading;
}

const alerts = ({ recorded }: Production) => recorded.filter((event) => event.kind === 'alert.fired');

/** How long a trouble took to be seen after `since`, ms. */
async function msUntil(trouble: Promise<Trouble>, since: number): Promise<number> {
  await trouble;
  return Date.now() - since;
}

describe.concurrent('the sentinel', { timeout: 20_000 }, () => {
  it('says nothing while all is well, and takes its object away at the end', async (test) => {
    const production = await startProduction(test);
    production.others = [{ status: 200, requests: 80 }];
    const { seen, stop } = await watched(production, test);
    await waitFor(production, 25);
    await stop();
    expect(seen).toEqual([]);
    expect(production.recorded).toEqual([]);
    expect(production.served.map((one) => one.path)).toContain('/api/delete-file');
    const strangers = production.served.filter((one) => one.status === 403).map((one) => one.path);
    expect(new Set(strangers)).toEqual(new Set(['/api/sign-file', '/api/stream']));
  });

  it.for(['own', 'library'] as const)('sees one wrong byte in an object (%s), at once', async (flip, test) => {
    const production = await startProduction(test);
    const { trouble } = await watched(production, test);
    production.faults.flip = flip;
    const ms = await msUntil(trouble, Date.now());
    expect(await trouble).toMatchObject({
      measure: 'a wrong byte in an object that production served',
      measured: { byte: expect.any(Number), version: 'v2', source: 'r2' },
    });
    expect(ms).toBeLessThan(3000);
    await until(
      async () => alerts(production).length,
      (count) => count > 0,
      { timeoutMs: 2000, everyMs: 20 },
    );
    expect(alerts(production)[0]).toMatchObject({ data: { rule: 'wrongBytes', severity: 'critical' } });
  });

  it.for(['/api/sign-file', '/api/stream'] as const)(
    "sees another tenant's object served by %s, at once",
    async (openTo, test) => {
      const production = await startProduction(test);
      const { trouble } = await watched(production, test);
      production.faults.openTo = openTo;
      expect(await msUntil(trouble, Date.now())).toBeLessThan(5000);
      expect(await trouble).toMatchObject({
        measure: "another tenant's object was served",
        measured: { asked: openTo, status: 200 },
        expected: { status: 403 },
      });
    },
  );

  it('sees a 5xx that comes again when the same read is repeated, within a second or two', async (test) => {
    const production = await startProduction(test);
    const { trouble } = await watched(production, test);
    production.faults.unavailable = 1000;
    expect(await msUntil(trouble, Date.now())).toBeLessThan(2000);
    expect((await trouble).measured).toMatchObject({ status: 503 });
  });

  it('lets a lone 5xx, and lone connections that broke, pass', async (test) => {
    const production = await startProduction(test);
    const { seen } = await watched(production, test);
    production.faults.unavailable = 1;
    await waitFor(production, 10);
    production.faults.cut = 1;
    await waitFor(production, 10);
    production.faults.cut = 1;
    await waitFor(production, 10);
    expect(seen).toEqual([]);
  });

  it('sees an error rate at the edge that the canary does not meet', async (test) => {
    const production = await startProduction(test);
    const { trouble } = await watched(production, test);
    const since = Date.now();
    production.others = [
      { status: 200, requests: 80 },
      { status: 500, requests: 20 },
    ];
    expect(await msUntil(trouble, since)).toBeLessThan(1500);
    expect((await trouble).measure).toBe('error rate at the edge over 15 s and 1.3 s');
  });

  it('sees signed reads that take 1.5 s, but not a stall of a moment', async (test) => {
    const production = await startProduction(test);
    const { trouble, seen } = await watched(production, test);
    await waitFor(production, 20);
    production.faults.slowMs = 1500;
    await waitFor(production, 3);
    delete production.faults.slowMs;
    await waitFor(production, 15);
    expect(seen).toEqual([]);
    production.faults.slowMs = 1500;
    expect(await msUntil(trouble, Date.now())).toBeLessThan(8000);
    expect(await trouble).toMatchObject({
      measure: "p95 of the canary's signed reads over 15 s and 1.3 s",
      expected: { p95Ms: '<= 1000' },
    });
  });

  it('takes reads that hang for failed ones', async (test) => {
    const production = await startProduction(test, { silenceMs: 20_000 });
    const { trouble } = await watched(production, test);
    await waitFor(production, 20);
    production.faults.silent = true;
    expect(await msUntil(trouble, Date.now())).toBeLessThan(6000);
    expect((await trouble).measure).toMatch(/^error rate of the canary's signed reads/);
    production.faults.silent = false;
    production.hangUp();
  });

  it('takes a production that goes silent for trouble', async (test) => {
    const production = await startProduction(test);
    production.others = [{ status: 200, requests: 80 }];
    const { trouble } = await watched(production, test);
    production.faults.silent = true;
    expect(await msUntil(trouble, Date.now())).toBeLessThan(4500);
    expect((await trouble).measure).toMatch(/^no data from the canary/);
    production.faults.silent = false;
    production.hangUp();
  });

  it.for(['down', 'empty'] as const)('takes analytics that are %s for trouble', async (analytics, test) => {
    const production = await startProduction(test);
    const { trouble } = await watched(production, test);
    production.faults.analytics = analytics;
    const since = Date.now();
    const { measure } = await trouble;
    expect(measure).toMatch(/^no data from the analytics for \d/);
    expect(Date.now() - since).toBeGreaterThan(2000);
    expect(Date.now() - since).toBeLessThan(5500);
  });

  it('takes a canary that cannot begin for trouble, and says what keeps it', async (test) => {
    const production = await startProduction(test);
    production.others = [{ status: 200, requests: 80 }];
    production.faults.noSignIn = true;
    const sentinel = createSentinel();
    sentinel.start(production.context);
    expect(await sentinel.trouble).toMatchObject({
      measure: expect.stringMatching(/^no data from the canary/),
      measured: { lastError: 'nobody signs in' },
    });
    await sentinel.stop();
  });

  it('takes a watch that cannot watch for trouble', async (test) => {
    const production = await startProduction(test);
    production.faults.analytics = 'broken';
    const sentinel = createSentinel();
    sentinel.start(production.context);
    expect((await sentinel.trouble).measure).toContain('no such dataset');
    await sentinel.stop();
  });

  it('warns of an error rate that eats the budget, rolls nothing back, and says when it is over', async (test) => {
    const production = await startProduction(test);
    const { seen, stop } = await watched(production, test);
    production.others = [
      { status: 200, requests: 996 },
      { status: 500, requests: 4 },
    ];
    const warning = await until(
      async () => production.recorded.map((event) => event.kind),
      (kinds) => kinds.includes('alert.fired'),
      { timeoutMs: 8000, everyMs: 50 },
    );
    expect(warning.good).toBe(true);
    expect(alerts(production)[0]).toMatchObject({ data: { rule: 'lowSuccessRate', severity: 'warning' } });
    production.others = [{ status: 200, requests: 1000 }];
    const over = await until(
      async () => production.recorded.map((event) => event.kind),
      (kinds) => kinds.includes('alert.resolved'),
      { timeoutMs: 8000, everyMs: 50 },
    );
    expect(over.good).toBe(true);
    await stop();
    expect(seen).toEqual([]);
    expect(production.recorded.map((event) => event.kind)).toEqual(['alert.fired', 'alert.resolved']);
  });
});

describe('a sentinel that slept', { timeout: 20_000 }, () => {
  it('has not observed the time in which it slept', async (test) => {
    const production = await startProduction(test);
    production.others = [{ status: 200, requests: 80 }];
    const { seen } = await watched(production, test);
    // Nothing of this process runs for longer than the silence that counts as trouble.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3500);
    await waitFor(production, 20);
    expect(seen).toEqual([]);
  });
});
