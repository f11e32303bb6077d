import type { DnsRecord } from '../../providers/providers.ts';
import type { EnvironmentName, RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';

/** Marks a record as Crossfade's. */
const OWN_COMMENT = /^crossfade: /;

/** The proxied record of the media host, from which Cloudflare's edge leads to the Worker. */
export function wantedRecord(config: RolloutConfig, environment: EnvironmentName): Omit<DnsRecord, 'id'> {
  const { type, content } = config.dns.edgeRecord;
  return {
    type,
    name: new URL(config.environments[environment].worker.mediaOrigin).hostname,
    content,
    ttl: 1,
    proxied: true,
    comment: `crossfade: media host of ${environment}`,
  };
}

/** Everything that gives the media host an address. */
export async function addressRecords(
  { config, providers }: Pick<RolloutContext, 'config' | 'providers'>,
  environment: EnvironmentName,
): Promise<DnsRecord[]> {
  const records = await providers.cloudflare.listDnsRecords(wantedRecord(config, environment).name);
  return records.filter(({ type }) => ['A', 'AAAA', 'CNAME'].includes(type));
}

export const isOurs = ({ comment }: DnsRecord): boolean => OWN_COMMENT.test(comment ?? '');

/** Leads where it should; a proxied record's TTL is always automatic, and a comment leads nowhere. */
export function isAsWanted(record: DnsRecord, wanted: Omit<DnsRecord, 'id'>): boolean {
  return record.type === wanted.type && record.content === wanted.content && record.proxied === wanted.proxied;
}

export const describeRecord = ({ type, name, content, proxied }: Omit<DnsRecord, 'id'>): string =>
  `${type} ${name} → ${content}${proxied ? ' (proxied)' : ''}`;
