import * as v from 'valibot';
import { describeAnswers, isEdge, letGoMs, untilEverywhere } from '../../checks/dns/resolution.ts';
import type { DnsRecord } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { toJson } from '../../rollout/json.ts';
import type { RollbackStep } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { restoreCommand, restoreRecord } from '../cutover/dns-phase.ts';

/** What an authoritative answer for a proxied name is kept for, seconds; fixed by Cloudflare. */
const PROXIED_TTL_SECONDS = 300;

const mediaHost = ({ config }: RolloutContext): string =>
  new URL(config.environments.production.worker.mediaOrigin).hostname;

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
  const event = (await context.history()).findLast((one) => one.kind === 'step.looked' && one.subject === 'dns.switch');
  return event?.kind === 'step.looked' ? v.parse(recordSchema, event.data.before) : null;
}

/** Readers last: the record from before, seen at every resolver. */
export function dnsBack(): RollbackStep {
  return {
    id: 'rollback.dns',
    title: 'Media host back to legacy',
    async byHand(context) {
      const before = await recordBefore(context);
      return before === null ? 'nothing: DNS was not switched' : restoreCommand(context, before);
    },
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
