import { openDataPoints } from '@crossfade/local-cloud/cloudflare/data-points';
import { createSchema } from '@crossfade/local-cloud/supabase/schema';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDatabaseProvider } from '../providers/postgres/database-provider.ts';
import { openAlertBook } from './alerts.ts';
import { costPerHour } from './cost.ts';
import { startProduction, USAGE } from './fixtures/production.ts';
import { productionAlerts } from './production-alerts.ts';
import { judgeUsage, readUsage, startUsageWatch, usageWindowMs, type Usage } from './usage-watch.ts';

const QUIET: Usage = { quotaRefusals: 0, costPerHour: 0.01, requestsPerSecond: 1, newUsers: 0, largeUploads: 0 };
const firing = (usage: Partial<Usage>, whole = true) =>
  judgeUsage({ ...QUIET, ...usage }, USAGE, whole).flatMap((state) => (state.firing === true ? [state.rule] : []));

describe('the alerts on cost, quotas and use', () => {
  it.each([
    ['quotaExceeded', { quotaRefusals: 101 }, { quotaRefusals: 100 }],
    ['highCostRate', { costPerHour: 2.01 }, { costPerHour: 2 }],
    ['highUsage', { requestsPerSecond: 50_001 }, { requestsPerSecond: 50_000 }],
    ['newUserSignup', { newUsers: 1 }, { newUsers: 0 }],
    ['largeUpload', { largeUploads: 1 }, { largeUploads: 0 }],
  ] as const)('%s fires above its limit, and only there', (rule, above, at) => {
    expect(firing(above)).toEqual([rule]);
    expect(firing(at)).toEqual([]);
  });

  it('say nothing of a cost that nobody measured, nor of a rate over a moment', () => {
    const cost = (usage: Partial<Usage>, whole: boolean) =>
      judgeUsage({ ...QUIET, ...usage }, USAGE, whole).find(({ rule }) => rule === 'highCostRate')?.firing;
    expect(cost({ costPerHour: null }, true)).toBeNull();
    expect(cost({ costPerHour: 1000 }, false)).toBeNull();
  });

  it('fire once, each by its name and severity, and resolve when it is over', async () => {
    const production = await startProduction({ onTestFinished });
    const { context, recorded, usage } = production;
    // A window of two seconds, so that it is soon over with.
    Object.assign(context.config, { usage: { ...USAGE, windowMs: 480_000 } });
    const watch = startUsageWatch(context, openAlertBook(context));
    onTestFinished(() => watch.stop());
    const severities = {
      quotaExceeded: 'critical',
      highCostRate: 'warning',
      highUsage: 'info',
      newUserSignup: 'info',
      largeUpload: 'info',
    };
    const told = (kind: string) => recorded.flatMap((event) => (event.kind === kind ? [event.subject] : [])).toSorted();
    const all = Object.keys(severities).toSorted();
    Object.assign(usage, { refused: 101, puts: 3_000_000, newUsers: 1, large: 1 });
    production.others = [{ status: 200, requests: 1_000_000 }];
    await expect.poll(() => told('alert.fired'), { timeout: 8000 }).toEqual(all);
    for (const event of recorded)
      if (event.kind === 'alert.fired') expect(severities).toMatchObject({ [event.data.rule]: event.data.severity });
    expect(productionAlerts(recorded)).toMatchObject({
      critical: { quotaExceeded: true },
      warning: { highCostRate: true },
      info: { highUsage: true, newUserSignup: true, largeUpload: true },
    });
    Object.assign(usage, { refused: 0, puts: 0, newUsers: 0, large: 0 });
    production.others = [];
    await expect.poll(() => told('alert.resolved'), { timeout: 8000 }).toEqual(all);
    expect(told('alert.fired')).toEqual(all);
    expect(productionAlerts(recorded).info).toEqual({ highUsage: false, newUserSignup: false, largeUpload: false });
  });

  it('are not told of by a vendor that does not answer, which is noted once and rolls nothing back', async () => {
    const { context, recorded } = await startProduction({ onTestFinished });
    const { cloudflare } = context.providers;
    let asked = 0;
    const r2Storage = (): Promise<never> => {
      asked++;
      return Promise.reject(new Error('the vendor sleeps'));
    };
    const broken = { ...context, providers: { ...context.providers, cloudflare: { ...cloudflare, r2Storage } } };
    const watch = startUsageWatch(broken, openAlertBook(context));
    await expect.poll(() => asked, { timeout: 8000 }).toBe(2);
    await watch.stop();
    const text = 'cost, quotas and use could not be read: the vendor sleeps';
    expect(recorded).toMatchObject([{ kind: 'note', data: { text } }]);
  });
});

describe('what production is used for', () => {
  it('is read from the telemetry, the analytics and the database, of the window alone', async () => {
    const server = await startTemporaryDatabase('app');
    onTestFinished(() => server.stop());
    const pool = new Pool({ connectionString: server.url('app'), max: 1 });
    pool.on('error', () => {});
    onTestFinished(() => pool.end());
    await createSchema(pool);
    const before = new Date(Date.now() - 3600_000);
    const now = new Date();
    for (const [name, at] of [
      ['old', before],
      ['new', now],
    ] as const)
      await pool.query('insert into auth.users (email, created_at) values ($1, $2)', [name, at]);
    for (const [size, at] of [
      [2e8, before],
      [2e8, now],
      [1000, now],
    ] as const)
      await pool.query('insert into uploads (user_id, size_bytes, created_at) values (gen_random_uuid(), $1, $2)', [
        size,
        at,
      ]);
    const points = openDataPoints();
    onTestFinished(() => points.close());
    points.write('media', { indexes: ['refused'], blobs: ['refused', '/api/sign-upload', '429'], doubles: [1, 7] });
    points.write('media', { indexes: ['request'], blobs: ['request', '/api/library', '200'], doubles: [1, 50] });
    const production = await startProduction({ onTestFinished });
    production.others = [{ status: 200, requests: 600 }];
    production.usage.puts = 1000;
    const database = createDatabaseProvider(server.url('app'));
    onTestFinished(() => database.close());
    const { providers } = production.context;
    const context = {
      ...production.context,
      providers: {
        ...providers,
        database: { ...providers.database, production: database },
        cloudflare: {
          ...providers.cloudflare,
          telemetry: async (sql: string): Promise<readonly Record<string, unknown>[]> => points.query(sql).rows,
        },
      },
    };
    const until = Date.now() + 1000;
    expect(await readUsage(context, until - 60_000, until)).toEqual({
      quotaRefusals: 7,
      costPerHour: costPerHour(USAGE.prices, {
        storedBytes: 1e9,
        seconds: 60,
        operations: [{ action: 'PutObject', requests: 1000 }],
        workerRequests: 600,
      }),
      requestsPerSecond: 10,
      newUsers: 1,
      largeUploads: 1,
    });
  });

  it('costs what the price list says: storage by the hour, operations by their class, deletes nothing', () => {
    const use = { storedBytes: 0, seconds: 3600, operations: [], workerRequests: 0 };
    const of = (change: object): number | null => costPerHour(USAGE.prices, { ...use, ...change });
    expect(of({ storedBytes: 720e9 })).toBeCloseTo(0.015);
    expect(of({ operations: [{ action: 'PutObject', requests: 1e6 }] })).toBeCloseTo(4.5);
    expect(of({ operations: [{ action: 'GetObject', requests: 1e6 }] })).toBeCloseTo(0.36);
    expect(of({ operations: [{ action: 'DeleteObject', requests: 1e6 }] })).toBe(0);
    expect(of({ workerRequests: 1e6, seconds: 1800 })).toBeCloseTo(0.6);
    expect(of({ storedBytes: null })).toBeNull();
  });

  it('is looked at over the planned window, scaled as the watch is', async () => {
    const { context } = await startProduction({ onTestFinished });
    expect(usageWindowMs(context.config)).toBe(15_000);
  });
});
