import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startSmallCloud, type SmallCloud } from '../../engine/fixtures/small-cloud.ts';
import {
  createSmallJournal,
  smallAudience,
  smallPlan,
  smallWalk,
  type SmallJournal,
} from '../../engine/fixtures/small-walk.ts';
import { walkRollout, type Walk } from '../../engine/walk.ts';
import { createProviders } from '../../providers/create-providers.ts';
import { createDnsProvider } from '../../providers/dns/dns-provider.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import type { Providers } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { mirrorBack } from '../rollback/data-back.ts';
import { lateWritesBack } from '../rollback/late-writes.ts';
import { copyToR2 } from '../transfer-pass.ts';
import { createMirrorService } from './mirror-service.ts';
import { metaOf } from '../../providers/object-meta.ts';

const META = metaOf({ contentType: 'audio/wav' });
let database: DatabaseServer;
let folder: string;

beforeAll(async () => {
  database = await startTemporaryDatabase('small');
  folder = await mkdtemp(join(tmpdir(), 'crossfade-mirror-service-'));
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Production {
  readonly cloud: SmallCloud;
  readonly providers: Providers;
  readonly journal: SmallJournal;
  tell(type: 'put' | 'delete', key: string): Promise<void>;
  put(key: string, text: string, told?: boolean): Promise<void>;
  /** What the bypass version does. */
  putBoth(key: string, text: string): Promise<void>;
  remove(key: string, told?: boolean): Promise<void>;
  inLegacy(key: string): Promise<string | null>;
  context(): RolloutContext;
  /** The walk to the switch; `last` is done at its end, and then something is found wrong if `fails`. */
  walk(last: () => Promise<void>, fails: boolean, more?: Partial<Walk>): Promise<string>;
}

async function production(): Promise<Production> {
  const cloud = await startSmallCloud({ databaseUrl: database.url('small') });
  onTestFinished(() => cloud.close());
  const { mirror } = cloud.config.transfer;
  const transfer = {
    ...cloud.config.transfer,
    mirror: { ...mirror, pollMs: 100, sweepEveryMs: 300, lateWritesMs: 500 },
  };
  const config = { ...cloud.config, transfer };
  const providers = createProviders(config, { audience: smallAudience(config, createDnsProvider(config.dns)) });
  onTestFinished(() => providers.close());
  const journal = createSmallJournal();
  const place = await mkdtemp(join(folder, 'evidence-'));
  let events = 0;
  const send = (type: 'put' | 'delete', key: string): Promise<void> =>
    cloud.sendEvent({ id: `e${++events}`, type, key, size: null, etag: null, at: new Date().toISOString() });
  return {
    cloud,
    providers,
    journal,
    tell: (type, key) => send(type, key),
    async put(key, text, told = true) {
      await providers.r2.production.put(key, Buffer.from(text), Buffer.byteLength(text), META);
      if (told) await send('put', key);
    },
    async putBoth(key, text) {
      const meta = { ...META, custom: { ...META.custom, 'crossfade-legacy': 'written-to-both' } };
      await providers.r2.production.put(key, Buffer.from(text), Buffer.byteLength(text), meta);
      await providers.legacyStore.put(key, Buffer.from(text), Buffer.byteLength(text), META);
      await send('put', key);
    },
    async remove(key, told = true) {
      await providers.r2.production.delete(key);
      if (told) await send('delete', key);
    },
    async inLegacy(key) {
      const opened = await providers.legacyStore.get(key);
      if (opened === null) return null;
      const chunks: Buffer[] = [];
      for await (const chunk of opened.body) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks).toString();
    },
    context: () =>
      smallWalk({ config, providers, journal, folder: place }).contextFor('cutover.dns', new AbortController().signal),
    async walk(lastly, fails, more = {}) {
      const last: Check = {
        id: 'last',
        title: 'What is asked last',
        proves: [],
        async run() {
          await lastly();
          return verdict(!fails, { summary: 'planted', measured: fails, expected: false });
        },
      };
      const walk = smallWalk({ config, providers, journal, folder: place, plan: smallPlan(config, last) });
      return (await walkRollout({ ...walk, ...more })).outcome;
    },
  };
}

const eventually = async <Reading>(read: () => Promise<Reading>, wanted: Reading): Promise<void> => {
  const { reading } = await until(read, (one) => Object.is(one, wanted), { timeoutMs: 5000, everyMs: 25 });
  expect(reading).toBe(wanted);
};

describe('the mirror beside the phases', () => {
  it('brings what production writes to legacy while the rollout goes on, and tells of it in the journal', async () => {
    const world = await production();
    const mirror = createMirrorService();
    const outcome = await world.walk(
      async () => {
        await world.put('uploads/new.wav', 'uploaded');
        await world.put('library/one.wav', 'overwritten');
        await world.remove('library/two.wav');
        // Their events are lost.
        await world.put('uploads/untold.wav', 'untold', false);
        await world.remove('uploads/three.wav', false);
        await eventually(() => world.inLegacy('uploads/new.wav'), 'uploaded');
        await eventually(() => world.inLegacy('library/one.wav'), 'overwritten');
        await eventually(() => world.inLegacy('library/two.wav'), null);
        await eventually(() => world.inLegacy('uploads/untold.wav'), 'untold');
        await eventually(() => world.inLegacy('uploads/three.wav'), null);
        await eventually(() => world.cloud.eventsWaiting(), 0);
      },
      false,
      { mirror },
    );
    await mirror.stop();
    expect(outcome).toBe('completed');
    const told = world.journal.events.filter((one) => one.kind === 'mirror.progressed').at(-1);
    expect(told?.data).toMatchObject({ lagSeconds: 0, applied: 3, copied: 3, deleted: 2, waiting: 0, failing: 0 });
  });

  it('keeps a version of what it is told of, where there is a backup bucket', async () => {
    const world = await production();
    const mirror = createMirrorService();
    const backup = world.providers.r2.staging;
    const versions = async (): Promise<number> => {
      let kept = 0;
      for await (const { key } of backup.list('versions/')) if (key.includes('uploads/new.wav')) kept++;
      return kept;
    };
    const outcome = await world.walk(
      async () => {
        await world.put('uploads/new.wav', 'one');
        await eventually(versions, 1);
        await world.put('uploads/new.wav', 'two');
        await eventually(versions, 2);
        await eventually(() => world.cloud.eventsWaiting(), 0);
      },
      false,
      {
        mirror: {
          stop: () => mirror.stop(),
          start: (context) => mirror.start({ ...context, providers: { ...world.providers, backup } }),
        },
      },
    );
    await mirror.stop();
    expect(outcome).toBe('completed');
  });

  it('shows as lag, and warns, when the queue does not answer; the rollout goes on', async () => {
    const world = await production();
    const mirror = createMirrorService();
    const pullMessages = (): Promise<never> => Promise.reject(new Error('the queue is away'));
    const outcome = await world.walk(
      () => eventually(async () => world.journal.events.some((one) => one.kind === 'alert.fired'), true),
      false,
      {
        mirror: {
          stop: () => mirror.stop(),
          start(context) {
            const { config } = context;
            const bound = { ...config.transfer.mirror, maxLagSeconds: 0.2 };
            const cloudflare = { ...world.providers.cloudflare, pullMessages };
            mirror.start({
              ...context,
              config: { ...config, transfer: { ...config.transfer, mirror: bound } },
              providers: { ...world.providers, cloudflare },
            });
          },
        },
      },
    );
    await mirror.stop();
    expect(outcome).toBe('completed');
    const alert = world.journal.events.find((one) => one.kind === 'alert.fired');
    expect(alert?.data).toMatchObject({ rule: 'mirrorLag', measured: { error: 'the queue is away' } });
  });
});

/** Legacy refuses what is larger, as Supabase Storage does (413, seen on supabase/storage 1.11.2). */
function limitLegacy({ legacyStore }: Providers, bytes: number): string[] {
  const refused: string[] = [];
  const { put } = legacyStore;
  legacyStore.put = async (...args) => {
    if (args[2] <= bytes) return put(...args);
    refused.push(args[0]);
    const message = 'The object exceeded the maximum allowed size';
    throw new ProviderError('supabase', `PUT ${args[0]}`, { status: 413, code: 'EntityTooLarge', message });
  };
  return refused;
}

const notesOf = ({ events }: SmallJournal): string[] =>
  events.flatMap((one) => (one.kind === 'note' && one.subject === 'mirror' ? [one.data.text] : []));

describe('uploads that legacy refuses for what they are', () => {
  it('are named once each, alert once in all, and keep nothing else from its way', async () => {
    const world = await production();
    const mirror = createMirrorService();
    const refused = limitLegacy(world.providers, 20);
    const outcome = await world.walk(
      async () => {
        await world.put('uploads/large.wav', 'x'.repeat(21));
        // A key that Supabase Storage takes from nobody; its event is lost.
        await world.put('uploads/~.wav', 'fits', false);
        await world.put('uploads/fits.wav', 'fits');
        await eventually(() => world.inLegacy('uploads/fits.wav'), 'fits');
        await eventually(async () => notesOf(world.journal).length, 2);
        await eventually(() => world.cloud.eventsWaiting(), 0);
      },
      false,
      { mirror },
    );
    await mirror.stop();
    expect(outcome).toBe('completed');
    expect(refused).toEqual(['uploads/large.wav']);
    expect(notesOf(world.journal).toSorted()).toEqual([
      expect.stringMatching(/refuses uploads\/large\.wav, which stays in R2 alone.*413.*maximum allowed size/),
      expect.stringMatching(/refuses uploads\/~\.wav, .*takes no "~" in a key/),
    ]);
    const alerts = world.journal.events.filter((one) => one.kind === 'alert.fired');
    expect(alerts.map((one) => one.data)).toMatchObject([{ rule: 'legacyRefuses', severity: 'warning' }]);
    const told = world.journal.events.findLast((one) => one.kind === 'mirror.progressed');
    expect(told?.data).toMatchObject({ lagSeconds: 0, refused: 2, failing: 0 });
  });

  it('do not keep a rollback from its end, which names them and counts them as lost', async () => {
    const world = await production();
    limitLegacy(world.providers, 20);
    const outcome = await world.walk(async () => {
      await world.put('uploads/large.wav', 'x'.repeat(21));
      await world.put('uploads/fits.wav', 'fits');
    }, true);
    expect(outcome).toBe('rolled-back');
    expect(await world.inLegacy('uploads/fits.wav')).toBe('fits');
    const rested = world.journal.events.find((one) => one.kind === 'mirror.rested');
    expect(rested?.data).toMatchObject({ copied: 1, refused: 1 });
    const text = JSON.stringify(world.journal.events.filter((one) => one.subject === 'rollback.mirror'));
    expect(text).toContain('legacy refuses 1 more, which stay in R2 alone: uploads/large.wav');
  });
});

describe('a rollback', () => {
  it('drains the queue and sweeps, and records what came of it, also where the mirror never ran before', async () => {
    const world = await production();
    const outcome = await world.walk(async () => {
      await world.put('uploads/new.wav', 'uploaded');
      await world.remove('library/two.wav');
      await world.put('uploads/untold.wav', 'untold', false);
      await world.remove('uploads/three.wav', false);
      await world.cloud.sendEvent({ not: 'an event' });
    }, true);
    expect(outcome).toBe('rolled-back');
    expect(await world.cloud.eventsWaiting()).toBe(0);
    expect((await world.cloud.state()).objects['legacy']).toEqual([
      'library/one.wav',
      'uploads/new.wav',
      'uploads/untold.wav',
    ]);
    const rested = world.journal.events.find((one) => one.kind === 'mirror.rested');
    expect(rested?.data).toEqual({ copied: 2, deleted: 2, kept: 0, unproven: 0, refused: 0, lagSeconds: 0 });
    const kept = world.journal.events.filter((one) => one.kind === 'note' && one.subject === 'mirror');
    expect(kept.map((one) => one.data)).toMatchObject([{ text: expect.stringContaining('is no event (id: ') }]);
  });

  it('loses no upload that the new version was still writing when it was taken back', async () => {
    const world = await production();
    const { record } = world.journal;
    const { legacyStore } = world.providers;
    let written: Promise<void> | null = null;
    world.journal.record = (entry, phase) => {
      if (entry.kind === 'compensation.finished' && entry.subject === 'rollback.mirror')
        written = (async () => {
          await world.put('uploads/late.wav', 'written when the mirror had come to rest');
          // The old app deletes what it has again, of which an event comes a second time.
          await legacyStore.delete('uploads/new.wav');
          await world.tell('put', 'uploads/new.wav');
          // And writes over another, which keeps the mark that the mirror left on it.
          const meta = (await legacyStore.head('uploads/over.wav'))?.meta ?? META;
          await legacyStore.put('uploads/over.wav', Buffer.from('over'), 4, meta);
          await world.tell('put', 'uploads/over.wav');
          // The same of what the bypass wrote to both stores, after the mirror's last sweep.
          for (const name of ['both-gone', 'both-over']) await world.putBoth(`uploads/${name}.wav`, 'by the bypass');
          await legacyStore.delete('uploads/both-gone.wav');
          await legacyStore.put('uploads/both-over.wav', Buffer.from('over'), 4, META);
        })();
      return record(entry, phase);
    };
    const uploads = async (): Promise<void> => {
      await world.put('uploads/new.wav', 'uploaded');
      await world.put('uploads/over.wav', 'uploaded');
    };
    expect(await world.walk(uploads, true)).toBe('rolled-back');
    await written;
    expect(await world.inLegacy('uploads/new.wav')).toBeNull();
    expect(await world.inLegacy('uploads/over.wav')).toBe('over');
    expect(await world.inLegacy('uploads/both-gone.wav')).toBeNull();
    expect(await world.inLegacy('uploads/both-over.wav')).toBe('over');
    expect(await world.inLegacy('uploads/late.wav')).toBe('written when the mirror had come to rest');
    const last = world.journal.events.findLast((one) => one.kind === 'mirror.rested');
    expect(last?.data).toMatchObject({ copied: 3, lagSeconds: 0 });
  });

  it('brings nothing back that legacy has deleted since when it is run again', async () => {
    const world = await production();
    expect(await world.walk(() => world.put('uploads/new.wav', 'uploaded'), true)).toBe('rolled-back');
    // Incomplete, it would be begun by hand again.
    const whole = world.journal.events.findIndex((one) => one.kind === 'rollback.finished');
    world.journal.events.splice(whole, 1);
    await world.providers.legacyStore.delete('uploads/new.wav');
    await world.putBoth('uploads/both.wav', 'by the bypass');
    await world.providers.legacyStore.delete('uploads/both.wav');
    const step = mirrorBack();
    expect(await step.run(world.context())).toMatchObject({ copied: 0, kept: 2 });
    expect((await step.verify(world.context())).status).toBe('pass');
    for (const name of ['new', 'both']) expect(await world.inLegacy(`uploads/${name}.wav`)).toBeNull();
  });

  it('does not bring back what the last catch-up had carried and legacy has deleted since', async () => {
    const world = await production();
    const { legacyStore, r2 } = world.providers;
    await world.walk(async () => {
      await legacyStore.put('uploads/late.wav', Buffer.from('late'), 4, META);
      await copyToR2(world.context(), 'last catch-up', { keepNewer: true });
      expect(await r2.production.head('uploads/late.wav')).not.toBeNull();
      await legacyStore.delete('uploads/late.wav');
    }, true);
    expect(await world.inLegacy('uploads/late.wav')).toBeNull();
  });

  it('does not take late writes for done while one still comes', async () => {
    const world = await production();
    const statuses: string[] = [];
    const lastly = async (): Promise<void> => {
      await world.put('uploads/late.wav', 'late');
      for (let look = 0; look < 2; look++) statuses.push((await lateWritesBack().verify(world.context())).status);
    };
    expect(await world.walk(lastly, false)).toBe('completed');
    expect(statuses).toEqual(['fail', 'pass']);
  });

  it('says which object legacy does not take, and is not complete', async () => {
    const world = await production();
    const { legacyStore } = world.providers;
    const put: typeof legacyStore.put = (key, ...rest) =>
      key === 'uploads/refused.wav' ? Promise.reject(new Error('quota')) : legacyStore.put(key, ...rest);
    Object.assign(world.providers, { legacyStore: { ...legacyStore, put } });
    const outcome = await world.walk(() => world.put('uploads/refused.wav', 'uploaded'), true);
    expect(outcome).toBe('failed');
    const failed = world.journal.events.find((one) => one.kind === 'compensation.failed');
    expect(failed?.data).toMatchObject({ error: expect.stringContaining('uploads/refused.wav (quota)') });
  });
});
