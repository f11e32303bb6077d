import * as v from 'valibot';
import { describeAnswers, isEdge, letGoMs, untilEverywhere } from '../../checks/dns/resolution.ts';
import type { DnsAnswer, DnsRecord } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { toJson } from '../../rollout/json.ts';
import type { RollbackStep } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { restoreCommand, restoreRecord } from '../cutover/dns-phase.ts';

const ROLLBACK_DNS = 'rollback.dns';

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

/**
 * The record set from before the switch, as the journal holds it. A cutover that is run again looks at the record that
 * the first one wrote: that is not what was before. `null` when DNS was never switched.
 */
export async function recordBefore(context: Pick<RolloutContext, 'history' | 'config'>): Promise<DnsRecord | null> {
  const { type, content } = context.config.dns.edgeRecord;
  const looked = (await context.history()).flatMap((one) =>
    one.kind === 'step.looked' && one.subject === 'dns.switch' ? [v.parse(recordSchema, one.data.before)] : [],
  );
  const isOurs = (one: DnsRecord): boolean => one.proxied && one.type === type && one.content === content;
  return looked.findLast((one) => !isOurs(one)) ?? looked.at(-1) ?? null;
}

/** What is no answer at all. A refusal, a failure or a name that is not known is one. */
const SILENCE = new Set(['ETIMEOUT', 'ECONNREFUSED']);

/**
 * Whether readers are back. A resolver that said nothing at all in the whole time leads nobody to the edge, and may be
 * down for reasons of its own: it holds the rollback up only where no other resolver shows that legacy is seen. One that
 * answers, and answers wrong, does so always; and the authority, which is asked first, must answer.
 */
export function judgeResolvers(
  answers: readonly DnsAnswer[],
  leadsToLegacy: (answer: DnsAnswer) => boolean,
  heard: ReadonlySet<string>,
): { good: boolean; silent: string[] } {
  const [authority, ...resolvers] = answers;
  const silent = resolvers.filter(({ server }) => !heard.has(server));
  const speaking = resolvers.filter(({ server }) => heard.has(server));
  const good =
    authority !== undefined && leadsToLegacy(authority) && speaking.length > 0 && speaking.every(leadsToLegacy);
  return { good, silent: silent.map(({ server }) => server) };
}

/** The resolvers that said nothing when the name went back, by the journal: nobody can be asked through them. */
export async function silentResolvers(context: RolloutContext): Promise<ReadonlySet<string>> {
  const event = (await context.history()).findLast(
    (one) => one.kind === 'check.verdict' && one.subject === ROLLBACK_DNS,
  );
  if (event?.kind !== 'check.verdict' || event.data.verdict.status !== 'pass') return new Set();
  const measured = v.safeParse(v.object({ silent: v.array(v.string()) }), event.data.verdict.measured);
  return new Set(measured.success ? measured.output.silent : []);
}

/** Readers last: the record from before, seen at every resolver. */
export function dnsBack(): RollbackStep {
  return {
    id: ROLLBACK_DNS,
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
      const heard = new Set<string>();
      const leadsToLegacy = (answer: DnsAnswer): boolean => answer.addresses.length > 0 && !isEdge(context, answer);
      const { answers, ms } = await untilEverywhere(
        context,
        mediaHost(context),
        (answer) => {
          if (!SILENCE.has(answer.error ?? '')) heard.add(answer.server);
          return leadsToLegacy(answer);
        },
        letGoMs(context, PROXIED_TTL_SECONDS),
      );
      const { good, silent } = judgeResolvers(answers, leadsToLegacy, heard);
      const warning = `; warning: ${silent.join(', ')} answered nothing at all in that time, so nobody is led anywhere by it`;
      return verdict(good, {
        summary: `after ${ms} ms: ${describeAnswers(answers)}${good && silent.length > 0 ? warning : ''}`,
        measured: { answers: toJson(answers), silent },
        expected: 'no edge address anywhere',
      });
    },
  };
}
