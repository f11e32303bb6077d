import { Resolver } from 'node:dns/promises';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { DnsAnswer, DnsProvider } from '../providers.ts';

const TIMEOUT_MS = 1000;
const TRIES = 2;

/**
 * Asks one name server (`ip:port`) for a name's addresses. Errors are answers: `ENOTFOUND`, `ETIMEOUT`, … `pace` is a
 * share of the timeout.
 */
export function askServer(server: string, pace = 1): (name: string) => Promise<DnsAnswer> {
  const resolver = new Resolver({ timeout: Math.ceil(TIMEOUT_MS * pace), tries: TRIES });
  resolver.setServers([server]);
  return async (name) => {
    try {
      const records = await resolver.resolve4(name, { ttl: true });
      const ttl = records.length === 0 ? null : Math.min(...records.map((record) => record.ttl));
      return { server, addresses: records.map((record) => record.address), ttl, error: null };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
      return { server, addresses: [], ttl: null, error: code };
    }
  };
}

/** The zone's own server and each of the configured resolvers, asked one by one. */
export function createDnsProvider({ authority, resolvers }: RolloutConfig['dns'], pace = 1): DnsProvider {
  const askAuthority = askServer(authority, pace);
  const askers = resolvers.map((server) => askServer(server, pace));
  return {
    atAuthority: askAuthority,
    atResolvers: (name) => Promise.all(askers.map((ask) => ask(name))),
  };
}
