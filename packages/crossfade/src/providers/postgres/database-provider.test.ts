import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createFaultPlan, SQL_FAULTS, type FaultPlan, type Target } from '../../engine/fixtures/fault-plan.ts';
import { startSqlFaultProxy } from '../../engine/fixtures/sql-fault-proxy.ts';
import { createDatabaseProvider } from './database-provider.ts';

let server: DatabaseServer;
beforeAll(async () => {
  server = await startTemporaryDatabase('app');
});
afterAll(() => server.stop());

const STATEMENT = 'insert into seen values ($1)';

/** The database through a proxy that lets the first `insert` go wrong. Ten seconds of patience are a tenth of one. */
async function open(fault: Target['fault']): Promise<{
  provider: ReturnType<typeof createDatabaseProvider>;
  plan: FaultPlan;
  count(): Promise<number>;
}> {
  const plan = createFaultPlan({ call: `before · postgres ${STATEMENT} #1`, fault });
  const proxy = await startSqlFaultProxy(server.url('app'), plan);
  onTestFinished(() => proxy.close());
  const provider = createDatabaseProvider(proxy.url, 0.01);
  onTestFinished(() => provider.close());
  await provider.query('drop table if exists seen');
  await provider.query('create table seen (n int)');
  return {
    provider,
    plan,
    count: async () => (await provider.query<{ n: number }>('select n from seen')).length,
  };
}

describe('a statement', () => {
  it.each(SQL_FAULTS)('that %s is made again, and answered', async (fault) => {
    const { provider, plan, count } = await open(fault);
    await provider.query(STATEMENT, [1]);
    expect(plan.met).toBe(true);
    // Where only the answer was lost, the statement took effect twice: each must bear that.
    const answerLost = ['is done and then reset', 'is done and never answered'].includes(fault);
    expect(await count()).toBe(answerLost ? 2 : 1);
  });

  it('that is wrong is made once, and its error names neither password nor address', async () => {
    const { provider, plan } = await open('is answered late');
    const asked = provider.query('select nothing_of_that_name');
    await expect(asked).rejects.toThrow(/answered an error \(42703\)/);
    await expect(asked).rejects.not.toThrow(server.url('app'));
    expect(plan.calls.filter((call) => call.id.includes('nothing_of_that_name'))).toHaveLength(1);
  });
});
