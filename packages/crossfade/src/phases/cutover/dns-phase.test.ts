import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { askServer, RCODE, startDnsServer, type DnsReply } from '@crossfade/local-cloud/dns/message';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startSmallCloud, type SmallCloud } from '../../engine/fixtures/small-cloud.ts';
import { LEGACY_ADDRESS, MEDIA_HOST } from '../../engine/fixtures/small-config.ts';
import { createSmallJournal, smallAudience, smallPlan, smallWalk } from '../../engine/fixtures/small-walk.ts';
import { walkRollout, type WalkOutcome } from '../../engine/walk.ts';
import { createProviders } from '../../providers/create-providers.ts';
import { createDnsProvider } from '../../providers/dns/dns-provider.ts';
import type { Providers } from '../../providers/providers.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import { verdict } from '../../rollout/verdict.ts';
import { metaOf } from '../../providers/object-meta.ts';

const DEADLINE_MS = 1500;
const FOREIGN = '198.51.100.7';

let database: DatabaseServer;
let folder: string;
let account: string;

beforeAll(async () => {
  database = await startTemporaryDatabase('dns');
  folder = await mkdtemp(join(tmpdir(), 'crossfade-dns-'));
  account = join(folder, 'account');
  const cloud = await startSmallCloud({ databaseUrl: database.url('dns') });
  await cloud.copyAccount(account);
  await cloud.close();
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

type Behaviour = (reply: DnsReply) => DnsReply | Promise<DnsReply>;

interface Walked {
  readonly cloud: SmallCloud;
  readonly outcome: WalkOutcome;
  readonly journal: readonly JournalEvent[];
}

/** Walks to the switch with one more resolver that behaves so; `meanwhile` runs before the durable step of that name. */
async function walked(options: {
  resolver?: Behaviour;
  deadlineMs?: number;
  meanwhile?: { step: string; act: (providers: Providers) => Promise<unknown> };
  fails?: boolean;
}): Promise<Walked> {
  const cloud = await startSmallCloud({ databaseUrl: database.url('dns'), account });
  onTestFinished(() => cloud.close());
  const { dns, durations } = cloud.config;
  const { resolver = (reply) => reply, deadlineMs = DEADLINE_MS, meanwhile, fails = false } = options;
  const odd = await startDnsServer('127.0.0.1', 0, async (question) => {
    const answer = await askServer(dns.authority, question, 1000);
    const rcode = (answer?.flags ?? RCODE.serverFailure) & 0xf;
    // Answers are not kept for long: this cloud's TTLs run fast.
    const answers = (answer?.answers ?? []).map((one) => ('ttl' in one ? { ...one, ttl: 1 } : one));
    return resolver({ rcode, answers, authorities: answer?.authorities ?? [], authoritative: false });
  });
  onTestFinished(() => odd.close());
  const config = {
    ...cloud.config,
    dns: { ...dns, resolvers: [...dns.resolvers, odd.address] },
    durations: { ...durations, dns: { plannedMs: deadlineMs, deadlineMs } },
  };
  const audience = smallAudience(config, createDnsProvider(dns));
  const providers = createProviders(config, { audience, pace: 0.1 });
  onTestFinished(() => providers.close());
  const journal = createSmallJournal();
  const last = {
    id: 'last',
    title: 'What is asked last',
    proves: [],
    run: async () => verdict(!fails, { summary: 'planted', measured: fails, expected: false }),
  };
  const outcome = await walkRollout(
    smallWalk({
      config,
      providers,
      journal,
      folder,
      plan: smallPlan(config, last),
      durable: {
        async step(name, work) {
          if (name === meanwhile?.step) await meanwhile.act(providers);
          return work();
        },
      },
    }),
  );
  return { cloud, outcome, journal: journal.events };
}

const leadsToEdge = (reply: DnsReply): boolean =>
  reply.answers.some((one) => one.type === 'A' && one.data !== LEGACY_ADDRESS);

const asBefore = [{ type: 'A', content: LEGACY_ADDRESS, ttl: 60, proxied: false }];

async function expectLegacy({ cloud, outcome }: Walked): Promise<void> {
  expect(outcome.outcome).toBe('rolled-back');
  const { records, serving } = await cloud.state();
  expect(records).toEqual(asBefore);
  expect(serving['small-production']).toEqual([{ build: 'bypass', percentage: 100 }]);
}

describe("the DNS cutover, seen through somebody else's resolver", () => {
  it('is over when every resolver shows the edge', async () => {
    const { cloud, outcome } = await walked({});
    expect(outcome).toEqual({ outcome: 'completed', reason: null });
    expect((await cloud.state()).records).toMatchObject([{ proxied: true }]);
  });

  it('is taken back by its deadline when one ignores TTLs and keeps the old answer', async () => {
    const kept = new Map<string, DnsReply>();
    const result = await walked({
      resolver(reply) {
        const name = reply.answers[0]?.name ?? '';
        if (!kept.has(name)) kept.set(name, reply);
        return kept.get(name) ?? reply;
      },
    });
    await expectLegacy(result);
    expect(result.outcome.reason).toBe('Cutover 2 · DNS: not done within 1.5 s');
  });

  it('names the resolver that still says legacy while the others say edge', async () => {
    const result = await walked({
      deadlineMs: 20_000,
      resolver: (reply) =>
        leadsToEdge(reply)
          ? { ...reply, answers: [{ type: 'A', name: MEDIA_HOST, ttl: 1, data: LEGACY_ADDRESS }] }
          : reply,
    });
    await expectLegacy(result);
    expect(result.outcome.reason).toMatch(
      /^Media host switched to the edge: after \d+ ms: (127\.0\.0\.1:\d+ → 127\.0\.0\.1 \(\d+ s\), ){3}127\.0\.0\.1:\d+ → 127\.0\.0\.21/,
    );
  });

  it.each([
    ['says that the name does not exist', RCODE.nameError],
    ['fails', RCODE.serverFailure],
    ['refuses', RCODE.refused],
  ])('is taken back when one resolver %s once the name is switched', async (_what, rcode) => {
    await expectLegacy(
      await walked({ resolver: (reply) => (leadsToEdge(reply) ? { ...reply, rcode, answers: [] } : reply) }),
    );
  });

  it('is taken back when one resolver does not answer once the name is switched', async () => {
    await expectLegacy(
      await walked({ resolver: (reply) => (leadsToEdge(reply) ? new Promise<never>(() => {}) : reply) }),
    );
  });
});

describe('a rollback with a resolver that breaks in between', () => {
  /** Well until all is switched, then so. */
  async function broken(behaviour: Behaviour): Promise<Walked> {
    let breaks = false;
    return walked({
      fails: true,
      deadlineMs: 20_000,
      resolver: (reply) => (breaks ? behaviour(reply) : reply),
      meanwhile: { step: 'rollback/rollback.dns/compensate', act: async () => void (breaks = true) },
    });
  }
  const verdictOf = (journal: readonly JournalEvent[]): string => {
    const last = journal.findLast((one) => one.kind === 'check.verdict' && one.subject === 'rollback.dns');
    return last?.kind === 'check.verdict' ? `${last.data.verdict.status}: ${last.data.verdict.summary}` : '';
  };

  it('and never answers again is complete, with a warning that names it', async () => {
    const result = await broken(() => new Promise<never>(() => {}));
    await expectLegacy(result);
    expect(verdictOf(result.journal)).toMatch(/^pass: .*; warning: 127\.0\.0\.1:\d+ answered nothing at all/);
  });
});

describe('a zone that somebody else edits', () => {
  const edit = async (providers: Providers): Promise<void> => {
    const [record] = await providers.cloudflare.listDnsRecords(MEDIA_HOST);
    await providers.cloudflare.patchDnsRecord(record?.id ?? '', { content: FOREIGN, proxied: false, ttl: 120 });
  };
  const foreign = [{ type: 'A', content: FOREIGN, ttl: 120, proxied: false }];

  /** Neither the switch nor the rollback may write over it, and a person is told the very command. */
  async function expectUntouched({ cloud, outcome, journal }: Walked): Promise<void> {
    expect((await cloud.state()).records).toEqual(foreign);
    expect(outcome.outcome).toBe('failed');
    expect(outcome.reason).toContain('rollback incomplete');
    const left = journal.find((one) => one.kind === 'compensation.failed' && one.subject === 'rollback.dns');
    const error = left?.kind === 'compensation.failed' ? left.data.error : '';
    expect(error).toContain(`it was A ${LEGACY_ADDRESS} before the switch and is A ${FOREIGN} now; not overwritten`);
    expect(error).toMatch(/curl -X PATCH 'http:\S+\/zones\/b{32}\/dns_records\/[0-9a-f]{32}' /);
    expect(error).toContain(
      `--json '{"type":"A","content":"${LEGACY_ADDRESS}","ttl":60,"proxied":false,"comment":""}'`,
    );
    expect(cloud.effects.filter((one) => one.method === 'PATCH').at(-1)?.body).toMatchObject({ content: FOREIGN });
    // The rest is taken back all the same.
    expect((await cloud.state()).serving['small-production']).toEqual([{ build: 'bypass', percentage: 100 }]);
  }

  it('between look and switch is refused', async () => {
    const result = await walked({ meanwhile: { step: 'cutover.dns/dns.switch/run', act: edit } });
    await expectUntouched(result);
    expect(result.outcome.reason).toContain(`somebody changed ${MEDIA_HOST} meanwhile`);
  });

  it('between switch and rollback is left as it is', async () => {
    await expectUntouched(
      await walked({ fails: true, meanwhile: { step: 'rollback/rollback.dns/compensate', act: edit } }),
    );
  });

  it('keeps a TTL that was set by somebody else when the preparation is undone', async () => {
    const { cloud, outcome } = await walked({
      meanwhile: {
        step: 'preparation/production.bucket/look',
        async act({ cloudflare }) {
          const [record] = await cloudflare.listDnsRecords(MEDIA_HOST);
          await cloudflare.patchDnsRecord(record?.id ?? '', { ttl: 600 });
        },
      },
    });
    expect(outcome.outcome).toBe('failed');
    expect((await cloud.state()).records).toMatchObject([{ content: LEGACY_ADDRESS, ttl: 600 }]);
  });
});

describe('before the switch', () => {
  it('what users deleted in legacy since the copy is deleted in R2 as well', async () => {
    const deleted = 'library/two.wav';
    const { cloud, outcome } = await walked({
      deadlineMs: 20_000,
      meanwhile: { step: 'cutover.dns/dns.catchUp/run', act: ({ legacyStore }) => legacyStore.delete(deleted) },
    });
    expect(outcome.outcome).toBe('completed');
    const { objects } = await cloud.state();
    expect(Object.values(objects).flat()).toContain('library/one.wav');
    expect(Object.values(objects).flat()).not.toContain(deleted);
  });

  it('so is what they deleted before the copy was verified: it is in no manifest, and says that it was copied', async () => {
    const meta = metaOf({ contentType: 'audio/wav' });
    const { cloud, outcome } = await walked({
      deadlineMs: 20_000,
      meanwhile: {
        step: 'cutover.dns/dns.catchUp/run',
        async act({ legacyStore, r2 }) {
          expect((await r2.production.head('library/one.wav'))?.meta.custom).toMatchObject({
            'crossfade-legacy': 'carried-over',
          });
          const marked = { ...meta, custom: { 'crossfade-legacy': 'carried-over' } };
          await r2.production.put('uploads/gone.wav', Buffer.from('x'), 1, marked);
          await r2.production.put('uploads/foreign.wav', Buffer.from('x'), 1, meta);
          expect(await legacyStore.head('uploads/gone.wav')).toBeNull();
        },
      },
    });
    expect(outcome.outcome).toBe('completed');
    const { objects } = await cloud.state();
    expect(Object.values(objects).flat()).toContain('uploads/foreign.wav');
    expect(Object.values(objects).flat()).not.toContain('uploads/gone.wav');
  });
});
