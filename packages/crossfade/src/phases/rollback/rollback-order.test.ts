import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { callsOf } from '../../cli/dry-run-calls.ts';
import { startSmallCloud, type SmallCloud } from '../../engine/fixtures/small-cloud.ts';
import { createSmallJournal, smallAudience, smallPlan, smallWalk } from '../../engine/fixtures/small-walk.ts';
import { walkRollout } from '../../engine/walk.ts';
import { createProviders } from '../../providers/create-providers.ts';
import { createDnsProvider } from '../../providers/dns/dns-provider.ts';
import type { Check, RolloutPlan } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { rollbacks } from './rollbacks.ts';
import { metaOf } from '../../providers/object-meta.ts';

const ANY_ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}/g;
const UPLOAD = 'uploads/made-after-the-switch.wav';
let database: DatabaseServer;
let folder: string;

beforeAll(async () => {
  database = await startTemporaryDatabase('small');
  folder = await mkdtemp(join(tmpdir(), 'crossfade-rollback-order-'));
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

async function open(): Promise<{ cloud: SmallCloud; providers: ReturnType<typeof createProviders> }> {
  const cloud = await startSmallCloud({ databaseUrl: database.url('small') });
  onTestFinished(() => cloud.close());
  const audience = smallAudience(cloud.config, createDnsProvider(cloud.config.dns));
  const providers = createProviders(cloud.config, { audience });
  onTestFinished(() => providers.close());
  return { cloud, providers };
}

const only = (plan: RolloutPlan, ids: readonly string[]): RolloutPlan => ({
  ...plan,
  phases: plan.phases.filter((phase) => ids.includes(phase.id)),
});

describe('a rollback', () => {
  it('has its budget: five minutes where only the Worker or DNS go back, fifteen for all', () => {
    const budgets = Object.values(rollbacks()).map((one) => [one?.kind, (one?.budgetMs ?? 0) / 60_000]);
    expect(budgets).toEqual([
      ['immediate', 5],
      ['dns', 5],
      ['full', 15],
      ['data', 15],
    ]);
  });

  it('drains the writers, lets the mirror catch up, and only then moves the readers', async () => {
    const { cloud, providers } = await open();
    const { config } = cloud;
    const last: Check = {
      id: 'last',
      title: 'Somebody uploads, and then something is found wrong',
      proves: [],
      async run() {
        const bytes = new TextEncoder().encode('made after the switch');
        const meta = metaOf({ contentType: 'audio/wav' });
        await providers.r2.production.put(UPLOAD, bytes, bytes.byteLength, meta);
        return verdict(false, { summary: 'planted', measured: true, expected: false });
      },
    };
    const plan = smallPlan(config, last);
    const outcome = await walkRollout(smallWalk({ config, providers, journal: createSmallJournal(), folder, plan }));
    expect(outcome.outcome).toBe('rolled-back');
    const lines = cloud.effects.map(({ method, path, body }) => `${method} ${path} ${JSON.stringify(body)}`);
    const after = lines.findIndex((line) => line.startsWith(`PUT r2:`) && line.includes('made-after-the-switch'));
    const order = [
      /POST .*deployments .*"bypass","percentage":100/,
      /PUT legacy:.*made-after-the-switch/,
      /PATCH .*dns_records.*127\.0\.0\.21/,
    ];
    const places = order.map((step) => lines.findIndex((line, index) => index > after && step.test(line)));
    expect(places, lines.slice(after).join('\n')).toEqual(places.toSorted((a, b) => a - b));
    expect(Math.min(...places)).toBeGreaterThan(after);
    expect((await cloud.state()).objects['legacy']).toContain(UPLOAD);
  });
});

describe('cutover --dry-run', () => {
  it('lists the very calls that the cutover then makes, in their order', async () => {
    const { cloud, providers } = await open();
    const { config } = cloud;
    const journal = createSmallJournal();
    const plan = smallPlan(config);
    await walkRollout(smallWalk({ config, providers, journal, folder, plan: only(plan, ['preparation']) }));
    // An upload that the catch-up has to take along.
    const bytes = new TextEncoder().encode('uploaded since the copy');
    const meta = metaOf({ contentType: 'audio/wav' });
    await providers.legacyStore.put('uploads/since-the-copy.wav', bytes, bytes.byteLength, meta);
    // And a delete that it has to carry over: what the copy verified tells that R2's object is the same one.
    await providers.legacyStore.delete('library/two.wav');
    const cutover = only(plan, ['cutover.worker', 'cutover.dns']);
    const begun = cloud.effects.length;
    const { calls } = await callsOf(cutover, {
      config,
      providers,
      rollout: 'small-rollout',
      history: journal.events,
      evidenceFolder: folder,
    });
    expect(calls).toContainEqual(
      expect.objectContaining({ method: 'DELETE', path: expect.stringContaining('two.wav') }),
    );
    expect(cloud.effects.length).toBe(begun);
    expect(calls.length).toBeGreaterThan(3);

    await walkRollout(smallWalk({ config, providers, journal, folder, plan: cutover }));
    // The cloud names things by what they are; the calls name them by their ids.
    const made = cloud.effects.slice(begun).map(told);
    expect(calls.map(told)).toEqual(made);
  });
});

/** A call in words that fit a plan and what came of it: which version an id means is the cloud's affair. */
function told({ method, path, body }: { method: string; path: string; body: unknown }): string {
  const where = path
    .replace(/^r2:\/?[^/]*\//, 'r2 ')
    .replace(/\?.*$/, '')
    .replaceAll(ANY_ID, '<id>');
  // Of an object the cloud tells no more than its key.
  if (where.startsWith('r2 ')) return `${method} ${where}`;
  const what = JSON.stringify(body).replaceAll(/"version_id":"[^"]+"/g, '"version_id":"<id>"');
  return `${method} ${where} ${what.replaceAll(ANY_ID, '<id>')}`;
}
