import { isIPv4, isIPv6 } from 'node:net';
import type { AccountDnsRecord } from './account-state.ts';
import { ApiFailure } from './api-answer.ts';

const addressTypes: readonly string[] = ['A', 'AAAA', 'CNAME'];
const hostname = /^(?=.{1,253}$)[a-z0-9_*]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

/** Throws the vendor's 1004, the reason in its chain, for a record that cannot be. */
export function checkRecord(record: AccountDnsRecord): void {
  const { type, content, ttl, proxied } = record;
  if (!hostname.test(record.name)) throw invalid(9000, 'DNS name is invalid.');
  if (type === 'A' && !isIPv4(content)) throw invalid(9005, 'Content for A record must be a valid IPv4 address.');
  if (type === 'AAAA' && !isIPv6(content)) throw invalid(9006, 'Content for AAAA record must be a valid IPv6 address.');
  if ((type === 'CNAME' || type === 'NS' || type === 'MX') && !hostname.test(content.replace(/\.$/, ''))) {
    throw invalid(type === 'CNAME' ? 9007 : 9009, `Content for ${type} record is invalid.`);
  }
  if (type === 'TXT' && content === '') throw invalid(9009, 'Content for TXT record is invalid.');
  if (type === 'MX' && record.priority === null) throw invalid(9100, 'MX records require a priority.');
  if (proxied && !addressTypes.includes(type)) throw invalid(9004, 'This record type cannot be proxied.');
  if (ttl !== 1 && (ttl < 60 || ttl > 86_400)) {
    throw invalid(9021, 'TTL must be between 60 and 86400 seconds, or 1 for Automatic.');
  }
}

/** Throws 81053, 81057 or 81058 when the record cannot stand beside the others (itself aside). */
export function checkConflicts(record: AccountDnsRecord, records: readonly AccountDnsRecord[]): void {
  const others = records.filter((one) => one.id !== record.id && one.name === record.name);
  const twin = others.find((one) => one.type === record.type && one.content === record.content);
  if (twin !== undefined) {
    const identical = twin.ttl === record.ttl && twin.proxied === record.proxied && twin.priority === record.priority;
    throw identical
      ? new ApiFailure(400, 81058, 'An identical record already exists.')
      : new ApiFailure(400, 81057, 'The record already exists.');
  }
  const addresses = others.filter((one) => addressTypes.includes(one.type));
  const clashes = record.type === 'CNAME' ? addresses : addresses.filter((one) => one.type === 'CNAME');
  if (addressTypes.includes(record.type) && clashes.length > 0) {
    throw new ApiFailure(400, 81053, 'An A, AAAA, or CNAME record with that host already exists.');
  }
}

/** The records as BIND text, the form of the vendor's export. */
export function zoneFile(zone: string, records: readonly AccountDnsRecord[]): string {
  const lines = records.map((record) => {
    const content = record.type === 'TXT' ? JSON.stringify(record.content) : absolute(record);
    const data = record.priority === null ? content : `${record.priority} ${content}`;
    return `${record.name}.\t${record.ttl}\tIN\t${record.type}\t${data} ; cf_tags=cf-proxied:${record.proxied}`;
  });
  return [';;', `;; Domain:     ${zone}.`, `;; Exported:   ${new Date().toISOString()}`, ';;', ...lines, ''].join('\n');
}

function absolute({ type, content }: AccountDnsRecord): string {
  return type === 'CNAME' || type === 'NS' || type === 'MX' ? `${content.replace(/\.$/, '')}.` : content;
}

function invalid(code: number, message: string): ApiFailure {
  return new ApiFailure(400, 1004, 'DNS Validation Error', [{ code, message }]);
}
