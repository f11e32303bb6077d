import { describeAnswers, isEdge, letGoMs, untilEverywhere } from '../../checks/dns/resolution.ts';
import type { DnsRecord } from '../../providers/providers.ts';
import { toJson } from '../../rollout/json.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { addressRecords, describeRecord, isAsWanted, isOurs, wantedRecord } from './media-record.ts';

type RecordsBefore = { records: DnsRecord[] };

/** What a proxied name is kept for, seconds; fixed by Cloudflare. */
const PROXIED_TTL_SECONDS = 300;

/**
 * Staging's media host leads to Cloudflare's edge. Production's record is the cutover's own business. A record of
 * somebody else that is not just what is wanted is changed only with `takeOver`.
 */
export function dnsStep(takeOver: boolean): Step<RecordsBefore> {
  return {
    id: 'staging.dns',
    title: "DNS record of staging's media host",
    proves: [],
    look: async (context) => ({ records: await addressRecords(context, 'staging') }),
    async run(context) {
      const { cloudflare } = context.providers;
      const wanted = wantedRecord(context.config, 'staging');
      const [record, ...others] = await addressRecords(context, 'staging');
      if (record === undefined) {
        await cloudflare.createDnsRecord(wanted);
        return { created: describeRecord(wanted) };
      }
      if (others.length > 0)
        throw new Error(
          `${wanted.name} has ${others.length + 1} address records, expected 1: ${[record, ...others].map(describeRecord).join(', ')}; remove those that are not needed`,
        );
      if (isAsWanted(record, wanted)) return { already: true };
      if (!isOurs(record) && !takeOver)
        throw new Error(
          `the record ${describeRecord(record)} was not made by Crossfade; name another media host, or run: crossfade stage --take-over`,
        );
      const { name: _same, ...change } = wanted;
      await cloudflare.patchDnsRecord(record.id, change);
      return { from: describeRecord(record), to: describeRecord(wanted) };
    },
    async verify(context) {
      const wanted = wantedRecord(context.config, 'staging');
      const records = await addressRecords(context, 'staging');
      const there = records.length === 1 && records.every((record) => isAsWanted(record, wanted));
      const { good, answers, ms } = await untilEverywhere(
        context,
        wanted.name,
        (answer) => isEdge(context, answer),
        letGoMs(context, PROXIED_TTL_SECONDS),
      );
      return verdict(there && good, {
        summary: `${records.map(describeRecord).join(', ') || 'no record'}; after ${ms} ms: ${describeAnswers(answers)}`,
        measured: { records: records.map(describeRecord), answers: toJson(answers) },
        expected: {
          records: [describeRecord(wanted)],
          answers: `every server answers with ${context.config.dns.edgeAddresses.join(' or ')}`,
        },
      });
    },
    async compensate(context, before) {
      const { cloudflare } = context.providers;
      const now = await addressRecords(context, 'staging');
      const [old, ...others] = before.records;
      if (old === undefined) {
        const made = now.filter(isOurs);
        for (const record of made) await cloudflare.deleteDnsRecord(record.id);
        return { deleted: made.map(describeRecord) };
      }
      // Of several none was touched.
      if (others.length > 0) return { already: true };
      const { id, ...fields } = old;
      const current = now.find((record) => record.id === id);
      if (current === undefined) {
        await cloudflare.createDnsRecord(fields);
        return { restored: describeRecord(old) };
      }
      const same = isAsWanted(current, old) && (old.proxied || current.ttl === old.ttl);
      if (same && (current.comment ?? '') === (old.comment ?? '')) return { already: true };
      const { name: _same, ...change } = fields;
      await cloudflare.patchDnsRecord(id, change);
      return { restored: describeRecord(old) };
    },
  };
}
