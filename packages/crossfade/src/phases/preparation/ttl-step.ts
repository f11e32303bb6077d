import { letGoMs, untilEverywhere, describeAnswers } from '../../checks/dns/resolution.ts';
import type { DnsRecord } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Step } from '../../rollout/plan.ts';
import { toJson } from '../../rollout/json.ts';
import { verdict } from '../../rollout/verdict.ts';

/** The one record of the production media host. Throws when there is none or more than one: then a person must decide. */
export async function mediaRecord({ config, providers }: RolloutContext): Promise<DnsRecord> {
  const host = new URL(config.environments.production.worker.mediaOrigin).hostname;
  const records = (await providers.cloudflare.listDnsRecords(host)).filter((record) =>
    ['A', 'AAAA', 'CNAME'].includes(record.type),
  );
  const [record] = records;
  if (record === undefined || records.length > 1) {
    throw new Error(
      `${host} has ${records.length} address records, expected exactly 1: ${records.map((r) => `${r.type} ${r.content}`).join(', ')}`,
    );
  }
  return record;
}

/** Caches forget the old address soon after the switch, because the TTL was lowered before. */
export function lowerTtlStep(): Step<DnsRecord> {
  return {
    id: 'production.ttl',
    title: 'DNS TTL of the media host lowered',
    proves: [],
    look: mediaRecord,
    async run(context) {
      const record = await mediaRecord(context);
      const ttl = context.config.dns.loweredTtlSeconds;
      if (record.proxied || record.ttl <= ttl) return { already: true, ttl: record.ttl };
      await context.providers.cloudflare.patchDnsRecord(record.id, { ttl });
      return { already: false, from: record.ttl, to: ttl };
    },
    async verify(context) {
      const record = await mediaRecord(context);
      const ttl = context.config.dns.loweredTtlSeconds;
      return verdict(record.proxied || record.ttl <= ttl, {
        summary: `the record of ${record.name} has TTL ${record.ttl} s`,
        measured: record.ttl,
        expected: `<= ${ttl}`,
      });
    },
    async compensate(context, before) {
      const record = await mediaRecord(context);
      if (record.ttl === before.ttl || record.proxied) return { already: true };
      // Only what was lowered here goes back: another TTL is somebody else's wish.
      if (record.ttl !== context.config.dns.loweredTtlSeconds) return { left: record.ttl };
      await context.providers.cloudflare.patchDnsRecord(record.id, { ttl: before.ttl });
      return { ttl: before.ttl };
    },
  };
}

/** The old TTL has run out everywhere: no cache will keep the old address for longer than the lowered one. */
export function ttlRunOutCheck(): Check {
  return {
    id: 'preCutover.production.dnsUpdated',
    title: 'The old TTL has run out at every resolver',
    proves: ['preCutover.production.dnsUpdated'],
    async run(context) {
      const { config } = context;
      const host = new URL(config.environments.production.worker.mediaOrigin).hostname;
      const history = await context.history();
      const looked = history.find((event) => event.kind === 'step.looked' && event.subject === 'production.ttl');
      const before = looked?.kind === 'step.looked' ? toJson(looked.data.before) : null;
      const oldTtl =
        before !== null && typeof before === 'object' && 'ttl' in before && typeof before.ttl === 'number'
          ? before.ttl
          : 300;
      const most = Math.ceil(config.dns.loweredTtlSeconds / config.dns.ttlScale) + 1;
      const { good, answers, ms } = await untilEverywhere(
        context,
        host,
        (answer) =>
          answer.error === null &&
          (answer.server === config.dns.authority
            ? (answer.ttl ?? Infinity) <= config.dns.loweredTtlSeconds
            : (answer.ttl ?? Infinity) <= most),
        letGoMs(context, oldTtl),
      );
      return verdict(good, {
        summary: `${describeAnswers(answers)} after ${ms} ms`,
        measured: toJson(answers),
        expected: `TTL <= ${most} s at each resolver`,
        mend: 'wait until the old TTL has run out, then: crossfade prepare',
      });
    },
  };
}
