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
import { backfillFileUrls } from '../preparation/file-keys.ts';
import { mirrorToLegacy, missingInLegacy } from '../transfer-pass.ts';
import { countLostUploads } from './lost-uploads.ts';

/** What an authoritative answer for a proxied name is kept for, seconds; fixed by Cloudflare. */
const PROXIED_TTL_SECONDS = 300;
/** The audience counts as served again after so long without a failure, ms. */
const CLEAN_MS = 3000;

const mediaHost = ({ config }: RolloutContext): string => new URL(config.environments.production.worker.mediaOrigin).hostname;

/** Writers first: from the next request on the bypass version serves, and what it stores goes to legacy. */
function workerBack(): RollbackStep {
  return {
    id: 'rollback.worker',
    title: 'Worker back to the bypass version (legacy serves)',
    byHand: 'wrangler versions deploy <bypass version>@100 --name <worker> -y',
    async run(context) {
      const { version } = await ensureVersion(context, 'production', 'bypass');
      return { deployed: await ensureDeployed(context, 'production', [{ versionId: version.id, percentage: 100 }], 'rollback') };
    },
    async verify(context) {
      const { reading: health } = await until(
        () => askHealth(context, 'production', { via: edgeAddress(context) }),
        (one) => one.build === 'bypass',
        { timeoutMs: 10_000, everyMs: 100, signal: context.signal },
      );
      return verdict(health.build === 'bypass', { summary: `the edge serves the ${health.build} build`, measured: health.build, expected: 'bypass' });
    },
  };
}

/** Then the mirror: what production wrote to R2 goes to legacy, and its rows get their public URL. */
function mirrorBack(): RollbackStep {
  return {
    id: 'rollback.mirror',
    title: 'Uploads made since the switch mirrored back to legacy',
    byHand: 'crossfade copy r2:production legacy && crossfade verify r2:production legacy',
    async run(context) {
      const mirrored = await mirrorToLegacy(context);
      return { ...mirrored, rows: await backfillFileUrls(context) };
    },
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

/** The record set from before the switch, as the journal holds it. */
async function recordBefore(context: RolloutContext): Promise<DnsRecord | null> {
  const event = (await context.history()).find((one) => one.kind === 'step.looked' && one.subject === 'dns.switch');
  // Written by the switch's own `look`, which answers with a DnsRecord.
  return event?.kind === 'step.looked' ? (event.data.before as unknown as DnsRecord) : null;
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
      return verdict(good, { summary: `after ${ms} ms: ${describeAnswers(answers)}`, measured: toJson(answers), expected: 'no edge address anywhere' });
    },
  };
}

/** When the audience (or, without one, the edge) had its last failure; waits until it is clean for a while. */
async function lastFailureAt(context: RolloutContext): Promise<number | null> {
  const { audience, cloudflare } = context.providers;
  const start = Date.now();
  const { reading } = await until(
    async () => {
      if (audience !== null) {
        const { lastFailureAt: last } = await audience.stats();
        return last === null ? null : Date.parse(last);
      }
      const now = Date.now();
      const statuses = await cloudflare.httpStatuses(mediaHost(context), now - CLEAN_MS, now);
      return statuses.some((one) => one.status >= 500) ? now : start;
    },
    (last) => Date.now() - Math.max(start, last ?? start) >= CLEAN_MS,
    { timeoutMs: 60_000, everyMs: 250, signal: context.signal },
  );
  return reading;
}

async function prove(context: RolloutContext, troubleSince: string): Promise<RollbackProof> {
  const last = await lastFailureAt(context);
  return {
    recoveredMs: last === null ? null : Math.max(0, last - Date.parse(troubleSince)),
    lostUploads: await countLostUploads(context),
    // No measure of deletes exists yet: nobody deletes while the audience plays.
    lostDeletes: null,
  };
}

/** Worker, data and DNS go back, in this order, so that no reader arrives where an upload has not. */
export function fullRollback(): Rollback {
  return { kind: 'full', steps: [workerBack(), mirrorBack(), dnsBack()], scope: ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch'], prove };
}

/** Before DNS has moved only the Worker needs to go back. */
export function immediateRollback(): Rollback {
  return { kind: 'immediate', steps: [workerBack()], scope: ['cutover.worker'], prove };
}
