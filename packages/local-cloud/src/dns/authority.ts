import type { Answer } from 'dns-packet';
import { RCODE, startDnsServer, type DnsReply, type DnsServer } from './message.ts';

export interface ZoneRecord {
  readonly name: string;
  readonly type: string;
  readonly content: string;
  /** Seconds. */
  readonly ttl: number;
  readonly proxied: boolean;
}

export interface AuthorityOptions {
  readonly address: string;
  readonly port: number;
  readonly zoneName: string;
  /** Read anew for each query: a change is seen by the next one. */
  readonly records: () => readonly ZoneRecord[];
  /** What a proxied name is answered with. */
  readonly edgeFor: (name: string) => string;
}

/** Cloudflare answers proxied names with this TTL, whatever was written. */
const PROXIED_TTL = 300;
const SOA_MINIMUM = 60;
const LONGEST_CHAIN = 8;
const ADDRESS_TYPES = ['A', 'AAAA', 'CNAME'];

/** The zone's own server, as Cloudflare's: authoritative, with SOA and NS, NXDOMAIN and NODATA told apart. */
export function startAuthority(options: AuthorityOptions): Promise<DnsServer> {
  const { zoneName } = options;
  const soa: Answer = {
    type: 'SOA',
    name: zoneName,
    ttl: 1800,
    data: {
      mname: `ada.ns.${zoneName}`,
      rname: `dns.${zoneName}`,
      serial: 1,
      refresh: 10_000,
      retry: 2400,
      expire: 604_800,
      minimum: SOA_MINIMUM,
    },
  };

  function find(name: string, type: string): { answers: Answer[]; exists: boolean } {
    const answers: Answer[] = [];
    let current = name;
    for (let hop = 0; hop < LONGEST_CHAIN; hop++) {
      const own = options.records().filter((record) => record.name.toLowerCase() === current);
      if (own.length === 0) return { answers, exists: answers.length > 0 };
      if (own.some((record) => record.proxied && ADDRESS_TYPES.includes(record.type))) {
        if (type === 'A') answers.push({ type: 'A', name: current, ttl: PROXIED_TTL, data: options.edgeFor(current) });
        return { answers, exists: true };
      }
      const wanted = own.filter((record) => record.type === type);
      for (const record of wanted)
        answers.push({
          type: record.type,
          name: current,
          ttl: record.ttl,
          data: record.type === 'TXT' ? [record.content] : record.content,
        } as Answer);
      const alias = own.find((record) => record.type === 'CNAME');
      if (wanted.length > 0 || alias === undefined) return { answers, exists: true };
      answers.push({ type: 'CNAME', name: current, ttl: alias.ttl, data: alias.content });
      current = alias.content.toLowerCase();
      if (current !== zoneName && !current.endsWith(`.${zoneName}`)) return { answers, exists: true };
    }
    return { answers, exists: true };
  }

  return startDnsServer(options.address, options.port, async ({ name: asked, type }): Promise<DnsReply> => {
    const name = asked.toLowerCase().replace(/\.$/, '');
    const base = { authoritative: true };
    if (name !== zoneName && !name.endsWith(`.${zoneName}`)) return { ...base, rcode: RCODE.refused, answers: [] };
    if (name === zoneName && type === 'SOA') return { ...base, rcode: RCODE.noError, answers: [soa] };
    if (name === zoneName && type === 'NS')
      return {
        ...base,
        rcode: RCODE.noError,
        answers: [{ type: 'NS', name, ttl: 86_400, data: `ada.ns.${zoneName}` }],
      };
    const { answers, exists } = find(name, type);
    if (answers.length > 0) return { ...base, rcode: RCODE.noError, answers };
    return {
      ...base,
      rcode: exists || name === zoneName ? RCODE.noError : RCODE.nameError,
      answers: [],
      authorities: [soa],
    };
  });
}
