import * as v from 'valibot';
import { describeAnswers, isEdge, letGoMs, untilEverywhere } from '../../checks/dns/resolution.ts';
import type { DnsRecord } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { toJson } from '../../rollout/json.ts';
import type { Rollback, RollbackProof, RollbackStep } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { restoreRecord } from '../cutover/dns-phase.ts';
import { askHealth, edgeAddress, ensureDeployed } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';
import { mirrorToLegacy, missingInLegacy } from '../transfer-pass.ts';
import { countLostUploads } from './lost-uploads.ts';

/** What an authoritative answer for a proxied name is kept for, seconds; fixed by Cloudflare. */
const PROXIED_TTL_SECONDS = 300;
/** The audience counts as served again after so long without a failure, ms. */
const CLEAN_MS = 3000;
const SERVED_MS = 60_000;

const mediaHost = ({ config }: RolloutContext): string =>
  new URL(config.environments.production.worker.mediaOrigin).hostname;

/** Writers first: from the next request on the bypass version serves, and what it stores goes to legacy. */
function workerBack(): RollbackStep {
  return {
    id: 'rollback.worker',
    title: 'Worker back to the bypass version (legacy serves)',
    byHand: 'wrangler versions deploy <bypass version>@100 --name <worker> -y',
    async run(context) {
      const { version } = await ensureVersion(context, 'production', 'bypass');
      return {
        deployed: await ensureDeployed(context, 'production', [{ versionId: version.id, percentage: 100 }], 'rollback'),
      };
    },
    async verify(context) {
      const { reading: health } = await until(
        () => askHealth(context, 'production', { via: edgeAddress(context) }),
        (one) => one.build === 'bypass',
        { timeoutMs: 10_000, everyMs: 100, signal: context.signal },
      );
      return verdict(health.build === 'bypass', {
        summary: `the edge serves the ${health.build} build`,
        measured: health.build,
        expected: 'bypass',
      });
    },
  };
}

/** Then the mirror: what production wrote to R2 goes to legacy. Its rows have their public URL by trigger. */
function mirrorBack(): RollbackStep {
  return {
    id: 'rollback.mirror',
    title: 'Uploads made since the switch mirrored back to legacy',
    byHand: 'rclone copy --checksum r2:<bucket> supabase:<bucket> && rclone check r2:<bucket> supabase:<bucket>',
    run: mirrorToLegacy,
    async verify(context) {
      const missing = await missingInLegacy(context);
      return verdict(missing.length === 0, {
        summary: `${missing.length} objects of R2 are missing in legacy`,
        measured: missing.slice(0, 20),
        expected: [],
      });
    },
  };
}

const recordSchema = v.object({
  id: v.string(),
  type: v.string(),
  name: v.string(),
  content: v.string(),
  ttl: v.number(),
  proxied: v.boolean(),
  comment: v.nullable(v.string()),
});

/** The record set from before the switch, as the journal holds it. */
async function recordBefore(context: RolloutContext): Promise<DnsRecord | null> {
  const event = (await context.history()).find((one) => one.kind === 'step.looked' && one.subject === 'dns.switch');
  return event?.kind === 'step.looked' ? v.parse(recordSchema, event.data.before) : null;
}

/** Readers last: the record from before, seen at every resolver. */
function dnsBack(): RollbackStep {
  return {
    id: 'rollback.dns',
    title: 'Media host back to legacy',
    byHand: 'PATCH /zones/<zone>/dns_records/<id> with the record that the journal holds under dns.switch',
    async run(context) {
      const before = await recordBefore(context);
      return before === null ? { already: true } : { restored: await restoreRecord(context, before) };
    },
    async verify(context) {
      const { good, answers, ms } = await untilEverywhere(
        context,
        mediaHost(context),
        (answer) => answer.addresses.length > 0 && !isEdge(context, answer),
        letGoMs(context, PROXIED_TTL_SECONDS),
      );
      return verdict(good, {
        summary: `after ${ms} ms: ${describeAnswers(answers)}`,
        measured: toJson(answers),
        expected: 'no edge address anywhere',
      });
    },
  };
}

/** What the public got in the last whole seconds: from the audience, or, without one, from the edge's analytics. */
async function lastSeconds(
  context: RolloutContext,
): Promise<{ requests: number; failed: number; fromEdge: number | null }> {
  const { audience, cloudflare } = context.providers;
  const now = Date.now();
  if (audience === null) {
    const statuses = await cloudflare.httpStatuses(mediaHost(context), now - CLEAN_MS, now);
    const sum = (least: number): number =>
      statuses.filter((one) => one.status >= least).reduce((total, one) => total + one.requests, 0);
    return { requests: sum(0), failed: sum(500), fromEdge: null };
  }
  const seconds = (await audience.stats()).seconds.filter((one) => Date.parse(one.at) >= now - CLEAN_MS - 1000);
  const sum = (read: (one: (typeof seconds)[number]) => number): number =>
    seconds.reduce((total, one) => total + read(one), 0);
  return {
    requests: sum((one) => one.legacy + one.edge),
    failed: sum((one) => one.failed),
    fromEdge: sum((one) => one.edge),
  };
}

/** Last of all: every listener is served again, by legacy alone, for a while without a failure; the alerts end with it. */
function servedAgain(): RollbackStep {
  return {
    id: 'rollback.served',
    title: 'Every listener is served from legacy again',
    byHand: 'npm run crossfade -- status   # who still fails, and on which side',
    async run(context) {
      const { reading, ms } = await until(
        () => lastSeconds(context),
        ({ requests, failed, fromEdge }) => requests > 0 && failed === 0 && (fromEdge ?? 0) === 0,
        { timeoutMs: SERVED_MS, everyMs: 250, signal: context.signal },
      );
      return { ...reading, ms };
    },
    async verify(context) {
      const { requests, failed, fromEdge } = await lastSeconds(context);
      const served = requests > 0 && failed === 0 && (fromEdge ?? 0) === 0;
      if (served) await resolveAlerts(context);
      return verdict(served, {
        summary: `${requests} requests in the last ${CLEAN_MS / 1000} s, ${failed} failed, ${fromEdge ?? 'unknown how many'} still at the edge`,
        measured: { requests, failed, fromEdge },
        expected: { failed: 0, fromEdge: 0 },
      });
    },
  };
}

async function resolveAlerts(context: RolloutContext): Promise<void> {
  const history = await context.history();
  const resolved = new Set(history.flatMap((event) => (event.kind === 'alert.resolved' ? [event.data.rule] : [])));
  for (const event of history) {
    if (event.kind !== 'alert.fired' || resolved.has(event.data.rule)) continue;
    const { rule } = event.data;
    await context.record({
      kind: 'alert.resolved',
      data: { rule, measured: { failed: 0 } },
      subject: rule,
      key: `alert/${rule}/resolved`,
    });
  }
}

async function prove(context: RolloutContext, troubleSince: string): Promise<RollbackProof> {
  const last = (await context.providers.audience?.stats())?.lastFailureAt ?? null;
  return {
    // From the first sign of trouble to the last request that failed.
    recoveredMs: last === null ? null : Math.max(0, Date.parse(last) - Date.parse(troubleSince)),
    lostUploads: await countLostUploads(context),
    // No measure of deletes exists yet: nobody deletes while the audience plays.
    lostDeletes: null,
  };
}

/** Worker, data and DNS go back, in this order, so that no reader arrives where an upload has not. */
export function fullRollback(): Rollback {
  return {
    kind: 'full',
    steps: [workerBack(), mirrorBack(), dnsBack(), servedAgain()],
    scope: ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch'],
    prove,
  };
}

/** Before DNS has moved only the Worker needs to go back. */
export function immediateRollback(): Rollback {
  return { kind: 'immediate', steps: [workerBack()], scope: ['cutover.worker'], prove };
}
