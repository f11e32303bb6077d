import { describeAnswers, isEdge, letGoMs, untilEverywhere } from '../../checks/dns/resolution.ts';
import type { DnsRecord } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { toJson } from '../../rollout/json.ts';
import type { Phase, Step } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { frontendStep } from '../environment/frontend-step.ts';
import { mediaRecord } from '../preparation/ttl-step.ts';
import { carryDeletesToR2, copyToR2, verifyInR2 } from '../transfer-pass.ts';

const mediaHost = ({ config }: RolloutContext): string =>
  new URL(config.environments.production.worker.mediaOrigin).hostname;

function isSwitched({ config }: RolloutContext, record: DnsRecord): boolean {
  const { type, content } = config.dns.edgeRecord;
  return record.proxied && record.type === type && record.content === content;
}

const leadsAlike = (one: DnsRecord, other: DnsRecord): boolean =>
  one.type === other.type && one.content === other.content && one.proxied === other.proxied;

const described = ({ type, content, proxied }: DnsRecord): string => `${type} ${content}${proxied ? ' proxied' : ''}`;

/**
 * Puts the exact record from before back; answers whether a call was needed. Only what the switch wrote is overwritten.
 * @throws Error with the command for a person when somebody else has changed the record meanwhile.
 */
export async function restoreRecord(context: RolloutContext, before: DnsRecord): Promise<boolean> {
  const record = await mediaRecord(context);
  const { type, content, ttl, proxied, comment } = before;
  if (leadsAlike(record, before) && (proxied || record.ttl === ttl)) return false;
  if (!leadsAlike(record, before) && !isSwitched(context, record)) {
    throw new Error(
      `somebody changed ${record.name}: it was ${described(before)} before the switch and is ${described(record)} now; not overwritten. If it is to be as before: ${restoreCommand(context, before, record.id)}`,
    );
  }
  await context.providers.cloudflare.patchDnsRecord(record.id, { type, content, ttl, proxied, comment });
  return true;
}

/** The very call that puts a record back, for a shell that knows the token. */
export function restoreCommand({ config }: RolloutContext, before: DnsRecord, id = before.id): string {
  const { apiBaseUrl, zoneId } = config.cloudflare;
  const { type, content, ttl, proxied, comment } = before;
  const body = JSON.stringify({ type, content, ttl, proxied, comment: comment ?? '' }).replaceAll(
    "'",
    String.raw`'\''`,
  );
  return `curl -X PATCH '${apiBaseUrl}/zones/${zoneId}/dns_records/${id}' -H "authorization: Bearer $CLOUDFLARE_API_TOKEN" --json '${body}'`;
}

/** The media host leads to Cloudflare's edge, where the route leads to the Worker; seen at every resolver. */
function switchStep(): Step<DnsRecord> {
  return {
    id: 'dns.switch',
    title: 'Media host switched to the edge',
    proves: [],
    look: mediaRecord,
    async run(context, before) {
      const record = await mediaRecord(context);
      if (isSwitched(context, record)) return { already: true };
      if (!leadsAlike(record, before)) {
        throw new Error(
          `somebody changed ${record.name} meanwhile: ${described(before)} became ${described(record)}; not overwritten. Run the rollout again when it is as it should be`,
        );
      }
      const { type, content } = context.config.dns.edgeRecord;
      await context.providers.cloudflare.patchDnsRecord(record.id, { type, content, proxied: true, ttl: 1 });
      return { already: false, from: `${before.type} ${before.content}`, to: `${type} ${content} proxied` };
    },
    async verify(context, before) {
      const { good, answers, ms } = await untilEverywhere(
        context,
        mediaHost(context),
        (answer) => isEdge(context, answer),
        letGoMs(context, before.ttl),
      );
      return verdict(good, {
        summary: `after ${ms} ms: ${describeAnswers(answers)}`,
        measured: toJson(answers),
        expected: `every server answers with ${context.config.dns.edgeAddresses.join(' or ')}`,
      });
    },
    byHand: restoreCommand,
    async compensate(context, before) {
      return { restored: await restoreRecord(context, before) };
    },
  };
}

/** An overwrite in R2 is in legacy by then, ms. */
const MIRRORED_MS = 15_000;

/** Carries over what legacy has and R2 lacks, and verifies all of it. The rows have their keys by trigger. */
function catchUpStep(
  id: string,
  title: string,
  pass: string,
  options: { readonly switched: boolean },
): Step<{ pass: string }> {
  const { switched: keepNewer } = options;
  return {
    id,
    title,
    proves: [],
    look: async () => ({ pass }),
    async run(context) {
      const copied = await copyToR2(context, pass, { keepNewer });
      // Once production writes to R2, what R2 alone has is newer, not left over.
      return options.switched ? copied : { ...copied, ...(await carryDeletesToR2(context)) };
    },
    async verify(context) {
      // What production overwrites meanwhile differs until the mirror has brought it to legacy.
      const { reading: result } = await until(
        () => verifyInR2(context, pass, { keepNewer }),
        (one) => one.mismatched === 0 || !keepNewer,
        { timeoutMs: MIRRORED_MS, everyMs: 1000, signal: context.signal },
      );
      return verdict(result.mismatched === 0 && result.missing === 0, {
        summary: `${result.verified} of ${result.objects} objects verified in R2`,
        measured: { ...result },
        expected: { mismatched: 0, missing: 0 },
        mend: 'crossfade cutover',
      });
    },
    // A copy more than needed harms nobody; the next run need not make it again.
    compensate: async () => ({ kept: true }),
  };
}

/** Phase 2 of the PRD's cutover: DNS to the new Worker. */
export function dnsPhase(options: { plannedMs: number; deadlineMs: number }): Phase {
  return {
    id: 'cutover.dns',
    title: 'Cutover 2 · DNS',
    plannedMs: options.plannedMs,
    deadlineMs: options.deadlineMs,
    gate: [],
    rollback: 'full',
    mirrors: true,
    parts: [
      {
        kind: 'step',
        step: catchUpStep('dns.catchUp', 'Uploads since the copy caught up', 'catch-up', { switched: false }),
      },
      { kind: 'step', step: switchStep() },
      {
        kind: 'step',
        step: catchUpStep('dns.lastCatchUp', 'Last uploads to legacy caught up', 'last catch-up', { switched: true }),
      },
      // The app asks the Worker for its media from here on.
      { kind: 'step', step: frontendStep('production') },
    ],
  };
}
